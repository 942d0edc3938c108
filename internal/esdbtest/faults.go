package esdbtest

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Call is a kind of call that a fault waits for.
type Call int

// The calls. The zero value is an append, because that is where faults hurt.
const (
	CallAppend Call = iota // Append, and each batch of BatchAppend
	CallRead               // reads that end
	CallSubscribe
	CallDelete // Delete and Tombstone
	CallGossip
	CallFeatures // GetSupportedMethods, which a client asks for first on each connection
)

// Kind is what goes wrong.
type Kind int

// The kinds of faults. Those that say Write are for CallAppend and CallDelete, the others for
// every call.
const (
	// NotLeader answers that another node is the leader, with the address of the one that is.
	NotLeader Kind = iota + 1
	// NotReady answers UNAVAILABLE, as a node does during an election.
	NotReady
	// Kill cuts the connection, and every call on it, before anything is done.
	Kill
	// KillAfterWrite cuts the connection when the write is in the log, and before its answer.
	KillAfterWrite
	// KillAfterEvents cuts the connection when a read or subscription was sent Fault.Events events.
	KillAfterEvents
	// Hang does nothing and does not answer, until the client gives up or Injected.Release.
	Hang
	// LateWrite waits for Injected.Release and then writes, even if the client has given up long
	// before: a request that waited in a queue.
	LateWrite
	// HangAfterWrite writes and does not answer.
	HangAfterWrite
	// Slow waits for Fault.Delay, and then does what it was asked for.
	Slow
	// SlowAnswer does it and waits for Fault.Delay before the answer.
	SlowAnswer
	// Conflict answers that the expected revision is wrong, and writes nothing. The revision that
	// it says is the stream's own.
	Conflict
	// TimeoutBeforeWrite answers ABORTED, as a leader without a quorum does, and has not written.
	TimeoutBeforeWrite
	// TimeoutAfterWrite answers ABORTED in the same words, and has written.
	TimeoutAfterWrite
	// Hook runs Fault.Do, and then does what it was asked for: a true conflict is a Do that writes
	// to the stream.
	Hook
)

// Fault is one thing to go wrong, at the calls that match.
type Fault struct {
	Kind   Kind
	Call   Call
	Stream string // of this stream only, if not empty; $all is ""
	Skip   int    // so many matching calls are left alone first
	Times  int    // 1 if 0; for ever if negative
	Delay  time.Duration
	Events int
	Do     func()
}

// Injected is a fault that was set.
type Injected struct {
	mu       sync.Mutex
	fault    Fault
	hits     int
	removed  bool
	hit      chan struct{} // gets one message for each hit that a test waits for
	released chan struct{}
	done     chan struct{}
	once     sync.Once
	finish   sync.Once
}

// kind is the kind of a fault, or 0 of none.
func (i *Injected) kind() Kind {
	if i == nil {
		return 0
	}
	return i.fault.Kind
}

// Hits returns how often the fault happened.
func (i *Injected) Hits() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits
}

// Hit is sent to when the fault happens, so that a test can wait for that.
func (i *Injected) Hit() <-chan struct{} { return i.hit }

// Remove ends the fault: calls to come are left alone. Those that hang go on hanging.
func (i *Injected) Remove() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.removed = true
}

// Release lets the calls that hang, or wait for a delay, go on.
func (i *Injected) Release() { i.once.Do(func() { close(i.released) }) }

// Done is closed when the first write of a LateWrite has happened.
func (i *Injected) Done() <-chan struct{} { return i.done }

// matches counts a call, and says whether it is one that fails.
func (i *Injected) matches(call Call, stream string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.removed || i.fault.Call != call || i.fault.Stream != "" && i.fault.Stream != stream:
		return false
	case i.fault.Skip > 0:
		i.fault.Skip--
		return false
	}
	i.hits++
	if i.fault.Times > 0 && i.hits == i.fault.Times {
		i.removed = true
	}
	select {
	case i.hit <- struct{}{}:
	default: // no test waits for so many
	}
	return true
}

// wait waits until the fault is released, the time is over, or the client gives up. A time of 0
// is for ever.
func (i *Injected) wait(ctx context.Context, d time.Duration) error {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-i.released:
	case <-over:
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

// Inject sets a fault. Of several that match a call, the one that was set first happens.
func (s *Server) Inject(f Fault) *Injected {
	if f.Times == 0 {
		f.Times = 1
	}
	i := &Injected{fault: f, hit: make(chan struct{}, 1024), released: make(chan struct{}), done: make(chan struct{})}
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	s.node.faults = append(s.node.faults, i)
	return i
}

// faultOf returns the fault of a call, or nil.
func (n *node) faultOf(call Call, stream string) *Injected {
	n.mu.Lock()
	faults := n.faults
	n.mu.Unlock()
	for _, i := range faults {
		if i.matches(call, stream) {
			return i
		}
	}
	return nil
}

// before is what of a fault happens before the call does anything. An error is the answer.
func (n *node) before(ctx context.Context, i *Injected) error {
	if i == nil {
		return nil
	}
	switch f := i.fault; f.Kind {
	case NotLeader:
		host, port := n.cluster.leaderEndpoint(n)
		return errNotLeader(ctx, host, port)
	case NotReady:
		return errNotReady(ctx)
	case Kill:
		return n.kill(ctx)
	case Hang:
		return i.wait(ctx, 0)
	case Slow:
		return i.wait(ctx, f.Delay)
	case TimeoutBeforeWrite:
		return errTimeout(ctx)
	case Hook:
		f.Do()
	default: // of what happens later
	}
	return nil
}

// after is what happens when the call has done its work.
func (n *node) after(ctx context.Context, i *Injected) error {
	if i == nil {
		return nil
	}
	switch f := i.fault; f.Kind {
	case KillAfterWrite:
		return n.kill(ctx)
	case HangAfterWrite:
		return i.wait(ctx, 0)
	case SlowAnswer:
		return i.wait(ctx, f.Delay)
	case TimeoutAfterWrite:
		return errTimeout(ctx)
	default: // of what has happened
	}
	return nil
}

// kill cuts the connection of a call.
func (n *node) kill(ctx context.Context) error {
	n.cut(ctx)
	return status.Error(codes.Unavailable, "the connection is gone")
}

// cutAfter says whether a reader that was sent so many events is cut off now.
func (i *Injected) cutAfter(sent int) bool {
	return i.kind() == KillAfterEvents && sent >= i.fault.Events
}
