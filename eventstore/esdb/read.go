package esdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"pets/eventstore"
)

// record returns an event as a record of a stream.
func record(stream string, e *esdb.RecordedEvent) (eventstore.Record, error) {
	o, err := unseal(e.UserMetadata)
	if err != nil {
		return eventstore.Record{}, err
	}
	r := eventstore.Record{
		Stream: stream, Revision: e.EventNumber, Position: positionOf(e),
		ID: e.EventID, Type: e.EventType, Time: o.time, Metadata: o.metadata[:len(o.metadata):len(o.metadata)], Data: e.Data,
	}
	if o.kind != "" {
		r.Type = o.kind
	}
	return r, nil
}

func positionOf(e *esdb.RecordedEvent) eventstore.Position {
	return eventstore.Position{Commit: e.Position.Commit, Prepare: e.Position.Prepare}
}

// receive returns the next event of a read, or io.EOF.
type receive func() (*esdb.RecordedEvent, error)

// source is a read or a subscription of the client.
type source struct {
	receive receive
	close   func()
}

func readOf(r *esdb.ReadStream) source {
	return source{func() (*esdb.RecordedEvent, error) {
		e, err := r.Recv()
		return original(e, err)
	}, r.Close}
}

func original(e *esdb.ResolvedEvent, err error) (*esdb.RecordedEvent, error) {
	if err != nil {
		return nil, err
	}
	if o := e.OriginalEvent(); o != nil {
		return o, nil
	}
	return nil, &problem{class: lost, reason: "an answer without an event"}
}

// slice reads at most n events of a stream.
func (s *Store) slice(ctx context.Context, p *patience, wire string, from esdb.StreamPosition, d esdb.Direction, n uint64) ([]*esdb.RecordedEvent, error) {
	return retry(ctx, s, p, func(ctx context.Context, c *esdb.Client) ([]*esdb.RecordedEvent, error) {
		r, err := c.ReadStream(ctx, wire, esdb.ReadStreamOptions{Direction: d, From: from, RequiresLeader: true}, n)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		var events []*esdb.RecordedEvent
		for {
			e, err := original(r.Recv())
			switch {
			case errors.Is(err, io.EOF):
				return events, nil
			case err != nil:
				return nil, err
			}
			events = append(events, e)
		}
	})
}

// newest returns the last event of a stream, or nil if it has none.
func (s *Store) newest(ctx context.Context, p *patience, wire string) (*esdb.RecordedEvent, error) {
	events, err := s.slice(ctx, p, wire, esdb.End{}, esdb.Backwards, 1)
	if is(err, missing) || err == nil && len(events) == 0 {
		return nil, nil //nolint:nilnil // nothing there is no error
	}
	if err != nil {
		return nil, err
	}
	return events[0], nil
}

// sound returns the error of a stream that loses its events, or has lost some. The
// database says so in the metadata stream of a stream.
func (s *Store) sound(ctx context.Context, p *patience, stream string) error {
	e, err := s.newest(ctx, p, "$$"+s.wire(stream))
	switch {
	case is(err, gone): // a tombstone of the stream: reading it says so
		return nil
	case err != nil:
		return err
	case e != nil && limits(e.Data):
		return damaged(stream, reasonTruncated)
	}
	return nil
}

// limits reports stream metadata by which events disappear.
func limits(metadata []byte) bool {
	var m map[string]json.RawMessage
	if json.Unmarshal(metadata, &m) != nil {
		return true // it cannot be told
	}
	for _, key := range []string{"$maxAge", "$maxCount", "$tb"} {
		if v, ok := m[key]; ok && string(v) != "null" {
			return true
		}
	}
	return false
}

// headOf returns the last revision of a stream, or NoStream.
func (s *Store) headOf(ctx context.Context, p *patience, stream string) (eventstore.Expected, error) {
	e, err := s.newest(ctx, p, s.wire(stream))
	switch {
	case is(err, gone):
		return 0, damaged(stream, reasonDeleted)
	case err != nil:
		return 0, err
	case e == nil:
		// A deleted stream looks like one that never was, and would go on at the
		// revision where it ended.
		return eventstore.NoStream, s.sound(ctx, p, stream)
	}
	if _, err := record(stream, e); err != nil {
		return 0, damaged(stream, reasonForeign)
	}
	return eventstore.At(e.EventNumber), nil
}

// some returns n records of a stream, which are known to be there.
func (s *Store) some(ctx context.Context, p *patience, stream string, from uint64, n int) ([]eventstore.Record, error) {
	events, err := s.slice(ctx, p, s.wire(stream), esdb.Revision(from), esdb.Forwards, uint64(n)) //nolint:gosec // n > 0
	if is(err, gone) || is(err, missing) {
		return nil, damaged(stream, reasonDeleted)
	}
	if err != nil {
		return nil, err
	}
	if len(events) != n || events[0].EventNumber != from {
		return nil, damaged(stream, reasonTruncated)
	}
	records := make([]eventstore.Record, n)
	for i, e := range events {
		if records[i], err = record(stream, e); err != nil {
			return nil, damaged(stream, reasonForeign)
		}
	}
	return records, nil
}

// Head implements [eventstore.Store].
func (s *Store) Head(ctx context.Context, stream string) (uint64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	if !possible(stream) {
		return 0, &eventstore.NotFound{Stream: stream}
	}
	p := newPatience(s.options.Patience)
	head, err := s.headOf(ctx, &p, stream)
	if err != nil {
		return 0, s.outward(ctx, err)
	}
	if head == eventstore.NoStream {
		return 0, &eventstore.NotFound{Stream: stream}
	}
	return head.Next() - 1, nil
}

