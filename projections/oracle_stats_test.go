package projections

import (
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/tradestats"
	"pets/eventstore"
)

// oracleStats collects what the statistics need: the current trades and the flows
// between them.
type oracleStats struct {
	trades *oracleTrades
	steps  []step
	stepOf []int          // trade (index into trades.all) → step
	first  map[result]int // result → the first step of its trades
}

// step is a flow, or the place of a closed trade.
type step struct {
	flow     portfolio.Flow
	revision uint64 // of the record of a flow
	trade    int    // index into trades.all, -1 for a flow
}

func newOracleStats() *oracleStats {
	return &oracleStats{trades: newOracleTrades(), first: map[result]int{}}
}

// Apply implements Projection.
func (f *oracleStats) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	closed := len(f.trades.all)
	f.trades.Apply(rec, e, s)
	for n := closed; n < len(f.trades.all); n++ {
		f.stepOf = append(f.stepOf, len(f.steps))
		f.steps = append(f.steps, step{trade: n})
		f.joins(n)
	}
	for _, n := range f.trades.revised {
		f.joins(n)
	}
	for _, flow := range s.Effects().Flows {
		if flow.Of != nil && f.correct(flow) {
			continue
		}
		f.steps = append(f.steps, step{flow: flow, revision: rec.Revision, trade: -1})
	}
}

// joins notes that a trade is part of a result.
func (f *oracleStats) joins(trade int) {
	t := &f.trades.all[trade]
	if t.ResultID == "" {
		return
	}
	at := f.stepOf[trade]
	if first, known := f.first[t.result()]; known {
		at = min(at, first)
	}
	f.first[t.result()] = at
}

// correct corrects the flow of an earlier record, as if it had been recorded right.
func (f *oracleStats) correct(by portfolio.Flow) bool {
	for i := range f.steps {
		if st := &f.steps[i]; st.trade < 0 && st.revision == *by.Of && st.flow.Bot == by.Bot {
			st.flow.Amount = st.flow.Amount.Add(by.Amount)
			return true
		}
	}
	return false
}

// oracleEntry is a step of the series with the bot that it concerns.
type oracleEntry struct {
	tradestats.Step
	bot  string
	gone bool
}

func (e *oracleEntry) of(scope string) bool {
	return !e.gone && (e.bot == scope || scope == "" && e.Trade != nil)
}

// entries lists some of the steps in stream order. A result of several trades stands where
// it was counted: at its first trade that is not deferred, or at its last one while it
// waits.
func (f *oracleStats) entries(s *portfolio.State, from, to int) []oracleEntry {
	out := make([]oracleEntry, 0, to-from)
	at := map[result]int{}       // the place of a result in out
	counted := map[result]bool{} // it stands where it was counted
	for _, st := range f.steps[from:to] {
		if st.trade < 0 {
			out = append(out, oracleEntry{Step: tradestats.Step{Flow: st.flow.Amount}, bot: st.flow.Bot})
			continue
		}
		t := &f.trades.all[st.trade]
		if t.gone {
			continue
		}
		one := &tradestats.Trade{Bot: t.Bot, Time: t.ClosedAt, PnL: t.PnL, Fee: t.Fee, Result: t.Result}
		if t.ResultID == "" {
			out = append(out, oracleEntry{Step: tradestats.Step{Trade: one}, bot: t.Bot})
			continue
		}
		key := t.result()
		if place, known := at[key]; known {
			before := out[place].Trade
			if counted[key] {
				before.PnL, before.Fee, before.More = before.PnL.Add(one.PnL), before.Fee.Add(one.Fee), before.More+1
				continue
			}
			one.PnL, one.Fee, one.More = one.PnL.Add(before.PnL), one.Fee.Add(before.Fee), before.More+1
			out[place].gone = true
		}
		one.Result = s.ResultOf(t.Bot, t.ResultID)
		at[key], counted[key] = len(out), !t.deferred
		out = append(out, oracleEntry{Step: tradestats.Step{Trade: one}, bot: t.Bot})
	}
	return out
}

// whole computes the statistics with nothing kept.
func whole(t testingT, f *oracleStats, s *portfolio.State) Stats {
	t.Helper()
	zone, err := s.Policy.Location()
	require.NoError(t, err)
	merged, own := tradestats.LimitsFor(&s.Policy), tradestats.LimitsOf(&s.Policy)
	of := func(scope string, limits tradestats.Limits) tradestats.Stats {
		var steps []tradestats.Step
		for _, e := range f.entries(s, 0, len(f.steps)) {
			if e.of(scope) {
				steps = append(steps, e.Step)
			}
		}
		return tradestats.Compute(steps, limits, zone)
	}
	v := Stats{Portfolio: scopeOf(of("", merged), s.Refs.Max, merged), Bots: []BotStats{}}
	for _, id := range s.BotIDs() {
		v.Bots = append(v.Bots, BotStats{Bot: id, ScopeStats: scopeOf(of(id, own), s.Bots[id].Refs.Max, own)})
	}
	return v
}
