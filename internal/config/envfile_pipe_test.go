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
