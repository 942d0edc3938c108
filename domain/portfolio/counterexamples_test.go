package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// The counterexamples that designs of this kind die of, each by name. Those that
// need identity, retries or several servers are in commands.
func TestCounterexamples(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"permit expires while the order rests":       permitExpiresWhileTheOrderRests,
		"unfilled buy covers a reducing sell":        unfilledBuyCoversAReducingSell,
		"bot declares its own market spot":           botDeclaresItsOwnMarketSpot,
		"bot marks its own position":                 botMarksItsOwnPosition,
		"limit tightened below the current value":    limitTightenedBelowTheCurrentValue,
		"rate set within the minute":                 rateSetWithinTheMinute,
		"void after the episode closed":              voidAfterTheEpisodeClosed,
		"settlement of the other outcome":            settlementOfTheOtherOutcome,
		"late fill of a permit that a trip revoked":  lateFillOfARevokedPermit,
		"resting orders of a bot that was stopped":   restingOrdersOfAStoppedBot,
		"two orders close the same position at once": twoOrdersCloseTheSamePosition,
		"an order that costs nothing by rounding":    anOrderThatCostsNothingByRounding,
		"a limit tightened while nothing is there":   limitTightenedWhileDormant,
	} {
		t.Run(name, f)
	}
}

// denial asks, has to be denied, and returns each reason as "code value limit".
func (h *harness) denial(o domain.Order) []string {
	h.t.Helper()
	h.ask(o)
	denied := stepOf[*domain.PermitDenied](h)
	require.Len(h.t, denied, 1, "%v", h.types())
	var out []string
	for _, r := range denied[0].Reasons {
		out = append(out, string(r.Code)+" "+r.Value+" "+r.Limit)
	}
	return out
}

// "permit_ttl bounds the time to place the order": one that rests keeps its cash
// for as long as it rests, whoever asks meanwhile. One that nobody said was placed
// gives it back, and its late fill is no permitted one.
func permitExpiresWhileTheOrderRests(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "200", "0.5")
	h.after(30*time.Second - 1)
	h.place(id)
	require.Equal(t, []string{"permit.placed"}, h.types())
	h.after(24 * time.Hour)
	require.Equal(t, []string{"insufficient_cash 0.5 0"}, h.denial(order("a", "n", "YES", buy, "1", "0.5")))
	h.fill("a", "m", "YES", buy, "200", "0.5", withPermit(id))
	require.Empty(t, h.flags())
	h.equal("0", h.botOf("a").Cash)

	h = paper(t, "100")
	id = h.permit("a", "m", "YES", buy, "200", "0.5")
	h.after(30*time.Second - 1)
	require.Equal(t, []string{"insufficient_cash 0.5 0"}, h.denial(order("a", "n", "YES", buy, "1", "0.5")))
	h.after(1)
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.PlacePermit(id, nil) })
	h.permit("a", "n", "YES", buy, "200", "0.5") // the cash is free again
	h.fill("a", "m", "YES", buy, "200", "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitNotLive}, h.flags())
	require.Equal(t, "-100", h.free("a"), "both orders were filled or rest: nothing more can be opened")
	require.Equal(t, []string{"insufficient_cash 0.05 -100"}, h.denial(order("a", "o", "YES", buy, "0.1", "0.5")))

	// The order's own expiry, at the nanosecond.
	h = paper(t, "100")
	id = h.permit("a", "m", "YES", buy, "200", "0.5")
	h.place(id, h.now.Add(time.Hour))
	h.after(time.Hour - 1)
	require.Equal(t, []string{"insufficient_cash 100 0"}, h.denial(order("a", "n", "YES", buy, "200", "0.5")))
	h.after(1)
	h.permit("a", "n", "YES", buy, "200", "0.5")
}

