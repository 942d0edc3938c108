package risk

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// scope is a scope's equity with its references, as the portfolio keeps them.
type scope struct {
	References
	equity domain.Decimal
	open   bool
}

func num(s string) domain.Decimal { return domain.MustDecimal(s) }

func (s *scope) flow(f string) *scope {
	s.Flow(s.equity, num(f), s.open)
	s.equity = s.equity.Add(num(f))
	return s
}

func (s *scope) perform(change string) *scope {
	s.equity = s.equity.Add(num(change))
	s.Perform(s.equity)
	return s
}

func (s *scope) openDay() *scope { s.OpenDay(s.equity); return s }

func (s *scope) wants(t *testing.T, drawdown, daily, lifetime string) {
	t.Helper()
	require.Equal(t, []string{drawdown, daily, lifetime}, []string{
		s.Drawdown(s.equity).String(), s.DailyLoss(s.equity).String(), s.lifetime(s.equity).String(),
	}, "drawdown, daily loss, lifetime")
}

func (s *scope) references(t *testing.T, peak, dayOpen, lifetime string) {
	t.Helper()
	require.Equal(t, []string{peak, dayOpen, lifetime}, []string{s.Peak.String(), s.DayOpen.String(), s.LifetimePeak.String()},
		"peak, day-open, lifetime peak")
}

// “Worked: capital 10,000; equity 9,700; deposit 10,000 → peak
// 10,000 × 19,700/9,700 = 20,309.278350515463917526; drawdown stays 3 %.”
func TestWorkedFlow(t *testing.T) {
	s := (&scope{}).flow("10000").perform("-300").flow("10000")
	s.references(t, "20309.278350515463917526", "20309.278350515463917526", "20309.278350515463917526")
	require.Equal(t, "0.03", s.Drawdown(s.equity).Ratio().String())
	require.Equal(t, "0.03", s.DailyLoss(s.equity).Ratio().String())
}

// “Drawdown = (peak − equity)/peak, peak seeded by the first capital;
// 0 before any capital; 1 when equity ≤ 0 after capital.” Limit − 1, limit,
// limit + 1 around an equity of 0.
func TestDrawdown(t *testing.T) {
	s := &scope{}
	s.wants(t, "0", "0", "0")
	s.perform("-5").wants(t, "0", "0", "0") // a cost before any capital
	require.False(t, s.Evaluated(s.equity))
	s = (&scope{}).perform("5")
	s.wants(t, "0", "0", "0")
	s.references(t, "0", "0", "0")
	s = (&scope{}).flow("100")
	s.references(t, "100", "100", "100")
	s.wants(t, "0", "0", "0")
	s.perform("-25").wants(t, "0.25", "0.25", "0.25")
	s.perform("25").references(t, "100", "100", "100")
	s.perform("20").references(t, "120", "100", "120") // a new high
	s.wants(t, "0", "0", "0")
	s = (&scope{}).flow("1").perform("-0.999999999999999999")
	s.wants(t, "0.999999999999999999", "0.999999999999999999", "0.999999999999999999")
	s.perform("-0.000000000000000001").wants(t, "1", "1", "1")
	s.perform("-0.000000000000000001").wants(t, "1", "1", "1")
}

// What performance earned before the first capital is part of what seeds the peak.
func TestFirstCapitalSeeds(t *testing.T) {
	s := (&scope{}).perform("5").flow("100")
	s.references(t, "105", "105", "105")
	s = (&scope{}).perform("-5").flow("100")
	s.references(t, "95", "95", "95")
	s = (&scope{}).perform("-5").flow("5")
	s.references(t, "0", "0", "0")
	require.False(t, s.Capital)
	s = (&scope{}).flow("-5")
	require.False(t, s.Capital)
	s.wants(t, "0", "0", "0")
}

// “Daily loss = max(0, (day-open − equity)/day-open)”.
func TestDailyLoss(t *testing.T) {
	s := (&scope{}).flow("100").perform("-10").openDay()
	s.wants(t, "0.1", "0", "0.1")
	s.perform("-9").wants(t, "0.19", "0.1", "0.19")
	s.perform("19").wants(t, "0", "0", "0") // above the day-open: no loss
	s.openDay().perform("-100").wants(t, "1", "1", "1")
	s.openDay().wants(t, "1", "1", "1") // a day that opens at 0 is no fresh start
}

