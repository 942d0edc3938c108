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

// "Its losses count": a debt that wakes a scope is measured from the highest that it had asleep,
// adjusted for flows. It was measured from nothing where flows had left nothing.
func TestADebtThatWakesIsMeasuredFromTheHighestAsleep(t *testing.T) {
	least := dec("1")
	var r References
	r.FlowAbove(least, dec("0"), dec("100"))
	r.FlowAbove(least, dec("100"), dec("-100"))
	r.PerformAbove(least, dec("-0.3"))
	r.FlowAbove(least, dec("-0.3"), dec("1"))
	r.PerformAbove(least, dec("-2.3"))
	require.Equal(t, "1", r.Drawdown(dec("-2.3")).String())
	r.FlowAbove(least, dec("-2.3"), dec("33.3"))
	require.Equal(t, "34.3", r.Peak.String(), "all that came in, of which 3.3 are lost")
	require.Equal(t, "34.3", r.LifetimePeak.String())
	require.Equal(t, "34.3", r.DayOpen.String())

	r = References{} // it never had the minimum, so nothing is measured from what it had
	r.FlowAbove(least, dec("0"), dec("0.5"))
	r.PerformAbove(least, dec("-1.5"))
	r.FlowAbove(least, dec("-1.5"), dec("21.5"))
	require.Equal(t, "21.5", r.Peak.String())

	r = References{} // what it gained asleep is not forgotten
	r.FlowAbove(least, dec("0"), dec("100"))
	r.PerformAbove(least, dec("80"))
	r.FlowAbove(least, dec("80"), dec("-79.6"))
	r.PerformAbove(least, dec("0.8"))
	r.PerformAbove(least, dec("-2"))
	r.FlowAbove(least, dec("-2"), dec("5"))
	require.Equal(t, "5.8", r.Peak.String(), "0.8 + 5")

	r = References{} // nor is what was taken out a loss
	r.FlowAbove(least, dec("0"), dec("100"))
	r.FlowAbove(least, dec("100"), dec("-99.1"))
	r.PerformAbove(least, dec("0.8"))
	r.FlowAbove(least, dec("0.8"), dec("-0.6"))
	r.PerformAbove(least, dec("-2"))
	r.FlowAbove(least, dec("-2"), dec("5"))
	require.Equal(t, "5.3", r.Peak.String(), "0.9 − 0.6 + 5")

	r = References{} // a withdrawal beyond what there is leaves nothing to measure from
	r.FlowAbove(least, dec("0"), dec("100"))
	r.FlowAbove(least, dec("100"), dec("-100.5"))
	r.PerformAbove(least, dec("-2"))
	r.FlowAbove(least, dec("-2"), dec("5"))
	require.Equal(t, "5", r.Peak.String())
}

// "Asleep its ratios stay": a debt that a person accepted (reset with rebase) has none while it
// sleeps either, and counts when more of it wakes the scope.
func TestAnAcceptedDebtSleeps(t *testing.T) {
	least := dec("1")
	var r References
	r.FlowAbove(least, dec("0"), dec("100"))
	r.PerformAbove(least, dec("-10"))
	r.Rebase(dec("-10"))
	require.Equal(t, "0", r.Drawdown(dec("-10")).String())
	r.FlowAbove(least, dec("-10"), dec("9.5"))
	require.False(t, r.Evaluated(dec("-0.5")))
	require.Equal(t, "0", r.Drawdown(dec("-0.5")).String())
	woken := r.Clone()
	woken.FlowAbove(least, dec("-0.5"), dec("100.5"))
	require.Equal(t, "0", woken.Drawdown(dec("100")).String())
	r.PerformAbove(least, dec("-5"))
	require.Equal(t, "1", r.Drawdown(dec("-5")).String())
	r.FlowAbove(least, dec("-5"), dec("25"))
	require.Equal(t, "24.5", r.Peak.String(), "4.5 were lost since")
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
