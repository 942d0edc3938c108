package commands

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// batch sends n reports of trades in one call and returns the channel of its results.
func (r *rig) batch(bot string, n int, label string) <-chan []Result {
	requests := make([]Request, n)
	for i := range requests {
		requests[i] = Request{Caller: botCaller(bot), Key: fmt.Sprint(label, i), Command: RecordTrade{
			Bot: bot, Market: "m", PnL: dec("0.01"), TradeID: fmt.Sprint(label, i),
		}}
	}
	out := make(chan []Result, 1)
	ctx := r.ctx()
	go func() {
		results, err := r.w.DoEach(ctx, requests)
		if err != nil {
			r.t.Error(err)
		}
		out <- results
	}()
	return out
}

// hold blocks the writer in an append until the gate is closed.
func (r *rig) hold() (gate chan struct{}, held <-chan outcome) {
	r.t.Helper()
	gate = make(chan struct{})
	r.store.plan(fault{gate: gate})
	held = r.start(r.ctx(), olga, r.key(), deposit("1"))
	soon(r.t, r.store.blocked)
	return gate, held
}

// actors counts, for one append, the commands of each caller.
func actors(t *testing.T, records []eventstore.Proposed) map[string]int {
	t.Helper()
	commands := map[string]bool{}
	by := map[string]int{}
	for _, rec := range records {
		m, err := domain.DecodeMetadata(rec.Metadata)
		require.NoError(t, err)
		if !commands[m.CommandID] {
			by[m.Actor]++
		}
		commands[m.CommandID] = true
	}
	return by
}

func allBooked(t *testing.T, out <-chan []Result) {
	t.Helper()
	for i, res := range soon(t, out) {
		require.NoError(t, res.Err, "%d", i)
	}
}

// "Stopping orders first": a stop that arrives behind ten batches of 1,000 is in the very
// next append, and first in it.
func TestAStopGoesBeforeAllThatIsQueued(t *testing.T) {
	for name, stop := range map[string]Command{"emergency stop": manual(), "bot stop": StopBot{Bot: "a"}, "pointer": &StopBot{Bot: "a"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).opened("a")
			gate, held := r.hold()
			var batches []<-chan []Result
			for n := range 10 {
				batches = append(batches, r.batch("a", 1000, fmt.Sprint("b", n, "-")))
				r.waitQueued(n + 1)
			}
			stopped := r.start(r.ctx(), olga, "stop", stop)
			r.waitQueued(11)
			before := len(r.store.appends)
			close(gate)
			require.NoError(t, soon(t, held).err)
			require.NoError(t, soon(t, stopped).err)
			for _, b := range batches {
				allBooked(t, b)
			}
			next := r.store.appends[before+1]
			m, err := domain.DecodeMetadata(next[0].Metadata)
			require.NoError(t, err)
			require.Equal(t, nameOf(stop), m.Command)
			require.LessOrEqual(t, actors(t, next)["key-a"], besideStops, "and little beside it")
			r.check()
		})
	}
}

// A stop that arrives while a batch is being decided is in the same append, which then
// ends soon.
func TestAStopJoinsTheGroupAtHand(t *testing.T) {
	r := newRig(t).opened("a")
	reached, gate := make(chan struct{}), make(chan struct{})
	var requests []Request
	for i := range 1000 {
		c := Command(deposit("1"))
		if i == 500 {
			c = testCommand{"x", func(d *portfolio.Decision) error {
				close(reached)
				<-gate
				return deposit("1").Decide(d)
			}}
		}
		requests = append(requests, Request{Caller: olga, Key: fmt.Sprint("many", i), Command: c})
	}
	before := len(r.store.appends)
	done := make(chan []Result, 1)
	go func() {
		results, err := r.w.DoAll(r.ctx(), requests)
		if err != nil {
			t.Error(err)
		}
		done <- results
	}()
	soon(t, reached)
	stopped := r.start(r.ctx(), alice, "stop", manual())
	r.waitQueued(2) // the rest of the batch, and the stop
	close(gate)
	require.NoError(t, soon(t, stopped).err)
	allBooked(t, done)
	first := r.store.appends[before]
	require.Equal(t, map[string]int{"olga": 501, "alice": 1}, actors(t, first))
	r.check()
}

