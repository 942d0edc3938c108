package embedded_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
	"pets/internal/testenv"
)

// "one writer per folder": once it is closed the next one may write, also while a process that is
// being started still has the lock's file open.
func TestALockIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	for _, name := range []string{"LOCK", "durable"} {
		testenv.HoldOpen(t, filepath.Join(dir, name))
	}
	require.NoError(t, s.Close())
	s, err = embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
