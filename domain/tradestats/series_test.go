package tradestats

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func resultOf(pnl domain.Decimal) domain.Result {
	return [...]domain.Result{domain.Loss, domain.Neutral, domain.Win}[pnl.Sign()+1]
}

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// series reads steps: "+1000" and "-50" with a leading f are flows, a number is the
// P&L of a trade an hour after the one before, "|" begins a new day. A trade
// marked ~ is neutral whatever its P&L.
func series(text string) []Step {
	var steps []Step
	at := noon
	for _, word := range strings.Fields(text) {
		switch {
		case word == "|":
			at = at.Truncate(24 * time.Hour).Add(36 * time.Hour)
		case strings.HasPrefix(word, "f"):
			steps = append(steps, Step{Flow: dec(strings.TrimPrefix(word[1:], "+"))})
		default:
			pnl := dec(strings.TrimPrefix(word, "~"))
			result := resultOf(pnl)
			if word[0] == '~' {
				result = domain.Neutral
			}
			steps = append(steps, Step{Trade: &Trade{Bot: "a", Time: at, PnL: pnl, Fee: dec("0.1"), Result: result}})
			at = at.Add(time.Hour)
		}
	}
	return steps
}

func compute(text string) *Stats {
	s := Compute(series(text), DefaultLimits(), time.UTC)
	return &s
}

func computeOf(steps []Step) *Stats {
	s := Compute(steps, DefaultLimits(), time.UTC)
	return &s
}

// breakers lists name, trade, value.
func breakers(s *Stats) string {
	var out []string
	for _, b := range s.ClosedBreakers {
		out = append(out, b.Rule.Name+" "+strconv.Itoa(b.Trade)+" "+b.Value.Ratio().String())
	}
	return strings.Join(out, "; ")
}

// drawdown is abs ratio, peak@trade → trough@trade.
func drawdown(s *Stats) string {
	m := s.MaxDrawdown
	return m.Abs.String() + " " + m.Ratio.Ratio().String() + " " +
		m.Peak.Equity.String() + "@" + strconv.Itoa(m.Peak.Trade) + " " + m.Trough.Equity.String() + "@" + strconv.Itoa(m.Trough.Trade)
}

// "trades, wins, losses, neutral, win_rate (wins ÷ trades), profit_factor (null
// without losses), net_pnl, gross_profit, gross_loss, fees, longest_loss_streak"
func TestFigures(t *testing.T) {
	s := compute("f+1000 10 -5 0 -5 20 -1")
	require.Equal(t, []int{6, 2, 3, 1}, []int{s.Trades, s.Wins, s.Losses, s.Neutral})
	require.Equal(t, "0.333333333333", s.WinRate().Ratio().String())
	require.Equal(t, "2.727272727273", s.ProfitFactor().Ratio().String(), "30 ÷ 11")
	require.Equal(t, []string{"19", "30", "11", "0.6"}, []string{s.NetPnL.String(), s.GrossProfit.String(), s.GrossLoss.String(), s.Fees.String()})
	require.Equal(t, []string{"1000", "1019"}, []string{s.Capital.String(), s.Equity.String()})
	// "neutral → unchanged": -5 0 -5 is a streak of 2.
	require.Equal(t, 2, s.LongestLossStreak)

	none := compute("f+1000")
	require.Nil(t, none.WinRate(), "no trades, no rate")
	require.Nil(t, none.ProfitFactor())
	require.Equal(t, []string{"1000", "1000"}, []string{none.Capital.String(), none.Equity.String()})
	require.Nil(t, compute("f+1000 10 0").ProfitFactor(), "null without losses")
	require.Equal(t, "0", compute("f+1000 -10").ProfitFactor().String(), "nothing won is 0, not null")
	require.Equal(t, "0", compute("").Equity.String())
}

