package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func inAsset(asset string) fillOption { return func(r *FillReport) { r.FeeAsset = asset } }
func atVenue(venue string) fillOption { return func(r *FillReport) { r.Venue = venue } }

func (h *harness) recordFill(r FillReport) func(*Decision) error {
	return func(d *Decision) error { return d.RecordFill(r) }
}

func (h *harness) fund(bot, market, outcome, amount, id string) func(*Decision) error {
	return func(d *Decision) error {
		return d.RecordFunding(&domain.FundingRecorded{
			Bot: bot, Instrument: domain.Instrument{Market: market, Outcome: outcome}, Amount: dec(amount), FundingID: id,
		})
	}
}

// secondLive opens a live portfolio under the second edition with two bots of 10,000.
func secondLive(t testingT, change ...func(*domain.Policy)) *harness {
	t.Helper()
	h := newHarness(t).open(domain.ModeLive, append([]func(*domain.Policy){quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules }}, change...)...)
	h.deposit("20000")
	h.bot("a", "10000")
	h.bot("b", "10000")
	return h
}

func feeBPS(bps string) func(*domain.Policy) {
	return func(p *domain.Policy) { p.FeeBPS = dec(bps) }
}

// permitWithFee asks for a permit of an order that names no fee.
func (h *harness) permitWithFee(bot, market string, side domain.Side, quantity, limit string) string {
	h.t.Helper()
	o := domain.Order{Bot: bot, Instrument: domain.Instrument{Market: market, Outcome: "YES"}, Side: side, Quantity: dec(quantity), LimitPrice: dec(limit)}
	h.must(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) })
	return lastOf[*domain.PermitGranted](h).Permit
}

// "A fee above what was reserved is flagged fee_exceeded and changes nothing else": at
// what was reserved, within the rounding of the base asset, and above it.
func TestFeeExceeded(t *testing.T) {
	for fee, flags := range map[string][]string{"0.5": nil, "0.500001": nil, "0.500002": {domain.FlagFeeExceeded}} {
		h := second(t, "1000", quietPolicy, feeBPS("100"))
		h.exclusive("m", "YES", "NO")
		id := h.permitWithFee("a", "m", buy, "100", "0.5")
		h.fill("a", "m", "YES", buy, "100", "0.5", withPermit(id), withFee(fee))
		require.Equal(t, flags, h.flags(), fee)
		h.equal("0.5", *lastOf[*domain.FillRecorded](h).Mark, "it is within the permit, so it marks in paper")
	}
	h := second(t, "1000", quietPolicy, feeBPS("100"))
	id := h.permitWithFee("a", "m", buy, "100", "0.5")
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(id), withFee("-0.4"))
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(id), withFee("0.5"))
	require.Empty(t, h.flags(), "a rebate is no fee")
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(id), withFee("0.000002"))
	require.Equal(t, []string{domain.FlagFeeExceeded}, h.flags(), "and pays for no later one")
}

// "Within a permit means market, side, quantity and price."
func TestWithinAPermit(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", sell, "1", "0.5", withPermit(id))
	require.Contains(t, h.flags(), domain.FlagPermitNotLive)
	h.fill("a", "n", "YES", buy, "1", "0.5", withPermit(id))
	require.Contains(t, h.flags(), domain.FlagPermitNotLive)
	h.fill("a", "m", "YES", buy, "1", "0.51", withPermit(id))
	require.Contains(t, h.flags(), domain.FlagPermitExceeded)
	h.fill("a", "m", "YES", buy, "99", "0.5", withPermit(id), withFee("3"))
	require.Equal(t, []string{domain.FlagFeeExceeded}, h.flags())
}

// "for sells the fee is reserved at price 1 in outcome markets, at the higher of limit
// and mark elsewhere."
func TestFeeReservedForSells(t *testing.T) {
	h := second(t, "1000", quietPolicy, feeBPS("100"), func(p *domain.Policy) { p.BlockedZones = nil })
	h.market("perp", domain.KindPerp)
	fee := func(market string, side domain.Side, quantity, limit string) domain.Decimal {
		id := h.permitWithFee("a", market, side, quantity, limit)
		p := *h.s.Permits[id]
		h.must(func(d *Decision) error { return d.ReleasePermit(id, "") })
		return p.Fee
	}
	h.mark("perp", "YES", "3")
	h.equal("1", fee("m", sell, "100", "0.4"))
	h.equal("0.4", fee("m", buy, "100", "0.4"))
	h.equal("0.3", fee("perp", sell, "10", "2"))
	h.equal("0.4", fee("perp", sell, "10", "4"))
}

