package operate_test

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// "A command that waits can be interrupted", also while it waits for the writer of a pipe that
// it was named as its file.
func TestAPipeWithoutAWriterIsInterrupted(t *testing.T) {
	s, _ := traded(t)
	pipe := filepath.Join(t.TempDir(), "pipe.json")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, args := range [][]string{{"batch", pipe}, {"sign", "--permit", "p1", pipe}} {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		other := *s
		other.Ctx = ctx
		r := other.Run(args...)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Err, "interrupted")
	}
}
