package esdb

import (
	"context"
	"errors"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"pets/eventstore"
)

// cursor is a place in a stream, or in all of them, from which events are read.
type cursor interface {
	// opener returns what begins a read or a subscription there. It is called in
	// another goroutine, while the cursor may move on.
	opener() opener
	// take moves past an event. It reports whether that is a record to be yielded.
	take(ctx context.Context, e *esdb.RecordedEvent) (eventstore.Record, bool, error)
	// damage looks for what makes a subscription fail for ever: a subscription does
	// not tell all of its errors. It returns a [Damaged], or nil.
	damage(ctx context.Context) error
	// absent and deleted are the errors if the database says so.
	absent() error
	deleted() error
}

// opener begins a read or a subscription.
type opener func(ctx context.Context, c *esdb.Client) (source, error)

// errEnough ends a sequence of which its reader has enough.
var errEnough = errors.New("esdb: enough")

// run yields the records from a cursor on: until two reads in a row came to the
// same end or, when following, until the context or the store ends. What breaks
// off is begun again at the cursor, so nothing is yielded twice or left out.
func (s *Store) run(ctx context.Context, cur cursor, follow bool, yield func(eventstore.Record, error) bool) {
	p := newPatience(s.options.Patience)
	for {
		events, err := s.drain(ctx, cur, follow, yield)
		if errors.Is(err, errEnough) {
			return
		}
		if closed := s.usable(ctx); closed != nil {
			yield(eventstore.Record{}, closed)
			return
		}
		if events > 0 {
			p = newPatience(s.options.Patience)
		}
		problem, ok := err.(*problem) //nolint:errorlint // made by this package, never wrapped
		switch {
		case !ok:
			yield(eventstore.Record{}, err)
			return
		case problem.class == missing && !follow:
			yield(eventstore.Record{}, cur.absent())
			return
		case problem.class == gone:
			yield(eventstore.Record{}, cur.deleted())
			return
		case problem.class == denied:
			yield(eventstore.Record{}, unavailable(problem))
			return
		case problem.class == ended && !follow:
			if events == 0 {
				return
			}
			continue // more may have come meanwhile
		}
		if follow {
			p.until = time.Now().Add(time.Hour) // it waits for the database
			if events == 0 {
				if err := cur.damage(ctx); err != nil {
					yield(eventstore.Record{}, err)
					return
				}
			}
		}
		if !p.wait(s.stopping, ctx) {
			if closed := s.usable(ctx); closed != nil {
				err = closed
			} else {
				err = unavailable(err)
			}
			yield(eventstore.Record{}, err)
			return
		}
	}
}

// drain opens a cursor and yields what comes from it. It returns how many events
// came and the error with which that ended.
func (s *Store) drain(ctx context.Context, cur cursor, follow bool, yield func(eventstore.Record, error) bool) (events int, err error) {
	f := s.flow(ctx, cur.opener())
	defer f.cancel()
	for {
		e, err := f.next(ctx, s.options.Timeout, follow)
		if err != nil {
			return events, err
		}
		events++
		r, ok, err := cur.take(ctx, e)
		if err != nil {
			return events, err
		}
		if !ok {
			continue
		}
		if err := s.usable(ctx); err != nil {
			return events, err
		}
		if !yield(r, nil) {
			return events, errEnough
		}
	}
}

// flow is a read or a subscription in a goroutine of its own.
type flow struct {
	s      *Store
	events chan *esdb.RecordedEvent
	opened chan struct{} // closed when the database has answered
	failed chan error    // gets the error with which it ended
	cancel context.CancelFunc
	open   bool
	ended  error
}

// ahead is how many events are received before the reader has taken them.
const ahead = 64

func (s *Store) flow(ctx context.Context, open opener) *flow {
	limited, cancel := context.WithCancel(ctx)
	f := &flow{
		s: s, events: make(chan *esdb.RecordedEvent, ahead), opened: make(chan struct{}), failed: make(chan error, 1), cancel: cancel,
	}
	go func() {
		defer close(f.events)
		c, err := s.link.get(limited)
		if err == nil {
			defer c.leave()
			err = s.link.judge(ctx, c, f.pump(limited, c, open))
		}
		f.failed <- err
	}()
	return f
}

// pump receives events until an error.
func (f *flow) pump(ctx context.Context, c *client, open opener) (err error) {
	defer recoverTo(&err)
	src, err := open(leader(ctx), c.use())
	if err != nil {
		return err
	}
	defer src.close()
	// A subscription may be silent, and would not notice.
	defer context.AfterFunc(c.retired, f.cancel)()
	close(f.opened)
	for {
		e, err := src.receive()
		if err != nil {
			return err
		}
		select {
		case f.events <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next returns the next event. Opening, and each event of a read, has a limit of
// time; a subscription may be silent.
func (f *flow) next(ctx context.Context, limit time.Duration, follow bool) (*esdb.RecordedEvent, error) {
	select { // without a timer while there is something
	case e, ok := <-f.events:
		return f.received(e, ok)
	default:
	}
	opened := f.opened
	var over <-chan time.Time
	if !follow || !f.open {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case e, ok := <-f.events:
			return f.received(e, ok)
		case <-opened:
			f.open, opened = true, nil
			if follow {
				over = nil
			}
		case <-over:
			if why := f.s.link.why(); why != nil {
				return nil, why
			}
			return nil, &problem{class: late, reason: "no answer in time"}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.s.stopping.Done():
			return nil, closedError
		}
	}
}

func (f *flow) received(e *esdb.RecordedEvent, ok bool) (*esdb.RecordedEvent, error) {
	if ok {
		return e, nil
	}
	if f.ended == nil {
		f.ended = <-f.failed
	}
	return nil, f.ended
}

// subscriptionOf returns the events of a subscription. What else it tells, such as
// that it has caught up, is not needed.
func subscriptionOf(sub *esdb.Subscription) source {
	return source{func() (*esdb.RecordedEvent, error) {
		for {
			switch e := sub.Recv(); {
			case e.SubscriptionDropped != nil:
				return nil, e.SubscriptionDropped.Error
			case e.EventAppeared != nil:
				return original(e.EventAppeared, nil)
			}
		}
	}, func() { _ = sub.Close() }}
}
