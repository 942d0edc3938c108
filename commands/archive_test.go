package commands

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// archived is a portfolio in which settled markets do not stay: rain has tokens, and the bot was
// paid in it.
func archived(t *testing.T) (*rig, Options) {
	t.Helper()
	kept := 0
	r := &rig{t: t, store: newFaulty(t), clock: newClock()}
	o := lookingUp(r.store.Store, Options{SettledKept: &kept})
	o.Now = r.clock.Now
	r.w = NewWriter(r.store, "main", o)
	t.Cleanup(func() { r.w.Close() })
	open := openMain()
	open.Policy.Rules = domain.SecondRules
	r.must(olga, open)
	r.must(olga, deposit("10000"))
	r.must(olga, RegisterBot{ID: "a", Capital: dec("1000"), Start: true})
	r.must(olga, RegisterMarket{Market: "rain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Tokens: map[string]string{"YES": "71", "NO": "72"}})
	r.must(olga, traded("f1", domain.Buy))
	r.must(olga, settled("1"))
	return r, o
}

func traded(id string, side domain.Side) RecordFill {
	return RecordFill{
		FillID: domain.FillID{Bot: "a", TradeID: id}, Instrument: domain.Instrument{Market: "rain", Outcome: "YES"},
		Side: side, Quantity: dec("10"), Price: dec("0.4"),
	}
}

func settled(payout string) SettleMarket {
	return SettleMarket{Instrument: domain.Instrument{Market: "rain", Outcome: "YES"}, Payout: dec(payout)}
}

// again starts another writer on the same store, index and all.
func (r *rig) again(o Options) {
	r.w.Close()
	r.w = NewWriter(r.store, "main", o)
}

// newer records facts until the archive is not among those that are held in memory.
func (r *rig) newer(name string) {
	r.t.Helper()
	for n := range 8 {
		f := traded(fmt.Sprint(name, "newer", n), domain.Buy)
		f.Market = "other"
		r.must(olga, f)
	}
}

// An archived market is found by the index: by what names it, and by its tokens, also by a
// writer that was started after it, and after a market that was archived twice.
func TestArchivedMarketsAreLookedUp(t *testing.T) {
	r, o := archived(t)
	for n := range 3 {
		require.Equal(t, n+1, r.count(domain.MarketArchivedType))
		if n > 0 {
			r.again(o)
		}
		r.newer(fmt.Sprint(n))
		answer := r.must(olga, MarkPrices{Marks: []domain.Mark{{Market: "rain", Outcome: "YES", Price: dec("0.5")}}})
		require.Equal(t, domain.CommandNotedType, answer.Events[0].Type, "it is settled")
		r.refused(domain.CodeConflict, olga, RegisterMarket{Market: "snow", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Tokens: map[string]string{"YES": "72", "NO": "9"}})
		r.refused(domain.CodeConflict, olga, settled("0"))
		require.Equal(t, n, r.count(domain.MarketRestoredType), "nothing was changed in it")
		r.must(olga, traded(fmt.Sprint("late", n), domain.Buy))
		require.Equal(t, n+1, r.count(domain.MarketRestoredType))
		r.must(olga, settled("1"))
	}
	r.must(olga, CorrectSettlement{Market: "rain", Payouts: map[string]domain.Decimal{"YES": dec("0"), "NO": dec("1")}, Reason: "wrong"})
	require.Equal(t, 4, r.count(domain.TradeRevisedType), "all that it ever paid")
	r.check()
}

// A hit that the log does not confirm decides nothing.
func TestAWrongHitOfAnArchive(t *testing.T) {
	for _, key := range []HistoryKey{keyOfMarket(Stream("main"), "rain"), keyOfToken(Stream("main"), "72")} {
		r, o := archived(t)
		r.again(o)
		r.newer("")
		h, is := o.History.(*logHistory)
		require.True(t, is)
		h.mu.Lock()
		for i := range h.stream(Stream("main")).hits[key] {
			h.stream(Stream("main")).hits[key][i].Revision = 1 // a record of something else
		}
		h.mu.Unlock()
		wrong := Command(settled("0"))
		if key == keyOfToken(Stream("main"), "72") {
			wrong = RegisterMarket{Market: "snow", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Tokens: map[string]string{"YES": "72", "NO": "9"}}
		}
		r.refused(domain.CodeUnavailable, olga, wrong)
		h.mu.Lock()
		require.NotEmpty(t, h.doubts)
		h.mu.Unlock()
	}
}

// What an answer is charged for: not what its command archived, and twice what it brought back.
func TestWhatAnAnswerIsChargedFor(t *testing.T) {
	r, _ := archived(t)
	late := r.must(olga, traded("late", domain.Buy))
	require.True(t, late.Restored())
	require.Equal(t, late.stored+late.restored, late.Charged())
	again := r.must(olga, settled("1"))
	require.False(t, again.Restored())
	require.Positive(t, again.archived)
	require.Equal(t, again.stored-again.archived, again.Charged())
}
