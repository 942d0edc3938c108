package commands

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

// far is a store to which each call takes a while, as to another machine.
type far struct{ eventstore.Store }

const farBy = 200 * time.Microsecond

func (f far) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	time.Sleep(farBy)
	return f.Store.Append(ctx, stream, expected, records)
}

func (f far) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	time.Sleep(farBy)
	return f.Store.ReadStream(ctx, stream, from)
}

func (f far) Head(ctx context.Context, stream string) (uint64, error) {
	time.Sleep(farBy)
	return f.Store.Head(ctx, stream)
}

// Sixteen servers write to one stream as fast as they can, and each of them gets through.
func TestNoWriterStarves(t *testing.T) {
	r := newRig(t).opened()
	const writers, each = 16, 20
	var group sync.WaitGroup
	for i := range writers {
		w := NewWriter(far{r.store.Store}, "main", Options{Now: r.clock.Now})
		t.Cleanup(w.Close)
		group.Go(func() {
			for n := range each {
				if _, err := w.Do(r.ctx(), Request{Caller: olga, Key: fmt.Sprint(i, " ", n), Command: deposit("1")}); err != nil {
					t.Errorf("writer %d, command %d: %v", i, n, err)
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, "10320", fold(t, r.store).NetDeposits().String())
	r.check()
}

// A writer that gives way takes a stop at once, and answers those who look.
func TestAStopEndsGivingWay(t *testing.T) {
	r := newRig(t).opened("a")
	r.w.Close()
	w := NewWriter(r.store, "main", Options{Now: r.clock.Now})
	t.Cleanup(w.Close)
	require.NoError(t, w.lookAt(r.ctx(), func(stateFold) error {
		w.way.until = time.Now().Add(time.Hour)
		return nil
	}))
	waits := make(chan error, 1)
	go func() {
		_, err := w.Do(r.ctx(), Request{Caller: olga, Key: "waits", Command: deposit("1")})
		waits <- err
	}()
	require.Eventually(t, func() bool { return w.queue.waiting() == 1 }, patience, time.Millisecond)
	require.NoError(t, w.lookAt(r.ctx(), func(stateFold) error { return nil }))
	require.Empty(t, waits)
	_, err := w.Do(r.ctx(), Request{Caller: olga, Key: "stop", Command: StopBot{Bot: "a"}})
	require.NoError(t, err)
	require.NoError(t, <-waits, "with the stop")
}

// The pause depends on how often the writer was overtaken, and has a limit.
func TestGivingWayIsBounded(t *testing.T) {
	now := time.Now()
	var y way
	y.succeeded(now, 0)
	require.False(t, y.until.After(now), "no other server appends")
	for range 100 {
		y.overtaken(now)
		now = now.Add(time.Second)
	}
	require.Equal(t, maxRetry, y.retry)
	y.succeeded(now, 100)
	require.Equal(t, maxGiveWay, y.until.Sub(now))
	for range 5 {
		y.succeeded(now, 0)
	}
	require.Equal(t, now, y.until, "the others are gone")
}
