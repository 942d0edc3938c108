package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "permits …: bot started": a registered bot asks for nothing until an operator
// starts it.
func TestOnlyRunningBotsGetPermits(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("100")
	h.must(func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: "a"}, dec("100"), false) })
	o := order("a", "m", "YES", buy, "1", "0.5")
	require.Equal(t, "registered", h.denied(domain.ReasonBotStopped, o).Value)
	h.start("a")
	h.ask(o)
	require.Equal(t, []string{"permit.granted"}, h.types())
	h.start("a")
	require.Equal(t, []string{"command.noted"}, h.types())
	h.must(func(d *Decision) error { return d.StopBot("a", "maintenance") })
	require.Equal(t, "stopped", h.denied(domain.ReasonBotStopped, o).Value)
	h.must(func(d *Decision) error { return d.StopBot("a", "") })
	require.Equal(t, []string{"command.noted"}, h.types())
	h.start("a")
	h.ask(o)
	require.Equal(t, []string{"permit.granted"}, h.types())
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.StartBot("ghost") })
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.StopBot("ghost", "") })
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.StartBot("no/id") })
}

// "starting is refused while a breaker is tripped that stopped the bot or stops
// all (bots registered later included; an import leaves such bots registered)"
func TestStartIsRefusedWhileSomethingIsTripped(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "100")
	h.bot("b", "100")
	for range 3 {
		h.trade("a", "-1")
	}
	for _, b := range []string{"a", "b"} {
		h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot(b) })
	}
	h.bot("later", "100") // registers and would start, as an import does
	require.Equal(t, []string{"bot.registered", "bot.capital_allocated"}, h.types())
	require.Equal(t, Registered, h.botOf("later").Status)
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("later") })
	h.ask(order("later", "m", "YES", buy, "1", "0.5"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonBreakerTripped, domain.ReasonBotStopped}, h.reasons())
	h.reset(domain.ConsecutiveLosses, "a", false)
	h.start("later")
	require.Equal(t, []BotStatus{Stopped, Stopped}, []BotStatus{h.botOf("a").Status, h.botOf("b").Status})
}

// A second breaker that tripped keeps what the first reset would let go.
func TestEveryTrippedBreakerHasToBeReset(t *testing.T) {
	h := paper(t, "100", func(p *domain.Policy) { p.MaxPortfolioDrawdownPct = dec("0.9") })
	h.lose("a", "25")
	require.Equal(t, []string{"daily_loss", "bot_drawdown of a"}, h.tripped())
	h.reset(domain.DailyLoss, "", true)
	err := h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
	require.ErrorContains(t, err, "bot_drawdown of a")
	h.reset(domain.BotDrawdown, "a", true)
	h.start("a")
}

// With breaker_stops: bot, a bot-scoped trip of one stops no other from starting.
func TestNarrowTripsLetOthersStart(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper, func(p *domain.Policy) { p.BreakerStops = domain.StopBot })
	h.deposit("1000")
	h.bot("a", "100")
	for range 3 {
		h.trade("a", "-1")
	}
	h.bot("later", "100")
	require.Equal(t, Running, h.botOf("later").Status)
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
	h.lose("later", "47")
	require.Equal(t, []string{"daily_loss", "bot_drawdown of later"}, h.tripped(), "47 of 997 … and the 3")
	h.must(func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: "last"}, dec("1"), true) })
	require.Equal(t, Registered, h.botOf("last").Status, "a portfolio's breaker stops all")
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("last") })
}

// Ids are kept apart, and capital is moved, never made.
func TestRegisterBot(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("100")
	reg := func(id, capital string) func(*Decision) error {
		return func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: id}, dec(capital), true) }
	}
	h.refused(domain.CodeInvalid, reg("a", "100.000000000000000001"))
	h.refused(domain.CodeInvalid, reg("a", "-1"))
	h.refused(domain.CodeInvalid, reg("", "1"))
	h.refused(domain.CodeInvalid, reg("a/b", "1"))
	h.must(reg("a", "100"))
	h.refused(domain.CodeConflict, reg("a", "0"))
	h.must(reg("b", "0"))
	h.denied(domain.ReasonInsufficientCash, order("b", "m", "YES", buy, "0.000000000000000002", "0.5"))
}

// "Bots are then started one by one": and a bot that runs again begins where the
// reset left it, not where the trip did.
func TestAfterAResetTheCountBeginsAgain(t *testing.T) {
	h := paper(t, "1000")
	for range 3 {
		h.trade("a", "-1")
	}
	h.trade("a", "-1") // reported while halted: a fact, flagged
	require.Equal(t, []string{domain.FlagHalted}, lastOf[*domain.TradeClosed](h).Flags)
	require.Empty(t, h.tripped())
	h.reset(domain.ConsecutiveLosses, "a", false)
	require.Equal(t, "4", lastOf[*domain.BreakerReset](h).Before.String())
	h.start("a")
	h.after(time.Minute)
	h.trade("a", "-1")
	h.trade("a", "-1")
	require.Equal(t, 1, h.count(domain.BreakerWarnedType))
	h.trade("a", "-1")
	require.Equal(t, []string{"consecutive_losses of a"}, h.tripped())
}

// Every tripped breaker that halts a bot is named, in the order of evaluation.
func TestAllTrippedBreakersAreNamed(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("300")
	for _, b := range []string{"c", "a", "b"} {
		h.bot(b, "100")
	}
	for range 3 {
		for _, b := range []string{"c", "b", "a"} {
			h.trade(b, "-15")
		}
	}
	h.ask(order("a", "m", "YES", buy, "1", "0.5"))
	var named []string
	for _, r := range lastOf[*domain.PermitDenied](h).Reasons {
		named = append(named, r.Message)
	}
	var want []string
	for _, key := range []string{
		"consecutive_losses of a", "consecutive_losses of b", "consecutive_losses of c", "daily_loss",
		"bot_drawdown of a", "bot_drawdown of b", "bot_drawdown of c", "portfolio_drawdown",
	} {
		want = append(want, "breaker "+key+" is tripped until a person resets it")
	}
	require.Equal(t, append(append([]string{"the emergency stop is engaged"}, want...), "the bot is stopped; an operator has to start it"), named)
}
