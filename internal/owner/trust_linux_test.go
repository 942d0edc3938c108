package owner_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/owner"
)

// "Owned by neither the server's user nor the owner of the store's folder (root's own is
// fine), or reached by a link that one of those did not make, is refused …; a folder writable
// by group/others likewise."
func TestTrust(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes the folders of others")
	}
	const service, stranger = 4711, 99
	above := t.TempDir()
	store := filepath.Join(above, "store")
	require.NoError(t, os.Mkdir(store, 0o700))
	require.NoError(t, os.Chown(store, service, service))
	trust := owner.TrustOf(store, filepath.Join(above, "none"))
	n := 0
	folder := func(by int, mode os.FileMode) string {
		n++
		dir := filepath.Join(above, "folder"+string(rune('a'+n)))
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chmod(dir, mode))
		require.NoError(t, os.Chown(dir, by, by))
		return dir
	}
	link := func(by int, to string) string {
		n++
		path := filepath.Join(above, "link"+string(rune('a'+n)))
		require.NoError(t, os.Symlink(to, path))
		require.NoError(t, os.Lchown(path, by, by))
		return path
	}
	file := func(in string, by int) string {
		path := filepath.Join(in, "file")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chown(path, by, by))
		return in
	}
	for _, right := range []string{
		store, folder(0, 0o700), folder(service, 0o755), link(0, store), link(service, folder(0, 0o700)),
		file(folder(service, 0o700), 0), file(folder(0, 0o700), service), filepath.Join(above, "none"), link(service, "none"),
	} {
		require.NoError(t, trust.Folder(right), right)
		root, err := trust.OpenRoot(right)
		if _, none := os.Stat(right); none != nil {
			require.ErrorIs(t, err, fs.ErrNotExist)
			continue
		}
		if err != nil && strings.HasPrefix(filepath.Base(right), "link") { // root reads there, and does not write
			require.ErrorContains(t, err, "a link made by user 4711 leads to a folder of user 0")
			continue
		}
		require.NoError(t, err, right)
		require.NoError(t, root.Close())
	}
	for wrong, words := range map[string]string{
		folder(stranger, 0o700):                                             "user 99 owns it, and only files of user 0, 4711 are trusted; chown",
		folder(0, 0o770):                                                    "chmod go-w",
		folder(service, 0o777|os.ModeSticky):                                "chmod go-w",
		link(stranger, folder(0, 0o700)):                                    "a link made by user 99",
		link(stranger, folder(stranger, 0o700)):                             "a link made by user 99",
		link(0, folder(stranger, 0o700)):                                    "user 99 owns it",
		link(stranger, filepath.Join(above, "none")):                        "user 99 owns it",
		file(folder(service, 0o700), stranger):                              "user 99 owns it",
		link(0, filepath.Join(link(stranger, above), filepath.Base(store))): "a link made by user 99",
	} {
		err := trust.Folder(wrong)
		untrusted := (*owner.UntrustedError)(nil)
		require.ErrorAs(t, err, &untrusted, wrong)
		require.ErrorContains(t, err, words)
		_, err = trust.OpenRoot(wrong)
		require.ErrorAs(t, err, &untrusted, wrong)
		require.ErrorContains(t, err, words)
	}
	require.NoError(t, trust.Folder(file(folder(0, 0o700), stranger), "file"), "but what is named")
}
