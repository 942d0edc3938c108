package portfolio

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// trading is a paper portfolio with bots a and b of 1,000 each and 500 left in
// the treasury, in which no limit is near.
func trading(t *testing.T) *harness {
	h := newHarness(t)
	h.open(domain.ModePaper, quietPolicy)
	h.deposit("2500")
	h.bot("a", "1000")
	h.bot("b", "1000")
	return h
}

// postings are those of the last applied event, as account: amount.
func (h *harness) postings() map[string]string {
	out := map[string]string{}
	for _, p := range h.s.Effects().Postings {
		name := p.Account.Name()
		if p.Account.Asset != h.s.BaseAsset {
			name = p.Account.Asset + " " + name
		}
		out[name] = p.Amount.String()
	}
	require.Empty(h.t, ledger.Sum(h.s.Effects().Postings), "postings sum to zero per asset")
	return out
}

// accounts are all balances, likewise.
func (h *harness) accounts() map[string]string {
	out := map[string]string{}
	for account, balance := range h.s.Book {
		name := account.Name()
		if account.Asset != h.s.BaseAsset {
			name = account.Asset + " " + name
		}
		out[name] = balance.String()
	}
	return out
}

// changed are the accounts that a command changes, and by how much.
func (h *harness) changed(f func()) map[string]string {
	h.t.Helper()
	before := maps.Clone(h.s.Book)
	f()
	out := map[string]string{}
	for account := range before {
		if !before[account].Sub(h.s.Book[account]).IsZero() {
			out[account.Name()] = h.s.Book[account].Sub(before[account]).String()
		}
	}
	for account, balance := range h.s.Book {
		if _, ok := before[account]; !ok {
			out[account.Name()] = balance.String()
		}
	}
	return out
}

// “deposit: Dr hot|cold:treasury, Cr external. Withdrawal the
// reverse.”
func TestMovementPostings(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("100")
	require.Nil(t, h.last(domain.WithdrawalRecordedType))
	require.Equal(t, map[string]string{"hot:treasury": "100", "external": "-100"}, h.postings())
	h.depositIn(domain.WalletCold, "", "7")
	require.Equal(t, map[string]string{"cold:treasury": "7", "external": "-7"}, h.postings())
	h.withdraw("40.000000000000000001")
	require.Equal(t, map[string]string{"hot:treasury": "-40.000000000000000001", "external": "40.000000000000000001"}, h.postings())
	h.withdrawFrom(domain.WalletCold, "", "7")
	require.Equal(t, map[string]string{"cold:treasury": "-7", "external": "7"}, h.postings())
	h.depositIn(domain.WalletHot, "POL", "3")
	require.Equal(t, map[string]string{"POL hot:treasury": "3", "POL external": "-3"}, h.postings())
}

// “Allocation: Dr hot:bot/x, Cr hot:treasury.”
func TestAllocationPostings(t *testing.T) {
	h := trading(t)
	h.allocate("a", "12.5")
	require.Equal(t, map[string]string{"hot:bot/a": "12.5", "hot:treasury": "-12.5"}, h.postings())
	h.allocate("a", "-1012.5")
	require.Equal(t, map[string]string{"hot:bot/a": "-1012.5", "hot:treasury": "1012.5"}, h.postings())
}

// “buy: Dr position (notional), Dr fees, Cr hot:bot/x. Sell: Dr
// hot:bot/x, Cr position (cost share), difference to income, fee to fees.”
func TestFillPostings(t *testing.T) {
	h := trading(t)
	got := h.changed(func() { h.fill("a", "m", "YES", buy, "10", "0.5", withFee("0.1")) })
	require.Equal(t, map[string]string{"position:bot/a/m/YES": "5", "expense:fees/a": "0.1", "hot:bot/a": "-5.1"}, got)
	got = h.changed(func() { h.fill("a", "m", "YES", sell, "4", "0.75", withFee("0.2")) })
	require.Equal(t, map[string]string{"hot:bot/a": "2.8", "position:bot/a/m/YES": "-2", "income:trading/a": "-1", "expense:fees/a": "0.2"}, got)
	got = h.changed(func() { h.fill("a", "m", "YES", sell, "6", "0.25") })
	require.Equal(t, map[string]string{"hot:bot/a": "1.5", "position:bot/a/m/YES": "-3", "income:trading/a": "1.5"}, got)
	require.Equal(t, []string{"fill.recorded", "trade.closed"}, h.types(), "in the same append as the fill that closed it")
	closed := lastOf[*domain.TradeClosed](h)
	h.equal("-0.8", closed.PnL, "P&L is net of every fee in the episode")
	h.equal("0.3", closed.Fee)
	require.Equal(t, domain.Loss, closed.Result)
	require.Equal(t, domain.Long, closed.Direction)
	require.Equal(t, domain.ClosedByFill, closed.ClosedBy)
	require.Equal(t, "t8", closed.Trade, "named after the fill that opened it")
}

