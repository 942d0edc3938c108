package live_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/live"
)

// A fold that takes long says how far it has come, in the log and to who asks, and why.
func TestALongFoldSaysHowFarItHasCome(t *testing.T) {
	w := newWorld(t, "a", "b")
	for range 3 {
		w.deposit("a", "1")
	}
	store := &late{Store: w.store, gate: make(chan struct{})}
	var said lockedBuffer
	f := live.New(store, live.Options{Prefix: prefix, Log: slog.New(slog.NewTextHandler(&said, nil))})
	t.Cleanup(f.Close)
	_, is := f.Folding()
	require.False(t, is)
	for _, id := range []string{"a", "b"} {
		_, err := f.Open(t.Context(), id)
		require.NoError(t, err)
	}
	eventually(t, func() bool { far, is := f.Folding(); return is && far == live.Folding{Portfolio: "a", Of: 4} })
	eventually(t, func() bool {
		return bytes.Contains(said.bytes(), []byte(`msg="folding a portfolio for its read models" portfolio=a records=0 of=4 why="nothing is kept of its readers"`))
	})
	close(store.gate)
	require.NoError(t, f.Reached(t.Context()))
	_, is = f.Folding()
	require.False(t, is)
}
