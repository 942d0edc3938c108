package httpapi

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// "The caps of all listeners together, plus a reserve for the stop socket, the store and
// its rolls, are under the limit", whatever it is.
func TestFilesAreSharedOut(t *testing.T) {
	for _, c := range []struct{ limit, open, api, metrics int }{
		{1 << 20, 20, 4_096, 64},
		{8_192, 20, 4_096, 64},
		{1_024, 24, 624, 62},
		{256, 20, 92, 16},
		{1_024, 700, 159, 20}, // a store of many segments
	} {
		f, err := shareOut(c.limit, c.open)
		require.NoError(t, err)
		require.Equal(t, c.api, f.api.all, "of %d", c.limit)
		require.Equal(t, c.metrics, f.metrics.all, "of %d", c.limit)
		require.LessOrEqual(t, c.open+f.api.all+f.metrics.all+boundsOfSocket.all+leastSpare, c.limit)
		inFlight, streams := f.places()
		require.LessOrEqual(t, inFlight.most+streams.most, f.api.all*3/4, "some connections always rest")
		require.Positive(t, inFlight.most-inFlight.forPeople-inFlight.forFacts)
		require.Positive(t, inFlight.forPeople)
		require.Positive(t, inFlight.forFacts)
		require.Positive(t, streams.forPeople)
	}
	_, err := shareOut(128, 20)
	require.ErrorContains(t, err, "raise the limit (ulimit -n")
	_, err = NewFiles()
	require.NoError(t, err)
}

// starving is a listener that has no descriptor for a connection while others are open.
type starving struct {
	net.Listener
	short func() bool
	ended bool
}

func (s *starving) Accept() (net.Conn, error) {
	switch {
	case s.ended:
		return nil, net.ErrClosed
	case s.short():
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	s.ended = true
	c, _ := net.Pipe()
	return from{c, "192.0.2.9:1"}, nil
}

// "EMFILE on accept makes room and retries": at whichever listener the room is; strangers
// first, and nobody whose request is being answered.
func TestNoFileLeftMakesRoom(t *testing.T) {
	f := &Files{api: ofListener, metrics: ofListener}
	other := newConns(nil, ofListener)
	busy, _ := come(t, other, "192.0.2.1:1")
	busy.hold()
	stranger, _ := come(t, other, "192.0.2.1:2")
	keyed, _ := come(t, other, "192.0.2.1:3")
	keyed.keyed("k1")
	f.all = []*conns{other}
	socket := newConns(&starving{short: func() bool { return !gone(keyed) }}, boundsOfSocket)
	socket.room = f.room
	_, err := socket.Accept()
	require.NoError(t, err)
	require.True(t, gone(stranger) && gone(keyed))
	require.False(t, gone(busy))

	full := newConns(&starving{short: func() bool { return true }}, boundsOfSocket)
	full.room = f.room
	_, err = full.Accept()
	require.ErrorIs(t, err, syscall.EMFILE, "net/http tries again")
}
