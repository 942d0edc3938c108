package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// tiny is the smallest amount there is.
const tiny = "0.000000000000000001"

// only moves every limit out of the way but that of one breaker.
func only(breaker, limit string) func(*domain.Policy) {
	return func(p *domain.Policy) {
		quietPolicy(p)
		p.BreakerWarnAt = dec("0.8")
		r, ok := risk.RuleOf(breaker)
		if !ok {
			panic(breaker)
		}
		if err := domain.DecodeObject([]byte(limitOf(r, limit)), p); err != nil {
			panic(err)
		}
	}
}

// limitOf is the change of limits that gives a breaker another one.
func limitOf(r *risk.Rule, limit string) string {
	if r.Whole {
		return fmt.Sprintf(`{%q:%s}`, r.Key, limit)
	}
	return fmt.Sprintf(`{%q:%q}`, r.Key, limit)
}

// paper opens a paper portfolio whose whole capital is bot a's.
func paper(t testingT, capital string, change ...func(*domain.Policy)) *harness {
	t.Helper()
	h := newHarness(t).open(domain.ModePaper, change...)
	h.deposit(capital)
	h.bot("a", capital)
	return h
}

// tripped returns the breakers that tripped in the last step, in order.
func (h *harness) tripped() []string {
	var out []string
	for _, e := range stepOf[*domain.BreakerTripped](h) {
		out = append(out, keyOf(e.Breaker, e.Bot).String())
	}
	return out
}

func isOfBot(breaker string) bool {
	r, ok := risk.RuleOf(breaker)
	return ok && r.Scope == risk.OfBot
}

func keyOf(breaker, bot string) risk.Key { return risk.Key{Breaker: breaker, Bot: bot} }

func (h *harness) value(breaker, bot string) domain.Decimal {
	return h.s.ReadBreaker(keyOf(breaker, bot)).Value
}

// TestDefaultsTripAtTheirLimits: "consecutive_losses 3, daily_loss 0.05,
// bot_drawdown 0.25, portfolio_drawdown 0.40 → emergency stop"; "≥ trips".
func TestDefaultsTripAtTheirLimits(t *testing.T) {
	t.Run(domain.ConsecutiveLosses, func(t *testing.T) {
		h := paper(t, "1000", only(domain.ConsecutiveLosses, "3"))
		h.trade("a", "-0."+tiny[2:])
		h.trade("a", "-1")
		require.Empty(t, h.tripped(), "limit − 1")
		h.trade("a", "-1")
		require.Equal(t, []string{"consecutive_losses of a"}, h.tripped())
		require.Equal(t, []string{"trade.closed", "breaker.tripped"}, h.types(), "in the same append as its cause")
	})
	for breaker, limit := range map[string]string{domain.DailyLoss: "0.05", domain.BotDrawdown: "0.25", domain.PortfolioDrawdown: "0.4"} {
		t.Run(breaker, func(t *testing.T) {
			for _, c := range []struct {
				loss  domain.Decimal
				trips bool
			}{{dec(limit).Sub(dec(tiny)), false}, {dec(limit), true}, {dec(limit).Add(dec(tiny)), true}} {
				h := paper(t, "1", only(breaker, limit))
				h.lose("a", c.loss.String())
				require.Equal(t, c.trips, h.count(domain.BreakerTrippedType) == 1, "a loss of %s", c.loss)
				require.Equal(t, c.trips && breaker == domain.PortfolioDrawdown, h.s.Stop.Engaged)
				if c.trips {
					e := stepOf[*domain.BreakerTripped](h)[0]
					require.Equal(t, breaker, e.Breaker)
					require.Equal(t, c.loss, e.Value)
				}
			}
		})
	}
}

// "Capital 1,000, losses −10, −10, +5, −10, −10, −10 → trips at the sixth trade,
// not the fourth."
func TestTheWorkedStreak(t *testing.T) {
	h := paper(t, "1000")
	for i, pnl := range []string{"-10", "-10", "5", "-10", "-10", "-10"} {
		h.trade("a", pnl)
		require.Equal(t, i == 5, h.count(domain.BreakerTrippedType) == 1, "trade %d", i+1)
	}
}