// “A fill may carry notional (the cash that moved); then it wins over
// price × quantity, and the mark is notional ÷ quantity.”
func TestNotionalWins(t *testing.T) {
	h := trading(t)
	got := h.changed(func() { h.fill("a", "m", "YES", buy, "3", "0.5", withNotional("1")) })
	require.Equal(t, map[string]string{"position:bot/a/m/YES": "1", "hot:bot/a": "-1"}, got)
	h.equal("0.333333333333333333", h.markOf("m", "YES").Price)
	h.fill("b", "n", "YES", buy, "3", "0.5")
	h.equal("0.5", h.markOf("n", "YES").Price)
	h.equal("1.5", lastOf[*domain.FillRecorded](h).Notional)
	h.fill("b", "n", "YES", buy, "3", "0.5", withNotional("0"))
	h.equal("0", h.markOf("n", "YES").Price, "a gift is worth nothing until it is marked")
}

// Fees, gas and rebates have accounts of their own, “gas to
// expense:gas in the gas asset”.
func TestFeePostings(t *testing.T) {
	h := trading(t)
	h.depositIn(domain.WalletHot, "POL", "10")
	fee := func(bot, asset, amount, kind string) {
		h.must(func(d *Decision) error {
			return d.RecordFee(&domain.FeeRecorded{Bot: bot, Asset: asset, Amount: dec(amount), Kind: kind})
		})
	}
	for _, c := range []struct {
		bot, asset, kind string
		want             map[string]string
	}{
		{"a", "", domain.FeeTrading, map[string]string{"expense:fees/a": "2", "hot:bot/a": "-2"}},
		{"a", "", domain.FeeRebate, map[string]string{"income:rebates/a": "-2", "hot:bot/a": "2"}},
		{"a", "", domain.FeeGas, map[string]string{"expense:gas": "2", "hot:bot/a": "-2"}},
		{"", "", domain.FeeTrading, map[string]string{"expense:fees/treasury": "2", "hot:treasury": "-2"}},
		{"", "", domain.FeeRebate, map[string]string{"income:rebates/treasury": "-2", "hot:treasury": "2"}},
		{"", "POL", domain.FeeGas, map[string]string{"expense:gas": "2", "hot:treasury": "-2"}},
	} {
		require.Equal(t, c.want, h.changed(func() { fee(c.bot, c.asset, "2", c.kind) }))
	}
	h.equal("8", h.balanceIn("POL", "hot:treasury"))
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Bot: "a", Asset: "POL", Amount: dec("1"), Kind: domain.FeeGas})
	})
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Amount: dec("0"), Kind: domain.FeeGas})
	})
}

func TestAdjustmentPostings(t *testing.T) {
	h := trading(t)
	for _, account := range []string{"hot:treasury", "cold:treasury", "hot:bot/a"} {
		got := h.changed(func() {
			h.must(func(d *Decision) error {
				return d.Adjust(&domain.AdjustmentPosted{Account: account, Amount: dec("-3"), Reason: "recount"})
			})
		})
		require.Equal(t, "-3", got[account])
		require.Equal(t, "3", got["adjustment"])
		require.Len(t, got, 2)
	}
	for _, account := range []string{"", "hot", "external", "hot:bot/", "position:bot/a/m/YES", "income:trading/a"} {
		err := h.refusedAny(func(d *Decision) error {
			return d.Adjust(&domain.AdjustmentPosted{Account: account, Amount: dec("1"), Reason: "x"})
		})
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), account)
	}
	h.refused(domain.CodeNotFound, func(d *Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:bot/zz", Amount: dec("1"), Reason: "x"})
	})
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:bot/a", Amount: dec("1")})
	})
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:bot/a", Amount: dec("0"), Reason: "x"})
	})
}

