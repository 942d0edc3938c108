package cli_test

import (
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/internal/open"
	"pets/internal/testenv"
)

// A server that has ended leaves PETS_DIR to the next one at once, also while a process that is
// being started still has the lock's file open.
func TestALockIsGivenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := open.LockDir(dir, dir, uuid.Nil)
	require.NoError(t, err)
	testenv.HoldOpen(t, filepath.Join(dir, open.LockName))
	require.NoError(t, lock.Close())
	lock, err = open.LockDir(dir, dir, uuid.Nil)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}
