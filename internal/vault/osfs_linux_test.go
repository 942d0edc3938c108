package vault

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// A writer that has ended keeps no other out, also while a process that is being started still has
// the lock's file open.
func TestALockIsGivenBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), lockName)
	lock, err := osFS{}.Lock(file)
	require.NoError(t, err)
	testenv.HoldOpen(t, file)
	require.NoError(t, lock.Close())
	lock, err = osFS{}.Lock(file)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}
