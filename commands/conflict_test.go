package commands

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// "If anything came between, it is decided again. So a risk check can never race a trade,
// on one machine or on twenty": 64 goroutines ask two servers for permits under one cash
// limit. The cash is never over-reserved, the events of every acknowledged command are in
// the stream exactly once, and both servers end in the state of a fresh fold.
func Test64BotsAtOneLimit(t *testing.T) {
	const asked = 64
	rounds, deadline := 0, time.Now().Add(1500*time.Millisecond)
	for ; time.Now().Before(deadline) && rounds < 500; rounds++ {
		roundAtOneLimit(t, asked, rounds%2 == 1)
	}
	t.Logf("%d rounds of %d", rounds, asked)
}

// roundAtOneLimit: a bot with 1,000 asks for 64 permits of 50 each, so that 20
// fit; half of the askers also retry at the other server.
func roundAtOneLimit(t *testing.T, asked int, retry bool) {
	t.Helper()
	r := newRig(t).opened("a")
	writers := []*Writer{r.w, r.writer()}
	answers := make([]Answer, 2*asked)
	ctx := r.ctx()
	var wg sync.WaitGroup
	for i := range answers {
		if i >= asked && !retry {
			break
		}
		wg.Go(func() {
			n := i % asked
			var err error
			request := Request{Caller: botCaller("a"), Key: fmt.Sprint("ask", n), Command: permit("a", "100")}
			answers[i], err = writers[(i+i/asked)%2].Do(ctx, request)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	all := r.records()
	granted, seen := 0, map[uint64]int{}
	for i, a := range answers[:asked] {
		stored(t, all, a)
		for _, e := range a.Events {
			seen[e.Revision]++
		}
		if a.Permit.Allowed {
			granted++
		}
		if retry {
			same(t, a, answers[i+asked])
		}
	}
	require.Equal(t, 20, granted, "1,000 pays for 20 permits of 50")
	require.Len(t, seen, asked, "each command has its own record")
	reserved := dec("0")
	for _, p := range fold(t, r.store).Permits {
		reserved = reserved.Add(p.Reserved)
	}
	require.Equal(t, "1000", reserved.String())

	// Both catch up when they have to decide.
	for i, w := range writers {
		_, err := w.Do(ctx, Request{Caller: olga, Key: fmt.Sprint("last", i), Command: deposit("1")})
		require.NoError(t, err)
	}
	_, err := writers[0].Do(ctx, Request{Caller: olga, Key: "last", Command: deposit("1")})
	require.NoError(t, err)
	_, err = writers[1].Do(ctx, Request{Caller: olga, Key: "?", Command: StartBot{Bot: "nobody"}}) // a refusal catches up, too
	requireCode(t, domain.CodeNotFound, err)
	writers[0].Close()
	writers[1].Close()
	fresh := hashOf(t, fold(t, r.store))
	require.Equal(t, fresh, hashOf(t, stateOf(writers[0])))
	require.Equal(t, fresh, hashOf(t, stateOf(writers[1])))
	r.check()
}

// A refusal is an answer, too: it is not given on a state that another server has
// changed.
func TestARefusalRestsOnTheWholeStream(t *testing.T) {
	r := newRig(t).opened()
	other := r.writer()
	_, err := other.Do(r.ctx(), Request{Caller: olga, Key: "warm", Command: deposit("1")})
	require.NoError(t, err)

	r.must(olga, RegisterBot{ID: "a"}) // acknowledged here, so true there
	_, err = other.Do(r.ctx(), Request{Caller: olga, Key: "k", Command: AllocateCapital{Bot: "a", Amount: dec("1")}})
	require.NoError(t, err, "not: bot is not registered")

	r.store.headErr = errDown // it is unknown whether this is the whole stream
	_, err = other.Do(r.ctx(), Request{Caller: olga, Key: "k2", Command: RegisterBot{ID: "a"}})
	requireCode(t, domain.CodeUnavailable, err)
	_, err = other.Do(r.ctx(), Request{Caller: botCaller("a"), Key: "k2", Command: RegisterBot{ID: "a"}})
	requireCode(t, domain.CodeDenied, err) // this needs no state
	r.store.headErr = nil
	_, err = other.Do(r.ctx(), Request{Caller: olga, Key: "k2", Command: RegisterBot{ID: "a"}})
	requireCode(t, domain.CodeConflict, err)
	r.check()
}

// A conflict before the append: the batch is decided again, in its order, and the other
// server's records determine who is refused now.
func TestABatchIsDecidedAgainAfterAConflict(t *testing.T) {
	r := newRig(t).opened("a")
	other := r.writer()
	gate := make(chan struct{})
	r.store.plan(
		fault{gate: gate}, // of "held"
		fault{before: func() { // of the batch
			_, err := other.Do(r.ctx(), Request{Caller: olga, Key: "o", Command: RegisterBot{ID: "b", Capital: dec("8500")}})
			require.NoError(t, err)
		}},
	)
	held := r.start(r.ctx(), olga, "held", deposit("1"))
	soon(t, r.store.blocked)
	b := r.start(r.ctx(), olga, "b", RegisterBot{ID: "b", Capital: dec("8000")})
	r.waitQueued(1)
	c := r.start(r.ctx(), olga, "c", RegisterBot{ID: "c", Capital: dec("500")}) // 9,001 - 8,500: enough
	r.waitQueued(2)
	d := r.start(r.ctx(), olga, "d", RegisterBot{ID: "d", Capital: dec("2")}) // 1 left
	r.waitQueued(3)
	close(gate)
	require.NoError(t, soon(t, held).err)
	requireCode(t, domain.CodeConflict, soon(t, b).err) // was valid before the conflict
	require.NoError(t, soon(t, c).err)
	requireCode(t, domain.CodeInvalid, soon(t, d).err)
	r.check()
}

// A request that was not tried, because one before it was refused, is tried if the
// conflict removes that refusal.
func TestNotTriedIsTakenBackWithTheRefusal(t *testing.T) {
	r := newRig(t).opened()
	other := r.writer()
	r.store.plan(fault{before: func() {
		_, err := other.Do(r.ctx(), Request{Caller: olga, Key: "o", Command: RegisterBot{ID: "a", Capital: dec("1")}})
		require.NoError(t, err)
	}})
	results, err := r.w.DoAll(r.ctx(), []Request{
		{Caller: olga, Key: "1", Command: deposit("1")},
		{Caller: olga, Key: "2", Command: AllocateCapital{Bot: "a", Amount: dec("1")}}, // not there yet
		{Caller: olga, Key: "3", Command: deposit("1")},
	})
	require.NoError(t, err)
	for i, res := range results {
		require.NoError(t, res.Err, "%d", i)
	}
	r.check()
}

// Endless conflicts make the command fail, and nothing is acknowledged; "every loop has a
// limit".
func TestConflictsWithoutEndAreGivenUp(t *testing.T) {
	r := newRig(t).opened()
	conflict := &eventstore.Conflict{Stream: Stream("main")}
	for range maxAttempts {
		r.store.plan(fault{err: conflict})
	}
	before := r.store.attempts
	_, err := r.do(olga, "k", deposit("1"))
	requireCode(t, domain.CodeUnavailable, err)
	require.Equal(t, maxAttempts, r.store.attempts-before)
	_, err = r.do(olga, "k", deposit("1"))
	require.NoError(t, err)

	for range maxAttempts - 1 { // limit − 1
		r.store.plan(fault{err: conflict})
	}
	r.must(olga, deposit("1"))
	r.check()
}

// The limit is per append, not per batch that is cut into several: here each command
// fills a group.
func TestEveryAppendOfABatchHasItsOwnAttempts(t *testing.T) {
	r := newRig(t).opened("a")
	var faults []fault
	for range 3 {
		for range maxAttempts - 1 {
			faults = append(faults, fault{err: &eventstore.Conflict{Stream: Stream("main")}})
		}
		faults = append(faults, fault{})
	}
	full := testCommand{"x", func(d *portfolio.Decision) error {
		for range fullRecords {
			d.Note(domain.NotedNothing, "x")
		}
		return nil
	}}
	for i, out := range r.togetherWith(faults, r.by(olga, full, full, full)...) {
		require.NoError(t, out.err, "%d", i)
	}
	require.Empty(t, r.store.faults, "it took three appends")
	r.check()
}

// "Only the same writer's retry is idempotent in the store; another server gets a
// conflict, catches up, finds the command_id and answers from the stored records."
func TestAnotherServersAttemptIsAConflict(t *testing.T) {
	r := newRig(t).opened()
	other := r.writer()
	var first Answer
	r.store.plan(fault{before: func() {
		var err error
		first, err = other.Do(r.ctx(), Request{Caller: olga, Key: "k", Command: deposit("3")})
		require.NoError(t, err)
	}})
	again, err := r.do(olga, "k", deposit("3"))
	require.NoError(t, err)
	require.True(t, again.Replayed)
	same(t, first, again)
	require.Equal(t, "10003", fold(t, r.store).NetDeposits().String())
	r.check()
}

// A server that was overtaken once folds only what the others have appended from then on, and
// not the whole stream again.
func TestServersThatMeetOftenFoldOnlyWhatIsNew(t *testing.T) {
	r := newRig(t).opened()
	other := r.writer()
	meet := func(n int) {
		r.store.plan(fault{before: func() {
			_, err := other.Do(r.ctx(), Request{Caller: olga, Key: fmt.Sprint("other", n), Command: deposit("1")})
			require.NoError(t, err)
		}})
		r.must(olga, deposit("1"))
		_, err := r.do(olga, fmt.Sprint("refused", n), RegisterBot{ID: "x", Capital: dec("1000000")})
		require.Error(t, err) // it is decided with what the other has appended, too
	}
	meet(0)
	meet(1)
	before := r.store.reads
	for n := range 50 {
		meet(n + 2)
	}
	require.Equal(t, before, r.store.reads, "the stream was folded from its beginning")
	require.Equal(t, "10104", fold(t, r.store).NetDeposits().String())
	require.Equal(t, hashOf(t, fold(t, r.store)), hashOf(t, stateOf(r.w)))
	r.check()
}

// A look folds what another server has appended, too. What is kept to step back to must not be
// left behind by that.
func TestALookBetweenMeetings(t *testing.T) {
	r := newRig(t).opened()
	other := r.writer()
	n := 0
	append1 := func() {
		n++
		_, err := other.Do(r.ctx(), Request{Caller: olga, Key: fmt.Sprint("other", n), Command: deposit("1")})
		require.NoError(t, err)
	}
	for range 5 {
		r.store.plan(fault{before: append1})
		r.must(olga, deposit("1")) // overtaken: from now on there is a spare
		append1()
		require.NoError(t, r.w.look(r.ctx(), func(*portfolio.State) error { return nil }))
		r.must(olga, deposit("1"))
	}
	require.Equal(t, "10020", fold(t, r.store).NetDeposits().String())
	require.Equal(t, hashOf(t, fold(t, r.store)), hashOf(t, stateOf(r.w)))
	r.check()
}

// A server catches up although another one appends something whenever the read would end, and
// decides then.
func TestCatchingUpEndsWhileTheStreamGrows(t *testing.T) {
	r := newRig(t).opened()
	other := r.writer()
	grown := 0
	grow := func() {
		grown++
		_, err := other.Do(r.ctx(), Request{Caller: olga, Key: fmt.Sprint("grown", grown), Command: deposit("1")})
		require.NoError(t, err)
	}
	slow := &growing{Store: r.store, most: 1_000, grow: grow}
	w := NewWriter(slow, "main", Options{Now: r.clock.Now})
	grow()
	_, err := w.Do(r.ctx(), Request{Caller: olga, Key: "slow", Command: deposit("1")})
	require.NoError(t, err)
	slow.on.Store(true)
	grow()
	require.NoError(t, w.look(r.ctx(), func(*portfolio.State) error { return nil }))
	require.Less(t, grown, 100, "it ran after the other server")
	w.Close()
	w = NewWriter(slow, "main", Options{Now: r.clock.Now})
	require.NoError(t, w.Load(r.ctx()))
	require.Less(t, grown, 200, "it ran after the other server while it was started")
	w.Close()
}

// growing is a store whose stream grows by one record before each record that a reader gets.
type growing struct {
	eventstore.Store
	on   atomic.Bool
	most int
	grow func()
}

func (g *growing) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		for rec, err := range g.Store.ReadStream(ctx, stream, from) {
			if g.on.Load() && g.most > 0 {
				g.most--
				g.grow()
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// The permits that another server has granted come with what is folded, and are not read again
// one by one.
func TestPermitsOfAnotherServerAreReadOnce(t *testing.T) {
	r := newRig(t).opened("a")
	other := r.writer()
	counted := &countingReads{Store: r.store}
	r.w.Close()
	r.w = NewWriter(counted, "main", Options{Now: r.clock.Now})
	t.Cleanup(r.w.Close)
	require.NoError(t, r.w.Load(r.ctx()))
	for n := range 15 {
		_, err := other.Do(r.ctx(), Request{Caller: botCaller("a"), Key: fmt.Sprint("ask", n), Command: permit("a", "100")})
		require.NoError(t, err)
	}
	before, live := counted.reads.Load(), 0
	require.NoError(t, r.w.look(r.ctx(), func(s *portfolio.State) error { live = len(s.Permits); return nil }))
	require.Equal(t, 15, live)
	require.Equal(t, before+1, counted.reads.Load())
	r.check()
}

// countingReads counts the reads of a store's streams.
type countingReads struct {
	eventstore.Store
	reads atomic.Int64
}

func (c *countingReads) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	c.reads.Add(1)
	return c.Store.ReadStream(ctx, stream, from)
}
