package portfolio

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

// “off by default”: what was written before they existed folds to the same bytes.
func TestOptionalBreakersAreOff(t *testing.T) {
	h := paper(t, "1000", quietPolicy)
	h.trade("a", "-900")
	h.after(25*time.Hour).trade("a", "-90")
	require.Empty(t, h.tripped())
	snapshot, err := h.s.Snapshot()
	require.NoError(t, err)
	require.NotContains(t, string(snapshot), "hours")
	for r := range risk.Rules() {
		if !r.Optional() {
			continue
		}
		require.NotContains(t, string(snapshot), r.Key)
		key := keyOf(r.Name, botOf(r))
		require.NotContains(t, h.s.BreakerKeys(), key, "it is not listed")
		h.refused(domain.CodeConflict, func(d *Decision) error { return d.ResetBreaker(key, "test", true) })
	}
}

// “≥ trips”; limit − 1, limit, limit + 1.
func TestOptionalBreakersTripAtTheirLimits(t *testing.T) {
	for name, bot := range map[string]string{risk.RollingLoss: "", risk.BotDailyLoss: "a"} {
		for loss, trips := range map[string]bool{"-99.999999": false, "-100": true, "-100.000001": true} {
			h := paper(t, "1000", only(name, "0.1"))
			h.trade("a", loss)
			if !trips {
				require.Equal(t, []string{"trade.closed", "breaker.warned"}, h.types(), "%s at %s", name, loss)
				continue
			}
			require.Equal(t, []string{keyOf(name, bot).String()}, h.tripped(), "%s at %s", name, loss)
			trip := lastOf[*domain.BreakerTripped](h)
			require.Equal(t, "1000", trip.Reference.String())
			require.Equal(t, dec("1000").Add(dec(loss)), *trip.Equity)
			require.Equal(t, []string{"a"}, trip.BotsStopped)
			require.False(t, h.s.Stop.Engaged, "it is no emergency stop")
			h.refused(domain.CodeWouldRetrip, func(d *Decision) error { return d.ResetBreaker(keyOf(name, bot), "test", false) })
			h.reset(name, bot, true)
			require.Equal(t, domain.Zero, h.value(name, bot))
			h.start("a")
		}
	}
}

// `rolling_loss`: a fall over midnight, which daily_loss does not see, and which is
// forgotten 25 hours later, also where nothing was recorded since: permits are judged
// at the time they are asked for.
func TestRollingLossGoesOverMidnight(t *testing.T) {
	h := paper(t, "1000", only(risk.RollingLoss, "0.1"))
	h.at(time.Date(2026, 3, 10, 23, 30, 0, 0, time.UTC)).trade("a", "-60")
	h.after(time.Hour).trade("a", "-40")
	require.Equal(t, []string{"rolling_loss"}, h.tripped())
	h.equal("0.042553191489361702", h.dailyLoss())
	h.reset(risk.RollingLoss, "", true)
	h.start("a")
	h.trade("a", "-89.99")
	require.Empty(t, h.tripped())

	// Hours that leave the window lower the value without a record: a reset sees it.
	h = paper(t, "1000", only(risk.RollingLoss, "0.9"))
	h.trade("a", "-600")
	h.limits(`{"max_rolling_loss_pct":"0.61"}`)
	h.limits(`{"max_rolling_loss_pct":"0.6"}`)
	require.Equal(t, []string{"rolling_loss"}, h.tripped(), "a limit that is tightened is evaluated at once")
	h.at(time.Date(2026, 3, 11, 12, 59, 59, 0, time.UTC))
	h.refused(domain.CodeWouldRetrip, func(d *Decision) error { return d.ResetBreaker(keyOf(risk.RollingLoss, ""), "test", false) })
	h.at(time.Date(2026, 3, 11, 13, 0, 0, 0, time.UTC))
	h.reset(risk.RollingLoss, "", false)
	reset := lastOf[*domain.BreakerReset](h)
	require.Equal(t, domain.Zero, reset.Before, "as of now, not of the last record")
	require.Equal(t, domain.Zero, reset.After)
}

// “Permits are denied whenever a value ≥ its limit”, as of the hour of the question.
func TestRollingLossDeniesUntilItsHoursAreGone(t *testing.T) {
	h := paper(t, "1000", only(risk.RollingLoss, "0.5"))
	h.trade("a", "-500")
	h.apply(&domain.BreakerReset{Breaker: risk.RollingLoss, Reason: "by hand", User: "olga"})
	h.start("a")
	buyOne := order("a", "n", "YES", buy, "1", "0.5")
	h.at(time.Date(2026, 3, 11, 12, 59, 59, 0, time.UTC))
	require.Equal(t, []string{"limit_reached 0.5 0.5"}, h.denial(buyOne))
	h.at(time.Date(2026, 3, 11, 13, 0, 0, 0, time.UTC))
	h.permit("a", "n", "YES", buy, "1", "0.5")
}

