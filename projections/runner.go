package projections

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// Projection is a read model that needs more than the state: it sees every event
// after the state has folded it.
type Projection interface {
	Apply(rec eventstore.Record, e domain.Event, s *portfolio.State)
}

// Kept is a projection that a later start goes on from, instead of the first record.
type Kept interface {
	Projection
	// Keep returns what Restore needs. Longer parts may be pieces that it has written before.
	Keep() ([]byte, error)
	// Restore makes a new projection what it was when Keep returned the bytes. After an
	// error it cannot be used, and another one has to see the stream from its first record.
	Restore(data []byte) error
	// Err returns why the projection cannot answer any more, or nil: what it has written
	// is not there any more, or no more can be written.
	Err() error
}

// Point is a moment of a history: a revision, a time, or, if zero, its end.
type Point struct {
	Revision *uint64
	Time     *time.Time
}

// ParsePoint reads a revision or an RFC 3339 time; "" is the end.
func ParsePoint(s string) (Point, error) {
	if s == "" {
		return Point{}, nil
	}
	if n, err := strconv.ParseUint(s, 10, 63); err == nil {
		return Point{Revision: &n}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return Point{}, domain.Invalid("at", "must be a revision such as 42 or a time such as 2026-01-15T09:00:00Z")
	}
	return Point{Time: &t}, nil
}

// Includes reports whether a record lies at or before the point.
func (p Point) Includes(rec eventstore.Record) bool {
	switch {
	case p.Revision != nil:
		return rec.Revision <= *p.Revision
	case p.Time != nil:
		return !rec.Time.After(*p.Time)
	default:
		return true
	}
}

// Checkpoints yields copies of earlier states. It may be nil.
type Checkpoints interface {
	// Load returns the newest checkpoint of a kind with a revision ≤ atMost, or nil.
	Load(kind, stream string, atMost uint64) (revision uint64, data []byte)
	// LoadAsOf returns the newest checkpoint of a kind of which no record is later than a
	// time, or nil.
	LoadAsOf(kind, stream string, t time.Time) (revision uint64, data []byte)
}

// checkpointOfState is the kind of checkpoint that a runner starts from.
const checkpointOfState = "state"

// Runner folds one stream into a state and its riders, the projections that see
// the same events. It may be read while it follows the stream.
type Runner struct {
	store  eventstore.Store
	stream string
	riders []Projection
	// decoder is used by one goroutine at a time, for the one that applies.
	decoder domain.Decoder
	alone   bool // see [Runner.Alone]

	mu    sync.RWMutex
	state *portfolio.State
	moved chan struct{} // closed when awaited is folded; nil while nothing waits
	// awaited is the lowest revision that a reader waits for. Earlier records
	// wake none.
	awaited uint64
}

// NewRunner returns a runner at the beginning of a stream.
func NewRunner(store eventstore.Store, stream string, riders ...Projection) *Runner {
	state := portfolio.New()
	state.Forget() // readers decide nothing
	return &Runner{store: store, stream: stream, riders: riders, state: state}
}

// UseCheckpoint starts from the nearest checkpoint at or before the point that can be used. It is
// only possible without riders, which need the whole history. A checkpoint that does not fit is
// ignored, and the one before it is tried. all is nil if there are none.
func (r *Runner) UseCheckpoint(all Checkpoints, to Point) {
	if all == nil || len(r.riders) > 0 {
		return
	}
	at, data := nearest(all, r.stream, to)
	for data != nil {
		if state, err := portfolio.Restore(data); err == nil && state.Next == at+1 && to.covers(state) {
			r.state = state
			return
		}
		tried := at
		if tried == 0 {
			return
		}
		if at, data = all.Load(checkpointOfState, r.stream, tried-1); at >= tried {
			return
		}
	}
}

// StartFrom starts from a state after so many records, which the riders have seen, too. Call it
// before anything else.
func (r *Runner) StartFrom(state []byte, next uint64) error {
	s, err := portfolio.Restore(state)
	switch {
	case err != nil:
		return err
	case s.Next != next:
		return fmt.Errorf("the state is that after %d records, and not after %d", s.Next, next)
	}
	r.state = s
	return nil
}

func nearest(all Checkpoints, stream string, to Point) (at uint64, data []byte) {
	switch {
	case to.Time != nil:
		return all.LoadAsOf(checkpointOfState, stream, *to.Time)
	case to.Revision != nil:
		return all.Load(checkpointOfState, stream, *to.Revision)
	}
	return all.Load(checkpointOfState, stream, ^uint64(0))
}

// covers reports whether all records of a state lie at or before the point. Time never goes
// back in a stream.
func (p Point) covers(s *portfolio.State) bool {
	switch {
	case p.Revision != nil:
		return s.Next <= *p.Revision+1
	case p.Time != nil:
		return !s.Time.After(*p.Time)
	}
	return true
}