// "Consecutive losses: closed trades in stream order; win → 0, loss → +1, neutral
// → unchanged." "Capital 1,000, losses −10, −10, +5, −10, −10, −10 → trips at the
// sixth trade, not the fourth."
func TestStreak(t *testing.T) {
	require.Equal(t, "consecutive_losses 6 3", breakers(compute("f+1000 -10 -10 5 -10 -10 -10")))
	require.Equal(t, "", breakers(compute("f+1000 -10 -10 5 -10 -10 5")), "limit − 1")
	require.Equal(t, "consecutive_losses 4 3", breakers(compute("f+1000 -1 -1 0 -1 -1")), "neutral leaves it unchanged, and the first trip counts")
	require.Equal(t, "", breakers(compute("f+1000 -1 -1 ~-1 1 -1 -1")), "dust is neutral, and its loss still counts in the P&L")
	s := compute("f+1000 -1 ~-2")
	require.Equal(t, "-3", s.NetPnL.String())
	require.Equal(t, "3", s.GrossLoss.String())
	require.Equal(t, 1, s.LongestLossStreak)
	require.Equal(t, 0, compute("f+1000 ~-1 ~-1 ~-1 ~-1").LongestLossStreak)
}

// "≥ trips": at limit − 1 unit, limit, limit + 1 unit, for both ratios.
func TestRatiosTripAtTheirLimit(t *testing.T) {
	require.Equal(t, "", breakers(compute("f+1000 -49.99999999")))
	require.Equal(t, "daily_loss 1 0.05", breakers(compute("f+1000 -50")))
	require.Equal(t, "daily_loss 1 0.05000000001", breakers(compute("f+1000 -50.00000001")))
	days := "f+1000 -40 | -40 | 1 -40 | -40 | 1 -40 | -40 | 1 "
	require.Equal(t, "", breakers(compute(days+"-12.99999999")))
	require.Equal(t, "bot_drawdown 10 0.25", breakers(compute(days+"-13")), "capital 1,000 → 750")
	require.Equal(t, "bot_drawdown 10 0.25000000001", breakers(compute(days+"-13.00000001")))
}

// Each breaker is listed once, at the first trade that trips it, in the order of
// trades, and at one trade in the order of the table of breakers.
func TestFirstTrips(t *testing.T) {
	require.Equal(t, "consecutive_losses 3 3; daily_loss 3 0.3; bot_drawdown 3 0.3", breakers(compute("f+1000 -1 -1 -298 -100 -100 -100")))
	require.Equal(t, "daily_loss 1 0.06; consecutive_losses 3 3", breakers(compute("f+1000 -60 -1 -1 -1")))
	own := Compute(series("f+1000 -60 -1 -1 -1"), Limits{domain.ConsecutiveLosses: dec("2"), domain.DailyLoss: dec("0.061"), domain.BotDrawdown: dec("0.06")}, time.UTC)
	require.Equal(t, "bot_drawdown 1 0.06; consecutive_losses 2 2; daily_loss 2 0.061", breakers(&own))
}

// "its day-open is its equity after the last close before the date"
func TestDayOpen(t *testing.T) {
	// 1000 → 960 (4 %) | day opens at 960: -47 is 4.9 %, -48 is 5 %.
	require.Equal(t, "", breakers(compute("f+1000 -40 | -47")))
	require.Equal(t, "daily_loss 2 0.05", breakers(compute("f+1000 -40 | -48")))
	// A gain of the same day does not move the day-open: 1000, +100, then 1,100 → 950.
	require.Equal(t, "", breakers(compute("f+1000 100 -149.9")))
	require.Equal(t, "daily_loss 2 0.05", breakers(compute("f+1000 100 -150")))
	// A flow between the days is in the day-open.
	require.Equal(t, "", breakers(compute("f+1000 -40 | f+1000 -97")))
	require.Equal(t, "daily_loss 2 0.05", breakers(compute("f+1000 -40 | f+1000 -98")))
}

