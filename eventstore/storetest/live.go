package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

var subscriptions = map[string]func(*testing.T, eventstore.Store){
	// "A stream without records is waited for."
	"a stream is waited for": func(t *testing.T, s eventstore.Store) {
		got := make(chan []eventstore.Record)
		for _, seq := range []iter.Seq2[eventstore.Record, error]{
			s.SubscribeStream(patiently(t), "s", 0),
			s.SubscribeAll(patiently(t), eventstore.Position{}),
		} {
			go func() { got <- Take(t, seq, 2) }()
		}
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 1))
		Must(t, s, "s", eventstore.At(0), Propose("a", 1, 1))
		requireSame(t, "s", 0, Propose("a", 0, 2), <-got)
		requireSame(t, "s", 0, Propose("a", 0, 2), <-got)
	},

	"from a revision that is still to come": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 2))
		got := make(chan []eventstore.Record)
		go func() { got <- Take(t, s.SubscribeStream(patiently(t), "s", 5), 2) }()
		Must(t, s, "s", eventstore.At(1), Propose("a", 2, 4))
		requireSame(t, "s", 5, Propose("a", 5, 1), Take(t, s.SubscribeStream(patiently(t), "s", 5), 1))
		select {
		case early := <-got:
			t.Errorf("revision 5 alone must not be two records: %v", early)
		default:
		}
		Must(t, s, "s", eventstore.At(5), Propose("a", 6, 1))
		requireSame(t, "s", 5, Propose("a", 5, 2), <-got)
	},

	// "first those that are there, then those that come"; "in order, none twice, none left out"
	"catch up, then live, under load": func(t *testing.T, s eventstore.Store) {
		const streams, each, subscribers = 4, 150, 3
		Must(t, s, "s0", eventstore.NoStream, Propose("s0", 0, 10))
		var appenders, readers sync.WaitGroup
		for i := range streams {
			appenders.Go(func() {
				name, from := fmt.Sprintf("s%d", i), 0
				if i == 0 {
					from = 10
				}
				for n := from; n < each; {
					k := min(n%4+1, each-n)
					Must(t, s, name, eventstore.Expected(n-1), Propose(name, n, k))
					n += k
				}
			})
		}
		for range subscribers {
			readers.Go(func() {
				all := Take(t, s.SubscribeAll(patiently(t), eventstore.Position{}), streams*each)
				requireOrdered(t, all)
			})
			readers.Go(func() {
				requireSame(t, "s2", 0, Propose("s2", 0, each), Take(t, s.SubscribeStream(patiently(t), "s2", 0), each))
			})
			readers.Go(func() {
				// The same records again, each subscription resumed after a few.
				var all []eventstore.Record
				after := eventstore.Position{}
				for len(all) < streams*each {
					some := Take(t, s.SubscribeAll(patiently(t), after), min(7, streams*each-len(all)))
					all, after = append(all, some...), some[len(some)-1].Position
				}
				requireOrdered(t, all)
			})
		}
		appenders.Wait()
		readers.Wait()
	},
}

// sequences returns one of each kind over stream "s".
func sequences(ctx context.Context, s eventstore.Store) map[string]iter.Seq2[eventstore.Record, error] {
	return map[string]iter.Seq2[eventstore.Record, error]{
		"ReadStream":      s.ReadStream(ctx, "s", 0),
		"ReadAll":         s.ReadAll(ctx, eventstore.Position{}),
		"SubscribeStream": s.SubscribeStream(ctx, "s", 0),
		"SubscribeAll":    s.SubscribeAll(ctx, eventstore.Position{}),
	}
}