// refusedAny is refused for any code.
func (h *harness) refusedAny(f func(*Decision) error) error {
	h.t.Helper()
	before := h.hash()
	_, err := h.try(f)
	require.Error(h.t, err)
	require.Equal(h.t, before, h.hash())
	return err
}

// “Cost basis is average cost … the fill that closes it takes all
// that is left, so no residue stays.”
func TestNoResidue(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "3", "0.5", withNotional("1"))
	for range 3 {
		h.fill("a", "m", "YES", sell, "1", "0.5")
	}
	require.NotContains(t, h.accounts(), "position:bot/a/m/YES")
	require.Equal(t, "1000.5", h.balance("hot:bot/a").String())
	require.Equal(t, "-0.5", h.balance("income:trading/a").String())
	require.Equal(t, 0, h.botOf("a").Positions)
}

// “a fill past zero closes one position and opens another with the
// remainder, its notional and fee split by quantity, the opening part taking
// the rest.”
func TestFlipRecorded(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "1", "0.5")
	h.fill("a", "m", "YES", sell, "3", "0.4", withNotional("1"), withFee("0.1"))
	require.Equal(t, []string{"fill.recorded", "trade.closed"}, h.types())
	h.equal("-0.2", lastOf[*domain.TradeClosed](h).PnL, "0.333… − 0.5 − 0.033…")
	p := h.position("a", "m", "YES")
	h.equal("-2", p.Quantity)
	h.equal("-0.666666666666666667", p.Cost)
	h.equal("0.066666666666666667", p.Episode.Fees)
	require.Equal(t, domain.TradeName(h.s.Next-2), p.Episode.Trade, "named after the fill that opened it")
	require.Equal(t, 1, h.botOf("a").Positions)
	h.fill("a", "m", "YES", buy, "2", "0.25")
	h.equal("0.1", lastOf[*domain.TradeClosed](h).PnL)
	require.Equal(t, domain.Short, lastOf[*domain.TradeClosed](h).Direction)
}

// “Selling more than is held is recorded (facts are never refused); a
// negative quantity that is no perp and had no permit is marked oversold, with
// a warning.” Limit − 1, limit, limit + 1.
func TestOversold(t *testing.T) {
	oversold := func(market string, setup func(h *harness), quantity string, options ...fillOption) bool {
		h := trading(t)
		h.market("spot", domain.KindSpot)
		h.market("perp", domain.KindPerp)
		h.fill("a", market, "YES", buy, "10", "0.5")
		if setup != nil {
			setup(h)
		}
		h.fill("a", market, "YES", sell, quantity, "0.5", options...)
		held := h.s.Instruments[domain.Instrument{Market: market, Outcome: "YES"}].Holding("a")
		flagged := slices.Contains(h.flags(), domain.FlagOversold)
		require.Equal(t, flagged, held != nil && held.Oversold)
		return flagged
	}
	require.False(t, oversold("m", nil, "9.999999999999999999"))
	require.False(t, oversold("m", nil, "10"))
	require.True(t, oversold("m", nil, "10.000000000000000001"))
	require.True(t, oversold("spot", nil, "11"))
	require.False(t, oversold("perp", nil, "11"))
	var id string
	grant := func(h *harness) { id = h.permit("a", "m", "YES", sell, "11", "0.5") }
	require.False(t, oversold("m", grant, "11", func(r *FillReport) { r.PermitID = id }))
	require.True(t, oversold("m", grant, "11.5", func(r *FillReport) { r.PermitID = id }), "above the permit")
}

// Buying back ends it; selling further keeps it.
func TestOversoldEnds(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", sell, "10", "0.5")
	held := func() *Holding { return h.s.Instruments[domain.Instrument{Market: "m", Outcome: "YES"}].Holding("a") }
	require.True(t, held().Oversold)
	h.fill("a", "m", "YES", buy, "4", "0.5")
	require.True(t, held().Oversold)
	require.NotContains(t, h.flags(), domain.FlagOversold, "a buy oversells nothing")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	require.False(t, held().Oversold)
	h.fill("a", "m", "YES", sell, "4", "0.5")
	require.Nil(t, held())
}

