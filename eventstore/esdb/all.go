package esdb

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"pets/eventstore"
)

// names is what is known of the streams of the database. It is kept, so that each
// list of streams reads only what came after the one before.
type names struct {
	mu      sync.Mutex
	origins map[string]bool // of each stream whose first event was seen: it is ours

	turn    chan struct{} // holds one element while no list is made
	scanned *allCursor
	found   map[string]bool
}

func (n *names) origin(stream string) (ours, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ours, known = n.origins[stream]
	return ours, known
}

func (n *names) setOrigin(stream string, ours bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.origins[stream] = ours
}

// allCursor is a place in the order of all events.
type allCursor struct {
	s      *Store
	after  eventstore.Position
	whole  bool // it began at the first event
	follow bool
	next   map[string]uint64 // the next revision of each stream that was met
}

func (s *Store) allAfter(after eventstore.Position, follow bool) *allCursor {
	return &allCursor{s: s, after: after, whole: after == eventstore.Position{}, follow: follow, next: map[string]uint64{}}
}

// ReadAll implements [eventstore.Store].
func (s *Store) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return s.sequenceOfAll(ctx, after, false)
}

// SubscribeAll implements [eventstore.Store].
func (s *Store) SubscribeAll(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return s.sequenceOfAll(ctx, after, true)
}

func (s *Store) sequenceOfAll(ctx context.Context, after eventstore.Position, follow bool) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(eventstore.Record{}, err)
			return
		}
		s.run(ctx, s.allAfter(after, follow), follow, yield)
	}
}

// Streams implements [eventstore.Store]. The first call reads the whole database,
// each later one what came since.
func (s *Store) Streams(ctx context.Context) ([]string, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	n := &s.names
	select {
	case <-n.turn:
		defer func() { n.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.stopping.Done():
		return nil, closedError
	}
	if n.scanned == nil {
		n.scanned, n.found = s.allAfter(eventstore.Position{}, false), map[string]bool{}
	}
	var failed error
	s.run(ctx, n.scanned, false, func(r eventstore.Record, err error) bool {
		if err == nil {
			n.found[r.Stream] = true
		}
		failed = err
		return true
	})
	if failed == nil {
		failed = s.usable(ctx)
	}
	if failed != nil {
		if damage := (*Damaged)(nil); errors.As(failed, &damage) {
			n.scanned = nil // what is damaged is looked at again; what broke off goes on
		}
		return nil, failed
	}
	return slices.Sorted(maps.Keys(n.found)), nil
}

func (c *allCursor) opener() opener {
	here := *c
	return here.open
}

func (c *allCursor) open(ctx context.Context, client *esdb.Client) (source, error) {
	var from esdb.AllPosition = esdb.Start{}
	if (c.after != eventstore.Position{}) {
		from = esdb.Position{Commit: c.after.Commit, Prepare: c.after.Prepare}
	}
	if c.follow {
		sub, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: from, RequiresLeader: true})
		if err != nil {
			return source{}, err
		}
		return subscriptionOf(sub), nil
	}
	// The event at the position comes first, and is left out. The cursor itself moves on
	// while this source is read ahead of it.
	after := c.after
	r, err := client.ReadAll(ctx, esdb.ReadAllOptions{From: from, RequiresLeader: true}, math.MaxInt64)
	if err != nil {
		return source{}, err
	}
	all := readOf(r)
	return source{func() (*esdb.RecordedEvent, error) {
		for {
			e, err := all.receive()
			if err != nil || positionOf(e).Compare(after) > 0 {
				return e, err
			}
		}
	}, all.close}, nil
}

func (c *allCursor) take(ctx context.Context, e *esdb.RecordedEvent) (eventstore.Record, bool, error) {
	at := positionOf(e)
	if at.Compare(c.after) <= 0 {
		return eventstore.Record{}, false, nil
	}
	r, ok, err := c.judge(ctx, e)
	if err == nil {
		c.after = at
	}
	return r, ok, err
}

// judge says whether an event is a record, of no interest, or a sign of damage.
func (c *allCursor) judge(ctx context.Context, e *esdb.RecordedEvent) (none eventstore.Record, ok bool, err error) {
	if of, found := strings.CutPrefix(e.StreamID, "$$"); found {
		return none, false, c.metadata(ctx, of, e)
	}
	stream, possible := c.s.own(e.StreamID)
	if !possible {
		return none, false, nil
	}
	ours, known := c.s.names.origin(stream)
	r, err := record(stream, e)
	switch {
	case known && !ours:
		return none, false, nil
	case err == nil && !known:
		c.s.names.setOrigin(stream, true)
	case err != nil:
		if !known {
			if ours, err = c.begun(ctx, stream, e); err != nil {
				return none, false, err
			}
		}
		if !ours {
			return none, false, nil
		}
		if e.EventType == "$streamDeleted" {
			return none, false, damaged(stream, reasonDeleted)
		}
		return none, false, damaged(stream, reasonForeign)
	}
	next, met := c.next[stream]
	if (met || c.whole) && r.Revision != next {
		return none, false, damaged(stream, reasonTruncated)
	}
	c.next[stream] = r.Revision + 1
	return r, true, nil
}

// begun finds out whether a stream with an event that is not ours is ours.
func (c *allCursor) begun(ctx context.Context, stream string, e *esdb.RecordedEvent) (ours bool, err error) {
	if e.EventNumber > 0 {
		if ours, err = c.s.first(ctx, stream); err != nil {
			return false, err
		}
	}
	c.s.names.setOrigin(stream, ours)
	return ours, nil
}

// first reads whether the first event of a stream is ours. One that has no first
// event is not.
func (s *Store) first(ctx context.Context, stream string) (ours bool, err error) {
	p := newPatience(s.options.Patience)
	events, err := s.slice(ctx, &p, s.wire(stream), esdb.Start{}, esdb.Forwards, 1)
	if is(err, missing) || is(err, gone) || err == nil && (len(events) == 0 || events[0].EventNumber > 0) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, foreign := record(stream, events[0])
	return foreign == nil, nil
}

// metadata refuses a stream of ours that loses events by its metadata, as it is
// now: a mistake that was corrected is none any more.
func (c *allCursor) metadata(ctx context.Context, wire string, e *esdb.RecordedEvent) error {
	stream, possible := c.s.own(wire)
	if !possible || !limits(e.Data) {
		return nil
	}
	ours, known := c.s.names.origin(stream)
	if !known {
		var err error
		if ours, err = c.s.first(ctx, stream); err != nil {
			return err
		}
	}
	if !ours {
		return nil
	}
	p := newPatience(c.s.options.Patience)
	return c.s.sound(ctx, &p, stream)
}

func (*allCursor) absent() error {
	return unavailable(&problem{class: missing, reason: "there are no events at all"})
}

func (c *allCursor) deleted() error {
	return unavailable(&problem{class: gone, reason: "all events are gone"})
}

// damage finds nothing that take does not find.
func (*allCursor) damage(context.Context) error { return nil }
