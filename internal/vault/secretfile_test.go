package vault

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/domain"
)

// tempDir is a folder that only we can change, whatever the umask.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.Mkdir(dir, 0o700))
	return dir
}

// "CheckSecretFile(path): refuses a file readable/writable by group or others,
// with a clear error naming the path and the chmod to run."
func TestCheckSecretFile(t *testing.T) {
	path := filepath.Join(tempDir(t), "env")
	require.EqualError(t, CheckSecretFile(path), path+": file does not exist")
	require.ErrorIs(t, CheckSecretFile(path), os.ErrNotExist)
	require.Equal(t, domain.CodeNotFound, domain.CodeOf(CheckSecretFile(path)))
	writeFile(t, path, []byte("SECRET=hunter2"))
	require.NoError(t, CheckSecretFile(path))
	for bit := range 6 {
		mode := os.FileMode(0o600 | 1<<bit)
		require.NoError(t, os.Chmod(path, mode))
		err := CheckSecretFile(path)
		require.ErrorIs(t, err, ErrExposed)
		require.ErrorContains(t, err, fmt.Sprintf("%s has mode %03o: run chmod 600 %s", path, mode, path))
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.NoError(t, os.Chmod(path, 0o400))
	require.NoError(t, CheckSecretFile(path))
	require.ErrorIs(t, CheckSecretFile(filepath.Join(path, "x")), ErrStorage)
}

// Not a file at all.
func TestCheckSecretFileKinds(t *testing.T) {
	dir := tempDir(t)
	require.ErrorContains(t, CheckSecretFile(dir), "not a regular file")
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	require.ErrorContains(t, CheckSecretFile(pipe), "not a regular file")
}

// Links are followed if they are ours, up to a bound, and judged all the way.
func TestCheckSecretFileLinks(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "env")
	writeFile(t, path, nil)
	require.NoError(t, os.Symlink("env", filepath.Join(dir, "link0")))
	for i := 1; i < maxLinks+1; i++ {
		require.NoError(t, os.Symlink(filepath.Join(dir, fmt.Sprintf("link%d", i-1)), filepath.Join(dir, fmt.Sprintf("link%d", i))))
	}
	link := func(n int) string { return filepath.Join(dir, fmt.Sprintf("link%d", n)) }
	require.NoError(t, CheckSecretFile(link(0)))
	require.NoError(t, CheckSecretFile(link(maxLinks-2)))
	require.ErrorContains(t, CheckSecretFile(link(maxLinks-1)), "too many links")
	require.NoError(t, os.Chmod(path, 0o644))
	require.ErrorContains(t, CheckSecretFile(link(0)), path+" has mode 644")
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, CheckSecretFile(link(0)), os.ErrNotExist)
}

// A folder in which others can replace the file gives it to them.
func TestCheckSecretFileFolder(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "env")
	writeFile(t, path, nil)
	for _, mode := range []os.FileMode{0o720, 0o702, 0o777} {
		require.NoError(t, os.Chmod(dir, mode))
		require.ErrorContains(t, CheckSecretFile(path), "run chmod go-w "+dir)
	}
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	require.NoError(t, CheckSecretFile(path))
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, CheckSecretFile(path))
	inside := filepath.Join(tempDir(t), "link")
	require.NoError(t, os.Symlink(path, inside))
	require.NoError(t, os.Chmod(dir, 0o770))
	require.ErrorContains(t, CheckSecretFile(inside), "run chmod go-w "+dir, "the folder of the target")
}

// "Symlinks owned by others": files, links and folders of another user are
// refused, those of root are not.
func TestCheckSecretFileOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const other, us = 12345, 23456
	dir := tempDir(t)
	path, link := filepath.Join(dir, "env"), filepath.Join(dir, "link")
	writeFile(t, path, nil)
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, checkSecretFile(link, us), "all of it is root's")
	require.NoError(t, os.Lchown(link, other, 0))
	require.ErrorContains(t, checkSecretFile(link, us), "the link "+link+" belongs to user 12345")
	require.NoError(t, os.Lchown(link, us, 0))
	require.NoError(t, checkSecretFile(link, us))
	require.NoError(t, os.Chown(path, other, 0))
	require.ErrorContains(t, checkSecretFile(link, us), "run chown 23456 "+path)
	require.NoError(t, os.Chown(path, us, 0))
	require.NoError(t, os.Chown(dir, other, 0))
	require.ErrorContains(t, checkSecretFile(path, us), "run chown 23456 "+dir)
	require.NoError(t, os.Chown(dir, us, 0))
	require.NoError(t, checkSecretFile(link, us))
}

// A command to paste is safe to paste.
func TestQuote(t *testing.T) {
	require.Equal(t, "/a-b/c_d.e/0Z", quote("/a-b/c_d.e/0Z"))
	for _, path := range []string{"/a b", "/a;b", "/a'b", "/ü", "~"} {
		require.True(t, strings.HasPrefix(quote(path), `"`), path)
	}
}

// "Refuses a file whose content is believed if others can write it or replace it. They may
// read it."
func TestCheckTrustedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "approvers.txt")
	uid := os.Geteuid()
	require.ErrorIs(t, checkTrustedFile(path, uid), fs.ErrNotExist)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o444: true, 0o620: false, 0o602: false, 0o666: false} {
		require.NoError(t, os.Chmod(path, mode))
		require.Equal(t, fine, checkTrustedFile(path, uid) == nil, "%o", mode)
	}
	require.NoError(t, os.Chmod(path, 0o644))
	if uid != 0 {
		require.ErrorContains(t, checkTrustedFile(path, uid+1), "belongs to user")
	}
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(path, link))
	require.ErrorContains(t, checkTrustedFile(link, uid), "not a regular file")
	require.NoError(t, os.Chmod(dir, 0o777))
	require.ErrorContains(t, checkTrustedFile(path, uid), "others can replace")
	require.NoError(t, os.Chmod(dir, 0o700))
}
