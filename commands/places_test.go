package commands

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/work"
)

// While every place is taken, commands wait and stops do not: neither in another portfolio, nor
// in that of a command that waits for a place already.
func TestAStopWaitsForNoPlace(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main", "other")
	places := e.engine.options.Work
	held := places.Take(work.Past)
	waits := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := e.do("main", botCaller("a"), permit("a", "1"))
			waits <- err
		}()
	}
	require.True(t, e.stop("other"))
	require.True(t, e.stopBot("main", "a"))
	require.True(t, e.stop("main"))
	held.Leave()
	for range 2 {
		<-waits // decided before or after the stop, and answered
	}
	places.Take(work.Past).Leave() // all are back
}

// What has a place gives it back whatever becomes of its commands, and many commands of one call
// are prepared and answered in one.
func TestPlacesComeBack(t *testing.T) {
	t.Parallel()
	places := work.New(1)
	r := newRig(t)
	r.w = r.writer(Options{Work: places})
	r.must(olga, openMain())
	r.must(olga, deposit("1000"))
	all := make([]Request, 3*several)
	for i := range all {
		all[i] = Request{Caller: olga, Key: r.key(), Command: deposit("1")}
	}
	results, err := r.w.DoEach(r.ctx(), all)
	require.NoError(t, err)
	for _, result := range results {
		require.NoError(t, result.Err)
	}
	told := 0
	require.NoError(t, r.w.DoInParts(r.ctx(), all, func(_ int, results []Result) {
		told += len(results)
		places.Take(work.Requests).Leave() // none is in hand while the caller is told
	}))
	require.Equal(t, len(all), told)
	r.store.plan(fault{err: errDown})
	_, err = r.do(olga, r.key(), deposit("1"))
	require.Error(t, err)
	places.Take(work.Past).Leave()
	held := places.Take(work.Past)
	r.w.Close() // it has nothing to decide, and asks for nothing
	held.Leave()
}