// Days are those of the zone: a loss before and one after midnight in New York are
// two days there and one in UTC.
func TestDaysAreCountedInTheZone(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return v
	}
	steps := []Step{
		{Flow: dec("1000")},
		{Trade: &Trade{Time: at("2026-03-10T03:59:59Z"), PnL: dec("-30"), Result: domain.Loss}}, // 23:59:59 on the 9th
		{Trade: &Trade{Time: at("2026-03-10T04:00:00Z"), PnL: dec("-30"), Result: domain.Loss}}, // midnight, summer time
	}
	there := Compute(steps, DefaultLimits(), newYork)
	require.Equal(t, "", breakers(&there))
	require.Equal(t, "daily_loss 2 0.06", breakers(computeOf(steps)))
}

// "max_drawdown (closed trades in stream order on the opening capital; the episode
// of the largest ratio)"; of equal ones the first.
func TestMaxDrawdown(t *testing.T) {
	require.Equal(t, "0 0 0@0 0@0", drawdown(compute("f+1000 10 10")))
	require.Equal(t, "100 0.1 1000@0 900@1", drawdown(compute("f+1000 -100")), "the peak is seeded by the capital")
	require.Equal(t, "30 0.029126213592 1030@2 1000@4", drawdown(compute("f+1000 20 10 -10 -20 5 5")))
	// Largest ratio, not largest amount: 100 of 1,000, then 150 of 2,000.
	require.Equal(t, "100 0.1 1000@0 900@1", drawdown(compute("f+1000 -100 1100 -150")))
	// Two falls of exactly a tenth: the first stays.
	require.Equal(t, "100 0.1 1000@0 900@1", drawdown(compute("f+1000 -100 1100 -200")))
	require.Equal(t, "200.1 0.10005 2000@2 1799.9@3", drawdown(compute("f+1000 -100 1100 -200.1")))
	// Equity that comes back to the peak without passing it leaves the peak where
	// it was first reached.
	require.Equal(t, "60 0.06 1000@0 940@3", drawdown(compute("f+1000 -50 50 -60")))
	s := compute("f+1000 20 -30")
	require.Equal(t, noon, s.MaxDrawdown.Peak.Time)
	require.Equal(t, noon.Add(time.Hour), s.MaxDrawdown.Trough.Time)
	require.True(t, compute("f+1000 -30").MaxDrawdown.Peak.Time.IsZero(), "the opening capital has no time")
}

// "The closed-trade series starts at the net flows before the scope's first close"
func TestOpeningCapital(t *testing.T) {
	s := compute("f+1000 f-400 f+50 -65")
	require.Equal(t, "650", s.Capital.String())
	require.Equal(t, "585", s.Equity.String())
	require.Equal(t, "65 0.1 650@0 585@1", drawdown(s))
	require.Equal(t, "650", compute("f+1000 f-400 f+50").Capital.String())
}

// "Later flows scale its references": the worked example. Capital
// 10,000; equity 9,700; deposit 10,000 → peak 20,309.27…; drawdown stays 3 %.
func TestFlowsScaleTheReferences(t *testing.T) {
	before, after := compute("f+10000 -300"), compute("f+10000 -300 f+10000")
	require.Equal(t, "0.03", before.MaxDrawdown.Ratio.Ratio().String())
	require.Equal(t, "0.03", after.MaxDrawdown.Ratio.Ratio().String())
	require.Equal(t, "300 0.03 10000@0 9700@1", drawdown(after), "a fall stays as it was measured: nobody lost more than 300")
	deeper := compute("f+10000 -300 f+10000 -100")
	require.Equal(t, "709.278350515463917526 0.034923857868 20309.278350515463917526@0 19600@2", drawdown(deeper), "from the peak in the money of that moment")
	require.Equal(t, "10000", after.Capital.String(), "the opening capital is what the series began with")
	require.Equal(t, "19700", after.Equity.String())
	// From the scaled peak: 19,700 − 197 = 19,503 is 3.97 % below 20,309.278350515463917526.
	s := compute("f+10000 -300 f+10000 -197")
	require.Equal(t, "0.0397", s.MaxDrawdown.Ratio.Ratio().String())
	require.Equal(t, "20309.278350515463917526", s.MaxDrawdown.Peak.Equity.String())
	require.Equal(t, 0, s.MaxDrawdown.Peak.Trade)
	// A withdrawal is no loss, and a deposit heals none.
	require.Equal(t, "", breakers(compute("f+1000 -40 f-900 1")))
	require.Equal(t, "daily_loss 2 0.05", breakers(compute("f+1000 -40 f+9040 -104.166666666666666667")), "4 % and 1.0416… % of 10,000: 5 % of the scaled day-open")
}

