package embedded

import (
	"context"
	"sync"
	"sync/atomic"

	"pets/eventstore"
)

const (
	// maxGroupBytes limits how much is written before one flush, and maxWaiting
	// how many appends may wait for one.
	maxGroupBytes = 4 << 20
	maxWaiting    = 16 << 10
	// keptBytes is the size of the largest buffer that is kept for reuse.
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
	leads, err := s.queue.put(r)
	if err != nil {
		return eventstore.Appended{}, &eventstore.Unavailable{Cause: err}
	}
	if leads {
		s.committer.lead()
	}
	if err := s.await(ctx, r); err != nil {
		return eventstore.Appended{}, err
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

// await returns when the request is answered, or with the context's error if the
// request was abandoned before a leader took it. Meanwhile the goroutine may be
// made leader.
func (s *Store) await(ctx context.Context, r *request) error {
	given := ctx.Done()
	for {
		if given == nil {
			<-r.done // costs half as much as a select
		} else {
			select {
			case <-r.done:
			case <-given:
				if r.leave() {
					return ctx.Err() // nothing is written
				}
				<-r.done // It is being written, or leads: only the outcome can be returned.
			}
		}
		if r.state.Load() != promoted {
			return nil
		}
		s.committer.lead() // the first request that the leader takes
	}
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

// alreadyThere answers an append that found its stream at actual: with success if
// the same ids are stored where it wanted to put them, else with a conflict.
// Those records are durable and never change, so the answer can be determined
// after the decision.
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
	done     chan struct{} // receives a value when the answer is there, or when it is to lead

	// The answer: an error, or the revision the stream was at; if that was the
	// expected one, the position of the frame.
	err      error
	actual   eventstore.Expected
	position uint64
}

const (
	waiting  int32 = iota
	promoted       // its appender commits the next group, itself included
	taken          // it is in a group and will be answered
	left           // the appender has left: it must not be written
)

var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// take, promote and leave decide together whether an append happens.
func (r *request) take() bool {
	return r.state.CompareAndSwap(waiting, taken) || r.state.CompareAndSwap(promoted, taken)
}

func (r *request) promote() bool { return r.state.CompareAndSwap(waiting, promoted) }

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

// queue holds the appends that wait for a flush. An appender that finds it
// without a leader leads: it commits what waits, and then makes the first of the
// requests that arrived meanwhile the next leader. So no append waits for a
// separate goroutine, and a single append waits for nothing.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	spare   []*request
	led     bool
	closed  bool
	idle    chan struct{} // closed once the queue is closed and has no leader
}

func newQueue() *queue { return &queue{idle: make(chan struct{})} }

// put adds a request, and reports whether its appender has to lead.
func (q *queue) put(r *request) (leads bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return false, eventstore.ErrClosed
	case len(q.waiting) >= maxWaiting:
		return false, errTooManyWaiting
	}
	q.waiting = append(q.waiting, r)
	leads, q.led = !q.led, true
	return leads, nil
}

// length returns how many requests wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// take returns the appends of the next group, as many as fit. They belong to the
// leader until it passes on.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.waiting) && bytes < maxGroupBytes {
		bytes += len(q.waiting[n].frame)
		n++
	}
	group := q.waiting[:n:n]
	rest := append(q.spare[:0], q.waiting[n:]...)
	q.waiting, q.spare = rest, q.waiting
	return group
}

// pass makes the first waiting request the next leader. If none waits, or the
// store is closed, leadership ends. It drops requests whose appenders have left,
// and fails those that wait for a closed store.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		r := q.waiting[0]
		if q.closed {
			q.waiting = q.waiting[1:]
			if r.take() {
				r.fail(closedError())
			}
			continue
		}
		if r.promote() {
			r.done <- struct{}{}
			return
		}
		q.waiting = q.waiting[1:]
	}
	q.led = false
	if q.closed {
		close(q.idle)
	}
}

// close accepts no more requests, and returns when the current group is answered.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	if !q.led {
		close(q.idle)
	}
	q.mu.Unlock()
	<-q.idle
}