// "unfilled increases never count": what an order may yet buy is nothing to sell.
func unfilledBuyCoversAReducingSell(t *testing.T) {
	h := paper(t, "100")
	h.place(h.permit("a", "m", "YES", buy, "100", "0.5"))
	o := order("a", "m", "YES", sell, "100", "0.4")
	o.ReduceOnly = true
	require.Equal(t, []string{"zone_blocked 0.6 Z4", "not_reducing 100 0", "insufficient_cash 60 50"}, h.denial(o))
	// As an opening sell it is judged as one: its price by the zone of what it
	// acquires (NO at 0.75), and its worst case reserved.
	require.Equal(t, []string{"zone_blocked 0.75 Z4"}, h.denial(order("a", "m", "YES", sell, "10", "0.25")))
	h.ask(order("a", "m", "YES", sell, "100", "0.5"))
	granted := lastOf[*domain.PermitGranted](h)
	h.equal("0", granted.Reducing)
	h.equal("50", granted.Reserved) // 100 × (1 − 0.5)
	// Once a part is filled, that part may be sold, and not one share more.
	h = paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", buy, "40", "0.5", withPermit(id))
	o.Quantity = dec("40." + "000000000000000001")
	require.Equal(t, []string{"zone_blocked 0.6 Z4", "not_reducing 40.000000000000000001 40"}, h.denial(o))
	o.Quantity = dec("40")
	h.ask(o)
	h.equal("40", lastOf[*domain.PermitGranted](h).Reducing)
}

// "Markets … are the authority on kind and category; … a permit that disagrees is
// denied market_mismatch": spot would have no zones and prices of any size.
func botDeclaresItsOwnMarketSpot(t *testing.T) {
	h := paper(t, "100").as(domain.RoleBot, "a")
	ask := func(kind domain.MarketKind, limit string) []domain.Reason {
		o := order("a", "m", "YES", buy, "10", limit)
		h.must(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Kind: kind}) })
		if granted := stepOf[*domain.PermitGranted](h); len(granted) > 0 {
			return nil
		}
		return lastOf[*domain.PermitDenied](h).Reasons
	}
	require.Equal(t, []domain.Reason{
		{Code: domain.ReasonMarketMismatch, Value: "spot", Limit: "outcome", Message: "the market is of kind outcome"},
		{Code: domain.ReasonZoneBlocked, Value: "0.7", Limit: "Z4", Message: "the price of the outcome acquired lies in blocked zone Z4"},
	}, ask(domain.KindSpot, "0.7"), "the zone is judged all the same")
	require.Len(t, ask(domain.KindPerp, "0.5"), 1)
	require.Nil(t, ask(domain.KindOutcome, "0.5"))
	require.Nil(t, ask("", "0.5"))
	// Nor by trading it: a fill makes it an outcome market for ever.
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.RecordFill(h.report("a", "x", "YES", buy, "1", "1.000000000000000001"))
	})
	h.fill("a", "x", "YES", buy, "1", "0.5")
	h.operator().refused(domain.CodeConflict, func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "x", Kind: domain.KindSpot})
	})
	h.refused(domain.CodeConflict, func(d *Decision) error { // a permit is enough
		return d.RegisterMarket(&domain.MarketRegistered{Market: "m", Kind: domain.KindSpot})
	})
}

// "In live, a fill marks only where no feed or operator mark younger than
// mark_max_age exists, and a fill without a permit never improves a mark"; marks
// themselves come from feeds and operators.
func botMarksItsOwnPosition(t *testing.T) {
	h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.MaxBotCapitalPct = dec("0.5") })
	h.deposit("100")
	h.bot("a", "100")
	h.as(domain.RoleFeed, "feed").mark("m", "YES", "0.5")
	h.fill("a", "m", "YES", buy, "100", "0.5", withPermit(h.operator().permit("a", "m", "YES", buy, "100", "0.5")))
	h.equal("100", h.botOf("a").Equity())
	h.as(domain.RoleBot, "a").refused(domain.CodeDenied, func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "YES", Price: dec("0.9")}})
	})
	h.fill("a", "m", "YES", buy, "0.01", "1")
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark, "the feed's mark is young")
	h.equal("99.995", h.botOf("a").Equity(), "one cent was paid for half a cent")
	h.operator().after(15 * time.Minute)
	h.as(domain.RoleBot, "a").fill("a", "m", "YES", buy, "0.01", "1")
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark, "the feed's mark is old, but the fill has no permit and would improve")
	h.equal("99.99", h.botOf("a").Equity())
	h.fill("a", "m", "YES", sell, "0.01", "0.4")
	h.equal("0.4", *lastOf[*domain.FillRecorded](h).Mark, "for the worse it is believed")
	require.Equal(t, []string{"bot_capital 0.561352613684 0.5"}, h.denial(order("a", "n", "YES", buy, "1", "0.5")),
		"50.514999 at cost, of an equity of 89.988: what it marks does not let it open more")
}