// outward is the error of a call of the store, while which it may have been closed.
func (s *Store) outward(ctx context.Context, err error) error {
	if closed := s.usable(ctx); closed != nil {
		return closed
	}
	return err
}

// ReadStream implements [eventstore.Store].
func (s *Store) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return s.sequence(ctx, stream, from, false)
}

// SubscribeStream implements [eventstore.Store].
func (s *Store) SubscribeStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return s.sequence(ctx, stream, from, true)
}

func (s *Store) sequence(ctx context.Context, stream string, from uint64, follow bool) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(eventstore.Record{}, err)
			return
		}
		if !possible(stream) && !follow {
			yield(eventstore.Record{}, &eventstore.NotFound{Stream: stream})
			return
		}
		p := newPatience(s.options.Patience)
		err := s.sound(ctx, &p, stream)
		for follow && err != nil && outage(err) && s.usable(ctx) == nil { // a subscription waits for the database
			p = newPatience(s.options.Patience)
			err = s.sound(ctx, &p, stream)
		}
		if err != nil {
			yield(eventstore.Record{}, s.outward(ctx, err))
			return
		}
		s.run(ctx, &streamCursor{s: s, stream: stream, next: from, follow: follow}, follow, yield)
	}
}

// outage reports an error that is over when the database can be reached again.
func outage(err error) bool {
	var p *problem
	return errors.As(err, &p) && again(p)
}

// streamCursor is a place in a stream.
type streamCursor struct {
	s      *Store
	stream string
	next   uint64
	follow bool
	seen   bool  // the event before next was received
	gap    error // what was found instead of next, once
}

func (c *streamCursor) opener() opener {
	here := *c
	return here.open
}

func (c *streamCursor) open(ctx context.Context, client *esdb.Client) (source, error) {
	wire := c.s.wire(c.stream)
	if !c.follow {
		if c.next > math.MaxInt64 { // beyond any end; the database counts in 64 bits with a sign
			return c.nothing(ctx, client, wire)
		}
		r, err := client.ReadStream(ctx, wire, esdb.ReadStreamOptions{From: esdb.Revision(c.next), RequiresLeader: true}, math.MaxInt64)
		if err != nil {
			return source{}, err
		}
		return readOf(r), nil
	}
	from, err := c.before(ctx, client, wire)
	if err != nil {
		return source{}, err
	}
	sub, err := client.SubscribeToStream(ctx, wire, esdb.SubscribeToStreamOptions{From: from, RequiresLeader: true})
	if err != nil {
		return source{}, err
	}
	return subscriptionOf(sub), nil
}

// nothing reads a stream only to learn whether it is there.
func (*streamCursor) nothing(ctx context.Context, client *esdb.Client, wire string) (source, error) {
	r, err := client.ReadStream(ctx, wire, esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards, RequiresLeader: true}, 1)
	if err != nil {
		return source{}, err
	}
	return source{func() (*esdb.RecordedEvent, error) {
		if _, err := r.Recv(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}, r.Close}, nil
}

// before returns the event after which a subscription begins. Whether one may begin
// after an event that is not there yet is not documented, so it begins after the
// last one, and what comes before next is left out.
func (c *streamCursor) before(ctx context.Context, client *esdb.Client, wire string) (esdb.StreamPosition, error) {
	if c.next == 0 {
		return esdb.Start{}, nil
	}
	if c.seen {
		return esdb.Revision(c.next - 1), nil
	}
	r, err := client.ReadStream(ctx, wire, esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards, RequiresLeader: true}, 1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	e, err := original(r.Recv())
	switch {
	case errors.Is(err, io.EOF) || err != nil && problemOf(err).class == missing:
		return esdb.Start{}, nil
	case err != nil:
		return nil, err
	}
	return esdb.Revision(min(e.EventNumber, c.next-1)), nil
}

func (c *streamCursor) take(_ context.Context, e *esdb.RecordedEvent) (eventstore.Record, bool, error) {
	if e.EventNumber < c.next {
		return eventstore.Record{}, false, nil
	}
	if e.EventNumber > c.next {
		err := damaged(c.stream, fmt.Sprintf("%s: expected revision %d, found %d", reasonTruncated, c.next, e.EventNumber))
		if c.gap != nil || !c.follow {
			return eventstore.Record{}, false, err
		}
		c.gap = err // a subscription may have lost it: the next one reads it, if it is there
		return eventstore.Record{}, false, &problem{class: lost, reason: "a subscription left out events"}
	}
	r, err := record(c.stream, e)
	if err != nil {
		return r, false, damaged(c.stream, reasonForeign)
	}
	c.next, c.seen, c.gap = c.next+1, true, nil
	return r, true, nil
}

// absent is the error of a stream that has no events.
func (c *streamCursor) absent() error {
	if c.seen {
		return damaged(c.stream, reasonDeleted)
	}
	return &eventstore.NotFound{Stream: c.stream}
}

func (c *streamCursor) deleted() error { return damaged(c.stream, reasonDeleted) }

func (c *streamCursor) damage(ctx context.Context) error {
	once := newPatience(0)
	_, err := c.s.headOf(ctx, &once, c.stream)
	var found *Damaged
	if errors.As(err, &found) {
		return err
	}
	return nil
}