// "Evaluated, in this order, after every event that changes equity …": streaks,
// daily loss, drawdowns of bots, drawdown of the portfolio.
func TestOrderOfEvaluation(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper, func(p *domain.Policy) {
		p.MaxConsecutiveLosses = 1
		p.MaxBotDrawdownPct, p.MaxPortfolioDrawdownPct = dec("0.05"), dec("0.05")
	})
	h.deposit("200")
	for _, b := range []string{"b", "a"} {
		h.bot(b, "100")
		h.fill(b, "m", "YES", buy, "20", "0.5")
	}
	h.settle("m", "YES", "0")
	require.Equal(t, []string{
		"consecutive_losses of a", "consecutive_losses of b", "daily_loss",
		"bot_drawdown of a", "bot_drawdown of b", "portfolio_drawdown",
	}, h.tripped())
	require.Equal(t, []string{
		"market.settled", "trade.closed", "trade.closed", "breaker.tripped", "breaker.tripped", "breaker.tripped",
		"breaker.tripped", "breaker.tripped", "breaker.tripped", "emergency_stop.engaged",
	}, h.types(), "evaluated once, after the last holder")
	trips := stepOf[*domain.BreakerTripped](h)
	require.Equal(t, []string{"a", "b"}, trips[0].BotsStopped, "the first trip stops them")
	for _, e := range trips[1:] {
		require.Empty(t, e.BotsStopped, "they are stopped already")
	}
	for _, e := range trips {
		require.Equal(t, h.s.Next-10, e.Cause, "the settlement")
	}
	require.Len(t, h.s.BreakerKeys(), 6)
}

// what loses the money of a cause: the treasury, a bot, or a bot in a closed trade.
type what int

const (
	byTreasury what = iota
	byBot
	byTrade
)

// needs says what has to lose for a rule to trip: closed trades for a count, and for a
// ratio what the rule is kept for. A rule that measures something else is not tripped by
// the causes: give causes some for it, and a word here.
func needs(r *risk.Rule) what {
	switch {
	case r.Whole:
		return byTrade
	case r.Scope == risk.OfBot:
		return byBot
	default:
		return byTreasury
	}
}

func botOf(r *risk.Rule) string {
	if r.Scope == risk.OfBot {
		return "a"
	}
	return ""
}

// causes are the ways equity, a streak or a limit changes. Each loses 5 of capital 100 in
// its last step, which brings every ratio to exactly 0.05.
var causes = []struct {
	name  string
	loses what
	do    func(h *harness, r *risk.Rule)
	fact  string // type of the causing record
}{
	{"a fill's mark", byBot, func(h *harness, _ *risk.Rule) {
		h.fill("a", "m", "YES", buy, "10", "0.5")
		h.fill("a", "m", "YES", sell, "1", "0")
	}, domain.FillRecordedType},
	{"a fill's fee", byBot, func(h *harness, _ *risk.Rule) { h.fill("a", "m", "YES", buy, "10", "0.5", withFee("5")) }, domain.FillRecordedType},
	{"a mark", byBot, func(h *harness, _ *risk.Rule) {
		h.fill("a", "m", "YES", buy, "10", "0.5")
		h.mark("m", "YES", "0")
	}, domain.PriceMarkedType},
	{"an asset's mark", byTreasury, func(h *harness, _ *risk.Rule) {
		h.depositIn(domain.WalletCold, "ETH", "2")
		h.markAsset("ETH", "5") // its first mark is a flow
		h.markAsset("ETH", "2.25")
	}, domain.PriceMarkedType},
	{"a settlement", byTrade, func(h *harness, _ *risk.Rule) {
		h.fill("a", "m", "YES", buy, "10", "0.5")
		h.settle("m", "YES", "0")
	}, domain.MarketSettledType},
	{"a settlement of a short", byTrade, func(h *harness, _ *risk.Rule) {
		h.fill("a", "m", "YES", sell, "10", "0.5")
		h.settle("m", "YES", "1")
	}, domain.MarketSettledType},
	{"a fee", byBot, func(h *harness, _ *risk.Rule) {
		h.must(func(d *Decision) error {
			return d.RecordFee(&domain.FeeRecorded{Bot: "a", Amount: dec("5"), Kind: domain.FeeTrading})
		})
	}, domain.FeeRecordedType},
	{"gas of the treasury", byTreasury, func(h *harness, _ *risk.Rule) {
		h.must(func(d *Decision) error {
			return d.RecordFee(&domain.FeeRecorded{Amount: dec("5"), Kind: domain.FeeGas})
		})
	}, domain.FeeRecordedType},
	{"an adjustment", byBot, func(h *harness, _ *risk.Rule) { h.lose("a", "5") }, domain.AdjustmentPostedType},
	{"a reported trade", byTrade, func(h *harness, _ *risk.Rule) { h.trade("a", "-5") }, domain.TradeClosedType},
	{"a void", byBot, func(h *harness, r *risk.Rule) {
		h.trade("a", "-5.1")
		h.limits(limitOf(r, "0.9"))
		h.reset(r.Name, botOf(r), true)
		id := h.fill("a", "m", "YES", buy, "10", "0", provisional)
		h.fill("a", "m", "YES", sell, "10", "0.5")
		h.limits(limitOf(r, "0.05"))
		require.Empty(h.t, h.tripped())
		h.after(24 * time.Hour).deposit("0.1") // opens the day at 99.9, then 100
		h.void(id)                             // sold 10 short at 0.5, nothing bought: worth 5 less
	}, domain.FillVoidedType},
	{"a limit", byBot, func(h *harness, r *risk.Rule) {
		h.limits(limitOf(r, "0.06"))
		h.lose("a", "5")
		h.limits(limitOf(r, "0.05"))
	}, domain.LimitsChangedType},
}