// "then fair turns by caller, at most 64 commands of one caller in a group while others
// wait": a caller with one command does not wait for a caller with a thousand.
func TestFairTurns(t *testing.T) {
	r := newRig(t).opened("a", "b", "c")
	gate, held := r.hold()
	a := r.batch("a", 1000, "a-")
	r.waitQueued(1)
	b := r.batch("b", 200, "b-")
	r.waitQueued(2)
	c := r.batch("c", 1, "c-")
	r.waitQueued(3)
	before := len(r.store.appends)
	close(gate)
	require.NoError(t, soon(t, held).err)
	for _, out := range []<-chan []Result{a, b, c} {
		allBooked(t, out)
	}
	appends := r.store.appends[before+1:]
	require.Equal(t, map[string]int{"key-a": fairShare, "key-b": fairShare, "key-c": 1}, actors(t, appends[0]))
	require.Equal(t, map[string]int{"key-a": fairShare, "key-b": fairShare}, actors(t, appends[1]))
	require.Equal(t, map[string]int{"key-a": fairShare, "key-b": fairShare}, actors(t, appends[2]))
	require.Equal(t, map[string]int{"key-a": fairShare, "key-b": 200 - 3*fairShare}, actors(t, appends[3]))
	require.Equal(t, map[string]int{"key-a": 1000 - 4*fairShare}, actors(t, appends[4]), "alone, he needs no turns")
	r.check()
}

// More keys and users do not give a bot more turns.
func TestABotIsOneCaller(t *testing.T) {
	one := domain.Caller{User: "u1", Role: domain.RoleBot, Bot: "a"}
	two := domain.Caller{User: "u2", Role: domain.RoleBot, Bot: "a"}
	require.Equal(t, turnOf(one), turnOf(two))
	require.NotEqual(t, turnOf(one), turnOf(domain.Caller{User: "u1", Role: domain.RoleBot, Bot: "b"}))
	require.NotEqual(t, turnOf(one), turnOf(domain.Caller{User: "a", Role: domain.RoleOperator}))
	require.Equal(t, turnOf(domain.Caller{User: "Olga", Role: domain.RoleAdmin}), turnOf(olga), "nor more roles a person")
}

// A caller who may not stop anything does not go first by sending a stop; nor does a
// batch that does more than stop.
func TestOnlyStopsGoFirst(t *testing.T) {
	lane := func(requests ...Request) int { return laneOf(&job{requests: requests}) }
	stop, other := Request{Caller: olga, Key: "k", Command: StopBot{Bot: "a"}}, Request{Caller: olga, Key: "k", Command: deposit("1")}
	require.Equal(t, stopLane, lane(stop))
	require.Equal(t, stopLane, lane(stop, stop))
	require.Equal(t, otherLane, lane(stop, other))
	require.Equal(t, otherLane, lane(other))
	require.Equal(t, otherLane, lane(Request{Caller: botCaller("a"), Key: "k", Command: StopBot{Bot: "a"}}))
	require.Equal(t, otherLane, lane(Request{Caller: olga, Key: "k"}))
}

// Endless stops do not block other commands for ever: each group has room for others.
func TestStopsLeaveRoomForOthers(t *testing.T) {
	r := newRig(t).opened("a")
	gate, held := r.hold()
	facts := r.batch("a", 3*besideStops, "f-")
	r.waitQueued(1)
	for n := range 500 {
		r.start(r.ctx(), olga, fmt.Sprint("stop", n), manual())
	}
	r.waitQueued(501)
	before := len(r.store.appends)
	close(gate)
	require.NoError(t, soon(t, held).err)
	allBooked(t, facts)
	require.Positive(t, actors(t, r.store.appends[before+1])["key-a"])
	r.w.Close()
}

// "A stop always gets in": also if its caller has filled the queue with other commands.
func TestAFullQueueTakesStops(t *testing.T) {
	r := newRig(t).opened("a")
	gate, held := r.hold()
	for range maxQueued {
		r.start(r.ctx(), olga, r.key(), deposit("1"))
	}
	r.waitQueued(maxQueued)
	over := r.start(r.ctx(), olga, "over", deposit("1"))
	stopped := r.start(r.ctx(), olga, "stop", StopBot{Bot: "a"})
	other := r.start(r.ctx(), alice, "other", deposit("1")) // nor does he fill it for others
	r.waitQueued(maxQueued + 2)
	before := len(r.store.appends)
	close(gate)
	require.NoError(t, soon(t, held).err)
	for _, out := range []<-chan outcome{stopped, other, over} {
		require.NoError(t, soon(t, out).err)
	}
	require.Equal(t, domain.BotStoppedType, r.store.appends[before+1][0].Type)
	r.check()
}