// Fees are "in P&L at its mark then, 0 without one, flagged fee_unpriced": what the bot
// owes of another asset is valued as the portfolio's is.
func TestFeeInAnotherAsset(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "m", "YES", buy, "100", "0.5", withFee("0.01"), inAsset("ETH"))
	require.Contains(t, h.flags(), domain.FlagFeeUnpriced)
	require.Equal(t, "1000", h.equityOf("a"))
	h.markAsset("ETH", "1000")
	require.Equal(t, "990", h.equityOf("a"))
	h.equal("0", h.botDD("a"), "the first mark is a flow")
	h.fill("a", "m", "YES", sell, "100", "0.5", withFee("0.01"), inAsset("ETH"))
	require.NotContains(t, h.flags(), domain.FlagFeeUnpriced)
	trade := lastOf[*domain.TradeClosed](h)
	h.equal("-10", trade.PnL)
	h.equal("10", trade.Fee)
	require.Equal(t, "980", h.equityOf("a"))
	h.markAsset("ETH", "2000")
	require.Equal(t, "960", h.equityOf("a"), "and what is owed changes with the mark")
	h.equal("-0.02", h.balanceIn("ETH", "hot:bot/a"))
	h.must(func(d *Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:bot/a", Asset: "ETH", Amount: dec("0.02"), Reason: "paid by the treasury"})
	})
	require.Equal(t, "1000", h.equityOf("a"))
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:bot/a", Asset: "ETH", Amount: dec("0.02"), Reason: "nothing is owed"})
	})
}

// A fee in an asset that only looks like the base asset, or like the word shares, would be owed and
// never paid: cash and P&L would not know of it.
func TestFeeInALookAlike(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	for _, asset := range []string{"usdc", "USDС", "Shares"} { // the second ends in a Cyrillic letter
		r := h.report("a", "m", "YES", buy, "100", "0.5")
		r.Fee, r.FeeAsset = dec("1"), asset
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RecordFill(r) })
	}
}

// A void gives a fee in another asset back.
func TestAVoidGivesTheFeeBack(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.markAsset("ETH", "1000")
	id := h.fill("a", "m", "YES", buy, "100", "0.5", withFee("0.01"), inAsset("ETH"), provisional)
	require.Equal(t, "990", h.equityOf("a"))
	h.void(id)
	require.Equal(t, "1000", h.equityOf("a"))
	h.equal("0", h.balanceIn("ETH", "hot:bot/a"))
}

// "or shares: buys only, fee < quantity, the fill is one of quantity − fee shares for the
// same cash, split as ever; price and permit go by the gross quantity."
func TestFeeInShares(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "YES", "NO")
	report := func(side domain.Side, fee string) func(*Decision) error {
		return h.recordFill(h.report("a", "m", "YES", side, "100", "0.5", withFee(fee), inAsset(domain.FeeShares)))
	}
	h.refused(domain.CodeInvalid, report(buy, "100"))
	h.refused(domain.CodeInvalid, report(buy, "-1"))
	h.refused(domain.CodeInvalid, report(sell, "1"))
	h.must(report(buy, "99.999999"))
	h = second(t, "1000", quietPolicy)
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", buy, "100", "0.5", withFee("2"), inAsset(domain.FeeShares), withPermit(id))
	require.Empty(t, h.flags())
	require.NotContains(t, h.s.Permits, id, "the permit is used up by the gross quantity")
	h.equal("98", h.position("a", "m", "YES").Quantity)
	h.equal("50", h.position("a", "m", "YES").Cost)
	h.equal("950", h.s.Bots["a"].Cash)
	h.equal("0.5", *lastOf[*domain.FillRecorded](h).Mark)
	// A fill past zero: 98 are sold short of 99, and buying 3 less 1 closes one.
	h.fill("a", "m", "YES", sell, "99", "0.5")
	h.fill("a", "m", "YES", buy, "3", "0.5", withFee("1"), inAsset(domain.FeeShares))
	h.equal("1", h.position("a", "m", "YES").Quantity)
	h.equal("0.75", h.position("a", "m", "YES").Cost)
}