// "Evaluated … after every event that changes equity (flows apart), a streak or a
// limit; … the trip is in the same append as its cause"; "A mistake is corrected
// by another event, which may trip a breaker".
func TestEveryCauseTripsInItsOwnAppend(t *testing.T) {
	for r := range risk.Rules() {
		limit := "0.05"
		if r.Whole {
			limit = "1"
		}
		for _, c := range causes {
			if c.loses < needs(r) {
				continue
			}
			t.Run(r.Name+" by "+c.name, func(t *testing.T) {
				h := paper(t, "100", only(r.Name, limit))
				c.do(h, r)
				require.Equal(t, []string{keyOf(r.Name, botOf(r)).String()}, h.tripped(),
					"%v, value %s; a value that none of these moves needs causes of its own, see needs", h.types(), h.value(r.Name, botOf(r)))
				e := lastOf[*domain.BreakerTripped](h)
				require.Equal(t, c.fact, h.log[e.Cause].typ)
				require.GreaterOrEqual(t, e.Cause, h.s.Next-uint64(len(h.events())), "the cause is in the same append")
				require.Equal(t, Stopped, h.botOf("a").Status)
			})
		}
	}
}

// What one bot fills marks what another holds: the other's drawdown is evaluated.
func TestOneBotsFillTripsAnothersBreaker(t *testing.T) {
	for _, c := range []struct {
		price string
		trips bool
	}{{"0.000000000000000001", false}, {"0", true}} {
		h := newHarness(t).open(domain.ModePaper, only(domain.BotDrawdown, "0.25"))
		h.deposit("1000")
		h.bot("a", "1")
		h.bot("b", "500")
		h.fill("a", "m", "YES", buy, "1", "0.25")
		h.fill("b", "m", "YES", buy, "1", c.price)
		require.Equal(t, c.trips, len(h.tripped()) == 1, c.price)
		if c.trips {
			require.Equal(t, []string{"bot_drawdown of a"}, h.tripped())
			require.Equal(t, []string{"a", "b"}, lastOf[*domain.BreakerTripped](h).BotsStopped)
		}
	}
}

// The streak of trades that fills, settlements and voids close, likewise.
func TestStreakTripsWithWhatClosedTheTrade(t *testing.T) {
	lost := func(h *harness, n int) {
		for range n {
			h.fill("a", "m", "YES", buy, "1", "0.5")
			h.fill("a", "m", "YES", sell, "1", "0.4")
		}
	}
	h := paper(t, "100")
	lost(h, 3)
	require.Equal(t, []string{"fill.recorded", "trade.closed", "breaker.tripped"}, h.types())
	require.Equal(t, domain.FillRecordedType, h.log[lastOf[*domain.BreakerTripped](h).Cause].typ)

	h = paper(t, "100")
	lost(h, 2)
	h.fill("a", "m", "NO", buy, "1", "0.5")
	h.settle("m", "NO", "0.499999999999999999")
	require.Equal(t, []string{"market.settled", "trade.closed", "breaker.tripped"}, h.types())

	// "trade.revised corrects … the streak since its last reset": the win goes, and
	// the losses around it meet.
	h = paper(t, "100")
	lost(h, 2)
	h.fill("a", "w", "YES", buy, "1", "0.5")
	id := h.fill("a", "w", "YES", sell, "1", "0.6", provisional)
	lost(h, 1)
	require.Equal(t, 1, h.botOf("a").Streak.Losses)
	h.void(id)
	require.Equal(t, []string{"fill.voided", "trade.revised", "breaker.tripped"}, h.types())
	require.Equal(t, "3", lastOf[*domain.BreakerTripped](h).Value.String())
}

