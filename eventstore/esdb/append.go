package esdb

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"pets/eventstore"
)

// stream is what is known of a stream, to append to it. Appends to one stream take
// turns.
type stream struct {
	turn chan struct{} // holds one element while no append runs

	known bool
	head  eventstore.Expected // its last revision, if known
	// doubt: an append at doubtAt was given up and may still be written. What is
	// answered at that revision may then be the outcome of that append.
	doubt   bool
	doubtAt eventstore.Expected
}

// moved remembers a revision that was seen.
func (st *stream) moved(head eventstore.Expected) {
	st.known, st.head = true, head
	st.doubt = st.doubt && head <= st.doubtAt
}

func (st *stream) doubted(at eventstore.Expected) {
	st.known, st.doubt, st.doubtAt = false, true, at
}

// stream returns what is known of a stream.
func (s *Store) stream(name string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil {
		st = &stream{turn: make(chan struct{}, 1)}
		st.turn <- struct{}{}
		s.streams[name] = st
	}
	return st
}

// appending is one append on its way.
type appending struct {
	*stream
	s        *Store
	name     string
	expected eventstore.Expected
	records  []eventstore.Proposed
	events   []esdb.EventData
	patience patience

	sent bool // an attempt may have been executed, and its outcome is unknown
}

// Append implements [eventstore.Store].
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if err := s.usable(ctx); err != nil {
		return eventstore.Appended{}, err
	}
	if err := s.check(stream, expected, records); err != nil {
		return eventstore.Appended{}, err
	}
	events, size := eventsOf(records)
	if size > maxWire {
		return eventstore.Appended{}, &eventstore.TooLarge{What: "bytes", Size: size, Limit: maxWire}
	}
	if err := s.begin(ctx); err != nil {
		return eventstore.Appended{}, err
	}
	defer s.appends.Done()
	began := time.Now()
	a := &appending{
		stream: s.stream(stream), s: s, name: stream, expected: expected, records: records,
		events: events, patience: newPatience(s.options.Patience),
	}
	select {
	case <-a.turn:
	case <-s.stopping.Done():
		return eventstore.Appended{}, closedError
	case <-ctx.Done():
		return eventstore.Appended{}, ctx.Err()
	}
	defer func() { a.turn <- struct{}{} }()
	done, err := a.run(ctx)
	if err == nil {
		s.health.appended(time.Since(began))
	}
	return done, err
}

// eventsOf returns records as the client sends them, and what the database counts
// of them.
func eventsOf(records []eventstore.Proposed) ([]esdb.EventData, int) {
	events, size := make([]esdb.EventData, len(records)), 0
	for i := range records {
		r := &records[i]
		e := esdb.EventData{
			EventID: r.ID, EventType: wireType(r.Type), ContentType: esdb.ContentTypeBinary,
			// A call that was given up may still read them.
			Data: slices.Clone(r.Data), Metadata: seal(r),
		}
		if isText(e.Data) {
			e.ContentType = esdb.ContentTypeJson
		}
		size += 2*len(e.EventType) + len(e.Data) + len(e.Metadata)
		events[i] = e
	}
	return events, size
}

// run sends the append until its outcome is known, or the patience or the context
// ends.
func (a *appending) run(ctx context.Context) (eventstore.Appended, error) {
	for {
		if !a.known || a.head != a.expected {
			done, settled, err := a.look(ctx)
			if settled {
				return done, err
			}
			if err != nil {
				return eventstore.Appended{}, a.failed(err)
			}
		}
		if a.s.stopping.Err() != nil {
			return eventstore.Appended{}, a.failed(closedError)
		}
		result, sent, err := callFor(ctx, a.s.link, a.timeout(), a.send)
		if err == nil {
			return a.acknowledged(ctx, result)
		}
		if final := a.failure(ctx, sent, err); final != nil {
			return eventstore.Appended{}, final
		}
		if !a.patience.wait(ctx, a.s.stopping) && a.s.stopping.Err() == nil {
			return eventstore.Appended{}, a.failed(a.s.final(ctx, err))
		}
	}
}

// send is the call of the client. THE commit point is in the database: once it
// answers, every record survives.
func (a *appending) send(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
	var expected esdb.ExpectedRevision = esdb.NoStream{}
	if a.expected != eventstore.NoStream {
		expected = esdb.Revision(a.expected.Next() - 1)
	}
	return appendTo(ctx, c, a.s.wire(a.name), expected, a.events, a.timeout())
}

// timeout is how long one attempt may take: each record is a message of its own.
func (a *appending) timeout() time.Duration {
	return a.s.options.Timeout + time.Duration(len(a.records))*time.Millisecond
}

// sendingGrace is how long an append goes on after its caller has given it up.
const sendingGrace = 10 * time.Second

