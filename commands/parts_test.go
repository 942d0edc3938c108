package commands

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// inParts is a call of DoInParts that is under way.
type inParts struct {
	parts chan []Result // one by one
	err   chan error
}

// trades are n reports of trades of a bot.
func trades(bot string, n int, label string) []Request {
	requests := make([]Request, n)
	for i := range requests {
		requests[i] = Request{Caller: botCaller(bot), Key: fmt.Sprint(label, i), Command: RecordTrade{
			Bot: bot, Market: "m", PnL: dec("0.01"), TradeID: fmt.Sprint(label, i),
		}}
	}
	return requests
}

// inParts sends requests. reading is called, for each part, before the next one is taken.
func (r *rig) inParts(ctx context.Context, requests []Request, reading func()) *inParts {
	p := &inParts{parts: make(chan []Result, len(requests)), err: make(chan error, 1)}
	go func() {
		next := 0
		p.err <- r.w.DoInParts(ctx, requests, func(from int, results []Result) {
			if from != next {
				r.t.Errorf("results from %d on, and not from %d on", from, next)
			}
			next += len(results)
			p.parts <- append([]Result(nil), results...)
			reading()
		})
		close(p.parts)
	}()
	return p
}

// rest returns the results that are still to come, and the error.
func (p *inParts) rest(t *testing.T) (all []Result, err error) {
	t.Helper()
	err = soon(t, p.err)
	for part := range p.parts {
		all = append(all, part...)
	}
	return all, err
}

func noWait() {}

// "Each is atomic, the batch is not; answers come by index": what DoInParts passes on is what
// DoEach returns.
func TestDoInPartsAnswersWhatDoEachAnswers(t *testing.T) {
	requests := []Request{
		{Caller: olga, Key: "1", Command: deposit("1")},
		{Caller: olga, Key: "2", Command: deposit("-1")},
		{Caller: olga, Key: "3", Command: permit("a", "1")},
		{Caller: olga, Key: "4"},
		{Caller: olga, Key: "1", Command: deposit("1")},
		{Caller: olga, Key: "5", Command: StopBot{Bot: "a"}},
		{Caller: olga, Key: "6", Command: permit("a", "1")},
	}
	one, other := newRig(t).opened("a"), newRig(t).opened("a")
	want, err := one.w.DoEach(one.ctx(), requests)
	require.NoError(t, err)
	got, err := other.inParts(other.ctx(), requests, noWait).rest(t)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for i := range want {
		a, b := want[i].Answer, got[i].Answer
		require.Equal(t, want[i].Err, got[i].Err, "%d", i)
		require.Equal(t, a.Revision, b.Revision, "%d", i)
		require.Equal(t, a.Replayed, b.Replayed, "%d", i)
		require.Equal(t, a.Directives, b.Directives, "%d", i)
		require.Len(t, b.Events, len(a.Events), "%d", i)
		require.Equal(t, a.Permit == nil, b.Permit == nil, "%d", i)
	}
	require.NoError(t, other.w.DoInParts(other.ctx(), nil, func(int, []Result) { t.Error("there is nothing to tell") }))
	requireCode(t, domain.CodeTooLarge, other.w.DoInParts(other.ctx(), make([]Request, MaxRequests+1), nil))
	other.check()
}

// halfway is a call of 200 commands of which the first 64 are answered, and whose next ones
// wait in an append until the gate is closed.
func halfway(t *testing.T, r *rig, ctx context.Context, reading func()) (p *inParts, others <-chan []Result, gate chan struct{}) { //nolint:revive // the test comes first
	t.Helper()
	first, held := r.hold()
	p = r.inParts(ctx, trades("a", 200, "a-"), reading)
	r.waitQueued(1)
	others = r.batch("b", 200, "b-") // so that they take turns
	r.waitQueued(2)
	gate = make(chan struct{})
	r.store.plan(fault{}, fault{gate: gate})
	close(first)
	require.NoError(t, soon(t, held).err)
	part := soon(t, p.parts)
	require.Len(t, part, fairShare)
	for _, res := range part {
		require.NoError(t, res.Err)
		stored(t, r.records(), res.Answer)
	}
	soon(t, r.store.blocked)
	return p, others, gate
}

// Results are passed on while later commands of the same call are not decided yet.
func TestResultsComeAsTheyAreDecided(t *testing.T) {
	r := newRig(t).opened("a", "b")
	p, others, gate := halfway(t, r, r.ctx(), noWait)
	close(gate)
	rest, err := p.rest(t)
	require.NoError(t, err)
	require.Len(t, rest, 200-fairShare)
	for i, res := range rest {
		require.NoError(t, res.Err)
		require.Len(t, res.Answer.Events, 1, "%d is answered whole", i)
	}
	allBooked(t, others)
	r.check()
}

// "Deciding never waits for a slow reader": all commands of a call whose results are not
// taken are decided and durable, and so are those of others.
func TestASlowReaderDelaysNoOne(t *testing.T) {
	r := newRig(t).opened("a", "b")
	reading := make(chan struct{})
	p, others, gate := halfway(t, r, r.ctx(), func() { <-reading })
	close(gate)
	allBooked(t, others)
	r.waitQueued(0)
	require.NoError(t, soon(t, r.start(r.ctx(), olga, "after", deposit("1"))).err)
	require.Equal(t, 200, fold(t, r.store).Bots["a"].Trades, "though 64 are all that was read")
	close(reading)
	rest, err := p.rest(t)
	require.NoError(t, err)
	require.Len(t, rest, 200-fairShare)
	r.check()
}