// Before any capital a scope has no drawdown; with it, equity ≤ 0 is a drawdown of 1.
func TestNoCapitalAndNoEquity(t *testing.T) {
	s := compute("-5 -5 10 -5 -5 -5")
	require.Equal(t, "0 0 0@0 0@0", drawdown(s))
	require.Equal(t, "consecutive_losses 6 3", breakers(s), "a streak needs no capital")
	require.Equal(t, "-15", s.Equity.String())
	gone := compute("f+100 -100")
	require.Equal(t, "100 1 100@0 0@1", drawdown(gone))
	require.Equal(t, "daily_loss 1 1; bot_drawdown 1 1", breakers(gone))
	require.Equal(t, "150 1 100@0 -50@1", drawdown(compute("f+100 -150")), "more than everything is 1, too")
	require.Equal(t, "100 1 100@0 0@1", drawdown(compute("f+100 -100 -20")), "the first of equal ratios")
}

// Everything withdrawn: the ratios rest, and new capital is a new beginning that
// keeps them.
func TestCapitalThatLeavesAndComesBack(t *testing.T) {
	s := compute("f+1000 -40 f-960 f+480 -5")
	// 4 % carried to a peak of 500: 480 − 5 = 475 is 5 % below.
	require.Equal(t, "0.05", s.MaxDrawdown.Ratio.Ratio().String())
	require.Equal(t, "daily_loss 2 0.05", breakers(s))
	require.Equal(t, "", breakers(compute("f+1000 -40 f-960 f+480 -4.9")))
}

// Property: a flow never moves a ratio, so that money coming and going between
// trades scaled by the same factor changes no statistic that is a ratio.
func TestFlowsAreNotPerformance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain, flowing := []Step{{Flow: dec("1000")}}, []Step{{Flow: dec("1000")}}
		factor, at := domain.One, noon
		for range rapid.IntRange(1, 20).Draw(t, "trades") {
			pnl := domain.FromInt(rapid.Int64Range(-30, 30).Draw(t, "pnl"))
			at = at.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "hours")) * time.Hour)
			trade := func(p domain.Decimal) Step {
				return Step{Trade: &Trade{Time: at, PnL: p, Result: resultOf(p)}}
			}
			plain, flowing = append(plain, trade(pnl)), append(flowing, trade(pnl.Mul(factor)))
			if rapid.Bool().Draw(t, "doubled") && factor.Less(dec("64")) {
				flowing = append(flowing, Step{Flow: computeOf(flowing).Equity})
				factor = factor.Add(factor)
			}
		}
		a, b := computeOf(plain), computeOf(flowing)
		require.Equal(t, breakers(a), breakers(b))
		require.True(t, a.MaxDrawdown.Ratio.Sub(b.MaxDrawdown.Ratio).Abs().Less(dec("0.000000000001")))
		require.Equal(t, a.Wins, b.Wins)
		require.Equal(t, a.MaxDrawdown.Trough.Trade, b.MaxDrawdown.Trough.Trade)
	})
}

// The portfolio's series is held against 3, 0.05 and 0.25, a bot's against its own
// limits.
func TestLimits(t *testing.T) {
	p := domain.DefaultPolicy(domain.ModePaper)
	require.Equal(t, DefaultLimits(), LimitsOf(&p))
	p.MaxConsecutiveLosses, p.MaxDailyLossPct, p.MaxBotDrawdownPct = 7, dec("0.01"), dec("0.02")
	require.Equal(t, Limits{domain.ConsecutiveLosses: dec("7"), domain.DailyLoss: dec("0.01"), domain.BotDrawdown: dec("0.02")}, LimitsOf(&p))
}