// The first edition keeps its fees: never negative, and in the base asset.
func TestFirstEditionKeepsItsFees(t *testing.T) {
	h := paper(t, "1000", quietPolicy)
	h.refused(domain.CodeInvalid, h.recordFill(h.report("a", "m", "YES", buy, "1", "0.5", withFee("-0.1"))))
	h.refused(domain.CodeInvalid, h.recordFill(h.report("a", "m", "YES", buy, "1", "0.5", withFee("0.1"), inAsset("ETH"))))
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", buy, "100", "0.5", withPermit(id), withFee("9"))
	require.Equal(t, []string{domain.FlagPermitExceeded}, h.flags())
}

// "In live a bot's key may not report a rebate above 5 % of the notional, …; an operator
// may."
func TestRebatesInLive(t *testing.T) {
	h := secondLive(t)
	report := func(fee string, options ...fillOption) func(*Decision) error {
		return h.recordFill(h.report("a", "perp", "X", buy, "10", "100", append(options, withFee(fee))...))
	}
	h.market("perp", domain.KindPerp)
	h.as(domain.RoleBot, "bot")
	h.must(report("-49.999999"))
	h.must(report("-50"))
	h.refused(domain.CodeDenied, report("-50.000001"))
	h.refused(domain.CodeDenied, report("-0.01", inAsset("ETH")))
	h.operator().must(report("-50.000001"))
	h.must(report("-0.01", inAsset("ETH")))
	h.markAsset("ETH", "5000")
	h.markAsset("ETH", "5000")
	h.after(time.Minute).as(domain.RoleFeed, "feed")
	h.markAsset("ETH", "5000")
	h.as(domain.RoleBot, "bot")
	h.must(report("-0.01", inAsset("ETH")))
	h.refused(domain.CodeDenied, report("-0.010001", inAsset("ETH")))
}

// "nor funding above 5 % of the position's value or without a perp position".
func TestFundingInLive(t *testing.T) {
	h := secondLive(t)
	h.market("perp", domain.KindPerp)
	h.mark("perp", "X", "100")
	h.as(domain.RoleBot, "bot")
	h.refused(domain.CodeDenied, h.fund("a", "perp", "X", "1", "1"))
	h.fill("a", "perp", "X", buy, "10", "100")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.must(h.fund("a", "perp", "X", "49.999999", "1"))
	h.must(h.fund("a", "perp", "X", "-50", "2"))
	h.refused(domain.CodeDenied, h.fund("a", "perp", "X", "50.000001", "3"))
	h.refused(domain.CodeDenied, h.fund("a", "perp", "X", "-50.000001", "3"))
	h.refused(domain.CodeDenied, h.fund("a", "m", "YES", "0.01", "3"))
	h.operator().must(h.fund("a", "perp", "X", "50.000001", "3"))
	h.must(h.fund("a", "m", "YES", "0.01", "4"))
}

// Funding is "in equity and in the P&L of the open episode; when flat it is the bot's, and
// of no trade."
func TestFunding(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.market("perp", domain.KindPerp)
	h.must(h.fund("a", "perp", "X", "-3", "1"))
	require.Equal(t, "997", h.equityOf("a"))
	h.must(h.fund("a", "perp", "X", "-3", "1"))
	require.Equal(t, "997", h.equityOf("a"), "booked once")
	h.refused(domain.CodeConflict, h.fund("a", "perp", "X", "-4", "1"))
	h.refused(domain.CodeInvalid, h.fund("a", "perp", "X", "0", "2"))
	h.must(h.fund("a", "other", "X", "-1", "1")) // another market: another payment
	h.fill("a", "perp", "X", buy, "2", "100")
	h.must(h.fund("a", "perp", "X", "-4", "2"))
	require.Equal(t, "992", h.equityOf("a"))
	h.fill("a", "perp", "X", sell, "2", "101")
	trade := lastOf[*domain.TradeClosed](h)
	h.equal("-2", trade.PnL)
	h.equal("-4", trade.Funding)
	require.Equal(t, domain.Loss, trade.Result)
	require.Equal(t, "994", h.equityOf("a"))
	h.equal("8", h.balance("income:funding/a"))
	realised, _ := h.s.Income("a")
	h.equal("-6", realised)
}