// “settlement, one command per outcome (YES = 1 does not settle NO; …),
// payout 0..1, holders in bot-id order”.
func TestSettlement(t *testing.T) {
	h := trading(t)
	h.fill("b", "m", "YES", buy, "10", "0.5", withFee("1"))
	h.fill("a", "m", "YES", sell, "4", "0.5")
	h.fill("a", "m", "NO", buy, "4", "0.5")
	h.settle("m", "YES", "1")
	require.Equal(t, []string{"market.settled", "trade.closed", "trade.closed"}, h.types())
	require.Equal(t, []domain.Holder{{Bot: "a", Quantity: dec("-4")}, {Bot: "b", Quantity: dec("10")}}, lastOf[*domain.MarketSettled](h).Holders)
	trades := stepOf[*domain.TradeClosed](h)
	require.Equal(t, []string{"a", "b"}, []string{trades[0].Bot, trades[1].Bot})
	h.equal("-2", trades[0].PnL, "sold at 0.5, bought back at 1")
	h.equal("4", trades[1].PnL, "the settlement has no fee")
	h.equal("1", trades[1].Fee)
	require.Equal(t, domain.ClosedBySettlement, trades[0].ClosedBy)
	require.Equal(t, domain.Short, trades[0].Direction)
	h.equal("996", h.balance("hot:bot/a"), "1000 + 2 − 2 − 4")
	h.equal("1004", h.balance("hot:bot/b"))
	h.equal("4", h.position("a", "m", "NO").Quantity, "YES = 1 does not settle NO")
	require.Nil(t, h.s.Instruments[domain.Instrument{Market: "m", Outcome: "NO"}].Payout)
}

// “payout 0..1”: limit − 1, limit, limit + 1 of both.
func TestSettlementPayout(t *testing.T) {
	for payout, ok := range map[string]bool{
		"-0.000000000000000001": false, "0": true, "0.000000000000000001": true,
		"0.999999999999999999": true, "1": true, "1.000000000000000001": false,
	} {
		h := trading(t)
		h.fill("a", "m", "YES", buy, "10", "0.5")
		settle := func(d *Decision) error {
			return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: dec(payout)})
		}
		if !ok {
			h.refused(domain.CodeInvalid, settle)
			continue
		}
		h.must(settle)
		h.equal(payout, h.markOf("m", "YES").Price, "the outcome is marked at the payout")
		h.equal(dec("995").Add(dec(payout).Mul(dec("10"))).String(), h.balance("hot:bot/a"))
	}
	h := trading(t)
	h.market("spot", domain.KindSpot)
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: "spot", Outcome: "YES"}, Payout: dec("1")})
	})
}

// “an optional bot narrows it”; “The same payout again settles
// whatever is held by then. A second, different payout: 409.”
func TestSettlementAgain(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.fill("b", "m", "YES", buy, "10", "0.5")
	h.settle("m", "YES", "1", "b")
	require.Equal(t, []domain.Holder{{Bot: "b", Quantity: dec("10")}}, lastOf[*domain.MarketSettled](h).Holders)
	h.equal("10", h.position("a", "m", "YES").Quantity)
	h.equal("1005", h.botOf("a").Equity(), "marked at the payout")
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: dec("0.999999999999999999")})
	})
	h.settle("m", "YES", "1")
	require.Equal(t, []domain.Holder{{Bot: "a", Quantity: dec("10")}}, lastOf[*domain.MarketSettled](h).Holders)
	h.settle("m", "YES", "1")
	require.Equal(t, []string{"command.noted"}, h.types())
	h.fill("a", "m", "YES", buy, "3", "0.9")
	require.Contains(t, h.flags(), domain.FlagMarketSettled, "later fills flagged")
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark, "the payout is the last mark")
	h.equal("1", h.markOf("m", "YES").Price)
	h.mark("m", "YES", "0.2")
	require.Equal(t, []string{"command.noted"}, h.types())
	h.settle("m", "YES", "1")
	require.Equal(t, []domain.Holder{{Bot: "a", Quantity: dec("3")}}, lastOf[*domain.MarketSettled](h).Holders)
}