// A corrected past "may trip a breaker but never silently untrips one".
func TestVoidNeverUntrips(t *testing.T) {
	h := paper(t, "100")
	h.trade("a", "-1")
	h.trade("a", "-1")
	h.fill("a", "m", "YES", buy, "1", "0.5")
	id := h.fill("a", "m", "YES", sell, "1", "0.4", provisional)
	require.Equal(t, []string{"consecutive_losses of a"}, h.tripped())
	h.void(id)
	require.Equal(t, 2, h.botOf("a").Streak.Losses)
	require.Equal(t, risk.Tripped, h.status(domain.ConsecutiveLosses, "a"))
	require.Equal(t, Stopped, h.botOf("a").Status)
	h.trade("a", "5")
	h.lose("a", "-50")
	require.Equal(t, risk.Tripped, h.status(domain.ConsecutiveLosses, "a"), "nor does a win")
}

// "Flows never evaluate breakers."
func TestFlowsNeverTrip(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "500")
	h.lose("a", "49.9")
	for range 3 {
		h.allocate("a", "-100")
		h.withdraw("590")
		h.deposit("590")
		h.allocate("a", "100")
		h.depositIn(domain.WalletCold, "", "5000")
		h.withdrawFrom(domain.WalletCold, "", "5000")
	}
	for _, r := range h.log {
		require.NotContains(t, []string{domain.BreakerTrippedType}, r.typ)
	}
	require.True(t, h.dailyLoss().Sub(dec("0.0499")).Abs().Less(dec("0.000000000001")), "%s", h.dailyLoss())
}

// A withdrawal of all there is, positions open, leaves values at their limits: it
// trips nothing, but "permits are denied whenever a value ≥ its limit".
func TestPermitsDeniedAtALimitThatDidNotTrip(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("10")
	h.bot("a", "9")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.withdraw("10")
	h.equal("0", h.s.Equity())
	require.Equal(t, []string{"withdrawal.recorded"}, h.types(), "a flow trips nothing")
	h.ask(order("a", "n", "YES", buy, "1", "0.5"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonLimitReached, domain.ReasonLimitReached}, h.reasons())
	for i, want := range []domain.Reason{
		{Code: domain.ReasonLimitReached, Value: "1", Limit: "0.05", Message: "daily_loss is at its limit"},
		{Code: domain.ReasonLimitReached, Value: "1", Limit: "0.4", Message: "portfolio_drawdown is at its limit"},
	} {
		require.Equal(t, want, lastOf[*domain.PermitDenied](h).Reasons[i])
	}
	require.Equal(t, Running, h.botOf("a").Status)
}

// "A request for an outflow that would leave equity < 0 is refused; as a fact it
// is recorded and evaluated."
func TestWithdrawalBelowZeroIsEvaluated(t *testing.T) {
	h := paper(t, "10")
	h.withdraw("10.000000000000000001")
	require.Equal(t, []string{"daily_loss", "portfolio_drawdown"}, h.tripped())
	require.Equal(t, domain.WithdrawalRecordedType, h.log[lastOf[*domain.BreakerTripped](h).Cause].typ)
	require.True(t, h.s.Stop.Engaged)
}

// halts is a portfolio with every kind of bot and permit: a and b run, c was
// never started, d is stopped; a has an unplaced and a working permit, b an
// unplaced one, and one that has expired.
func halts(t *testing.T, change ...func(*domain.Policy)) *harness {
	h := newHarness(t).open(domain.ModePaper, change...)
	h.deposit("400")
	for _, b := range []string{"a", "b", "d"} {
		h.bot(b, "100")
	}
	h.must(func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: "c"}, dec("100"), false) })
	h.must(func(d *Decision) error { return d.StopBot("d", "") })
	h.permit("b", "m", "YES", buy, "1", "0.5")
	h.after(time.Minute)
	h.permit("a", "m", "YES", buy, "1", "0.5")
	working := h.permit("a", "m", "YES", buy, "2", "0.5")
	h.must(func(d *Decision) error { return d.PlacePermit(working, nil) })
	h.permit("b", "m", "YES", buy, "3", "0.5")
	return h
}

func (h *harness) livePermits() (quantities []string) {
	for _, id := range h.s.permitIDs(func(p *risk.Permit) bool { return p.Live(h.now) }) {
		quantities = append(quantities, h.s.Permits[id].Quantity.String())
	}
	return quantities
}