// “Lifetime peak is kept apart, flow-scaled, never rebased;
// max_drawdown_marked is measured from it.”
func TestLifetimePeak(t *testing.T) {
	s := (&scope{}).flow("100").perform("-20")
	s.Rebase(s.equity)
	s.references(t, "80", "100", "100")
	s.wants(t, "0", "0.2", "0.2")
	s.perform("-8")
	require.Equal(t, Drawdown{num("0.28"), num("28"), num("100"), num("72")}, s.Max)
	s.perform("28")
	require.Equal(t, num("0.28"), s.Max.Ratio)
	s.flow("100")
	s.references(t, "200", "200", "200")
	require.Equal(t, Drawdown{num("0.28"), num("28"), num("100"), num("72")}, s.Max, "a fall stays as it was measured")
	s.perform("-57")
	require.Equal(t, Drawdown{num("0.285"), num("57"), num("200"), num("143")}, s.Max)
}

// “every reference value … is multiplied by (E+F)/E when E > 0 and
// E+F > 0”: limit − 1, limit, limit + 1 of E+F.
func TestFlowOut(t *testing.T) {
	s := (&scope{}).flow("100").perform("-50").flow("-49.999999999999999999")
	s.references(t, "0.000000000000000002", "0.000000000000000002", "0.000000000000000002")
	s.wants(t, "0.5", "0.5", "0.5")
	s = (&scope{}).flow("100").perform("-50").flow("-50")
	require.True(t, s.Dormant)
	s.wants(t, "0.5", "0.5", "0.5")
	s = (&scope{}).flow("100").perform("-50").flow("-50.000000000000000001")
	require.False(t, s.Dormant, "a debt is no rest")
	s.wants(t, "1", "1", "1")
	require.True(t, s.Evaluated(s.equity))
}

// “While flows have brought equity to exactly 0 with nothing open,
// ratios stay as carried and the scope is not evaluated until it has capital
// again.”
func TestDormant(t *testing.T) {
	s := (&scope{}).flow("100").perform("-30").openDay().perform("-7").flow("-63")
	s.wants(t, "0.37", "0.1", "0.37")
	require.False(t, s.Evaluated(s.equity))
	s.perform("5").wants(t, "0.37", "0.1", "0.37") // a rebate that trickles in does not wake it
	require.False(t, s.Evaluated(s.equity))
	s.flow("-5").wants(t, "0.37", "0.1", "0.37")
	s.openDay().wants(t, "0.37", "0", "0.37") // a new day has no loss yet
	s.flow("63").wants(t, "0.37", "0", "0.37")
	s.references(t, "100", "63", "100")
	require.True(t, s.Evaluated(s.equity))
	require.False(t, s.Dormant)
}

// Capital that comes to what trickled in seeds from both.
func TestDormantWithRemainder(t *testing.T) {
	s := (&scope{}).flow("100").perform("-50").flow("-50").perform("10").flow("40")
	s.references(t, "100", "100", "100")
	s.wants(t, "0.5", "0.5", "0.5")
}

// Negative equity wakes a dormant scope: it is a loss of money that is not there.
func TestDebtWakes(t *testing.T) {
	s := (&scope{}).flow("100").flow("-100")
	s.perform("-0.000000000000000001").wants(t, "1", "1", "1")
	require.True(t, s.Evaluated(s.equity))
	s.perform("0.000000000000000001").wants(t, "0", "0", "0")
	require.False(t, s.Evaluated(s.equity))
}

// With something open, an equity of 0 is a loss and no rest.
func TestZeroWithOpenPositionIsNoRest(t *testing.T) {
	s := (&scope{open: true}).flow("100").flow("-100")
	require.False(t, s.Dormant)
	require.True(t, s.Evaluated(s.equity))
	s.wants(t, "1", "1", "1")
}

