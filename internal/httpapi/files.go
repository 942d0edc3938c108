package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pets/domain"
)

// How the file descriptors of the process are shared. Some are reserved for other
// uses: new segments of the store and their indexes, connections to chains,
// notices.
const (
	leastConns    = 64 // of the API: with fewer, a server would be useless
	leastSpare    = 64
	leastMetrics  = 16
	mostMetrics   = 64
	mostFiles     = 1 << 20
	mostFilesSeen = 1 << 16 // descriptors are allocated from the lowest number
	// acceptAgain is how long a closed connection takes to disappear.
	acceptAgain = 5 * time.Millisecond
)

// Files shares the descriptors of the process among its listeners. What all of
// them may hold together leaves enough for the stop socket, the store and its new
// segments, so that idle strangers cannot use those up.
type Files struct {
	api, metrics bounds

	mu  sync.Mutex
	all []*conns // that are served
}

// NewFiles reads how many files the process may open and has open. It is called
// when the store is open. The Go runtime has raised the limit to the hard one.
func NewFiles() (*Files, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	return shareOut(int(min(uint64(limit.Cur), mostFiles)), openFiles()) //nolint:unconvert // its type differs by system
}

func openFiles() (n int) {
	for fd := range uintptr(mostFilesSeen) {
		if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

// shareOut refuses a limit that leaves too few connections.
func shareOut(limit, open int) (*Files, error) {
	left := limit - open
	metrics := min(mostMetrics, max(leastMetrics, left/16))
	api := left - max(leastSpare, left/4) - boundsOfSocket.all - metrics
	if api < leastConns {
		return nil, domain.Errorf(domain.CodeUnavailable, "the process may open %d files, %d are open, and that leaves too few for connections: raise the limit (ulimit -n, or LimitNOFILE= of the service) by at least %d", limit, open, leastConns-api)
	}
	f := &Files{api: ofListener, metrics: bounds{all: metrics, source: metrics / 2, newcomers: metrics, settle: time.Second, key: metrics}}
	f.api.all = min(ofListener.all, api)
	return f, nil
}

// Serve answers the API on a listener until the context ends, then lets requests under
// way finish. drain is called first: it ends what would never finish by itself.
func (f *Files) Serve(ctx context.Context, s *http.Server, l net.Listener, drain func()) error {
	return f.serve(ctx, s, newConns(buffered{l}, f.api), drain)
}

// ServeMetrics answers monitoring systems, which are few and need few files.
func (f *Files) ServeMetrics(ctx context.Context, s *http.Server, l net.Listener) error {
	return f.serve(ctx, s, newConns(buffered{l}, f.metrics), func() {})
}

func (f *Files) serve(ctx context.Context, s *http.Server, c *conns, drain func()) error {
	c.room = f.room
	f.mu.Lock()
	f.all = append(f.all, c)
	f.mu.Unlock()
	return serve(ctx, s, c, drain)
}

// room closes a connection of any listener, so that another can be accepted: a
// stranger's if there is one, else an idle one. It returns false if all are busy.
func (f *Files) room() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, strangers := range []bool{true, false} {
		for _, c := range f.all {
			if c.closeOldest(strangers) {
				return true
			}
		}
	}
	return false
}

// places returns the places for requests and event streams under way: fewer if
// there are few connections, so that some are always idle and can be closed for a
// caller with a stop.
func (f *Files) places() (inFlight, streams *places) {
	few := func(most, of int) int { return min(most, f.api.all/of) }
	inFlight = newPlaces(few(maxInFlight, 2), maxInFlightPerKey, few(inFlightForPeople, 8)).keeping(few(inFlightForFacts, 16), inFlightForFactsPerKey)
	streams = newPlaces(few(maxStreams, 4), maxStreamsPerKey, few(streamsForPeople, 16))
	return inFlight, streams
}

// outOfFiles reports that a connection waits to be accepted while no descriptor
// is free.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