// Statistics range over the table of breakers: one that is off by default is judged where
// its limit is asked for, and nowhere else. A loss that midnight divides is one of 25 hours.
func TestOptionalBreakersOnClosedTrades(t *testing.T) {
	evening := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	trade := func(after time.Duration, pnl string) Step {
		return Step{Trade: &Trade{Bot: "a", Time: evening.Add(after), PnL: dec(pnl), Result: resultOf(dec(pnl))}}
	}
	steps := []Step{{Flow: dec("1000")}, trade(0, "-60"), trade(time.Hour, "-39.9"), {Flow: dec("900.1")}, trade(24*time.Hour, "-0.2"), trade(26*time.Hour, "-99")}
	limits := Limits{risk.RollingLoss: dec("0.1")}
	s := Compute(steps, limits, time.UTC)
	require.Equal(t, "rolling_loss 3 0.1", breakers(&s), "flows scale what it is measured from")
	s = Compute(steps[:5], Limits{risk.RollingLoss: dec("0.100100000001")}, time.UTC)
	require.Empty(t, breakers(&s))
	s = Compute(append(steps[:4:4], steps[5]), limits, time.UTC)
	require.Empty(t, breakers(&s), "26 hours later the first loss is forgotten")
	s = Compute(steps, Limits{risk.BotDailyLoss: dec("0.05")}, time.UTC)
	require.Equal(t, "bot_daily_loss 1 0.06", breakers(&s))
	p := domain.DefaultPolicy(domain.ModePaper)
	require.NotContains(t, LimitsOf(&p), risk.RollingLoss)
	p.MaxRollingLossPct = dec("0.2")
	require.Equal(t, dec("0.2"), LimitsOf(&p)[risk.RollingLoss])
}

// Where the longest streak ended (of equal ones the first), and how many reached the limit:
// limit − 1, limit, limit + 1.
func TestStreaks(t *testing.T) {
	s := compute("f+1000 -1 -1 5 -1 -1 5")
	require.Equal(t, []int{2, 2, 0}, []int{s.LongestLossStreak, s.StreakEnd.Trade, s.StreaksAtLimit})
	require.Equal(t, noon.Add(time.Hour), s.StreakEnd.Time)
	s = compute("f+1000 -1 -1 -1 5 -1 0 -1 -1 -1 5 -1 -1")
	require.Equal(t, []int{4, 9, 2}, []int{s.LongestLossStreak, s.StreakEnd.Trade, s.StreaksAtLimit})
	require.Zero(t, compute("f+1000 5 0").StreakEnd)
}

// The best and the worst day, of equal ones the first.
func TestBestAndWorstDay(t *testing.T) {
	none := compute("f+1000")
	require.Nil(t, none.Best)
	require.Nil(t, none.Worst)
	s := compute("f+1000 10 -4 | -7 1 | 3 3 | -6")
	require.Equal(t, Day{"2026-03-10", dec("6")}, *s.Best)
	require.Equal(t, Day{"2026-03-11", dec("-6")}, *s.Worst)
	one := compute("f+1000 -5")
	require.Equal(t, *one.Best, *one.Worst, "one day is both")
}

// The largest amount beside the largest ratio.
func TestDeepestDrawdown(t *testing.T) {
	s := compute("f+1000 -100 1100 -150")
	require.Equal(t, "100", s.MaxDrawdown.Abs.String())
	d := s.DeepestDrawdown
	require.Equal(t, []string{"150", "0.075", "2000", "1850"}, []string{d.Abs.String(), d.Ratio.String(), d.Peak.Equity.String(), d.Trough.Equity.String()})
	require.Equal(t, []int{2, 3}, []int{d.Peak.Trade, d.Trough.Trade})
	s = compute("f+1000 -100")
	require.Equal(t, s.MaxDrawdown, s.DeepestDrawdown)
	require.Zero(t, compute("-5 -5").DeepestDrawdown, "no capital")
	require.Equal(t, "1", compute("f+100 -150").DeepestDrawdown.Ratio.String())
}