// "On any trip: all bots stop (breaker_stops: all), permits not yet placed are
// revoked"; "breaker.tripped says breaker, scope, bot, value, limit, the causing
// record, the bots stopped, the permits revoked."
func TestTripStopsAllAndRevokesWhatIsNotPlaced(t *testing.T) {
	h := halts(t)
	h.trade("a", "-1")
	h.trade("a", "-1")
	h.trade("a", "-1")
	e := lastOf[*domain.BreakerTripped](h)
	require.Len(t, e.PermitsRevoked, 2)
	require.Equal(t, &domain.BreakerTripped{
		Breaker: domain.ConsecutiveLosses, Scope: "bot", Bot: "a", Value: dec("3"), Limit: dec("3"), Stops: domain.StopAll,
		Cause: h.s.Next - 2, BotsStopped: []string{"a", "b"}, PermitsRevoked: e.PermitsRevoked,
	}, e)
	require.Equal(t, []string{"2"}, h.livePermits(), "the working one stays")
	for bot, want := range map[string]BotStatus{"a": Stopped, "b": Stopped, "c": Registered, "d": Stopped} {
		require.Equal(t, want, h.botOf(bot).Status, bot)
	}
	h.ask(order("b", "m", "YES", buy, "1", "0.5"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonBreakerTripped, domain.ReasonBotStopped}, h.reasons())
}

// "`bot` narrows a bot-scoped breaker to its bot"
func TestBreakerStopsBotNarrowsBotScopedBreakersOnly(t *testing.T) {
	narrow := func(p *domain.Policy) { p.BreakerStops = domain.StopBot }
	h := halts(t, narrow)
	for range 3 {
		h.trade("a", "-1")
	}
	e := lastOf[*domain.BreakerTripped](h)
	require.Equal(t, []string{"a"}, e.BotsStopped)
	require.Len(t, e.PermitsRevoked, 1)
	require.Equal(t, []string{"2", "3"}, h.livePermits())
	require.Equal(t, Running, h.botOf("b").Status)
	h.permit("b", "m", "YES", buy, "1", "0.5")
	h.start("c")
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })

	h = halts(t, narrow)
	h.lose("d", "25") // bot_drawdown of d, and daily loss 25 ÷ 400
	require.Equal(t, []string{"daily_loss", "bot_drawdown of d"}, h.tripped())
	trips := stepOf[*domain.BreakerTripped](h)
	require.Equal(t, []string{"a", "b"}, trips[0].BotsStopped, "a breaker of the portfolio stops all")
	require.Equal(t, "portfolio", trips[0].Scope)
	require.Empty(t, trips[0].Bot)
	require.Equal(t, "d", trips[1].Bot)

	// What a trip stopped stays stopped, whatever the policy says later.
	h = halts(t, narrow)
	for range 3 {
		h.trade("a", "-1")
	}
	h.limits(`{"breaker_stops":"all"}`)
	h.permit("b", "m", "YES", buy, "1", "0.5")
	h = halts(t)
	for range 3 {
		h.trade("a", "-1")
	}
	h.limits(`{"breaker_stops":"bot"}`)
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("b") })
}

// "It stays tripped, and trips no second time, until reset." Not by a win, by
// gains, by a midnight or by a configuration change; a restart is in every step.
func TestTrippedUntilReset(t *testing.T) {
	h := paper(t, "100", only(domain.DailyLoss, "0.05"))
	h.lose("a", "5")
	h.lose("a", "5")
	require.Empty(t, h.tripped(), "no second time")
	h.lose("a", "-50")
	require.Equal(t, "0", h.dailyLoss().String())
	h.after(24 * time.Hour)
	h.lose("a", "20")
	require.Equal(t, []string{"day.opened", "adjustment.posted"}, h.types(), "no second time on another day")
	h.limits(`{"max_daily_loss_pct":"0.9"}`)
	h.limits(`{"max_daily_loss_pct":"0.01"}`)
	h.deposit("1000")
	require.Equal(t, risk.Tripped, h.status(domain.DailyLoss, ""))
	require.Equal(t, Stopped, h.botOf("a").Status)
	require.Equal(t, risk.Tripped, h.cold.Breaker(keyOf(domain.DailyLoss, "")).Status, "after a restart")
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
}

