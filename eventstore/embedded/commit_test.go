package embedded_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// held returns a store whose flushes of segments the gate can hold up.
func held(t *testing.T) (*faultFS, *embedded.Store, *gate) {
	t.Helper()
	f, hold := newFaultFS(t, 1), newGate()
	f.before = hold.at("datasync", ".seg")
	s := f.mustOpen()
	hold.close()
	return f, s, hold
}

// TestInvisibleBeforeFlush: "a record is visible to any reader, of this process
// or another, only after it would survive a power cut".
func TestInvisibleBeforeFlush(t *testing.T) {
	f, s, hold := held(t)
	beside, err := f.openReadOnly()
	require.NoError(t, err)
	defer func() { require.NoError(t, beside.Close()) }()
	live := make(chan []eventstore.Record, 2)
	for _, r := range []*embedded.Store{s, beside} {
		go func() { live <- storetest.Take(t, r.SubscribeAll(t.Context(), eventstore.Position{}), 3) }()
	}

	done := make(chan eventstore.Appended)
	go func() { done <- storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 3)) }()
	hold.reached()
	late, err := f.openReadOnly()
	require.NoError(t, err)
	defer func() { require.NoError(t, late.Close()) }()
	for _, r := range []*embedded.Store{s, beside, late} {
		requireEmpty(t, r)
	}
	select {
	case <-done:
		t.Error("acknowledged before it was flushed")
	case <-live:
		t.Error("a subscription saw what was not flushed")
	default:
	}
	hold.open()
	<-done
	for _, r := range []*embedded.Store{s, beside, late} {
		require.Len(t, storetest.All(t, r.ReadAll(t.Context(), eventstore.Position{})), 3, "acknowledged is visible to all")
	}
	require.Len(t, <-live, 3)
	require.Len(t, <-live, 3)
}

func requireEmpty(t *testing.T, s *embedded.Store) {
	t.Helper()
	require.Empty(t, storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})))
	names, err := s.Streams(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	var notFound *eventstore.NotFound
	_, err = s.Head(t.Context(), "s")
	require.ErrorAs(t, err, &notFound)
	_, err = storetest.Collect(t, s.ReadStream(t.Context(), "s", 0))
	require.ErrorAs(t, err, &notFound)
}

// TestGroup: appends that wait together are decided in order and share a flush;
// duplicates and conflicts within the group are answered after it.
func TestGroup(t *testing.T) {
	f, s, hold := held(t)
	answers := make(chan string, 10)
	add := func(name, stream string, expected eventstore.Expected, records []eventstore.Proposed) {
		before := s.Waiting()
		go func() {
			got, err := s.Append(t.Context(), stream, expected, records)
			var conflict *eventstore.Conflict
			switch {
			case errors.As(err, &conflict):
				answers <- label("%s: conflict, actual %s", name, conflict.Actual)
			case err != nil:
				answers <- label("%s: %v", name, err)
			default:
				answers <- label("%s: %d to %d at %d, idempotent %t", name, got.First, got.Last, got.Position.Commit, got.Idempotent)
			}
		}()
		if name != "first" {
			waitFor(t, func() bool { return s.Waiting() == before+1 })
		}
	}
	add("first", "x", eventstore.NoStream, storetest.Propose("x", 0, 1))
	hold.reached()
	add("winner", "s", eventstore.NoStream, storetest.Propose("a", 0, 2))
	add("same", "s", eventstore.NoStream, storetest.Propose("a", 0, 2))
	add("prefix", "s", eventstore.NoStream, storetest.Propose("a", 0, 1))
	add("loser", "s", eventstore.NoStream, storetest.Propose("b", 0, 2))
	add("longer", "s", eventstore.NoStream, storetest.Propose("a", 0, 3))
	add("next", "s", eventstore.At(1), storetest.Propose("a", 2, 1))
	syncs := f.syncs
	hold.open()
	var got []string
	for range 7 {
		got = append(got, <-answers)
	}
	require.ElementsMatch(t, []string{
		"first: 0 to 0 at 113, idempotent false",
		"winner: 0 to 1 at 249, idempotent false",
		"same: 0 to 1 at 249, idempotent true",
		"prefix: 0 to 0 at 249, idempotent true",
		"loser: conflict, actual revision 1",
		"longer: conflict, actual revision 1",
		"next: 2 to 2 at 473, idempotent false",
	}, got)
	require.Equal(t, 2, f.syncs-syncs, "one flush for the first, one for all others")
}

