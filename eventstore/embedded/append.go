package embedded

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"pets/eventstore"
)

const (
	// maxGroupBytes bounds what is written before one flush, and maxWaiting how
	// many appends may wait for one.
	maxGroupBytes = 4 << 20
	maxWaiting    = 16 << 10
	// keptBytes is the largest buffer an append leaves behind for the next.
	keptBytes = 64 << 10
)

// Append implements [eventstore.Store].
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if err := s.mayAppend(ctx, stream, expected, records); err != nil {
		return eventstore.Appended{}, err
	}
	r := requests.Get().(*request) //nolint:errcheck,forcetypeassert // the pool makes nothing else
	r.stream, r.expected, r.records = stream, expected, len(records)
	r.frame = encodeFrame(r.frame[:0], stream, expected, records)
	if err := s.queue.put(r); err != nil {
		return eventstore.Appended{}, &eventstore.Unavailable{Cause: err}
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.leave() {
			return eventstore.Appended{}, ctx.Err() // and nothing is written
		}
		<-r.done // it is being written: only the outcome can be told
	}
	err, actual, position := r.err, r.actual, r.position
	r.recycle()
	switch {
	case err != nil:
		return eventstore.Appended{}, err
	case actual != expected:
		return s.alreadyThere(stream, expected, actual, records)
	}
	first := eventstore.Position{Commit: position + frameHeaderLen + uint64(len(stream))}
	return appended(expected, len(records), first, false), nil
}

func (s *Store) mayAppend(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) error {
	if err := s.ended(ctx); err != nil {
		return err
	}
	if err := eventstore.Check(stream, expected, records); err != nil {
		return err
	}
	if s.readOnly {
		return &eventstore.Invalid{Reason: "the store is open for reading only"}
	}
	if p := s.poisoned.Load(); p != nil {
		return p
	}
	return nil
}

func appended(expected eventstore.Expected, n int, first eventstore.Position, idempotent bool) eventstore.Appended {
	return eventstore.Appended{
		First:      expected.Next(),
		Last:       expected.Next() + uint64(n) - 1, //nolint:gosec // n ≥ 1 by Check
		Position:   first,
		Idempotent: idempotent,
	}
}

// alreadyThere answers an append that found its stream at actual: with success
// when the very same ids stand where it wanted to put them, else with a
// conflict. Those records are durable, and never change, so that the answer can
// be found after the decision.
func (s *Store) alreadyThere(stream string, expected, actual eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	conflict := &eventstore.Conflict{Stream: stream, Expected: expected, Actual: actual}
	if expected > actual || actual-expected < eventstore.Expected(len(records)) {
		return eventstore.Appended{}, conflict
	}
	var first eventstore.Position
	r := s.inStream(stream, expected.Next())
	for n := 0; n < len(records); {
		stored, err := r.next()
		if err == nil && len(stored) == 0 {
			err = errImplausible // they were there when the append was refused
		}
		if err != nil {
			return eventstore.Appended{}, s.unavailable(err)
		}
		for i := 0; i < len(stored) && n < len(records); i, n = i+1, n+1 {
			if stored[i].ID != records[n].ID {
				return eventstore.Appended{}, conflict
			}
			if n == 0 {
				first = stored[i].Position
			}
		}
	}
	return appended(expected, len(records), first, true), nil
}

// request is one append on its way through the committer.
type request struct {
	stream   string
	expected eventstore.Expected
	records  int
	frame    []byte
	state    atomic.Int32
	done     chan struct{} // gets one element when the answer is there

	// The answer: an error, or where the stream was; and if it was where it was
	// expected, the position of the frame.
	err      error
	actual   eventstore.Expected
	position uint64
}

const (
	waiting int32 = iota
	taken         // the committer has it: it will be answered
	left          // the appender has gone: it must not be written
)

var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// take and leave decide between them whether an append happens.
func (r *request) take() bool { return r.state.CompareAndSwap(waiting, taken) }

func (r *request) leave() bool { return r.state.CompareAndSwap(waiting, left) }

func (r *request) answer() { r.done <- struct{}{} }

func (r *request) fail(err error) {
	r.err = err
	r.answer()
}

// recycle keeps an answered request for another append.
func (r *request) recycle() {
	if cap(r.frame) > keptBytes {
		r.frame = nil
	}
	r.err = nil
	r.state.Store(waiting)
	requests.Put(r)
}

// queue holds the appends that wait for the committer.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	spare   []*request
	closed  bool
	wake    chan struct{} // has an element when there may be something to do
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return eventstore.ErrClosed
	case len(q.waiting) >= maxWaiting:
		return errTooManyWaiting
	}
	q.waiting = append(q.waiting, r)
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// take waits for appends and returns as many as one group may have, which are
// the caller's until it takes again. Not open means: closed, and these are the
// last.
func (q *queue) take() (group []*request, open bool) {
	<-q.wake
	// Those who were answered a moment ago are about to append again: let them,
	// and one flush serves all.
	runtime.Gosched()
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.waiting) && (q.closed || bytes < maxGroupBytes) {
		bytes += len(q.waiting[n].frame)
		n++
	}
	group = q.waiting[:n:n]
	rest := append(q.spare[:0], q.waiting[n:]...)
	q.waiting, q.spare = rest, q.waiting
	if len(rest) > 0 {
		q.signal()
	}
	return group, !q.closed
}