// “No holder: recorded, a reconciliation finding.”
func TestSettlementWithoutHolder(t *testing.T) {
	h := trading(t)
	h.settle("m", "YES", "1")
	e := lastOf[*domain.MarketSettled](h)
	require.True(t, e.Finding)
	require.Empty(t, e.Holders)
	h.equal("1", h.markOf("m", "YES").Price)
	h.fill("a", "n", "YES", buy, "1", "0.5")
	h.settle("n", "YES", "1", "b")
	require.True(t, lastOf[*domain.MarketSettled](h).Finding, "the bot that was named holds nothing")
	h.fill("a", "o", "YES", buy, "1", "0.5")
	h.settle("o", "YES", "1")
	require.False(t, lastOf[*domain.MarketSettled](h).Finding)
}

// “the outcome is marked at the payout, then everything left is sold
// at it …; peaks and breakers are evaluated once, after the last holder.”
func TestSettlementIsEvaluatedOnce(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, func(p *domain.Policy) { p.MaxPortfolioDrawdownPct = dec("0.9") })
	h.deposit("2000")
	h.bot("a", "1000")
	h.bot("b", "1000")
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.fill("b", "m", "YES", sell, "100", "0.5")
	h.settle("m", "YES", "1") // a wins what b loses: the portfolio never moved
	h.equal("2000", h.s.Refs.Peak)
	h.equal("1050", h.botOf("a").Refs.Peak)
	h.equal("1000", h.botOf("b").Refs.Peak)
	require.Equal(t, 0, h.count(domain.BreakerTrippedType)+h.count(domain.BreakerWarnedType))
	require.Equal(t, []string{"market.settled", "trade.closed", "trade.closed"}, h.types())
	h = newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("2000")
	h.bot("a", "1000")
	h.bot("b", "1000")
	h.fill("a", "m", "YES", buy, "200", "0.5")
	h.fill("b", "m", "YES", buy, "200", "0.5")
	h.settle("m", "YES", "0")
	require.Equal(t, []string{"market.settled", "trade.closed", "trade.closed", "breaker.tripped"}, h.types())
	trip := lastOf[*domain.BreakerTripped](h)
	require.Equal(t, domain.DailyLoss, trip.Breaker)
	h.equal("0.1", trip.Value, "of both losses together")
	require.Equal(t, h.s.Next-4, trip.Cause, "the settlement, not a trade it closed")
}

// “It releases permits; later permits are denied market_settled”.
func TestSettlementReleasesPermits(t *testing.T) {
	h := trading(t)
	yes, no := h.permit("a", "m", "YES", buy, "10", "0.5"), h.permit("a", "m", "NO", buy, "10", "0.5")
	working := h.permit("b", "m", "YES", buy, "10", "0.5")
	h.must(func(d *Decision) error { return d.PlacePermit(working, nil) })
	h.settle("m", "YES", "1")
	require.Equal(t, []string{yes, working}, lastOf[*domain.MarketSettled](h).PermitsReleased)
	require.Equal(t, []string{no}, slices.Sorted(maps.Keys(h.s.Permits)))
	h.ask(order("a", "m", "YES", buy, "1", "0.5"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonMarketSettled}, h.reasons())
	h.permit("a", "m", "NO", buy, "1", "0.5")
}

// “a bot that only knows results may report a closed trade: pnl is
// net, fee says how much of it was fees: Dr/Cr hot:bot/x by pnl, income by
// pnl + fee, fees by fee.”
func TestReportedTrade(t *testing.T) {
	h := trading(t)
	got := h.changed(func() { h.trade("a", "7", "1.5") })
	require.Equal(t, map[string]string{"hot:bot/a": "7", "income:trading/a": "-8.5", "expense:fees/a": "1.5"}, got)
	require.Equal(t, []string{"trade.closed"}, h.types())
	require.Equal(t, domain.ClosedByReport, lastOf[*domain.TradeClosed](h).ClosedBy)
	require.Equal(t, domain.TradeName(h.s.Next-1), lastOf[*domain.TradeClosed](h).Trade)
	got = h.changed(func() { h.trade("a", "-7", "1.5") })
	require.Equal(t, map[string]string{"hot:bot/a": "-7", "income:trading/a": "5.5", "expense:fees/a": "1.5"}, got)
	got = h.changed(func() { h.trade("a", "-1.5", "1.5") })
	require.Equal(t, map[string]string{"hot:bot/a": "-1.5", "expense:fees/a": "1.5"}, got)
	h.trade("a", "0")
	b := h.botOf("a")
	require.Equal(t, []int{4, 1, 2, 1, 2}, []int{b.Trades, b.Wins, b.Losses, b.Neutral, b.Streak.Losses})
	realised, fees := h.s.Income("a")
	h.equal("-1.5", realised)
	h.equal("4.5", fees)
}