// Funding belongs to the episode that was open: a void changes which that was.
func TestFundingAfterAVoid(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.market("perp", domain.KindPerp)
	id := h.fill("a", "perp", "X", buy, "2", "100", provisional)
	h.must(h.fund("a", "perp", "X", "-4", "1"))
	h.fill("a", "perp", "X", sell, "2", "100")
	h.equal("-4", lastOf[*domain.TradeClosed](h).PnL)
	h.void(id)
	require.Equal(t, "996", h.equityOf("a"), "the funding stays the bot's")
	h.equal("0", h.position("a", "perp", "X").Episode.Funding)
}

// "Identity of a fill = (bot, venue, market, trade_id, leg); confirm and void take market,
// needed where the id is unknown or not unique."
func TestIdentityHasTheMarket(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	id := h.fill("a", "m", "YES", buy, "10", "0.5", withID("one"), provisional)
	h.refused(domain.CodeTradeIDConflict, h.recordFill(h.report("a", "m", "YES", buy, "11", "0.5", withID("one"), provisional)))
	h.fill("a", "n", "YES", buy, "20", "0.5", withID("one"), provisional)
	h.equal("20", h.position("a", "n", "YES").Quantity)
	h.must(h.recordFill(h.report("a", "n", "YES", buy, "20", "0.5", withID("one"), provisional)))
	require.Equal(t, []string{"command.noted"}, h.types(), "a repeat in the second market, too")
	for _, f := range []func(*Decision) error{
		func(d *Decision) error { return d.VoidFill(id, "") },
		func(d *Decision) error { return d.ConfirmFill(id, "") },
		func(d *Decision) error { return d.VoidFill(domain.FillID{Bot: "a", TradeID: "unknown"}, "") },
	} {
		h.refused(domain.CodeInvalid, f)
	}
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ConfirmFill(id, "k") })
	h.must(func(d *Decision) error { return d.VoidFill(id, "n") })
	require.Equal(t, "n", lastOf[*domain.FillVoided](h).Market)
	h.equal("0", h.position("a", "n", "YES").Quantity)
	h.equal("10", h.position("a", "m", "YES").Quantity)
	h.must(func(d *Decision) error { return d.ConfirmFill(id, "m") })
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.VoidFill(id, "m") })
	only := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.must(func(d *Decision) error { return d.VoidFill(only, "") })
}

// After the adoption of the second edition, what was recorded before keeps its identity.
func TestIdentityAfterTheAdoption(t *testing.T) {
	h := paper(t, "1000", quietPolicy)
	old := h.report("a", "m", "YES", buy, "10", "0.5", withID("one"), provisional)
	h.must(h.recordFill(old))
	h.limits(`{"rules": 2}`)
	h.must(h.recordFill(old))
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeTradeIDConflict, h.recordFill(h.report("a", "n", "YES", buy, "10", "0.5", withID("one"))))
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.VoidFill(old.FillID, "n") })
	h.must(func(d *Decision) error { return d.VoidFill(old.FillID, "m") })
	require.Equal(t, "1000", h.equityOf("a"))
}

// "A voided fill reported confirmed under a new key lives again (fill.reinstated: the new
// content, at a new place in the order; …); reported provisional it is 409 voided".
func TestReinstated(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	id := h.fill("a", "m", "YES", buy, "100", "0.5", withID("one"), provisional)
	h.void(id)
	h.fill("a", "m", "YES", buy, "10", "0.4")
	h.refused(domain.CodeVoided, h.recordFill(h.report("a", "m", "YES", buy, "100", "0.5", withID("one"), provisional)))
	again := h.report("a", "m", "YES", buy, "50", "0.6", withID("one"))
	h.must(h.recordFill(again))
	require.Equal(t, []string{"fill.reinstated"}, h.types())
	h.equal("60", h.position("a", "m", "YES").Quantity)
	h.equal("34", h.position("a", "m", "YES").Cost)
	h.must(h.recordFill(again))
	require.Equal(t, []string{"command.noted"}, h.types(), "it lives once")
	h.equal("60", h.position("a", "m", "YES").Quantity)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.VoidFill(id, "m") })
	// It may close a trade at its new place.
	sold := h.fill("a", "m", "YES", sell, "60", "0.6", withID("two"), provisional)
	h.void(sold)
	h.must(h.recordFill(h.report("a", "m", "YES", sell, "60", "0.6", withID("two"))))
	require.Equal(t, []string{"fill.reinstated", "trade.closed"}, h.types())
	h.equal("2", lastOf[*domain.TradeClosed](h).PnL)
}