// "breaker.warned at breaker_warn_at (0.8 of the limit; the streak at limit − 1),
// not together with a trip, re-armed below 0.9 of the warning level."
func TestWarnings(t *testing.T) {
	for breaker, limit := range map[string]string{domain.DailyLoss: "0.05", domain.BotDrawdown: "0.25", domain.PortfolioDrawdown: "0.4"} {
		t.Run(breaker, func(t *testing.T) {
			level := dec(limit).Mul(dec("0.8"))
			rearm := level.Mul(dec("0.9"))
			bot := ""
			if isOfBot(breaker) {
				bot = "a"
			}
			h := paper(t, "1", only(breaker, limit))
			to := func(loss domain.Decimal) {
				now := dec("1").Sub(h.botOf("a").Cash)
				h.lose("a", loss.Sub(now).String())
				require.Equal(t, loss, h.value(breaker, bot))
			}
			to(level.Sub(dec(tiny)))
			require.Equal(t, 0, h.count(domain.BreakerWarnedType), "level − 1")
			to(level)
			require.Equal(t, 1, h.count(domain.BreakerWarnedType), "the level")
			require.Equal(t, &domain.BreakerWarned{Breaker: breaker, Bot: bot, Value: level, Level: level, Limit: dec(limit)}, lastOf[*domain.BreakerWarned](h))
			require.Equal(t, risk.Warned, h.status(breaker, bot))
			require.Equal(t, Running, h.botOf("a").Status, "a warning stops nothing")
			for _, loss := range []domain.Decimal{level.Add(dec(tiny)), rearm, level, rearm.Add(dec(tiny)), level} {
				to(loss)
				require.Equal(t, 0, h.count(domain.BreakerWarnedType), "not re-armed at %s", loss)
			}
			to(rearm.Sub(dec(tiny)))
			require.Equal(t, risk.OK, h.status(breaker, bot))
			to(level.Add(dec(tiny)))
			require.Equal(t, 1, h.count(domain.BreakerWarnedType), "re-armed")
			to(dec(limit))
			require.Equal(t, 0, h.count(domain.BreakerWarnedType), "not together with a trip")
			require.Equal(t, 1, h.count(domain.BreakerTrippedType))

			h = paper(t, "1", only(breaker, limit))
			to(dec(limit))
			require.Equal(t, 0, h.count(domain.BreakerWarnedType), "straight from ok to a trip")
		})
	}
}

func TestStreakWarnings(t *testing.T) {
	h := paper(t, "1000", only(domain.ConsecutiveLosses, "3"))
	h.trade("a", "-1")
	require.Equal(t, 0, h.count(domain.BreakerWarnedType))
	h.trade("a", "-1")
	require.Equal(t, &domain.BreakerWarned{Breaker: domain.ConsecutiveLosses, Bot: "a", Value: dec("2"), Level: dec("2"), Limit: dec("3")}, lastOf[*domain.BreakerWarned](h))
	h.trade("a", "0") // neutral: unchanged
	require.Equal(t, 0, h.count(domain.BreakerWarnedType))
	h.trade("a", "1")
	h.trade("a", "-1")
	h.trade("a", "-1")
	require.Equal(t, 1, h.count(domain.BreakerWarnedType), "re-armed by a win")
	h.trade("a", "-1")
	require.Equal(t, []string{"trade.closed", "breaker.tripped"}, h.types())

	// A limit of 1 loss has no warning level: 0 losses are nothing to warn of.
	h = paper(t, "1000", only(domain.ConsecutiveLosses, "1"))
	h.trade("a", "1")
	h.lose("a", "1")
	require.Equal(t, []string{"adjustment.posted"}, h.types())
	h.trade("a", "-"+tiny)
	require.Equal(t, []string{"trade.closed", "breaker.tripped"}, h.types())
}

// A new day re-arms the warning of the daily loss: it begins at 0 again.
func TestDailyWarningIsOfTheDay(t *testing.T) {
	h := paper(t, "100", only(domain.DailyLoss, "0.05"))
	h.lose("a", "4")
	require.Equal(t, 1, h.count(domain.BreakerWarnedType))
	h.at(time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC))
	h.lose("a", "3.84") // 4 % of 96
	require.Equal(t, []string{"day.opened", "adjustment.posted", "breaker.warned"}, h.types())
}

// A limit may be moved under a value: evaluated in the same append, warnings too.
func TestLimitChangeWarnsAndRearms(t *testing.T) {
	h := paper(t, "100", only(domain.DailyLoss, "0.1"))
	h.lose("a", "5")
	h.limits(`{"max_daily_loss_pct":"0.0625"}`)
	require.Equal(t, []string{"limits.changed", "breaker.warned"}, h.types())
	h.limits(`{"max_daily_loss_pct":"0.07"}`) // the level is 0.056, re-armed below 0.0504
	require.Equal(t, risk.OK, h.status(domain.DailyLoss, ""))
	h.limits(`{"max_daily_loss_pct":"0.0625"}`)
	require.Equal(t, []string{"limits.changed", "breaker.warned"}, h.types())
}