// The first event of a day stands before the trade, and the trade is named after
// its own revision all the same.
func TestReportedTradeOnANewDay(t *testing.T) {
	h := trading(t)
	h.after(24*time.Hour).trade("a", "7")
	require.Equal(t, []string{"day.opened", "trade.closed"}, h.types())
	require.Equal(t, domain.TradeName(h.s.Next-1), lastOf[*domain.TradeClosed](h).Trade)
}

// “Identity of a fill = (bot, venue, trade_id, leg), venue "" and leg
// 0 by default. The same content again is answered with the first record and
// does nothing; other content is 409 trade_id_conflict.”
func TestFillIdentity(t *testing.T) {
	h := trading(t)
	at := noon.Add(-time.Hour)
	first := h.report("a", "m", "YES", buy, "10", "0.5", withFee("0.1"), func(r *FillReport) { r.EffectiveAt = &at })
	record := func(r FillReport) func(*Decision) error { return func(d *Decision) error { return d.RecordFill(r) } }
	h.must(record(first))
	revision := h.s.Next - 1
	again := first
	zoned := at.In(time.FixedZone("X", 3600))
	again.EffectiveAt, again.Quantity, again.Status = &zoned, dec("10.000"), domain.FillConfirmedStatus
	require.Empty(t, h.changed(func() { h.must(record(again)) }))
	require.Equal(t, []string{"command.noted"}, h.types())
	require.Equal(t, revision, *lastOf[*domain.CommandNoted](h).Of, "answered with the first record")
	later := at.Add(time.Nanosecond)
	for name, change := range map[string]func(*FillReport){
		"market":    func(r *FillReport) { r.Market = "n" },
		"outcome":   func(r *FillReport) { r.Outcome = "NO" },
		"side":      func(r *FillReport) { r.Side = sell },
		"quantity":  func(r *FillReport) { r.Quantity = dec("10.000000000000000001") },
		"price":     func(r *FillReport) { r.Price = dec("0.51") },
		"notional":  withNotional("5.000000000000000001"),
		"fee":       withFee("0.2"),
		"permit":    withPermit("p9"),
		"status":    provisional,
		"effective": func(r *FillReport) { r.EffectiveAt = &later },
		"no time":   func(r *FillReport) { r.EffectiveAt = nil },
	} {
		other := first
		change(&other)
		err := h.refused(domain.CodeTradeIDConflict, record(other))
		require.ErrorContains(t, err, "trade_id is already recorded with different content", name)
	}
	for _, change := range []func(*FillReport){
		func(r *FillReport) { r.Bot = "b" },
		func(r *FillReport) { r.Venue = "poly" },
		func(r *FillReport) { r.TradeID += "x" },
		func(r *FillReport) { r.Leg = 1 },
	} {
		other := first
		change(&other)
		h.must(record(other))
		require.Equal(t, []string{"fill.recorded"}, h.types())
	}
	h.equal("40", h.position("a", "m", "YES").Quantity)
}

// A reported trade has an identity of its own, apart from fills.
func TestReportedTradeIdentity(t *testing.T) {
	h := trading(t)
	report := func(pnl, fee string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RecordTrade(&domain.TradeClosed{
				Bot: "a", Instrument: domain.Instrument{Market: "m"}, TradeID: "x",
				TradeFigures: domain.TradeFigures{PnL: dec(pnl), Fee: dec(fee)},
			})
		}
	}
	h.fill("a", "m", "YES", buy, "10", "0.5", withID("x"))
	h.must(report("5", "1"))
	require.Equal(t, []string{"trade.closed"}, h.types())
	h.must(report("5.0", "1"))
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeTradeIDConflict, report("5", "2"))
	h.refused(domain.CodeTradeIDConflict, report("6", "1"))
}

