package owner

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// somebody is a user and group that nothing here runs as.
const somebody = 54321

// theirs makes a folder of somebody else; only root can.
func theirs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder to somebody else")
	}
	dir := filepath.Join(t.TempDir(), "theirs")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, somebody, somebody))
	return dir
}

func belongs(t *testing.T, path string, uid uint32) {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.Equal(t, uid, stat.Uid, path)
	require.Equal(t, uid, stat.Gid, path)
}

// "New files get the folder's owner."
func TestNewFilesGetTheFoldersOwner(t *testing.T) {
	dir := theirs(t)
	f, err := os.Create(filepath.Join(dir, "file"))
	require.NoError(t, err)
	require.NoError(t, Keep(f))
	require.NoError(t, f.Close())
	belongs(t, f.Name(), somebody)
	deep := filepath.Join(dir, "a", "b")
	require.NoError(t, MkdirAll(deep))
	require.NoError(t, MkdirAll(deep), "again")
	belongs(t, filepath.Join(dir, "a"), somebody)
	belongs(t, deep, somebody)
}

// In a folder of one's own nothing changes, and what is no folder is refused.
func TestOwnFolders(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "file"))
	require.NoError(t, err)
	require.NoError(t, Keep(f))
	require.NoError(t, f.Close())
	require.NoError(t, MkdirAll(filepath.Join(dir, "a", "b")))
	says := f.Name() + " is not a folder, but a file, so it is not used; find out who put it there, and move it away"
	require.EqualError(t, MkdirAll(f.Name()), says)
	require.EqualError(t, MkdirAll(filepath.Join(f.Name(), "below")), says)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	_, err = Mkdir(root, "file")
	require.EqualError(t, err, says)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	_, err = Mkdir(root, "pipe")
	require.ErrorContains(t, err, "not a folder, but a pipe")
	require.NoError(t, os.Symlink("a", filepath.Join(dir, "link")))
	_, err = Mkdir(root, "link")
	require.ErrorContains(t, err, "not a folder, but a link")
	_, err = Open(root, "a", os.O_RDONLY)
	require.ErrorContains(t, err, "not a regular file, but a folder")
}