// `bot_daily_loss` counts a bot's own day: midnight opens it for every bot, and
// allocations are no performance.
func TestBotDailyLossIsTheBotsDay(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper, only(risk.BotDailyLoss, "0.1"), func(p *domain.Policy) { p.BreakerStops = domain.StopBot })
	h.deposit("10000")
	h.bot("a", "1000")
	h.bot("b", "1000")
	h.trade("a", "-50")
	h.allocate("a", "950")
	h.equal("0.05", h.value(risk.BotDailyLoss, "a"))
	h.at(noon.Add(12*time.Hour)).trade("b", "-99.999999")
	require.Equal(t, []string{"day.opened", "trade.closed", "breaker.warned"}, h.types())
	h.equal("0", h.value(risk.BotDailyLoss, "a"), "midnight is every bot's")
	h.equal("1900", h.botOf("a").Refs.DayOpen)
	h.trade("a", "-190")
	require.Equal(t, []string{"bot_daily_loss of a"}, h.tripped())
	require.Equal(t, Running, h.botOf("b").Status, "narrowed to its bot")
	h.trade("b", "-0.000001")
	require.Equal(t, []string{"bot_daily_loss of b"}, h.tripped())

	// The day of the question, before a record opens it.
	p, err := h.s.PreviewReset(keyOf(risk.BotDailyLoss, "a"), false, h.now.Add(24*time.Hour))
	require.NoError(t, err)
	require.Equal(t, domain.Zero, p.Before)
	require.False(t, p.WouldRetrip)
}

// Switched on, a breaker measures from that moment; switched off, it untrips nothing,
// and a person can still reset it.
func TestOptionalBreakersOnAndOff(t *testing.T) {
	for name, bot := range map[string]string{risk.RollingLoss: "", risk.BotDailyLoss: "a"} {
		rule, _ := risk.RuleOf(name)
		set := func(limit string) string { return fmt.Sprintf(`{%q:%q}`, rule.Key, limit) }
		h := paper(t, "1000", quietPolicy)
		h.trade("a", "-500")
		h.limits(set("0.1"))
		require.Empty(t, h.tripped(), "what was lost before is not guessed")
		h.equal("0", h.value(name, bot))
		h.trade("a", "-45")
		h.limits(set("0.2"))
		h.equal("0.09", h.value(name, bot), "another limit measures on")
		h.limits(set("0.09"))
		require.Equal(t, []string{keyOf(name, bot).String()}, h.tripped())

		h.limits(set("0"))
		require.Equal(t, risk.Tripped, h.status(name, bot))
		require.Nil(t, h.s.Refs.Hours, "nothing is followed")
		at := h.s.ReadBreaker(keyOf(name, bot))
		require.False(t, at.On)
		require.Equal(t, domain.Zero, at.Limit)
		require.Contains(t, h.s.BreakerKeys(), keyOf(name, bot), "it is listed for as long as it halts")
		require.Equal(t, []string{"breaker_tripped  ", "bot_stopped stopped "}, h.denial(order("a", "n", "YES", buy, "1", "0.5")))
		h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
		h.reset(name, bot, true)
		require.NotContains(t, h.s.BreakerKeys(), keyOf(name, bot))
		h.start("a")
		h.refold()
		h.check()
	}
}

// A warning does not outlive the breaker that gave it.
func TestSwitchedOffItWarnsOfNothing(t *testing.T) {
	h := paper(t, "1000", only(risk.RollingLoss, "0.1"))
	h.trade("a", "-80")
	require.Equal(t, risk.Warned, h.status(risk.RollingLoss, ""))
	h.limits(`{"max_rolling_loss_pct":"0"}`)
	require.Equal(t, risk.OK, h.status(risk.RollingLoss, ""))
}

// A snapshot keeps the 25 numbers, and one that lacks some is none.
func TestSnapshotKeepsTheHours(t *testing.T) {
	h := paper(t, "1000", only(risk.RollingLoss, "0.5"))
	h.after(3*time.Hour).trade("a", "-100")
	b, err := h.s.Snapshot()
	require.NoError(t, err)
	back, err := Restore(b)
	require.NoError(t, err)
	require.Equal(t, h.s.Refs, back.Refs)
	h.s.Refs.Hours.Highs = h.s.Refs.Hours.Highs[1:]
	b, err = h.s.Snapshot()
	require.NoError(t, err)
	_, err = Restore(b)
	require.ErrorContains(t, err, "lacks a part")
}