// Nothing more is opened, what is held may be closed, and no figure is rewritten;
// a breaker whose limit falls to its value trips in the same append.
func limitTightenedBelowTheCurrentValue(t *testing.T) {
	for _, c := range []struct{ patch, denied string }{
		{`{"max_order_usd":"0.4"}`, "max_order 0.5 0.4"},
		{`{"max_position_usd":"10"}`, "max_position 40.5 10"},
		{`{"max_open_positions":1}`, "max_open_positions 2 1"},
		{`{"max_bot_capital_pct":"0.1"}`, "bot_capital 0.505 0.1"},
		{`{"max_category_exposure_pct":"0.1"}`, "category_exposure 0.405 0.1"},
	} {
		h := paper(t, "100")
		h.must(func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: "m", Kind: domain.KindOutcome, Category: "c"})
		})
		h.fill("a", "n", "YES", buy, "20", "0.5")
		h.fill("a", "m", "YES", buy, "80", "0.5")
		h.limits(c.patch)
		require.Equal(t, []string{"limits.changed"}, h.types(), "what is held stays")
		require.Equal(t, []string{c.denied}, h.denial(order("a", "m", "YES", buy, "1", "0.5")), c.patch)
		h.permit("a", "m", "YES", sell, "80", "0.1")
		h.equal("80", lastOf[*domain.PermitGranted](h).Reducing, "closing is never blocked")
	}
	// Breakers: at the limit is tripped, at once, with the bots it stops.
	h := paper(t, "100")
	h.trade("a", "-4")
	id := h.permit("a", "m", "YES", buy, "1", "0.5")
	h.limits(`{"max_daily_loss_pct":"0.04"}`)
	trip := lastOf[*domain.BreakerTripped](h)
	require.Equal(t, []string{"limits.changed", "breaker.tripped"}, h.types())
	require.Equal(t, []any{domain.DailyLoss, "0.04", "0.04", []string{"a"}, []string{id}, h.s.Next - 2},
		[]any{trip.Breaker, trip.Value.String(), trip.Limit.String(), trip.BotsStopped, trip.PermitsRevoked, trip.Cause})
	h.limits(`{"max_daily_loss_pct":"0.5"}`)
	require.Equal(t, risk.Tripped, h.status(domain.DailyLoss, ""), "a looser limit untrips nothing")
	require.Equal(t, []string{"breaker_tripped 0.04 0.5", "bot_stopped stopped "}, h.denial(order("a", "m", "YES", buy, "1", "0.5")))
}

// "permits granted to the bot in the 60 s before, and this one": also those granted
// before there was a rate.
func rateSetWithinTheMinute(t *testing.T) {
	h := paper(t, "100")
	for range 3 {
		h.permit("a", "m", "YES", buy, "1", "0.5")
	}
	h.after(time.Minute - 1)
	h.limits(`{"max_orders_per_minute":3}`)
	require.Equal(t, []string{"order_rate 4 3"}, h.denial(order("a", "m", "YES", buy, "1", "0.5")))
	h.limits(`{"max_orders_per_minute":0}`)
	h.permit("a", "m", "YES", buy, "1", "0.5")
	h.limits(`{"max_orders_per_minute":3}`)
	require.Equal(t, []string{"order_rate 5 3"}, h.denial(order("a", "m", "YES", buy, "1", "0.5")))
	h.after(1)
	h.permit("a", "m", "YES", buy, "1", "0.5")
	h.permit("a", "m", "YES", buy, "1", "0.5")
	require.Equal(t, []string{"order_rate 4 3"}, h.denial(order("a", "m", "YES", buy, "2", "0.5")))
}