// TestContext: "The context of an appender: if it ends before the append was
// picked up → ctx error and nothing written; afterwards wait for the outcome."
func TestContext(t *testing.T) {
	_, s, hold := held(t)
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := make(chan error)
	go func() {
		_, err := s.Append(ctx, "picked-up", eventstore.NoStream, storetest.Propose("a", 0, 1))
		outcomes <- err
	}()
	hold.reached()
	go func() {
		_, err := s.Append(ctx, "waiting", eventstore.NoStream, storetest.Propose("b", 0, 1))
		outcomes <- err
	}()
	waitFor(t, func() bool { return s.Waiting() == 1 })
	cancel()
	require.ErrorIs(t, <-outcomes, context.Canceled)
	hold.open()
	require.NoError(t, <-outcomes, "it was being written: only the outcome can be told")

	storetest.Must(t, s, "after", eventstore.NoStream, storetest.Propose("c", 0, 1))
	names, err := s.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"after", "picked-up"}, names)
}

// TestPoisonedGroup: all of a group whose flush fails, and all that wait behind
// it, hear Unavailable and Poisoned; nobody hears of a conflict with records
// that may not exist.
func TestPoisonedGroup(t *testing.T) {
	f, s, hold := held(t)
	storeDone := make(chan error, 10)
	add := func(stream string, n int) {
		_, err := s.Append(t.Context(), stream, eventstore.NoStream, storetest.Propose(stream, n, 1))
		storeDone <- err
	}
	go add("x", 0)
	hold.reached()
	for n := range 4 {
		go add("y", n) // four appends for one revision
		waitFor(t, func() bool { return s.Waiting() == n+1 })
	}
	f.mu.Lock()
	f.failAt = f.ops + 2 // the flush that is held up is 1
	f.mu.Unlock()
	hold.open()
	var failed int
	for range 5 {
		if err := <-storeDone; err != nil {
			requirePoisoned(t, err)
			require.ErrorIs(t, err, errInjected)
			failed++
		}
	}
	require.GreaterOrEqual(t, failed, 4)
	_, err := s.Append(t.Context(), "z", eventstore.NoStream, storetest.Propose("z", 0, 1))
	requirePoisoned(t, err)
	requireEmptyStream(t, s, "y")
	require.NoError(t, s.Close())
}

func requireEmptyStream(t *testing.T, s *embedded.Store, stream string) {
	t.Helper()
	var notFound *eventstore.NotFound
	_, err := s.Head(t.Context(), stream)
	require.ErrorAs(t, err, &notFound)
}

// TestSegments: many appenders over many segments, and everything is there after
// a restart, in the same order.
func TestSegments(t *testing.T) {
	folder := t.TempDir()
	options := embedded.Options{SegmentBytes: 4 << 10}
	s, err := embedded.Open(folder, options)
	require.NoError(t, err)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			name := label("s%d", w)
			for n := range 50 {
				storetest.Must(t, s, name, eventstore.Expected(n*2-1), storetest.Propose(name, n*2, 2))
			}
		})
	}
	group.Wait()
	before := storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	require.Len(t, before, 800)
	report, err := s.Verify(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())

	for _, open := range []func(string, embedded.Options) (*embedded.Store, error){embedded.OpenReadOnly, embedded.Open} {
		again, err := open(folder, options)
		require.NoError(t, err)
		require.Equal(t, before, storetest.All(t, again.ReadAll(t.Context(), eventstore.Position{})))
		require.Equal(t, s.UUID(), again.UUID())
		var calls, last int64
		got, err := again.Verify(t.Context(), func(done, total int64) {
			require.GreaterOrEqual(t, done, last)
			require.LessOrEqual(t, done, total)
			calls, last = calls+1, done
		})
		require.NoError(t, err)
		require.Equal(t, report, got)
		require.Positive(t, calls)
		require.NoError(t, again.Close())
	}
	require.Greater(t, report.Segments, uint64(10))
	require.Equal(t, uint64(400), report.Frames)
	require.Equal(t, uint64(800), report.Records)
	require.Equal(t, uint64(8), report.Streams)
	require.Zero(t, report.TornBytes)
}