var endings = map[string]func(*testing.T, eventstore.Store){
	// "or the error of the context when it ended before anything was sent"
	"an ended context": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 1))
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := s.Append(ctx, "u", eventstore.NoStream, Propose("a", 0, 1))
		require.ErrorIs(t, err, context.Canceled)
		requireAbsent(t, s, "u")
		_, err = s.Head(ctx, "s")
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.Streams(ctx)
		require.ErrorIs(t, err, context.Canceled)
		for name, seq := range sequences(ctx, s) {
			records, err := Collect(t, seq)
			require.Empty(t, records, name)
			require.ErrorIs(t, err, context.Canceled, name)
		}
	},

	// "until the context ends, whose error is the last element"
	"a context that ends while reading": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 5))
		for name := range sequences(t.Context(), s) {
			ctx, cancel := context.WithCancel(t.Context())
			seen := 0
			for _, err := range sequences(ctx, s)[name] {
				if err != nil {
					require.ErrorIs(t, err, context.Canceled, name)
					seen = -seen
					continue
				}
				if seen++; seen == 2 {
					cancel()
				}
			}
			require.Equal(t, -2, seen, name)
			cancel()
		}
	},

	"a context that ends while waiting": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 2))
		for _, name := range []string{"SubscribeStream", "SubscribeAll"} {
			ctx, cancel := context.WithCancel(t.Context())
			last, ended := make(chan struct{}), make(chan error)
			go func() {
				for r, err := range sequences(ctx, s)[name] {
					if err != nil {
						ended <- err
					} else if r.Revision == 1 {
						close(last)
					}
				}
			}()
			<-last
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled, name)
		}
	},

	// "Every later call, and every sequence still being read, ends with Unavailable."
	"after close": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 1))
		before := sequences(t.Context(), s)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "closing again is fine")
		_, err := s.Append(t.Context(), "s", eventstore.At(0), Propose("a", 1, 1))
		requireClosed(t, err)
		_, err = s.Head(t.Context(), "s")
		requireClosed(t, err)
		_, err = s.Streams(t.Context())
		requireClosed(t, err)
		for _, seqs := range []map[string]iter.Seq2[eventstore.Record, error]{before, sequences(t.Context(), s)} {
			for _, seq := range seqs {
				records, err := Collect(t, seq)
				require.Empty(t, records)
				requireClosed(t, err)
			}
		}
	},

	"close while sequences are read": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 5))
		reached, ended := make(chan struct{}), make(chan error)
		closing := make(chan struct{})
		for _, seq := range sequences(t.Context(), s) {
			go func() {
				n := 0
				for _, err := range seq {
					if err != nil {
						ended <- err
					} else if n++; n == 2 {
						reached <- struct{}{}
						<-closing // in the middle of an append of 5 records
					}
				}
				if n != 2 {
					t.Errorf("%d records came, of which %d after Close", n, n-2)
				}
			}()
		}
		for range 4 {
			<-reached
		}
		require.NoError(t, s.Close())
		close(closing)
		for range 4 {
			requireClosed(t, <-ended)
		}
	},

	"close while subscriptions wait": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 1))
		reached, ended := make(chan struct{}), make(chan error)
		for _, name := range []string{"SubscribeStream", "SubscribeAll"} {
			go func() {
				for _, err := range sequences(t.Context(), s)[name] {
					if err != nil {
						ended <- err
					} else {
						reached <- struct{}{}
					}
				}
			}()
		}
		<-reached
		<-reached
		require.NoError(t, s.Close())
		requireClosed(t, <-ended)
		requireClosed(t, <-ended)
	},

	// An append that races Close is acknowledged and there, or Unavailable.
	"close while appends are running": func(t *testing.T, s eventstore.Store) {
		var group sync.WaitGroup
		var acknowledged atomic.Int64
		for i := range 8 {
			group.Go(func() {
				name := fmt.Sprintf("s%d", i)
				for n := 0; ; n++ {
					_, err := s.Append(context.Background(), name, eventstore.Expected(n-1), Propose(name, n, 1))
					if err != nil {
						requireClosed(t, err)
						return
					}
					acknowledged.Add(1)
				}
			})
		}
		for acknowledged.Load() < 20 {
			_, _ = s.Streams(t.Context())
		}
		require.NoError(t, s.Close())
		group.Wait()
	},
}

// "Concurrency: every method may be called from any goroutine."
var races = map[string]func(*testing.T, eventstore.Store){
	"exactly one appender wins each revision": func(t *testing.T, s eventstore.Store) {
		const writers, revisions = 16, 30
		var wins [revisions]atomic.Int32
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for n := range revisions {
					_, err := s.Append(t.Context(), "s", eventstore.Expected(n-1), Propose(fmt.Sprint("w", w), n, 1))
					if err == nil {
						wins[n].Add(1)
						continue
					}
					var conflict *eventstore.Conflict
					if !errors.As(err, &conflict) || conflict.Expected != eventstore.Expected(n-1) || conflict.Actual == conflict.Expected {
						t.Errorf("writer %d at %d: %v", w, n, err)
					}
				}
			})
		}
		group.Wait()
		got := All(t, s.ReadStream(t.Context(), "s", 0))
		require.Len(t, got, revisions)
		for n := range wins {
			require.Equal(t, int32(1), wins[n].Load(), "revision %d", n)
			require.Equal(t, uint64(n), got[n].Revision)
		}
	},

	// The same append from many goroutines at once is one append.
	"the same append from many at once": func(t *testing.T, s eventstore.Store) {
		for round := range 10 {
			answers := make([]eventstore.Appended, 16)
			var group sync.WaitGroup
			for i := range answers {
				group.Go(func() {
					answers[i] = Must(t, s, "s", eventstore.Expected(round*3-1), Propose("a", round*3, 3))
				})
			}
			group.Wait()
			written := 0
			for _, a := range answers {
				if !a.Idempotent {
					written++
				}
				a.Idempotent = answers[0].Idempotent
				require.Equal(t, answers[0], a)
			}
			require.Equal(t, 1, written)
		}
		requireSame(t, "s", 0, Propose("a", 0, 30), All(t, s.ReadStream(t.Context(), "s", 0)))
	},

	// "An append is atomic": no reader sees part of one.
	"no reader sees half an append": func(t *testing.T, s eventstore.Store) {
		const batch, rounds = 5, 60
		done := make(chan struct{})
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				for running := true; running; {
					select {
					case <-done:
						running = false
					default:
					}
					if head, err := s.Head(t.Context(), "s"); err == nil && (head+1)%batch != 0 {
						t.Errorf("head is %d, inside an append", head)
					}
					n := len(All(t, s.ReadAll(t.Context(), eventstore.Position{})))
					if n%batch != 0 {
						t.Errorf("%d records are visible: part of an append", n)
					}
				}
			})
		}
		for n := range rounds {
			Must(t, s, "s", eventstore.Expected(n*batch-1), Propose("a", n*batch, batch))
		}
		close(done)
		group.Wait()
	},
}