// appendTo appends. It is not canceled with its context, for which its caller does
// not wait: if that happens while events are sent, the client reads what gRPC
// writes at that moment.
func appendTo(ctx context.Context, c *esdb.Client, wire string, expected esdb.ExpectedRevision, events []esdb.EventData, timeout time.Duration) (*esdb.WriteResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline := timeout + sendingGrace
	o := esdb.AppendToStreamOptions{ExpectedRevision: expected, RequiresLeader: true, Deadline: &deadline}
	return c.AppendToStream(context.WithoutCancel(ctx), wire, o, events...)
}

// failure takes note of an attempt that failed. It returns the error of the append
// if there is nothing more to try.
func (a *appending) failure(ctx context.Context, sent bool, err error) error {
	p, ok := err.(*problem) //nolint:errorlint // made by this package, never wrapped
	switch {
	case !sent:
		if !ok || !again(err) {
			return a.failed(a.s.final(ctx, err))
		}
	case !ok: // the context or the store ended while it was on its way
		a.doubtful()
		return a.failed(err)
	case p.class == conflicting:
		a.known = false
	case p.class == follower: // the client turns to the leader
	case p.class == gone:
		return a.failed(damaged(a.name, reasonDeleted))
	case p.class == denied:
		return a.failed(unavailable(p))
	default:
		a.doubtful()
	}
	return nil
}

func (a *appending) doubtful() {
	a.sent = true
	a.doubted(a.expected)
}

// failed is the error of an append that is given up: unless nothing was sent, its
// outcome is unknown.
func (a *appending) failed(err error) error {
	if !a.sent {
		return err
	}
	a.known = false
	a.s.health.change(func(h *Health) { h.Ambiguous.GivenUp++ })
	return &eventstore.Ambiguous{Cause: err}
}

// look reads what is in the stream where the append has to go. settled: the
// outcome is known by that.
func (a *appending) look(ctx context.Context) (done eventstore.Appended, settled bool, err error) {
	head, err := a.s.headOf(ctx, &a.patience, a.name)
	if err != nil {
		return done, false, err
	}
	n := eventstore.Expected(len(a.records))
	if head == a.expected {
		a.moved(head)
		return done, false, nil
	}
	if head >= a.expected+n {
		there, err := a.s.some(ctx, &a.patience, a.name, a.expected.Next(), len(a.records))
		if err != nil {
			return done, false, err
		}
		if ours, same := a.compare(there); ours {
			a.moved(head)
			mine := a.sent && same
			if mine {
				a.s.health.change(func(h *Health) { h.Ambiguous.Found++ })
			}
			return a.answer(there[0].Position, !mine), true, nil
		}
	}
	if a.sent {
		a.s.health.change(func(h *Health) { h.Ambiguous.Overtaken++ })
	}
	a.moved(head)
	return done, true, &eventstore.Conflict{Stream: a.name, Expected: a.expected, Actual: head}
}

// compare reports whether stored records have our ids, and whether they are the
// same in everything.
func (a *appending) compare(there []eventstore.Record) (ours, same bool) {
	same = true
	for i := range there {
		p, r := &a.records[i], &there[i]
		if p.ID != r.ID {
			return false, false
		}
		same = same && p.Type == r.Type && p.Time.Equal(r.Time) && bytes.Equal(p.Metadata, r.Metadata) && bytes.Equal(p.Data, r.Data)
	}
	return true, same
}

func (a *appending) answer(first eventstore.Position, idempotent bool) eventstore.Appended {
	return eventstore.Appended{
		First: a.expected.Next(), Last: a.last().Next() - 1, Position: first, Idempotent: idempotent,
	}
}

// last is the revision of the last record.
func (a *appending) last() eventstore.Expected {
	return a.expected + eventstore.Expected(len(a.records))
}

// acknowledged answers an append that the database has acknowledged. The position
// in its answer is that of the only record; of several, the first is read. While
// there is doubt, all are: an earlier append with the same ids and other content
// may be what was acknowledged.
func (a *appending) acknowledged(ctx context.Context, result *esdb.WriteResult) (eventstore.Appended, error) {
	if a.sent {
		a.s.health.change(func(h *Health) { h.Ambiguous.Retried++ })
	}
	if eventstore.At(result.NextExpectedVersion) != a.last() {
		a.sent, a.known = true, false
		return eventstore.Appended{}, a.failed(damaged(a.name, reasonTruncated))
	}
	doubt := a.doubt
	a.moved(a.last())
	position := eventstore.Position{Commit: result.CommitPosition, Prepare: result.PreparePosition}
	if len(a.records) == 1 && !doubt && position.Commit != 0 {
		return a.answer(position, false), nil
	}
	n := 1
	if doubt {
		n = len(a.records)
	}
	there, err := a.s.some(ctx, &a.patience, a.name, a.expected.Next(), n)
	if err != nil {
		a.sent = true
		return eventstore.Appended{}, a.failed(err)
	}
	ours, same := a.compare(there)
	if !ours {
		a.sent = true
		return eventstore.Appended{}, a.failed(damaged(a.name, reasonForeign))
	}
	return a.answer(there[0].Position, !same), nil
}