// “Selling more than is held is recorded (facts are never refused)”;
// what cannot be understood is.
func TestFillRefusals(t *testing.T) {
	h := trading(t)
	h.market("spot", domain.KindSpot)
	for want, change := range map[string]func(*FillReport){
		"quantity must be above 0":         func(r *FillReport) { r.Quantity = dec("0") },
		"quantity must be above 0 ":        func(r *FillReport) { r.Quantity = dec("-1") },
		"price must not be negative":       func(r *FillReport) { r.Price = dec("-0.1") },
		"price of an outcome share":        func(r *FillReport) { r.Price = dec("1.000000000000000001") },
		"notional must not be negative":    withNotional("-1"),
		"fee must not be negative":         withFee("-1"),
		"side must be":                     func(r *FillReport) { r.Side = "hold" },
		"status must be":                   func(r *FillReport) { r.Status = "pending" },
		"market is missing":                func(r *FillReport) { r.Market = "" },
		"outcome is missing":               func(r *FillReport) { r.Outcome = "" },
		"trade_id is missing":              func(r *FillReport) { r.TradeID = "" },
		"leg must be":                      func(r *FillReport) { r.Leg = -1 },
		"leg must be 0 to 1000":            func(r *FillReport) { r.Leg = 1001 },
		"venue holds a character":          func(r *FillReport) { r.Venue = "a\nb" },
		"quantity times price reaches":     func(r *FillReport) { r.Market, r.Quantity, r.Price = "spot", dec("100000000"), dec("10000000") },
		"venue has 257 bytes":              func(r *FillReport) { r.Venue = strings.Repeat("v", 257) },
		"bot may hold only letters":        func(r *FillReport) { r.Bot = "a b" },
		"permit_id holds a character that": func(r *FillReport) { r.PermitID = "\x00" },
	} {
		r := h.report("a", "m", "YES", buy, "10", "0.5")
		change(&r)
		err := h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RecordFill(r) })
		require.ErrorContains(t, err, strings.TrimSpace(want))
	}
	r := h.report("zz", "m", "YES", buy, "10", "0.5")
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.RecordFill(r) })
	h.fill("a", "m", "YES", buy, "10", "1")
	h.fill("a", "m", "YES", sell, "10", "0")
	h.fill("a", "m", "YES", buy, "5000", "0.9")
	require.Negative(t, h.balance("hot:bot/a").Sign(), "cash that is not there was spent: recorded")
}

// “A result that would reach 10^15 is refused when deciding.” The
// command that would do it leaves no trace, and everything that is recorded can
// be read back (the harness decodes all of it).
func TestResultsStayInRange(t *testing.T) {
	const most = "999999999999999"
	h := trading(t)
	h.market("s", domain.KindSpot)
	refused := func(what string, f func(*Decision) error) {
		t.Helper()
		err := h.refusedAny(f)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), what)
	}
	fill := func(side domain.Side, quantity, price string, options ...fillOption) func(*Decision) error {
		r := h.report("a", "s", "x", side, quantity, price, options...)
		return func(d *Decision) error { return d.RecordFill(r) }
	}
	refused("a balance", func(d *Decision) error { return d.Deposit(&domain.DepositRecorded{Wallet: "hot", Amount: dec(most)}) })
	refused("a notional", fill(buy, "1000000000", "1000000"))
	refused("the mark notional ÷ quantity", fill(buy, "0.000000000000000001", "1", withNotional("1000")))
	h.must(fill(buy, "900000000000000", "0"))
	refused("a quantity", fill(buy, "900000000000000", "0"))
	h.must(fill(sell, "900000000000000", "0"))
	h.must(fill(sell, "900000000000000", "0"))
	refused("a short quantity", fill(sell, "900000000000000", "0"))
	refused("a value at the mark", func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "s", Outcome: "x", Price: dec("2")}})
	})
	h.must(fill(buy, "900000000000000", "0"))
	h.must(fill(buy, "1", "900000000000000"))
	refused("equity", func(d *Decision) error {
		return d.Deposit(&domain.DepositRecorded{Wallet: "cold", Amount: dec("999999999999000")})
	})
}