// "in a settled market paid at once", at the payout or at cost, and neutral if the market
// was void.
func TestReinstatedInASettledMarket(t *testing.T) {
	for _, void := range []bool{false, true} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("m", "YES", "NO")
		id := h.fill("a", "m", "YES", buy, "100", "0.5", withID("one"), provisional)
		h.void(id)
		if void {
			h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "m", Void: true}) })
		} else {
			h.payouts("m", "1", "0")
		}
		h.must(h.recordFill(h.report("a", "m", "YES", buy, "50", "0.5", withID("one"), withFee("1"))))
		require.Equal(t, []string{"fill.reinstated", "trade.closed"}, h.types())
		trade := lastOf[*domain.TradeClosed](h)
		h.equal("0", h.position("a", "m", "YES").Quantity)
		if void {
			require.Equal(t, domain.ClosedByRefund, trade.ClosedBy)
			require.Equal(t, domain.Neutral, trade.Result)
			require.Equal(t, "999", h.equityOf("a"))
		} else {
			require.Equal(t, domain.ClosedBySettlement, trade.ClosedBy)
			h.equal("24", trade.PnL)
			require.Equal(t, "1024", h.equityOf("a"))
		}
	}
}

// "Voided first, then reported: posts nothing, however often."
func TestVoidedFirst(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.must(func(d *Decision) error { return d.VoidFill(domain.FillID{Bot: "a", TradeID: "early"}, "m") })
	for n, option := range []fillOption{provisional, provisional, func(*FillReport) {}} {
		r := h.report("a", "m", "YES", buy, "100", "0.5", withID("early"), option)
		if r.Status == "" {
			h.refused(domain.CodeTradeIDConflict, h.recordFill(r))
		} else {
			h.must(h.recordFill(r))
			require.Equal(t, []string{domain.FlagVoided}, h.flags())
			require.Equal(t, []string{[]string{"fill.recorded", "command.noted"}[n]}, h.types(), "it is recorded once")
		}
		require.Equal(t, "1000", h.equityOf("a"))
		require.True(t, h.position("a", "m", "YES").IsFlat())
	}
	h.fill("a", "n", "YES", buy, "1", "0.5", withID("early")) // of another market: another fill
	h.equal("1", h.position("a", "n", "YES").Quantity)
}

// "The same side of one fill of a named venue under a second bot, and fills beside a
// reported trade of one id, are recorded and flagged reported_twice."
func TestReportedTwice(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.deposit("2000")
	h.bot("b", "1000")
	h.bot("c", "1000")
	fill := func(bot, market string, side domain.Side, venue, id string, options ...fillOption) []string {
		h.fill(bot, market, "YES", side, "1", "0.5", append(options, withID(id), atVenue(venue))...)
		return h.flags()
	}
	require.NotContains(t, fill("a", "m", buy, "v", "one"), domain.FlagReportedTwice)
	require.NotContains(t, fill("b", "m", sell, "v", "one"), domain.FlagReportedTwice, "the other side")
	require.NotContains(t, fill("b", "m", buy, "w", "one"), domain.FlagReportedTwice, "another venue")
	require.NotContains(t, fill("b", "m", buy, "", "one"), domain.FlagReportedTwice, "no venue is named")
	require.NotContains(t, fill("c", "n", buy, "v", "one"), domain.FlagReportedTwice, "another market")
	require.Contains(t, fill("c", "m", buy, "v", "one"), domain.FlagReportedTwice)
	id := domain.FillID{Bot: "a", Venue: "v", TradeID: "two"}
	fill("a", "m", buy, "v", "two", provisional)
	h.must(func(d *Decision) error { return d.VoidFill(id, "m") })
	require.NotContains(t, fill("b", "m", buy, "v", "two"), domain.FlagReportedTwice, "the first one is void")
	report := func(market, id string) *domain.TradeClosed {
		h.must(func(d *Decision) error {
			return d.RecordTrade(&domain.TradeClosed{Bot: "c", Instrument: domain.Instrument{Market: market}, TradeFigures: domain.TradeFigures{PnL: dec("1")}, TradeID: id})
		})
		return lastOf[*domain.TradeClosed](h)
	}
	require.Empty(t, report("m", "three").Flags)
	require.Contains(t, fill("c", "m", buy, "", "three"), domain.FlagReportedTwice)
	require.NotContains(t, fill("c", "n", buy, "", "three"), domain.FlagReportedTwice)
	fill("c", "m", buy, "v", "four")
	require.Equal(t, []string{domain.FlagReportedTwice}, report("m", "four").Flags)
	require.Empty(t, report("k", "four").Flags)
}

