package modeltest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Worked: capital 10,000; equity 9,700; deposit 10,000 → peak 10,000 × 19,700/9,700;
// drawdown stays 3 %.
func TestFlowsAreNoPerformance(t *testing.T) {
	s := start(t, false)
	s.ok(s.Charge("a", N("300")))
	s.is("0.03", s.Bot("a").Drawdown)
	s.ok(s.Allocate("a", N("10000")))
	s.is("0.03", s.Bot("a").Drawdown)
	require.Equal(t, "20309.278350515463917526", s.scope("a").peak.at.FloatString(18))
}

// “9,000 typed for 900 on 10,000, a loss of 100, then 8,100 given back: drawdown 100 ÷ 9,100”
// — “all such together at most its amount”.
func TestCorrectedFlow(t *testing.T) {
	s := &try{T: t, Second: NewSecond(loose(), false, noon)}
	s.ok(s.Deposit(Flow{Amount: N("10000")}))
	id := s.ok(s.Deposit(Flow{Amount: N("-9000")})).ID
	s.ok(s.Charge("", N("100")))
	s.is("0.1", s.Portfolio().Drawdown)
	s.no("invalid", s.CorrectFlow(id, N("9000.01")))
	s.ok(s.CorrectFlow(id, N("8100")))
	s.is("100/9100", s.Portfolio().Drawdown)
	s.is("9000", s.Equity(""))
	s.no("invalid", s.CorrectFlow(id, N("900.01")))
	s.no("not_found", s.CorrectFlow(99, one))
}

// “A scope sleeps until its equity first reaches min_capital …, and when a flow leaves it at
// 0 or below min_capital. Asleep its ratios stay … and trip nothing. It wakes with any event
// that leaves |equity| ≥ min_capital …: above 0, references are set so that the ratios are
// unchanged …; below 0 the ratio is 1.”
func TestSleep(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBot = N("0.5") })
	s.ok(s.AddBot("c", N("0.999999"), nil, true))
	require.True(t, s.Bot("c").Sleeps)
	s.ok(s.Charge("c", N("0.9")))
	s.is("0", s.Bot("c").Drawdown)
	require.Equal(t, "ok", s.Status(Alarm{BotDD, "c"}))
	s.ok(s.Allocate("c", N("0.900001")))
	require.False(t, s.Bot("c").Sleeps)
	s.is("0", s.Bot("c").Drawdown)
	// Awake, 10 % down, and asleep by a flow.
	s.ok(s.Allocate("c", N("99")))
	s.ok(s.Charge("c", N("10")))
	s.ok(s.Allocate("c", N("-89.5")))
	require.True(t, s.Bot("c").Sleeps)
	s.is("0.1", s.Bot("c").Drawdown)
	s.ok(s.Charge("c", N("0.4")))
	s.is("0.1", s.Bot("c").Drawdown)
	s.ok(s.Allocate("c", N("99.9")))
	s.is("0.1", s.Bot("c").Drawdown)
	// Its debts wake it.
	s.ok(s.Allocate("c", N("-100")))
	s.ok(s.Charge("c", N("0.9")))
	s.is("0.1", s.Bot("c").Drawdown)
	s.ok(s.Charge("c", N("0.1")))
	require.False(t, s.Bot("c").Sleeps)
	s.is("1", s.Bot("c").Drawdown)
	require.Equal(t, "tripped", s.Status(Alarm{BotDD, "c"}))
	s.ok(s.Reset(Alarm{BotDD, "c"}, true))
	s.is("0", s.Bot("c").Drawdown) // a person accepted the debt
	s.ok(s.Allocate("c", N("101")))
	s.is("0", s.Bot("c").Drawdown)
}

// A debt that wakes a scope is measured from the highest that it had asleep, adjusted for flows.
func TestDebtWakes(t *testing.T) {
	s := start(t, false)
	s.ok(s.Charge("a", N("2000")))
	s.ok(s.Allocate("a", N("-7999.5")))
	require.True(t, s.Bot("a").Sleeps)
	s.ok(s.Charge("a", N("10"))) // from .5, of .625
	s.is("1", s.Bot("a").Drawdown)
	s.ok(s.Allocate("a", N("109.5")))
	s.is("81/881", s.Bot("a").Drawdown)

	s.ok(s.Charge("b", N("-90000"))) // 100,000
	s.ok(s.Allocate("b", N("-100000")))
	s.ok(s.Charge("b", N("-0.8")))
	s.ok(s.Allocate("b", N("-0.3")))
	s.ok(s.Charge("b", N("2.5"))) // from .5 to -2
	s.is("1", s.Bot("b").Drawdown)
	s.ok(s.Allocate("b", N("9.5")))
	s.is("0.25", s.Bot("b").Drawdown)
}

