//go:build unix

package config

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A .env that is no plain file is refused, not waited for: nobody writes to the pipe.
func TestAnEnvFileThatIsNoFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		dir := t.TempDir()
		require.NoError(t, put(filepath.Join(dir, envFile)), name)
		_, err := Load(dir, nil)
		require.ErrorContains(t, err, ".env cannot be read", name)
		require.ErrorContains(t, err, "plain file", name)
	}
}

// An .env is a link to a file that is gone, such as one on a disk that is not mounted: it
// is one that cannot be read, and no missing one.
func TestALinkToNothingIsNoMissingFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, envFile)))
	_, err := Load(dir, nil)
	require.ErrorContains(t, err, ".env cannot be read")
	_, ignored := LoadToStop(dir, nil)
	require.Len(t, ignored.Errors, 1)
	require.Equal(t, targets, ignored.Unsure)
}