// "Deposits and withdrawals with a tx are booked once per (asset, wallet, tx, leg): the
// same again is noted, another amount is a conflict."
func TestMovementsAreBookedOnce(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	deposit := func(wallet, asset, amount, tx string, leg int) func(*Decision) error {
		return func(d *Decision) error {
			return d.Deposit(&domain.DepositRecorded{Wallet: wallet, Asset: asset, Amount: dec(amount), Tx: tx, Leg: leg})
		}
	}
	withdraw := func(amount, tx string, leg int) func(*Decision) error {
		return func(d *Decision) error {
			return d.Withdraw(&domain.WithdrawalRecorded{Wallet: "hot", Amount: dec(amount), Tx: tx, Leg: leg})
		}
	}
	h.must(deposit("hot", "", "5", "0x1", 0))
	h.must(deposit("hot", "", "5", "0X1", 0))
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeConflict, deposit("hot", "", "6", "0x1", 0))
	h.refused(domain.CodeConflict, withdraw("5", "0x1", 0))
	for _, other := range []func(*Decision) error{
		deposit("hot", "", "6", "0x1", 1), deposit("cold", "", "5", "0x1", 0), deposit("hot", "ETH", "5", "0x1", 0), deposit("hot", "", "5", "0x2", 0),
		deposit("hot", "", "5", "", 0), deposit("hot", "", "5", "", 0), withdraw("5", "0x1", 2),
	} {
		h.must(other)
		require.NotContains(t, h.types(), "command.noted")
	}
	h.must(withdraw("5", "0x1", 2))
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeConflict, withdraw("4", "0x1", 2))
	h.refused(domain.CodeInvalid, deposit("hot", "", "5", "", 1))
	h.refused(domain.CodeInvalid, deposit("hot", "", "5", "0x1", -1))
	h.equal("1026", h.s.Equity())

	first := paper(t, "1000", quietPolicy)
	first.must(deposit("hot", "", "5", "0x1", 0))
	first.must(deposit("hot", "", "5", "0x1", 0))
	first.equal("1010", first.s.Equity(), "the first edition books each")
}

func withDust(dust string) func(*domain.Policy) {
	return func(p *domain.Policy) { p.PositionDustUSD = dec(dust) }
}

// "a reducing fill that leaves a position worth less (the higher of |cost| and |quantity| ×
// the fill's price) closes the trade; the rest keeps its share of the cost and begins the
// next episode. An episode that never was worth more is neutral."
func TestDustClosesTheTrade(t *testing.T) {
	h := second(t, "1000", quietPolicy, withDust("0.1"))
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", sell, "99.8", "0.5") // .2 × .5 is not less
	require.Equal(t, []string{"fill.recorded"}, h.types())
	h.fill("a", "m", "YES", sell, "0.01", "0.4") // .19 × .5
	require.Equal(t, []string{"fill.recorded", "trade.closed"}, h.types())
	trade := lastOf[*domain.TradeClosed](h)
	h.equal("-0.001", trade.PnL)
	h.equal("99.81", trade.Quantity)
	require.Equal(t, domain.Loss, trade.Result)
	h.equal("0.095", h.position("a", "m", "YES").Cost)
	h.fill("a", "m", "YES", sell, "0.19", "0.4")
	trade = lastOf[*domain.TradeClosed](h)
	h.equal("-0.019", trade.PnL)
	require.Equal(t, domain.Neutral, trade.Result)
	require.Equal(t, []int{2, 0, 1, 1}, []int{h.botOf("a").Trades, h.botOf("a").Wins, h.botOf("a").Losses, h.botOf("a").Neutral})
	require.Equal(t, "999.98", h.equityOf("a"))
}