// Alone has CatchUp read and fold in one goroutine: where the number of those that compute is
// limited, by a store that is read in a place.
func (r *Runner) Alone() { r.alone = true }

// CatchUp folds what is in the store up to a point. A point beyond the end is an
// error, because the future is not known.
func (r *Runner) CatchUp(ctx context.Context, to Point) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	read := func(rec *eventstore.Record) (arrived, error) {
		if !to.Includes(*rec) {
			return arrived{}, errReached
		}
		e, err := r.decoder.Decode(rec.Type, rec.Data)
		return arrived{*rec, e}, err
	}
	apply := func(a arrived) error { return r.applyEvent(a.rec, a.event) }
	var err error
	if r.alone {
		err = eventstore.Walk(ctx, r.store, r.stream, r.state.Next, func(rec eventstore.Record) error {
			a, err := read(&rec)
			if err != nil {
				return err
			}
			return apply(a)
		})
	} else {
		err = eventstore.WalkAhead(ctx, r.store, r.stream, r.state.Next, read, apply)
	}
	r.announce()
	if err != nil && !errors.Is(err, errReached) {
		return err
	}
	if to.Revision != nil && r.state.Next <= *to.Revision {
		return Beyond(*to.Revision, lastRevision(r.state))
	}
	return nil
}

// arrived is a record with its event.
type arrived struct {
	rec   eventstore.Record
	event domain.Event
}

// Beyond reports that a history does not reach a revision yet.
func Beyond(revision, last uint64) error {
	return domain.Invalid("at", "revision %d lies beyond the end of the history: its last revision is %d", revision, last)
}

// foldAtOnce is how many records are folded at most before readers get a turn, and
// aheadAtMost how many are read ahead. Each runner has room for those, and a server has one
// for every portfolio.
const (
	foldAtOnce  = 256
	aheadAtMost = 32
)

// Follow applies records as they become durable, until the context ends. Records
// that have already arrived are applied together, so that a large append does not
// wait for the readers after each record.
func (r *Runner) Follow(ctx context.Context) error {
	r.mu.RLock()
	from := r.state.Next
	r.mu.RUnlock()
	following, end := context.WithCancel(ctx)
	come := make(chan eventstore.Record, aheadAtMost)
	var ended error
	go func() {
		defer close(come)
		for rec, err := range r.store.SubscribeStream(following, r.stream, from) {
			if ended = err; err != nil {
				return
			}
			select {
			case come <- rec:
			case <-following.Done():
				return
			}
		}
	}()
	defer func() {
		end()
		for range come { // until the subscription has ended
		}
	}()
	for rec := range come {
		if err := r.fold(rec, come); err != nil {
			return err
		}
	}
	if ended != nil {
		return ended
	}
	return ctx.Err()
}

// fold applies a record and the others that have already arrived.
func (r *Runner) fold(rec eventstore.Record, come <-chan eventstore.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.announce()
	for n := 1; ; n++ {
		if err := r.apply(rec); err != nil || n == foldAtOnce {
			return err
		}
		select {
		case next, more := <-come:
			if !more {
				return nil
			}
			rec = next
		default:
			return nil
		}
	}
}

// announce wakes the readers whose revision has been folded. The lock is held.
func (r *Runner) announce() {
	if r.moved != nil && r.state.Next > r.awaited {
		close(r.moved)
		r.moved = nil
	}
}

// Wait returns when a revision is folded. Another goroutine has to run Follow.
func (r *Runner) Wait(ctx context.Context, revision uint64) error {
	for {
		r.mu.Lock()
		there := r.state.Next > revision
		if !there {
			if r.moved == nil {
				r.moved, r.awaited = make(chan struct{}), revision
			}
			r.awaited = min(r.awaited, revision)
		}
		moved := r.moved
		r.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// apply folds one record. It fails on an event that this build does not know.
func (r *Runner) apply(rec eventstore.Record) error {
	if rec.Revision != r.state.Next {
		return fmt.Errorf("found revision %d instead of %d", rec.Revision, r.state.Next)
	}
	e, err := r.decoder.Decode(rec.Type, rec.Data)
	if err != nil {
		return err
	}
	return r.applyEvent(rec, e)
}

func (r *Runner) applyEvent(rec eventstore.Record, e domain.Event) error {
	r.state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	for _, p := range r.riders {
		p.Apply(rec, e, r.state)
	}
	return nil
}

// errReached ends a walk at its point.
var errReached = errors.New("the point is reached")

// Read calls a function with a consistent state and riders, while nothing is
// applied. The state must not be kept.
func (r *Runner) Read(look func(s *portfolio.State)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	look(r.state)
}