// “Asleep its ratios stay”, that of a debt which a person accepted, too.
func TestAnAcceptedDebtSleeps(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBot = N("0.5") })
	s.ok(s.Charge("a", N("10010")))
	s.ok(s.Reset(Alarm{BotDD, "a"}, true))
	s.is("0", s.Bot("a").Drawdown)
	s.ok(s.Allocate("a", N("9.5")))
	require.True(t, s.Bot("a").Sleeps)
	s.is("0", s.Bot("a").Drawdown)
	s.ok(s.Allocate("a", N("100.5")))
	require.False(t, s.Bot("a").Sleeps)
	s.is("0", s.Bot("a").Drawdown)
}

// “at ratio 1: old reference + flow”.
func TestWakeAtRatioOne(t *testing.T) {
	s := start(t, false)
	s.ok(s.Charge("a", N("10100")))
	s.is("1", s.Bot("a").Drawdown)
	s.ok(s.Allocate("a", N("100")))
	require.True(t, s.Bot("a").Sleeps)
	s.is("1", s.Bot("a").Drawdown)
	s.ok(s.Allocate("a", N("900")))
	require.Equal(t, "11000", s.scope("a").peak.at.FloatString(0))
	s.is("10100/11000", s.Bot("a").Drawdown)
}

// “a new day makes the day's ratio 0”; a tripped breaker does not untrip at midnight.
func TestDays(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBotDaily = N("0.05") })
	s.ok(s.Charge("a", N("500")))
	require.Equal(t, "tripped", s.Status(Alarm{BotDaily, "a"}))
	s.ok(s.Charge("b", N("499.99")))
	require.Equal(t, "warned", s.Status(Alarm{BotDaily, "b"}))
	s.pass(12 * time.Hour)
	s.is("0.05", s.Bot("a").Daily)
	s.ok(s.poke())
	s.is("0", s.Bot("a").Daily)
	require.Equal(t, "tripped", s.Status(Alarm{BotDaily, "a"}))
	require.Equal(t, "ok", s.Status(Alarm{BotDaily, "b"}))
	s.ok(s.Reset(Alarm{BotDaily, "a"}, false))
}

// poke is a command that changes nothing.
func (s *try) poke() Answer { return s.Charge("", zero) }

// “rolling_loss (portfolio, max_rolling_loss_pct): fall from the highest flow-adjusted equity
// of this clock hour (UTC) and the 24 before, what was in force when they began included: 25
// numbers (a reset with rebase makes all of them the equity now).”
func TestRolling(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxRolling = N("0.05") })
	s.pass(30 * time.Minute)
	s.ok(s.Charge("", N("-10000"))) // 110,000 at 12:30
	s.pass(time.Minute)
	s.ok(s.Charge("", N("4000"))) // 106,000 at 12:31
	s.pass(24*time.Hour + 28*time.Minute)
	s.is("4/110", s.Portfolio().Rolling) // 12:59
	s.pass(time.Minute)
	s.is("0", s.Portfolio().Rolling) // 13:00: 13:00 of the day before began with 106,000
	s.ok(s.Charge("", N("5299")))
	require.Equal(t, "warned", s.Status(Alarm{Name: Rolling}))
	s.ok(s.Charge("", one))
	require.Equal(t, "tripped", s.Status(Alarm{Name: Rolling}))
	s.no("would_retrip", s.Reset(Alarm{Name: Rolling}, false))
	s.ok(s.Reset(Alarm{Name: Rolling}, true))
	s.is("0", s.Portfolio().Rolling)
	s.ok(s.Deposit(Flow{Amount: N("100700")}))
	s.ok(s.Charge("", N("2014")))
	s.is("0.01", s.Portfolio().Rolling)
}

// “reset with rebase is possible whenever the scope has equity ≠ 0”.
func TestReset(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBot = N("0.5") })
	s.no("conflict", s.Reset(Alarm{BotDD, "a"}, true))
	s.ok(s.Charge("a", N("5000")))
	require.Equal(t, "tripped", s.Status(Alarm{BotDD, "a"}))
	s.no("would_retrip", s.Reset(Alarm{BotDD, "a"}, false))
	s.ok(s.Allocate("a", N("-4999.5")))
	require.True(t, s.Bot("a").Sleeps)
	s.no("would_retrip", s.Reset(Alarm{BotDD, "a"}, false))
	s.is("0.5", s.ok(s.Reset(Alarm{BotDD, "a"}, true)).Rebased)
	s.is("0", s.Bot("a").Drawdown)
}

// “loosening any limit that is set takes two people” (live).
func TestLooseningTakesTwo(t *testing.T) {
	s := start(t, true, func(r *SecondRules) { r.MaxOrder = N("10") })
	rules := s.Rules
	rules.MaxOrder = N("9")
	s.ok(s.Change(rules, false))
	rules.MaxOrder = N("9.5")
	s.no("denied", s.Change(rules, false))
	rules.MaxOrder = nil
	s.no("denied", s.Change(rules, false))
	s.ok(s.Change(rules, true))
	rules.MaxMarket = one // none was set
	s.ok(s.Change(rules, false))
	rules.MinCapital = N("2")
	s.no("denied", s.Change(rules, false))
}