// "refolds that position as if the fill had never been … and trade.revised corrects
// trades, statistics and the streak": the win that ended a streak, taken back, trips
// what it had kept from tripping; the fill's permit stays used.
func voidAfterTheEpisodeClosed(t *testing.T) {
	h := paper(t, "1000")
	h.trade("a", "-1")
	h.trade("a", "-1")
	id := h.permit("a", "m", "YES", buy, "10", "0.5")
	win := h.fill("a", "m", "YES", buy, "10", "0.5", provisional, withPermit(id))
	h.fill("a", "m", "YES", sell, "10", "0.6")
	require.Equal(t, domain.Win, lastOf[*domain.TradeClosed](h).Result)
	h.trade("a", "-1")
	require.Equal(t, 1, h.botOf("a").Streak.Losses)
	unplaced := h.permit("a", "o", "YES", buy, "10", "0.5")
	h.void(win)
	require.Equal(t, []string{"fill.voided", "trade.revised", "breaker.tripped"}, h.types())
	revised := lastOf[*domain.TradeRevised](h)
	require.Equal(t, []any{true, false, "1", domain.Win}, []any{revised.Open, revised.Void, revised.Before.PnL.String(), revised.Before.Result})
	trip := lastOf[*domain.BreakerTripped](h)
	require.Equal(t, []any{domain.ConsecutiveLosses, "3", []string{unplaced}}, []any{trip.Breaker, trip.Value.String(), trip.PermitsRevoked})
	h.equal("-10", h.position("a", "m", "YES").Quantity, "what was sold is short now")
	h.equal("1003", h.botOf("a").Cash) // 1000 − 3 + 6
	require.Equal(t, "993", h.free("a"), "and covered: 10 shares may cost 1 each")
	require.Empty(t, h.s.Permits, "the permit the fill used is not given back")
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitNotLive, domain.FlagHalted}, h.flags())
}

// "YES = 1 does not settle NO": permits, holdings and marks of NO stay as they are.
func settlementOfTheOtherOutcome(t *testing.T) {
	h := paper(t, "100")
	h.fill("a", "m", "YES", buy, "40", "0.5")
	h.fill("a", "m", "NO", buy, "40", "0.4")
	yes, no := h.permit("a", "m", "YES", buy, "10", "0.5"), h.permit("a", "m", "NO", buy, "10", "0.5")
	h.place(yes)
	h.place(no)
	h.settle("m", "YES", "1")
	settled := lastOf[*domain.MarketSettled](h)
	require.Equal(t, []string{"market.settled", "trade.closed"}, h.types())
	require.Equal(t, []string{yes}, settled.PermitsReleased, "resting orders of the outcome end")
	require.Equal(t, []string{no}, h.s.PermitIDs(), "those of the other do not")
	h.equal("40", h.position("a", "m", "NO").Quantity)
	h.equal("0.4", h.markOf("m", "NO").Price)
	h.equal("104", h.botOf("a").Cash) // 100 − 20 − 16 + 40
	require.Equal(t, "99", h.free("a"), "5 are reserved for NO")
	require.Equal(t, []string{"market_settled 1 "}, h.denial(order("a", "m", "YES", buy, "1", "0.5")))
	h.permit("a", "m", "NO", sell, "40", "0.3")
	h.equal("40", lastOf[*domain.PermitGranted](h).Reducing)
	h.fill("a", "m", "NO", buy, "10", "0.5", withPermit(no))
	require.Empty(t, h.flags())
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: dec("0")})
	})
	h.settle("m", "NO", "0")
	require.Equal(t, "99", h.free("a"), "104 − 5 bought, nothing for NO")
}

