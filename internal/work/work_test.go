package work

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// has reports whether a place was given.
func has(o *Place) bool {
	select {
	case <-o.Given():
		return true
	default:
		return false
	}
}

func TestLinesTakeTurnsAndTheFirstOfEachGoesFirst(t *testing.T) {
	p := New(1)
	held := p.Take(Past)
	var asked []*Place
	for _, line := range []Line{Requests, Requests, Requests, Past, Past, Decisions} {
		asked = append(asked, p.Ask(line))
	}
	var order []int
	for range asked {
		held.Leave()
		for i, o := range asked {
			if o != held && !o.gone && has(o) {
				order, held = append(order, i), o
				break
			}
		}
	}
	// A turn of Past went first, so the next is that of Decisions.
	require.Equal(t, []int{5, 0, 3, 1, 4, 2}, order)
	held.Leave()
	require.Equal(t, 1, p.free)
}

func TestNoMoreThanThePlacesAreGiven(t *testing.T) {
	p := New(2)
	one, two, three := p.Ask(Requests), p.Ask(Requests), p.Ask(Requests)
	require.True(t, has(one) && has(two))
	require.False(t, has(three))
	two.Leave()
	two.Leave() // twice is once
	require.True(t, has(three))
	require.False(t, has(p.Ask(Requests)))
}

func TestWhoStopsWaitingTakesNoPlace(t *testing.T) {
	p := New(1)
	held, gone, next := p.Take(Requests), p.Ask(Requests), p.Ask(Requests)
	gone.Leave()
	held.Leave()
	require.False(t, has(gone))
	require.True(t, has(next))
	next.Leave()
	require.Equal(t, 1, p.free)
	require.Equal(t, 1, New(0).free, "there is always one")
}

func TestAPlaceIsSharedOnlyAfterAWhileAndOnlyIfOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1)
		held := p.Take(Past)
		time.Sleep(2 * share)
		require.False(t, held.Over(), "nobody waits")
		require.Same(t, held, held.Share())
		held.Leave()

		held = p.Take(Past)
		other := p.Ask(Decisions)
		require.False(t, held.Over(), "it was just given")
		time.Sleep(share)
		require.True(t, held.Over())
		go func() {
			<-other.Given()
			other.Leave()
		}()
		again := held.Share()
		require.True(t, has(other), "the other was first")
		require.NotSame(t, held, again)
		require.False(t, again.Over())
		again.Leave()
		require.Equal(t, 1, p.free)
	})
}

func TestWithoutPlacesThereIsNoLimit(t *testing.T) {
	var p *Places
	o := p.Take(Requests)
	require.Nil(t, o)
	require.False(t, o.Over())
	require.Nil(t, o.Share())
	o.Leave()
	done := false
	p.Do(Past, func() { done = true })
	require.True(t, done)
}

func TestPlacesComeBackAfterAPanic(t *testing.T) {
	p := New(1)
	require.Panics(t, func() { p.Do(Requests, func() { panic("defect") }) })
	require.Equal(t, 1, p.free)
}

func TestManyAtOnce(t *testing.T) {
	p := New(2)
	var running, most, done atomic.Int64
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			for n := range 100 {
				line := Line((i + n) % int(lines))
				if n%7 == 0 { // it does not wait for its turn
					p.Ask(line).Leave()
					continue
				}
				p.Do(line, func() {
					most.Store(max(most.Load(), running.Add(1)))
					runtime.Gosched()
					running.Add(-1)
					done.Add(1)
				})
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, most.Load(), int64(2))
	require.EqualValues(t, 50*85, done.Load())
	require.Equal(t, 2, p.free)
}

func TestSpareProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	cores := Cores()
	t.Setenv("GOMAXPROCS", "3")
	SpareProcessors()
	require.Equal(t, before, runtime.GOMAXPROCS(0), "a person has said how many")
	t.Setenv("GOMAXPROCS", "")
	SpareProcessors()
	SpareProcessors()
	require.Equal(t, cores+spare, runtime.GOMAXPROCS(0))
	require.Equal(t, cores, Cores())
}