// "Reset is manual, per breaker and scope: who, why (text), rebase true or false.
// Not by a bot's key".
func TestResetIsManual(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("2000")
	h.bot("a", "1000")
	h.bot("b", "1000")
	for _, b := range []string{"a", "b"} {
		for range 3 {
			h.trade(b, "-1")
		}
	}
	key := keyOf(domain.ConsecutiveLosses, "a")
	h.as(domain.RoleBot, "a").refused(domain.CodeDenied, func(d *Decision) error { return d.ResetBreaker(key, "let me", true) })
	h.operator().refused(domain.CodeInvalid, func(d *Decision) error { return d.ResetBreaker(key, "", true) })
	for _, wrong := range []struct {
		key  risk.Key
		code domain.Code
	}{
		{keyOf(domain.ConsecutiveLosses, ""), domain.CodeInvalid},
		{keyOf(domain.DailyLoss, "a"), domain.CodeInvalid},
		{keyOf(domain.ConsecutiveLosses, "nobody"), domain.CodeNotFound},
		{keyOf("no_such", ""), domain.CodeNotFound},
		{keyOf(domain.DailyLoss, ""), domain.CodeConflict},
		{keyOf(domain.BotDrawdown, "a"), domain.CodeConflict},
	} {
		h.refused(wrong.code, func(d *Decision) error { return d.ResetBreaker(wrong.key, "test", true) })
	}
	h.reset(domain.ConsecutiveLosses, "a", false)
	require.Equal(t, &domain.BreakerReset{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "test", User: "olga", Before: dec("3"), After: dec("0")}, lastOf[*domain.BreakerReset](h))
	require.Equal(t, 0, h.botOf("a").Streak.Losses, "streak → 0")
	require.Equal(t, risk.OK, h.status(domain.ConsecutiveLosses, "a"))
	require.Equal(t, risk.Tripped, h.status(domain.ConsecutiveLosses, "b"), "per scope")
	require.Equal(t, Stopped, h.botOf("a").Status, "bots are then started one by one")
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.ResetBreaker(key, "again", false) })
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
	h.reset(domain.ConsecutiveLosses, "b", false)
	h.start("a")
	require.Equal(t, Stopped, h.botOf("b").Status, "one by one")
	h.permit("a", "m", "YES", buy, "1", "0.5")
}

// "With rebase the drawdown peak or the day-open becomes the equity now …; a reset
// that leaves value ≥ limit is refused (409 would_retrip)."
func TestResetWithAndWithoutRebase(t *testing.T) {
	for breaker, limit := range map[string]string{domain.DailyLoss: "0.05", domain.BotDrawdown: "0.25", domain.PortfolioDrawdown: "0.4"} {
		t.Run(breaker, func(t *testing.T) {
			bot := ""
			if isOfBot(breaker) {
				bot = "a"
			}
			key := keyOf(breaker, bot)
			h := paper(t, "1", only(breaker, limit))
			h.lose("a", limit)
			lifetime := h.s.Refs.LifetimePeak
			err := h.refused(domain.CodeWouldRetrip, func(d *Decision) error { return d.ResetBreaker(key, "test", false) })
			require.ErrorContains(t, err, "would trip again")

			h.lose("a", "-"+tiny) // value = limit − 1
			h.reset(breaker, bot, false)
			require.Equal(t, dec(limit).Sub(dec(tiny)), h.value(breaker, bot), "nothing is rebased")
			h.lose("a", tiny)
			require.Equal(t, 1, h.count(domain.BreakerTrippedType), "it trips anew")

			h.reset(breaker, bot, true)
			e := lastOf[*domain.BreakerReset](h)
			require.Equal(t, []domain.Decimal{dec(limit), domain.Zero}, []domain.Decimal{e.Before, e.After})
			require.True(t, e.Rebase)
			require.Equal(t, domain.Zero, h.value(breaker, bot))
			require.Equal(t, lifetime, h.s.Refs.LifetimePeak, "the lifetime peak is never rebased")
			loss := h.botOf("a").Cash.Mul(dec(limit))
			h.lose("a", loss.Sub(dec(tiny)).String())
			require.Equal(t, 0, h.count(domain.BreakerTrippedType), "counted from the equity of the reset")
			h.lose("a", tiny)
			require.Equal(t, 1, h.count(domain.BreakerTrippedType))
		})
	}
}

// Rebase touches its own reference only, and cannot make up equity.
func TestRebaseIsOfOneBreaker(t *testing.T) {
	h := paper(t, "100", func(p *domain.Policy) { p.MaxPortfolioDrawdownPct = dec("0.9") })
	h.lose("a", "30")
	require.Equal(t, []string{"daily_loss", "bot_drawdown of a"}, h.tripped())
	h.reset(domain.DailyLoss, "", true)
	require.Equal(t, []string{"0", "0.3", "0.3"}, []string{h.dailyLoss().String(), h.botDD("a").String(), h.drawdown().String()})
	h.reset(domain.BotDrawdown, "a", true)
	require.Equal(t, []string{"0", "0.3"}, []string{h.botDD("a").String(), h.drawdown().String()})

	h.lose("a", "70")
	for key := range h.s.Breakers {
		h.refused(domain.CodeWouldRetrip, func(d *Decision) error { return d.ResetBreaker(key, "test", true) })
	}
}

