package commands

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
)

// watch is one round of [Engine.WatchClocks] for one portfolio.
func (m *twoClocks) watch() {
	m.t.Helper()
	if m.w.timed.Load() {
		require.NoError(m.t, m.w.recordClocks(m.ctx()))
	}
}

// "/permits lists dead permits as granted while the clock is behind": permits that the
// clocks have ended are recorded as ended even without other commands, also after a
// start.
func TestTheServerRecordsWhatTheClocksEnd(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	bot := botCaller("a")
	m.must(olga, fill("a", "1", "buy", "10", "0.5"))
	opens := m.must(bot, permit("a", "1")).Permit.PermitID
	require.Contains(t, m.listed(), opens)
	m.clock.add(-time.Hour)
	m.watch()
	require.Empty(t, m.listed(), "it ended with the jump")

	m.must(bot, sell("1"))
	m.pass(29 * time.Second)
	m.watch()
	require.Len(t, m.listed(), 1)
	m.pass(time.Second)
	m.watch()
	require.Empty(t, m.listed(), "its time is over")

	m.must(bot, sell("1"))
	m.restart()
	require.NoError(t, m.w.Load(m.ctx()))
	m.watch()
	require.Empty(t, m.listed(), "a restart ends what was granted while time stood still")
	m.check()
}

// A jump that no command follows is recorded, too, so that resting orders are listed
// again.
func TestTheServerRecordsAJump(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	id, expires := m.resting()
	m.clock.add(time.Hour)
	m.watch()
	require.Equal(t, map[string]time.Time{id: expires}, m.listed())
	require.Len(t, m.jumps(), 1)
	m.check()
}

// The watch records nothing if nothing has ended, and skips portfolios in which no permit
// can end.
func TestTheWatchIsQuiet(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	m.must(botCaller("a"), permit("a", "1"))
	rests := m.must(botCaller("a"), permit("a", "1")).Permit.PermitID
	m.must(botCaller("a"), PlacePermit{Permit: rests})
	all := len(m.records())
	for range 31 {
		require.True(t, m.w.timed.Load())
		m.watch()
		m.pass(time.Second)
	}
	m.watch()
	require.False(t, m.w.timed.Load(), "an order without an expiry does not end by the time")
	m.clock.add(time.Hour)
	m.watch()
	require.Len(t, m.records(), all, "a permit that expires in its time needs no record")
	m.check()
}

// If recording fails it is retried, and reported once.
func TestTheWatchTriesAgain(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	m.must(botCaller("a"), permit("a", "1"))
	m.clock.add(-time.Hour)
	m.store.plan(fault{err: &eventstore.Unavailable{}})
	requireCode(t, domain.CodeUnavailable, m.w.recordClocks(m.ctx()))
	m.watch()
	require.Empty(t, m.listed())
	m.check()
}

// The engine checks every portfolio, and notices a clock that is moved, or stands still,
// even without commands.
func TestTheEngineWatchesTheClocks(t *testing.T) {
	store, wall, elapsed := newFaulty(t), newClock(), &ticks{}
	var mu sync.Mutex // two streams notice the same jump
	var seen []string
	e := NewEngine(store, EngineOptions{Options: Options{
		Now: wall.Now, Monotonic: elapsed.now,
		Jumped: func(stream string, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, stream)
		},
	}})
	t.Cleanup(e.Close)
	require.NoError(t, e.watchClocks(t.Context()), "nothing is folded yet")
	require.NoError(t, e.Load(t.Context(), nil))
	require.NoError(t, e.watchClocks(t.Context()))
	elapsed.add(6 * time.Second)
	require.NoError(t, e.watchClocks(t.Context()))
	require.Equal(t, []string{SystemStream}, seen)
	for i, c := range []Command{openMain(), deposit("10000"), RegisterBot{ID: "a", Capital: dec("1000"), Start: true}, permit("a", "1")} {
		caller := olga
		if nameOf(c) == "ask_permit" {
			caller = botCaller("a")
		}
		_, err := e.Do(t.Context(), "main", Request{Caller: caller, Key: string(rune('k' + i)), Command: c})
		require.NoError(t, err)
	}
	require.Len(t, fold(t, store).Permits, 1)
	elapsed.add(6 * time.Second)
	require.NoError(t, e.watchClocks(t.Context()))
	require.Empty(t, fold(t, store).Permits)
	require.ElementsMatch(t, []string{SystemStream, SystemStream, Stream("main")}, seen)
}

// "mark_confirm_after (10 s) from the first, mark.confirmed stands before the next record …,
// at most a second later": also without a next record.
func TestTheServerConfirmsAMarkThatWaits(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	m.must(alice, ChangeLimits{Limits: []byte(`{"rules":2,"mark_collar":"0.25"}`), Reason: "second edition"})
	mark := func(price string) MarkPrices {
		return MarkPrices{Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: dec(price)}}}
	}
	m.must(olga, mark("0.40"))
	m.must(olga, mark("0.90"))
	all := len(m.records())
	m.pass(10*time.Second - 1)
	m.watch()
	require.Len(t, m.records(), all)
	m.pass(1)
	m.watch()
	require.Equal(t, domain.MarkConfirmedType, m.records()[all].Type)
	all = len(m.records())
	m.watch()
	require.Len(t, m.records(), all, "once")
	require.False(t, m.w.timed.Load())
	m.check()
}

// "While Time stands still nothing is confirmed by time", on the server as well: until the clock is
// right again.
func TestTheServerConfirmsNothingWhileTimeStands(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	m.must(alice, ChangeLimits{Limits: []byte(`{"rules":2,"mark_collar":"0.25"}`), Reason: "second edition"})
	for _, price := range []string{"0.40", "0.90"} {
		m.must(olga, MarkPrices{Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: dec(price)}}})
	}
	confirmed := func() bool {
		return slices.ContainsFunc(m.records(), func(r eventstore.Record) bool { return r.Type == domain.MarkConfirmedType })
	}
	m.clock.add(-time.Hour)
	m.pass(time.Minute)
	m.watch()
	m.must(olga, deposit("1"))
	m.watch()
	require.False(t, confirmed())
	m.clock.add(time.Hour)
	m.watch()
	require.True(t, confirmed())
	m.check()
}

// "In POST …/marks each mark is judged alone: good ones are taken, bad ones answered by index"
func TestBadMarksAreAnsweredByIndex(t *testing.T) {
	r := newRig(t).opened("a")
	r.must(alice, ChangeLimits{Limits: []byte(`{"rules":2}`), Reason: "second edition"})
	bad := domain.Mark{Market: "m", Outcome: "YES", Price: dec("1.01")}
	good := domain.Mark{Market: "m", Outcome: "NO", Price: dec("0.5")}
	a, err := r.do(olga, "k", MarkPrices{Marks: []domain.Mark{good, bad}})
	require.NoError(t, err)
	require.Len(t, a.Refused, 1)
	require.Equal(t, 1, a.Refused[0].Index)
	again, err := r.do(olga, "k", MarkPrices{Marks: []domain.Mark{good, bad}})
	require.NoError(t, err)
	require.Equal(t, a.Refused, again.Refused)
	r.refused(domain.CodeMarksRefused, olga, MarkPrices{Marks: []domain.Mark{bad}})
	r.check()
}