// “(where the carried ratio is 1, the references become old reference
// + F).”
func TestCarriedRatioOfOne(t *testing.T) {
	s := (&scope{}).flow("100").perform("-100").flow("50")
	s.references(t, "150", "150", "150")
	s = (&scope{}).flow("100").perform("-120").flow("50")
	s.references(t, "150", "150", "150")
	require.Equal(t, "0.8", s.Drawdown(s.equity).String(), "120 of 150 are lost")
	// Too little to be positive again: the loss stays a whole one.
	s = (&scope{}).flow("100").perform("-120").flow("19.999999999999999999")
	s.wants(t, "1", "1", "1")
	require.True(t, s.Evaluated(s.equity))
	// Just enough to be 0: at rest, with the ratio carried.
	s = (&scope{}).flow("100").perform("-120").flow("20")
	s.wants(t, "1", "1", "1")
	require.False(t, s.Evaluated(s.equity))
	s.flow("30").references(t, "150", "150", "150")
	// Only the ratio that is 1 is kept like that: the day opened in debt.
	s = (&scope{}).flow("100").perform("-120").openDay().flow("50")
	s.references(t, "150", "30", "150")
	s.wants(t, "0.8", "0", "0.8")
	// What the day had won back before the capital came stays won.
	s = (&scope{}).flow("100").perform("-130").openDay().perform("10").flow("50")
	s.references(t, "150", "20", "150")
	s.perform("-10").wants(t, "0.866666666666666667", "0", "0.866666666666666667")
	s.perform("-5").wants(t, "0.9", "0.25", "0.9")
	// … also where the day-open is a debt to the end.
	s = (&scope{}).flow("100").perform("-130").openDay().perform("20").flow("12")
	s.references(t, "112", "-18", "112")
	s.perform("-1").wants(t, "0.991071428571428571", "0", "0.991071428571428571")
	s.perform("-1").wants(t, "1", "1", "1")
}

// Capital that comes back in several deposits counts the same as in one.
func TestCapitalInParts(t *testing.T) {
	one := (&scope{}).flow("100").perform("-120").flow("50")
	parts := (&scope{}).flow("100").perform("-120").flow("5").flow("10").flow("35")
	parts.references(t, one.Peak.String(), one.DayOpen.String(), one.LifetimePeak.String())
	// Money that leaves a scope in debt is no gain.
	s := (&scope{}).flow("100").perform("-120").flow("-10").flow("60")
	s.references(t, "160", "160", "160")
}

// “Property: |Δ ratio| ≤ 1e-12 across any flow with E, E+F > 0”, here
// for E and E+F of at least 0.000001.
func TestFlowNeverMovesARatio(t *testing.T) {
	least, most := num("0.000001"), num("0.000000000001")
	rapid.Check(t, func(t *rapid.T) {
		s := &scope{}
		hours, _ := RuleOf(RollingLoss)
		hour := int64(0)
		hours.On(s.at(hour))
		s.flow("1000")
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "performs") {
				part := domain.FromInt(rapid.Int64Range(-990, 500).Draw(t, "permille")).Div(domain.FromInt(1000))
				s.perform(s.equity.Mul(part).String())
			}
			if rapid.IntRange(0, 4).Draw(t, "day") == 0 {
				s.openDay()
			}
			hour += rapid.Int64Range(0, 9).Draw(t, "hours")
			hours.Hour(s.at(hour))
			if rapid.IntRange(0, 6).Draw(t, "rebase") == 0 {
				s.Rebase(s.equity)
			}
			if s.equity.Less(least) {
				return
			}
			after := rapid.SampledFrom([]string{"0.000001", "0.0000012345", "0.01", "1", "333.333333333333333333", "100000", "9999999"}).Draw(t, "after")
			was := s.ratios(s.equity)
			s.flow(num(after).Sub(s.equity).String())
			now := s.ratios(s.equity)
			for i := range was {
				require.False(t, most.Less(was[i].Sub(now[i]).Abs()), "%s became %s at %s", was[i], now[i], after)
			}
			require.False(t, s.LifetimePeak.Less(s.Peak.Sub(most)), "the lifetime peak is never below the peak")
		}
	})
}

// Whatever is withdrawn to the last and brought back, the ratios are what they were.
func TestRestKeepsRatios(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &scope{}
		hours, _ := RuleOf(RollingLoss)
		hours.On(s.at(0))
		s.flow("1000")
		s.perform("500")
		hours.Hour(s.at(3))
		s.perform("-500")
		s.perform(domain.FromInt(rapid.Int64Range(-999_999, 100_000).Draw(t, "loss")).Div(domain.FromInt(1000)).String())
		was := s.ratios(s.equity)
		s.flow(s.equity.Neg().String())
		require.Equal(t, was, s.ratios(s.equity))
		s.flow(domain.FromInt(rapid.Int64Range(1, 1_000_000).Draw(t, "back")).Div(domain.FromInt(100)).String())
		now := s.ratios(s.equity)
		tiny := num("0.000000000001")
		for i := range was {
			require.False(t, tiny.Less(was[i].Sub(now[i]).Abs()), "%s %s", was, now)
		}
	})
}