// --- an independent opinion

// point is an equity that was in force from a time on.
type point struct {
	at     time.Time
	equity *big.Rat
}

// naive remembers every equity there ever was, adjusted for flows as they come.
type naive struct{ points []point }

func (n *naive) now() *big.Rat { return n.points[len(n.points)-1].equity }

func (n *naive) perform(at time.Time, change *big.Rat) {
	n.points = append(n.points, point{at, new(big.Rat).Add(n.now(), change)})
}

func (n *naive) flow(amount *big.Rat) {
	factor := new(big.Rat).Quo(new(big.Rat).Add(n.now(), amount), n.now())
	for i := range n.points {
		n.points[i].equity = new(big.Rat).Mul(n.points[i].equity, factor)
	}
}

func (n *naive) rebase() { n.points = n.points[len(n.points)-1:] }

// loss looks at each of the 25 clock hours: the equity in force when it began, and
// every one since.
func (n *naive) loss(at time.Time) *big.Rat {
	start := at.UTC().Truncate(time.Hour).Add(-24 * time.Hour)
	high := n.now()
	for i, p := range n.points {
		gone := i+1 < len(n.points) && n.points[i+1].at.Before(start) // another was in force when the hour began
		if !gone && high.Cmp(p.equity) < 0 {
			high = p.equity
		}
	}
	return new(big.Rat).Quo(new(big.Rat).Sub(high, n.now()), high)
}

// “fall from the highest flow-adjusted equity of this clock hour (UTC) and the 24
// before, what was in force when they began included … (a reset with `rebase` makes all
// of them the equity now)”, against a model that keeps everything.
func TestRollingLossAgainstNaiveModel(t *testing.T) {
	most := big.NewRat(1, 1_000_000_000_000)
	rapid.Check(t, func(r *rapid.T) {
		h := newHarness(r).open(domain.ModePaper, only(risk.RollingLoss, "0.999999"))
		h.deposit("1000")
		h.bot("a", "1000")
		n := &naive{points: []point{{h.now, big.NewRat(1000, 1)}}}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			h.after(rapid.SampledFrom([]time.Duration{0, time.Nanosecond, 7 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 25 * time.Hour, 90 * time.Hour}).Draw(r, "wait"))
			if rapid.IntRange(0, 3).Draw(r, "on the hour") == 0 && h.now != h.now.Truncate(time.Hour) {
				h.at(h.now.Truncate(time.Hour).Add(time.Hour))
			}
			amount := rapid.Int64Range(1, 400).Draw(r, "amount")
			switch rapid.SampledFrom([]string{"win", "loss", "loss", "deposit", "withdraw", "rebase"}).Draw(r, "step") {
			case "win":
				h.trade("a", fmt.Sprint(amount))
				n.perform(h.now, big.NewRat(amount, 1))
			case "loss":
				loss := new(big.Rat).Mul(n.now(), big.NewRat(amount, 1000))
				text := loss.FloatString(6)
				loss.SetString(text)
				if loss.Sign() == 0 {
					continue
				}
				h.trade("a", "-"+text)
				n.perform(h.now, loss.Neg(loss))
			case "deposit":
				h.deposit(fmt.Sprint(amount))
				n.flow(big.NewRat(amount, 1))
			case "withdraw":
				free := h.balance("hot:treasury")
				if !dec(fmt.Sprint(amount)).Less(free) || n.now().Cmp(big.NewRat(amount, 1)) <= 0 {
					continue // what leaves nothing, or a debt, is no flow that scales
				}
				h.withdraw(fmt.Sprint(amount))
				n.flow(big.NewRat(-amount, 1))
			case "rebase":
				h.apply(&domain.BreakerReset{Breaker: risk.RollingLoss, Rebase: true, Reason: "test", User: "olga"})
				n.rebase()
			}
			// With the record, and at a later time at which nothing else has happened.
			for _, later := range []time.Duration{0, 40 * time.Minute, 26 * time.Hour} {
				got, ok := new(big.Rat).SetString(h.s.readBreakerAt(keyOf(risk.RollingLoss, ""), h.now.Add(later)).Value.String())
				require.True(r, ok)
				want := n.loss(h.now.Add(later))
				difference := new(big.Rat).Sub(got, want)
				require.True(r, difference.Abs(difference).Cmp(most) <= 0, "model %s, state %s, %s later", want.FloatString(15), got.FloatString(15), later)
			}
			require.Len(r, h.s.Refs.Hours.Highs, 25)
		}
	})
}