// "permits not yet placed are revoked": the fill that was on its way is recorded,
// flagged, and gets nothing of what others reserve.
func lateFillOfARevokedPermit(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopManual, "x") })
	require.Equal(t, []string{id}, lastOf[*domain.EmergencyStopEngaged](h).PermitsRevoked)
	h.fill("a", "m", "YES", buy, "100", "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitNotLive, domain.FlagHalted}, h.flags())
	h.equal("50", h.botOf("a").Cash)
	require.Equal(t, []string{"emergency_stop manual ", "bot_stopped stopped "}, h.denial(order("a", "m", "YES", sell, "100", "0.1")),
		"also what only closes")
}

// "its reservation stays, even after a trip": what rests at the venue may be filled.
func restingOrdersOfAStoppedBot(t *testing.T) {
	h := paper(t, "100")
	resting, asked := h.permit("a", "m", "YES", buy, "100", "0.5"), h.permit("a", "m", "YES", buy, "10", "0.5")
	h.place(resting)
	h.must(func(d *Decision) error { return d.StopBot("a", "maintenance") })
	require.Equal(t, []string{resting}, h.s.PermitIDs())
	h.start("a")
	require.Equal(t, []string{"insufficient_cash 50.5 50"}, h.denial(order("a", "n", "YES", buy, "101", "0.5")))
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(asked))
	require.Equal(t, []string{domain.FlagPermitNotLive}, h.flags())
	h.fill("a", "m", "YES", buy, "100", "0.5", withPermit(resting))
	require.Empty(t, h.flags())
}

// "minus already pending reducing orders": the same 100 shares are not closed twice.
func twoOrdersCloseTheSamePosition(t *testing.T) {
	h := paper(t, "100")
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.permit("a", "m", "YES", sell, "60", "0.1")
	o := order("a", "m", "YES", sell, "41", "0.1")
	o.ReduceOnly = true
	require.Equal(t, []string{"zone_blocked 0.9 Z5", "not_reducing 41 40"}, h.denial(o)[:2])
	o.Quantity = dec("40")
	h.ask(o)
	h.equal("40", lastOf[*domain.PermitGranted](h).Reducing)
	o.Quantity = dec("1")
	require.Equal(t, []string{"zone_blocked 0.9 Z5", "not_reducing 1 0"}, h.denial(o)[:2])
}

// "The reservation is more than the free cash": also that of an order so small that
// its worst case rounds to 0, where a fill without a permit has overdrawn the cash.
func anOrderThatCostsNothingByRounding(t *testing.T) {
	h := paper(t, "100")
	h.permit("a", "m", "YES", buy, "200", "0.5")
	h.permit("a", "n", "YES", buy, tiny, "0.5") // 0 is not more than 0
	h.fill("a", "m", "YES", buy, "10", "0.5")
	require.Equal(t, "-5", h.free("a"))
	require.Equal(t, []string{"insufficient_cash 0 -5"}, h.denial(order("a", "n", "YES", buy, tiny, "0.5")))
	require.Equal(t, []string{"insufficient_cash 0 -5"}, h.denial(order("a", "n", "YES", sell, tiny, "0.5")))
	h.permit("a", "m", "YES", sell, "10", "0.01") // what only closes stays possible
}

// "Dormant: … the scope's drawdown and daily loss are not evaluated", so nothing trips;
// but "permits are denied with limit_reached whenever a value is at its limit".
func limitTightenedWhileDormant(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper, quietPolicy)
	h.deposit("100")
	h.bot("a", "0")
	h.must(func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Amount: dec("30"), Kind: domain.FeeGas})
	})
	h.withdraw("70")
	h.equal("0.3", h.drawdown())
	h.limits(`{"max_portfolio_drawdown_pct":"0.3","max_daily_loss_pct":"0.300000000000000001"}`)
	require.Equal(t, []string{"limits.changed"}, h.types())
	require.Equal(t, []string{"limit_reached 0.3 0.3", "insufficient_cash 0.5 0"}, h.denial(order("a", "m", "YES", buy, "1", "0.5")))
}
