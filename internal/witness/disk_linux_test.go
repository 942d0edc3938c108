package witness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// A witness that is closed may be written by the next, also while a process that is being started
// still has the lock's file open.
func TestALockIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	held, err := lock(root)
	require.NoError(t, err)
	testenv.HoldOpen(t, filepath.Join(dir, lockName))
	require.NoError(t, unlock(held))
	held, err = lock(root)
	require.NoError(t, err)
	require.NoError(t, unlock(held))
}