// A caller who has left leaves nothing behind in the queue, and a caller who waited for
// his place gets it.
func TestWhoGoesLeavesTheQueue(t *testing.T) {
	r := newRig(t).opened("a")
	gate, held := r.hold()
	ctx, cancel := context.WithCancel(r.ctx())
	var gone []<-chan outcome
	for range maxQueued {
		gone = append(gone, r.start(ctx, olga, r.key(), deposit("1")))
	}
	r.waitQueued(maxQueued)
	next := r.start(r.ctx(), olga, "next", deposit("2"))
	gone = append(gone, r.start(ctx, alice, r.key(), manual()))
	r.waitQueued(maxQueued + 1)
	cancel()
	for _, out := range gone {
		require.ErrorIs(t, soon(t, out).err, context.Canceled)
	}
	r.waitQueued(1)
	close(gate)
	require.NoError(t, soon(t, held).err)
	require.NoError(t, soon(t, next).err)
	require.Equal(t, "10003", fold(t, r.store).NetDeposits().String())
	r.check()
}

// A DoAll that is cut into several groups is still one: it stops at the first failure,
// survives conflicts and ambiguous appends, and is found again as a whole.
func TestDoAllOverSeveralGroups(t *testing.T) {
	r := newRig(t).opened("a", "b")
	gate, held := r.hold()
	other := r.writer()
	r.store.plan(
		fault{err: &eventstore.Conflict{Stream: Stream("main")}},
		fault{err: errUnknown, write: true},
		fault{before: func() {
			_, err := other.Do(r.ctx(), Request{Caller: alice, Key: "between", Command: deposit("1000")})
			require.NoError(t, err)
		}},
	)
	requests := make([]Request, 300)
	for i := range requests {
		requests[i] = Request{Caller: olga, Key: fmt.Sprint("all", i), Command: deposit("1")}
	}
	requests[150].Command = StartBot{Bot: "nobody"}
	type all struct {
		results []Result
		err     error
	}
	done := make(chan all, 1)
	go func() {
		results, err := r.w.DoAll(r.ctx(), requests)
		done <- all{results, err}
	}()
	r.waitQueued(1)
	trades := r.batch("b", 500, "b-") // so that it takes turns
	r.waitQueued(2)
	close(gate)
	require.NoError(t, soon(t, held).err)
	got := soon(t, done)
	require.NoError(t, got.err)
	allBooked(t, trades)
	last := uint64(0)
	for i, res := range got.results {
		switch {
		case i < 150:
			require.NoError(t, res.Err, "%d", i)
			require.False(t, res.Answer.Replayed)
			require.Greater(t, res.Answer.Revision, last, "in their order")
			last = res.Answer.Revision
		case i == 150:
			requireCode(t, domain.CodeNotFound, res.Err)
		default:
			require.ErrorIs(t, res.Err, ErrNotTried)
		}
	}
	require.Equal(t, "11151", fold(t, r.store).NetDeposits().String())
	again, err := r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	for i, res := range again[:150] {
		require.True(t, res.Answer.Replayed)
		require.Equal(t, got.results[i].Answer.Revision, res.Answer.Revision)
	}
	require.Equal(t, "11151", fold(t, r.store).NetDeposits().String())
	r.check()
}

// A call that is cut off by the end of the writer says which part of it was booked.
func TestCloseInTheMiddleOfACall(t *testing.T) {
	r := newRig(t).opened("a", "b")
	gate, held := r.hold()
	a := r.batch("a", 200, "a-")
	r.waitQueued(1)
	b := r.batch("b", 200, "b-")
	r.waitQueued(2)
	second := make(chan struct{})
	r.store.plan(fault{gate: second})
	close(gate)
	require.NoError(t, soon(t, held).err)
	soon(t, r.store.blocked)
	closed := make(chan struct{})
	go func() { r.w.Close(); close(closed) }()
	<-r.w.ctx.Done()
	close(second)
	soon(t, closed)
	for _, out := range []<-chan []Result{a, b} {
		results := soon(t, out)
		for i, res := range results {
			if i < fairShare {
				require.NoError(t, res.Err)
				continue
			}
			requireCode(t, domain.CodeUnavailable, res.Err)
		}
	}
	require.Equal(t, fairShare, fold(t, r.store).Bots["a"].Trades)
	r.check()
}
