package embedded

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An append wakes those who follow its stream or the whole log, and nobody else: a server
// follows thousands of streams.
func TestAnAppendWakesOnlyItsFollowers(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	x := newIndex()
	publish := func(stream string, position, first uint64) {
		t.Helper()
		require.NoError(t, x.publish(placed{frameHeader{position: position, length: 100, first: first, records: 1}, []byte(stream)}))
	}
	publish("a", 0, 0)
	require.True(t, closed(x.streamGrown("a", 0)), "it is there")
	require.True(t, closed(x.grown(99)), "it is there")
	a, b, far, all := x.streamGrown("a", 1), x.streamGrown("b", 0), x.streamGrown("a", 5), x.grown(100)
	publish("b", 100, 0)
	require.Equal(t, []bool{false, true, true}, []bool{closed(a), closed(b), closed(all)})
	require.False(t, closed(far))
	again := x.streamGrown("b", 1)
	publish("a", 200, 1)
	require.Equal(t, []bool{true, false}, []bool{closed(a), closed(again)})
	require.Len(t, x.grew, 1, "nothing is kept of those who were woken")
}