// "dry_run previews: would it re-trip, what is open, what happened since."
func TestResetPreview(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("200")
	h.bot("a", "100")
	h.bot("b", "100")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.fill("b", "m", "YES", buy, "10", "0.5")
	h.fill("b", "n", "YES", buy, "10", "0.5")
	h.lose("a", "25")
	require.Equal(t, []string{"daily_loss", "bot_drawdown of a"}, h.tripped())
	h.lose("b", "1")
	h.deposit("1")
	preview := func(key risk.Key, rebase bool) ResetPreview {
		before := h.hash()
		p, err := h.s.PreviewReset(key, rebase, h.now)
		require.NoError(t, err)
		require.Equal(t, before, h.hash(), "a dry run changes nothing")
		return p
	}
	p := preview(keyOf(domain.BotDrawdown, "a"), false)
	require.Equal(t, ResetPreview{
		Key: keyOf(domain.BotDrawdown, "a"), Tripped: true, Before: dec("0.25"), After: dec("0.25"), Limit: dec("0.25"),
		WouldRetrip: true, OpenPositions: 1, Since: 2,
	}, p)
	p = preview(keyOf(domain.DailyLoss, ""), true)
	require.False(t, p.WouldRetrip)
	require.Equal(t, []any{3, uint64(3), domain.Zero}, []any{p.OpenPositions, p.Since, p.After})
	p = preview(keyOf(domain.ConsecutiveLosses, "a"), false)
	require.False(t, p.Tripped || p.WouldRetrip)
	require.Zero(t, p.Since)
	_, err := h.s.PreviewReset(keyOf(domain.BotDrawdown, ""), false, h.now)
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
}

// "The first event of a new day is preceded … by day.opened": also when that
// first event is the reset, so the loss of yesterday cannot hold it up.
func TestResetOnTheMorningAfter(t *testing.T) {
	h := paper(t, "100", only(domain.DailyLoss, "0.05"))
	h.lose("a", "5")
	h.at(time.Date(2026, 3, 10, 23, 59, 59, 999999999, time.UTC))
	h.refused(domain.CodeWouldRetrip, func(d *Decision) error {
		return d.ResetBreaker(keyOf(domain.DailyLoss, ""), "test", false)
	})
	h.at(time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC))
	p, err := h.s.PreviewReset(keyOf(domain.DailyLoss, ""), false, h.now)
	require.NoError(t, err)
	require.Equal(t, []any{true, false, domain.Zero}, []any{p.Tripped, p.WouldRetrip, p.Before}, "tripped, and at 0 today")
	h.reset(domain.DailyLoss, "", false)
	require.Equal(t, []string{"day.opened", "breaker.reset"}, h.types())
	require.Equal(t, domain.Zero, lastOf[*domain.BreakerReset](h).After)
	h.start("a")
	h.lose("a", "4.75")
	require.Equal(t, []string{"daily_loss"}, h.tripped(), "5 % of 95")
}

// Limits at the ends of their range hold.
func TestExtremeLimits(t *testing.T) {
	nearlyAll := "0.999999999999999999"
	for _, breaker := range []string{domain.DailyLoss, domain.BotDrawdown, domain.PortfolioDrawdown} {
		bot := ""
		if isOfBot(breaker) {
			bot = "a"
		}
		h := paper(t, "1", only(breaker, nearlyAll), func(p *domain.Policy) { p.BreakerWarnAt = dec(nearlyAll) })
		h.lose("a", dec(nearlyAll).Sub(dec(tiny)).String())
		require.NotEqual(t, risk.Tripped, h.status(breaker, bot), breaker)
		h.lose("a", tiny)
		require.Equal(t, risk.Tripped, h.status(breaker, bot), breaker)

		h = paper(t, "1", only(breaker, tiny))
		h.trade("a", "0")
		require.Equal(t, []string{"trade.closed"}, h.types())
		h.lose("a", tiny)
		require.Equal(t, []string{"adjustment.posted", "breaker.tripped"}, h.types()[:2], "the smallest loss trips and does not warn")
	}
	h := paper(t, "1000000", only(domain.ConsecutiveLosses, "40"))
	for i := range 40 {
		h.trade("a", "-1")
		require.Equal(t, i == 39, len(h.tripped()) == 1, fmt.Sprint(i))
	}
}