// The sums that an episode carries are bounded as well, however often its bot
// goes in and out.
func TestEpisodeStaysInRange(t *testing.T) {
	h := trading(t)
	h.market("s", domain.KindSpot)
	h.fill("a", "s", "x", buy, "10", "50000000000000")
	h.fill("a", "s", "x", sell, "9", "50000000000000")
	h.fill("a", "s", "x", buy, "9", "50000000000000")
	r := h.report("a", "s", "x", buy, "9", "50000000000000")
	h.refusedAny(func(d *Decision) error { return d.RecordFill(r) })
	h.fill("a", "s", "x", sell, "10", "50000000000000")
	require.Equal(t, domain.Neutral, lastOf[*domain.TradeClosed](h).Result)
}

// A debt is bounded like a fortune: the next day has to open at it.
func TestDebtStaysInRange(t *testing.T) {
	h := trading(t)
	h.market("s", domain.KindPerp)
	h.fill("a", "s", "x", sell, "1", "600000000000000")
	h.withdraw("600000000000000")
	err := h.refusedAny(func(d *Decision) error {
		return d.Withdraw(&domain.WithdrawalRecorded{Wallet: "hot", Amount: dec("999999999999999")})
	})
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
	h.after(24*time.Hour).mark("s", "x", "600000000000000")
	require.Equal(t, []string{"day.opened", "price.marked"}, h.types()[:2])
}

// An imported history knows no permits: that none is named says nothing there.
func TestImportedFills(t *testing.T) {
	h := newHarness(t).openImported()
	h.deposit("1000")
	h.bot("a", "1000")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	require.Empty(t, h.flags())
	h.fill("a", "m", "YES", sell, "11", "0.5")
	require.Equal(t, []string{domain.FlagOversold}, h.flags())
	h = trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	require.Equal(t, []string{domain.FlagNoPermit}, h.flags())
}

// A wallet's ledger redeems by quantity and cash, without naming the outcome: it
// settles the one that is held, at cash ÷ quantity.
func TestRedeem(t *testing.T) {
	redeem := func(h *harness, quantity, cash string) (found bool, err error) {
		_, err = h.try(func(d *Decision) (err error) {
			found, err = d.Redeem("a", "m", dec(quantity), dec(cash))
			return err
		})
		return found, err
	}
	for _, c := range []struct{ quantity, cash, payout string }{{"10", "10", "1"}, {"10", "0", "0"}, {"0", "0", "0"}, {"8", "4", "0.5"}} {
		h := trading(t)
		h.fill("a", "m", "YES", buy, "10", "0.5")
		h.fill("b", "m", "YES", buy, "10", "0.5")
		found, err := redeem(h, c.quantity, c.cash)
		require.NoError(t, err)
		require.True(t, found)
		h.equal(c.payout, lastOf[*domain.MarketSettled](h).Payout)
		require.Equal(t, "a", lastOf[*domain.MarketSettled](h).Bot)
		h.equal("10", h.position("b", "m", "YES").Quantity)
	}
	h := trading(t)
	found, err := redeem(h, "10", "10")
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, []string{"command.noted"}, h.types(), "nothing is held: noted and ignored")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	for _, c := range [][2]string{{"10", "10.00000000000000001"}, {"0", "1"}, {"-1", "0"}, {"1", "-1"}} {
		_, err = redeem(h, c[0], c[1])
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), "%v", c)
	}
	h.fill("a", "m", "NO", buy, "10", "0.5")
	_, err = redeem(h, "10", "10")
	require.ErrorContains(t, err, "two open outcomes")
}

// Permits used by a fill are no business of the ledger, but the key of
// a breaker is: both stay readable in a snapshot.
func TestBreakerKeyText(t *testing.T) {
	require.Equal(t, "bot_drawdown of a", risk.Key{Breaker: domain.BotDrawdown, Bot: "a"}.String())
	require.Equal(t, "daily_loss", risk.Key{Breaker: domain.DailyLoss}.String())
}
