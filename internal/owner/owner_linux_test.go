package owner_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/owner"
)

func ids(t *testing.T, path string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	sys := info.Sys().(*syscall.Stat_t)
	return sys.Uid, sys.Gid
}

// TestAdopt: "New files get the folder's owner."
func TestAdopt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files in the folders of others")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, 4711, 4712))
	adopt := func(name string) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		require.NoError(t, err)
		require.NoError(t, owner.Adopt(f, dir))
		require.NoError(t, f.Close())
	}
	adopt("new")
	uid, gid := ids(t, filepath.Join(dir, "new"))
	require.Equal(t, [2]uint32{4711, 4712}, [2]uint32{uid, gid})

	// A file of somebody else stays theirs, and so does one that has a name
	// elsewhere: the owner of the folder may have put it there to get it.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
	require.NoError(t, os.Chown(filepath.Join(dir, "other"), 99, 99))
	adopt("other")
	uid, _ = ids(t, filepath.Join(dir, "other"))
	require.Equal(t, uint32(99), uid)
	elsewhere := filepath.Join(t.TempDir(), "root's")
	require.NoError(t, os.WriteFile(elsewhere, nil, 0o600))
	require.NoError(t, os.Link(elsewhere, filepath.Join(dir, "linked")))
	adopt("linked")
	uid, _ = ids(t, elsewhere)
	require.Zero(t, uid)
}

// TestAdoptNothing: in a folder of one's own nothing changes, also for users who
// could change nothing.
func TestAdoptNothing(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "a"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	require.NoError(t, owner.Adopt(f, dir))
	uid, _ := ids(t, f.Name())
	require.Equal(t, os.Geteuid(), int(uid))
	if os.Geteuid() == 0 {
		require.Error(t, owner.Adopt(f, filepath.Join(dir, "missing")))
	}
}