// A call whose time is over says so for what is not answered. What was taken before stands.
func TestTimeIsOverHalfway(t *testing.T) {
	r := newRig(t).opened("a", "b")
	ctx, cancel := context.WithCancel(r.ctx())
	p, others, gate := halfway(t, r, ctx, noWait)
	cancel()
	rest, err := p.rest(t)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, rest)
	close(gate)
	allBooked(t, others)
	require.Equal(t, 2*fairShare, fold(t, r.store).Bots["a"].Trades)
	again, err := r.inParts(r.ctx(), trades("a", 200, "a-"), noWait).rest(t)
	require.NoError(t, err)
	for i, res := range again {
		require.NoError(t, res.Err)
		require.Equal(t, i < 2*fairShare, res.Answer.Replayed, "%d", i)
	}
	r.check()
}

// A call that is cut off by the end of the writer passes on what was booked.
func TestTheWriterEndsHalfway(t *testing.T) {
	r := newRig(t).opened("a", "b")
	p, others, gate := halfway(t, r, r.ctx(), noWait)
	closed := make(chan struct{})
	go func() { r.w.Close(); close(closed) }()
	<-r.w.ctx.Done()
	close(gate)
	soon(t, closed)
	rest, err := p.rest(t)
	requireCode(t, domain.CodeUnavailable, err)
	require.Len(t, rest, fairShare, "those of the last append")
	require.Equal(t, 2*fairShare, fold(t, r.store).Bots["a"].Trades)
	soon(t, others)
	r.check()
}

// A call that is overtaken by another server is decided again, and its results keep their
// order.
func TestPartsOfACallThatIsOvertaken(t *testing.T) {
	r := newRig(t).opened("a", "b")
	other := r.writer()
	first, held := r.hold()
	p := r.inParts(r.ctx(), trades("a", 200, "a-"), noWait)
	r.waitQueued(1)
	others := r.batch("b", 200, "b-")
	r.waitQueued(2)
	between := func(key string) fault {
		return fault{before: func() {
			_, err := other.Do(r.ctx(), Request{Caller: alice, Key: key, Command: deposit("1")})
			require.NoError(t, err)
		}}
	}
	r.store.plan(between("1"), fault{}, between("2"))
	close(first)
	require.NoError(t, soon(t, held).err)
	all, err := p.rest(t)
	require.NoError(t, err)
	require.Len(t, all, 200)
	last := uint64(0)
	for i, res := range all {
		require.NoError(t, res.Err, "%d", i)
		require.Greater(t, res.Answer.Revision, last)
		last = res.Answer.Revision
	}
	allBooked(t, others)
	r.check()
}

// "A stop that arrives while a batch of 10,000 is being decided": it is decided after the
// command at hand, and its append takes at most 64 more.
func TestAStopWaitsForOneCommandOfTenThousand(t *testing.T) {
	r := newRig(t).opened("a", "b")
	reached, gate := make(chan struct{}), make(chan struct{})
	var calls []*inParts
	first, held := r.hold()
	for n := range 10 {
		requests := trades("a", 1000, fmt.Sprint("a", n, "-"))
		if n == 0 {
			requests[500] = Request{Caller: olga, Key: "slow", Command: testCommand{"x", func(d *portfolio.Decision) error {
				close(reached)
				<-gate
				return deposit("1").Decide(d)
			}}}
		}
		calls = append(calls, r.inParts(r.ctx(), requests, noWait))
		r.waitQueued(n + 1)
	}
	before := len(r.store.appends)
	close(first)
	require.NoError(t, soon(t, held).err)
	soon(t, reached)
	stopped := r.start(r.ctx(), alice, "stop", manual())
	r.waitQueued(len(calls) + 1)
	close(gate)
	require.NoError(t, soon(t, stopped).err)
	for _, call := range calls {
		_, err := call.rest(t)
		require.NoError(t, err)
	}
	group := r.store.appends[before+1]
	var names []string
	for _, rec := range group {
		m, err := domain.DecodeMetadata(rec.Metadata)
		require.NoError(t, err)
		names = append(names, m.Command)
	}
	require.Greater(t, len(names), 501)
	require.Equal(t, []string{"record_trade", "test", "engage_stop"}, names[499:502], "the stop comes right after the command at hand")
	r.check()
}

// A writer does not yield for more callers while a stop waits.
func TestAStopDoesNotWaitForMoreCallers(t *testing.T) {
	put := func(q *queue, c Command) {
		require.NoError(t, q.put(context.Background(), context.Background(), &job{requests: []Request{{Caller: olga, Key: "k", Command: c}}}))
	}
	w := &Writer{queue: newQueue()} // without its goroutine
	require.Zero(t, w.gather(), "nothing waits")
	put(w.queue, deposit("1"))
	require.Equal(t, 1, w.gather(), "others may follow, and none did")
	put(w.queue, manual())
	require.Zero(t, w.gather())
}
