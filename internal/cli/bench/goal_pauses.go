package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pets/commands"
	"pets/eventstore"
	"pets/internal/bench"
	"pets/internal/cli/serve"
	"pets/internal/open"
)

// timedStore notes how long a writer takes from the end of one append to the start of the next.
type timedStore struct {
	open.Store
	stream string

	mu      sync.Mutex
	on      bool
	ended   time.Time // of the last append
	between []time.Duration
}

// Unwrap returns the store below, whose limits are those of this one.
func (t *timedStore) Unwrap() eventstore.Store { return t.Store }

// Append implements eventstore.Store.
func (t *timedStore) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if stream == t.stream {
		t.begins()
	}
	done, err := t.Store.Append(ctx, stream, expected, records)
	if stream == t.stream {
		t.mu.Lock()
		t.ended = time.Now()
		t.mu.Unlock()
	}
	return done, err
}

func (t *timedStore) begins() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on && !t.ended.IsZero() {
		t.between = append(t.between, time.Since(t.ended))
	}
}

// measure turns the notes on, and forgets the end of the last append.
func (t *timedStore) measure(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on, t.ended = on, time.Time{}
}

// pauses measures goal 14: while 64 callers always wait, all the time between two appends is the
// writer's own.
func (l *lengthBench) pauses(ctx context.Context) error {
	n := l.sizes.lengths[len(l.sizes.lengths)-1]
	l.Tell("%d events: pauses of the writer", n)
	var timed *timedStore
	wrap := func(s eventstore.Store) eventstore.Store {
		store, ok := s.(open.Store)
		if !ok {
			return s
		}
		timed = &timedStore{Store: store, stream: commands.Stream(pastID)}
		return timed
	}
	return l.inProcess(ctx, l.store, wrap, func(ctx context.Context, s *serve.Server) error {
		if timed == nil {
			l.add(bench.Skip(14, "longest pause of the writer", "the store is not one whose appends can be timed"))
			return nil
		}
		if err := l.keepBusy(ctx, s.Engine, time.Second); err != nil { // what only a first command does
			return err
		}
		timed.measure(true)
		err := l.keepBusy(ctx, s.Engine, time.Duration(l.sizes.seconds)*2*time.Second)
		timed.measure(false)
		if err != nil {
			return err
		}
		l.add(pauseResult(timed.between, n))
		return nil
	})
}

func pauseResult(between []time.Duration, n int) bench.Measured {
	const name = "longest pause of the writer"
	if len(between) == 0 {
		return bench.Skip(14, name, "nothing was appended")
	}
	slices.Sort(between)
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	m := bench.Measured{
		Goal: 14, Name: name, What: fmt.Sprintf("from the end of one append to the start of the next, with %d events and 64 callers of permits that always wait", n),
		Unit: "ms", Value: ms(between[len(between)-1]),
	}.Most(10)
	m.Note = fmt.Sprintf("median %s ms, p99.9 %s ms of %d", bench.Figure(ms(between[len(between)/2])), bench.Figure(ms(between[len(between)*999/1000])), len(between))
	return m
}

// keepBusy asks for permits as 64 callers without a pause.
func (l *lengthBench) keepBusy(ctx context.Context, e *commands.Engine, within time.Duration) error {
	until := time.Now().Add(within)
	return each(ctx, httpClients, httpClients, func(i int) error {
		for time.Now().Before(until) && ctx.Err() == nil {
			if _, err := e.Do(ctx, pastID, l.load.request(i, permitCommand(l.load.bots[i]))); err != nil {
				return err
			}
		}
		return nil
	})
}
