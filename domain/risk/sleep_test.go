package risk

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// "A scope sleeps until its equity first reaches min_capital" — limit − 1, limit.
func TestAScopeSleepsUntilItHasCapital(t *testing.T) {
	var r References
	r.FlowAbove(dec("10"), dec("0"), dec("9.999999"))
	require.False(t, r.Evaluated(dec("9.999999")))
	r.PerformAbove(dec("10"), dec("5"))
	require.Equal(t, "0", r.Drawdown(dec("5")).String(), "0 before any capital")
	r.FlowAbove(dec("10"), dec("5"), dec("5"))
	require.True(t, r.Evaluated(dec("10")))
	r.PerformAbove(dec("10"), dec("9"))
	require.Equal(t, "0.1", r.Drawdown(dec("9")).String(), "a loss leaves it awake")
}

// "and when a flow leaves it at 0 or below min_capital. Asleep its ratios stay … and trip
// nothing. It wakes with any event that leaves |equity| ≥ min_capital …: above 0,
// references are set so that the ratios are unchanged (at ratio 1: old reference + flow);
// below 0 the ratio is 1."
func TestWhatSleepsKeepsItsRatios(t *testing.T) {
	least := dec("1")
	asleep := func() *References {
		var r References
		r.FlowAbove(least, dec("0"), dec("100"))
		r.PerformAbove(least, dec("80"))
		r.FlowAbove(least, dec("80"), dec("-79.000001"))
		require.False(t, r.Evaluated(dec("0.999999")))
		require.Equal(t, "0.2", r.Drawdown(dec("0.999999")).String())
		return &r
	}
	r := asleep()
	r.PerformAbove(least, dec("0.5")) // "one cent of a late fee on a retired bot stopped everybody"
	require.Equal(t, "0.2", r.Drawdown(dec("0.5")).String())
	r.PerformAbove(least, dec("-0.999999"))
	require.False(t, r.Evaluated(dec("-0.999999")))
	r.FlowAbove(least, dec("0.5"), dec("49.5"))
	require.True(t, r.Evaluated(dec("50")))
	require.Equal(t, "0.2", r.Drawdown(dec("50")).String())

	r = asleep()
	r.PerformAbove(least, dec("-1"))
	require.True(t, r.Evaluated(dec("-1")))
	require.Equal(t, "1", r.Drawdown(dec("-1")).String())
	r.FlowAbove(least, dec("-1"), dec("3"))
	require.Equal(t, "4.24999875", r.Peak.String(), "1.25 × 0.999999 + 3")
}

// "references are kept as multiples of the last equity": what the day gained before the scope
// fell asleep goes on counting when it wakes, until a new day.
func TestWhatSleepsKeepsTheGainOfItsDay(t *testing.T) {
	least := dec("1")
	asleep := func(flow string) *References {
		var r References
		r.FlowAbove(least, dec("0"), dec("100"))
		r.OpenDay(dec("100"))
		r.PerformAbove(least, dec("125"))
		r.FlowAbove(least, dec("125"), dec(flow))
		require.False(t, r.Evaluated(dec("0")))
		require.Equal(t, "0", r.DailyLoss(dec("0")).String())
		return &r
	}
	for _, flow := range []string{"-125", "-124.5", "-125.5"} {
		r := asleep(flow)
		r.FlowAbove(least, dec("125").Add(dec(flow)), dec("50").Sub(dec("125").Add(dec(flow))))
		require.Equal(t, "40", r.DayOpen.String(), flow)
		require.Equal(t, "0.1", r.DailyLoss(dec("36")).String(), flow)
	}
	r := asleep("-125")
	r.OpenDay(dec("0"))
	r.FlowAbove(least, dec("0"), dec("50"))
	require.Equal(t, "50", r.DayOpen.String())
}

// "flows, in any split, move no ratio by more than 1e-12".
func TestFlowsInAnySplitMoveNoRatio(t *testing.T) {
	rapid.Check(t, func(g *rapid.T) {
		least := dec("1")
		var r References
		equity := dec("1000")
		r.FlowAbove(least, domain.Zero, equity)
		equity = equity.Sub(domain.FromInt(int64(rapid.IntRange(0, 900).Draw(g, "loss"))))
		r.PerformAbove(least, equity)
		want := r.Drawdown(equity)
		for range rapid.IntRange(1, 30).Draw(g, "flows") {
			flow := domain.MulDiv(domain.FromInt(int64(rapid.IntRange(-2_000_000, 2_000_000).Draw(g, "flow"))), domain.One, domain.FromInt(1000))
			if equity.Add(flow).Sign() < 0 {
				flow = equity.Neg() // nobody can take more than there is
			}
			r.FlowAbove(least, equity, flow)
			equity = equity.Add(flow)
			if rapid.Bool().Draw(g, "event") {
				r.PerformAbove(least, equity)
			}
			require.True(g, r.Drawdown(equity).Sub(want).Abs().Less(dec("0.000000000001")), "%s, was %s", r.Drawdown(equity), want)
		}
	})
}