// The price counts where the cost is lower, a short has dust, too, and "never was worth
// more" has a limit: at it neutral, above it not.
func TestDustByPrice(t *testing.T) {
	h := second(t, "1000", quietPolicy, withDust("0.1"))
	h.fill("a", "m", "YES", buy, "10", "0.1")
	h.fill("a", "m", "YES", sell, "9.8", "0.6") // .2 × .1 by cost, .12 by price
	require.Equal(t, 0, h.botOf("a").Trades)
	h.fill("a", "m", "YES", sell, "0.01", "0.5") // .19 × .5
	require.Equal(t, 1, h.botOf("a").Wins)
	h.market("perp", domain.KindPerp)
	h.fill("a", "perp", "X", sell, "10", "1")
	h.fill("a", "perp", "X", buy, "9.95", "1")
	require.Equal(t, 2, h.botOf("a").Trades)
	h.equal("-0.05", h.position("a", "perp", "X").Quantity)
	h.equal("-0.05", h.position("a", "perp", "X").Cost)
	for quantity, want := range map[string]domain.Result{"0.199999": domain.Neutral, "0.2": domain.Neutral, "0.200001": domain.Loss} {
		h := second(t, "1000", quietPolicy, withDust("0.1"))
		h.fill("a", "m", "YES", buy, quantity, "0.5")
		h.fill("a", "m", "YES", sell, quantity, "0.4")
		require.Equal(t, want, lastOf[*domain.TradeClosed](h).Result, quantity)
	}
}

// A void refolds the dust as if the fill had never happened.
func TestDustAfterAVoid(t *testing.T) {
	h := second(t, "1000", quietPolicy, withDust("0.1"))
	h.fill("a", "m", "YES", buy, "100", "0.5")
	id := h.fill("a", "m", "YES", sell, "90", "0.5", provisional)
	h.fill("a", "m", "YES", sell, "9.9", "0.5")
	require.Equal(t, 1, h.botOf("a").Trades)
	h.void(id)
	require.Equal(t, 0, h.botOf("a").Trades)
	h.equal("90.1", h.position("a", "m", "YES").Quantity)
	h.equal("45.05", h.position("a", "m", "YES").Cost)
	h.fill("a", "m", "YES", sell, "90.1", "0.6")
	h.equal("9.01", lastOf[*domain.TradeClosed](h).PnL)
}

// A result of several trades is neutral by dust if all of them are.
func TestDustOfAResult(t *testing.T) {
	for quantity, want := range map[string][]int{"0.1": {0, 0, 1}, "10": {0, 1, 0}} {
		h := second(t, "1000", quietPolicy, withDust("0.1"))
		h.exclusive("m", "A", "B", "C")
		h.fill("a", "m", "A", buy, "0.1", "0.5")
		h.fill("a", "m", "B", buy, quantity, "0.5")
		h.payouts("m", "0", "0", "1")
		b := h.botOf("a")
		require.Equal(t, 2, b.Trades)
		require.Equal(t, want, []int{b.Wins, b.Losses, b.Neutral}, quantity)
	}
}

// The key of the policy governs dust: without it every trade counts as before.
func TestWithoutDust(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.limits(`{"position_dust_usd": "0.1"}`)
	h.fill("a", "m", "YES", sell, "100", "0.4")
	require.Equal(t, 1, h.botOf("a").Losses, "it was not measured while it was open, so it is no dust")
}

// "an outcome that a registered market does not have is … flagged outcome_unknown for a
// fact".
func TestOutcomeUnknown(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "YES", "NO")
	h.fill("a", "m", "MAYBE", buy, "10", "0.5")
	require.Contains(t, h.flags(), domain.FlagOutcomeUnknown)
	h.fill("a", "m", "!YES", buy, "10", "0.5")
	require.NotContains(t, h.flags(), domain.FlagOutcomeUnknown)
	h.equal("10", h.position("a", "m", "NO").Quantity)
}

// "A fact is booked once": a pasted space does not make another fact of it.
func TestAnIdentityHasNoSpaceAtItsEnds(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	for _, id := range []string{" x", "x "} {
		r := FillReport{FillID: domain.FillID{Bot: "a", TradeID: id}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: buy, Quantity: dec("1"), Price: dec("0.5")}
		require.ErrorContains(t, h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RecordFill(r) }), "trade_id begins or ends with a space")
		r.TradeID, r.Venue = "x", id
		require.ErrorContains(t, h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RecordFill(r) }), "venue begins or ends with a space")
		require.ErrorContains(t, h.refused(domain.CodeInvalid, func(d *Decision) error {
			return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("5"), Tx: id})
		}), "tx begins or ends with a space")
	}
}
