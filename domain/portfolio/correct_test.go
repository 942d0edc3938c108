package portfolio

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// correction returns a decision that corrects a market to the payouts of its outcomes,
// in their order, or, without any, to void.
func (h *harness) correction(market string, prices ...string) func(*Decision) error {
	c := Correction{Market: market, Void: len(prices) == 0}
	if !c.Void {
		c.Payouts = map[string]domain.Decimal{}
		for i, outcome := range h.s.Markets[market].Outcomes {
			c.Payouts[outcome] = dec(prices[i])
		}
	}
	return func(d *Decision) error { return d.CorrectSettlement(c, "the oracle was wrong") }
}

// "each trade that settlement closed changes by its quantity × the difference"
func TestACorrectionRevisesWhatTheSettlementClosed(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.40", withFee("1"))
	h.payouts("rain", "1", "0")
	require.Equal(t, "1059", h.equityOf("a"))
	h.must(h.correction("rain", "0.25", "0.75"))
	require.Equal(t, []string{"market.corrected", "trade.revised"}, h.types())
	require.Equal(t, "984", h.equityOf("a"), "100 × (0.25 − 1)")
	revised := lastOf[*domain.TradeRevised](h)
	h.equal("59", revised.Before.PnL)
	h.equal("-16", revised.After.PnL)
	require.Equal(t, domain.Loss, revised.After.Result)
	b := h.botOf("a")
	require.Equal(t, []int{1, 0, 1, 0, 1}, []int{b.Trades, b.Wins, b.Losses, b.Neutral, b.Streak.Losses})

	h.must(h.correction("rain", "0.25", "0.75"))
	require.Equal(t, []string{"command.noted"}, h.types(), "it is settled like this already")
	h.must(h.correction("rain", "1", "0")) // and back
	require.Equal(t, "1059", h.equityOf("a"))
	require.Equal(t, []int{1, 1, 0}, []int{b.Trades, h.botOf("a").Wins, h.botOf("a").Losses})
}

// "(against a void: to cost ÷ quantity; trade.revised)"
func TestACorrectionToAndFromVoid(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.40", withFee("1"))
	h.fill("a", "rain", "NO", buy, "50", "0.30")
	h.payouts("rain", "1", "0")
	b := h.botOf("a")
	require.Equal(t, []int{2, 1, 0, 0}, []int{b.Trades, b.Wins, b.Losses, b.Neutral}, "59 − 15")
	h.must(h.correction("rain"))
	require.Equal(t, "999", h.equityOf("a"), "the fee is lost")
	b = h.botOf("a")
	require.Equal(t, []int{2, 0, 0, 1, 0}, []int{b.Trades, b.Wins, b.Losses, b.Neutral, b.Streak.Losses}, "the result is neutral")
	h.must(h.correction("rain", "0", "1"))
	require.Equal(t, "994", h.equityOf("a"), "−41 + 35")
	b = h.botOf("a")
	require.Equal(t, []int{2, 0, 1, 0, 1}, []int{b.Trades, b.Wins, b.Losses, b.Neutral, b.Streak.Losses})
}

// A void refold of a refunded trade keeps it neutral: "P&L as it is; the result is
// neutral".
func TestAVoidedFillBeforeARefund(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.40", withFee("1"))
	id := h.fill("a", "rain", "YES", buy, "100", "0.20", provisional, withFee("2"))
	h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "rain", Void: true}) })
	h.must(func(d *Decision) error { return d.VoidFill(id, "") })
	revised := lastOf[*domain.TradeRevised](h)
	h.equal("-3", revised.Before.PnL)
	h.equal("-1", revised.After.PnL)
	require.Equal(t, []domain.Result{domain.Neutral, domain.Neutral}, []domain.Result{revised.Before.Result, revised.After.Result})
	require.Equal(t, 1, h.botOf("a").Neutral)
}

// "later refolds use the corrected payout"
func TestLaterRefoldsUseTheCorrectedPayout(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("rain", "YES", "NO")
		h.fill("a", "rain", "YES", buy, "100", "0.40")
		id := h.fill("a", "rain", "YES", buy, "100", "0.20", provisional)
		h.payouts("rain", "1", "0")
		require.Equal(t, "1140", h.equityOf("a"))
		h.must(h.correction("rain", "0", "1"))
		require.Equal(t, "940", h.equityOf("a"))
		if confirm {
			h.must(func(d *Decision) error { return d.ConfirmFill(id, "") })
			h.must(h.correction("rain", "1", "0"))
			require.Equal(t, "1140", h.equityOf("a"))
			continue
		}
		h.must(func(d *Decision) error { return d.VoidFill(id, "") })
		require.Equal(t, "960", h.equityOf("a"), "100 × 0.40 are lost, not won")
		h.must(h.correction("rain", "1", "0"))
		require.Equal(t, "1060", h.equityOf("a"))
	}
}

// "it may trip, it never untrips" — limit − 1, limit, limit + 1 of consecutive_losses.
func TestACorrectionMayTripAndNeverUntrips(t *testing.T) {
	for _, tc := range []struct {
		limit int
		trips bool
	}{{1, true}, {2, true}, {3, false}} {
		h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MaxConsecutiveLosses = tc.limit })
		h.exclusive("one", "YES", "NO")
		h.exclusive("two", "YES", "NO")
		for _, market := range []string{"one", "two"} {
			h.fill("a", market, "YES", buy, "10", "0.40")
			h.payouts(market, "1", "0")
		}
		h.must(h.correction("one", "0", "1"))
		h.must(h.correction("two", "0", "1"))
		require.Equal(t, tc.trips, h.status(domain.ConsecutiveLosses, "a") == "tripped", "limit %d", tc.limit)
		h.must(h.correction("one", "1", "0"))
		h.must(h.correction("two", "1", "0"))
		require.Equal(t, tc.trips, h.status(domain.ConsecutiveLosses, "a") == "tripped", "limit %d", tc.limit)
	}
}

// "rebase?": the equity after it is the reference of all that it moved.
func TestACorrectionRebases(t *testing.T) {
	for _, rebase := range []bool{false, true} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("rain", "YES", "NO")
		h.fill("a", "rain", "YES", buy, "1000", "0.40")
		h.payouts("rain", "1", "0")
		h.must(func(d *Decision) error {
			return d.CorrectSettlement(Correction{Market: "rain", Void: true, Rebase: rebase}, "the market was void")
		})
		require.Equal(t, "1000", h.equityOf("a"))
		require.Equal(t, rebase, h.botDD("a").IsZero())
		require.Equal(t, rebase, h.drawdown().IsZero())
	}
}

// A correction of an exclusive market says what every outcome pays: those that were not
// settled yet are settled by it, in the same record, so that no peak is raised between.
func TestACorrectionSettlesTheRest(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "A", buy, "100", "0.30")
	h.fill("a", "cup", "B", buy, "100", "0.30")
	h.fill("a", "cup", "!A", buy, "10", "0.60")
	h.mark("cup", "B", "0.9")
	h.mark("cup", "C", "0.1")
	h.settleOne("cup", "A", "0")
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.CorrectSettlement(Correction{Market: "cup", Payouts: map[string]domain.Decimal{"A": dec("1")}}, "A won")
	})
	h.refused(domain.CodePayoutsSum, h.correction("cup", "1", "0", "0.000001"))
	before := h.s.Refs.Peak
	h.must(h.correction("cup", "1", "0", "0"))
	require.Equal(t, []string{"market.corrected", "trade.revised", "trade.revised", "trade.closed"}, h.types())
	require.Equal(t, "1034", h.equityOf("a"), "100 − 30 − 30 − 6")
	h.equal(h.s.Refs.Peak.String(), before)
	b := h.botOf("a")
	require.Equal(t, []int{3, 1, 0}, []int{b.Trades, b.Wins, b.Losses})
	require.True(t, h.s.decided("cup"))
}

// Elsewhere a correction names the settled outcomes that change.
func TestACorrectionElsewhere(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "old", "YES", buy, "100", "0.40")
	h.fill("a", "old", "NO", buy, "100", "0.40")
	name := func(payout string) func(*Decision) error {
		return func(d *Decision) error {
			return d.CorrectSettlement(Correction{Market: "old", Payouts: map[string]domain.Decimal{"YES": dec(payout)}}, "wrong")
		}
	}
	h.refused(domain.CodeInvalid, name("0"))
	h.settle("old", "YES", "1")
	h.refused(domain.CodeInvalid, name("1.000001"))
	h.refused(domain.CodeInvalid, name("-0.000001"))
	h.must(name("0"))
	require.Equal(t, "960", h.equityOf("a"), "NO is still held at its mark")
	require.Equal(t, 1, h.botOf("a").Losses)
}

// What was settled under the first edition is not remembered.
func TestASettlementOfTheFirstEditionIsNotCorrected(t *testing.T) {
	h := paper(t, "1000", quietPolicy)
	h.fill("a", "old", "YES", buy, "100", "0.40")
	h.settle("old", "YES", "1")
	h.must(func(d *Decision) error { return d.ChangeLimits(json.RawMessage(`{"rules":2}`), "adopt") })
	h.fill("a", "old", "YES", buy, "1", "0.40") // what is paid now does not make the rest known
	h.settle("old", "YES", "1")
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.CorrectSettlement(Correction{Market: "old", Payouts: map[string]domain.Decimal{"YES": dec("0")}}, "wrong")
	})
}

// "(operator; live: two people)" and "another sum takes two people, override payouts".
func TestTwoPeopleCorrectALiveSettlement(t *testing.T) {
	h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	h.deposit("1000")
	h.bot("a", "1000")
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.40")
	agree := func(kind, content string) {
		h.operator().must(func(d *Decision) error { return d.RequestOverride(kind, "", json.RawMessage(content), "agreed") })
		id := lastOf[*domain.OverrideRequested](h).Override
		h.refused(domain.CodeDenied, func(d *Decision) error { return d.ConfirmOverride(id) })
		h.as(domain.RoleApprover, "anna").must(func(d *Decision) error { return d.ConfirmOverride(id) })
		h.operator()
	}
	agree(domain.OverridePayouts, `{"market":"rain","payouts":{"YES":"0.5","NO":"0.4"}}`)
	require.Equal(t, []string{"override.recorded", "market.paid_out", "trade.closed"}, h.types())
	require.NotEmpty(t, lastOf[*domain.MarketPaidOut](h).Override)
	require.Equal(t, "1010", h.equityOf("a"))

	h.refused(domain.CodeDenied, h.correction("rain", "1", "0"))
	agree(domain.OverrideSettlement, `{"market":"rain","payouts":{"YES":"1","NO":"0"},"rebase":true}`)
	require.Equal(t, []string{"override.recorded", "market.corrected", "trade.revised"}, h.types())
	require.Equal(t, "1060", h.equityOf("a"))
	require.NotEmpty(t, lastOf[*domain.MarketCorrected](h).Override)
}

// "another sum takes two people": a later fill in such a market is worth what it
// pays, and a complete set is not worth 1.
func TestLateFillsOfPayoutsThatDoNotSumToOne(t *testing.T) {
	h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	h.deposit("1000")
	h.bot("a", "1000")
	h.exclusive("cup", "A", "B", "C")
	h.operator().must(func(d *Decision) error {
		return d.RequestOverride(domain.OverridePayouts, "", json.RawMessage(`{"market":"cup","payouts":{"A":"0.5","B":"0.4","C":"0"}}`), "agreed")
	})
	id := lastOf[*domain.OverrideRequested](h).Override
	h.as(domain.RoleApprover, "anna").must(func(d *Decision) error { return d.ConfirmOverride(id) })
	h.operator().fill("a", "cup", "A", buy, "10", "0.50")
	h.fill("a", "cup", "B", buy, "10", "0.40")
	h.fill("a", "cup", "C", buy, "10", "0.00")
	require.Equal(t, "1000", h.equityOf("a"))
	h.fill("a", "cup", "!B", buy, "10", "0.60")
	require.Equal(t, "1000", h.equityOf("a"))
	// It is sure what all of it pays: nothing can be lost.
	f, held := h.s.Figures("a", "cup")
	require.True(t, held)
	require.Equal(t, []string{"15", "15", "15", "0"}, []string{f.PayoffMin.String(), f.PayoffMax.String(), f.Value.String(), f.Exposure.String()})
	require.Empty(t, h.s.Exposures())
	// "The same payouts again pay it out", as they are printed, without two people.
	pays := map[string]domain.Decimal{"A": dec("0.5"), "B": dec("0.4"), "C": dec("0")}
	h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "cup", Payouts: pays}) })
	require.Zero(t, h.s.Bots["a"].Positions)
	require.Equal(t, "1000", h.equityOf("a"))
	pays["C"] = dec("0.05")
	h.refused(domain.CodePayoutsSum, func(d *Decision) error { return d.SettleMarket(Settlement{Market: "cup", Payouts: pays}) })
}

// "A `bot` narrows a settlement only in imports and in markets that are not exclusive."
// A wallet's ledger names no outcome: in an exclusive market of two, what one outcome
// paid settles the other, and of both the one whose quantity is the cash has won.
func TestRedeemsOfExclusiveMarkets(t *testing.T) {
	begin := func(clock domain.Clock) *harness {
		h := newHarness(t)
		p := domain.DefaultPolicy(domain.ModePaper)
		p.Rules = domain.SecondRules
		quietPolicy(&p)
		h.must(func(d *Decision) error {
			return d.Open(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: clock, BaseAsset: "USDC", BaseDecimals: 6, Policy: p}, nil)
		})
		h.deposit("1000")
		h.bot("a", "1000")
		h.exclusive("rain", "YES", "NO")
		h.fill("a", "rain", "YES", buy, "10", "0.50")
		return h
	}
	redeem := func(quantity, cash string) func(*Decision) error {
		return func(d *Decision) error { _, err := d.Redeem("a", "rain", dec(quantity), dec(cash)); return err }
	}
	h := begin(domain.ClockImported)
	h.must(redeem("9", "9"))
	paid := lastOf[*domain.MarketPaidOut](h)
	require.Equal(t, map[string]domain.Decimal{"YES": domain.One, "NO": domain.Zero}, paid.Payouts)
	require.True(t, paid.Finding, "10 were held")
	require.Equal(t, "1005", h.equityOf("a"))

	h = begin(domain.ClockImported)
	h.fill("a", "rain", "NO", buy, "4", "0.40")
	h.refused(domain.CodeInvalid, redeem("14", "5"))
	h.must(redeem("4", "4"))
	require.Equal(t, "997.4", h.equityOf("a"), "NO has won")
	require.Equal(t, 1, h.botOf("a").Losses)

	h = begin(domain.ClockImported)
	h.fill("a", "rain", "NO", buy, "10", "0.40")
	h.refused(domain.CodeInvalid, redeem("10", "10")) // either may have won

	h.exclusive("cup", "A", "B", "C")
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "rain", Outcome: "YES", Payout: dec("1.000001"), Bot: "a"})
	})
	h = begin(domain.ClockWall)
	h.refused(domain.CodeInvalid, redeem("10", "10"))
}

// A fill after the settlement is a fact: flagged, valued at the payout, and paid by the
// next settlement, whatever the first one paid others.
func TestAFillAfterTheSettlement(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "A", buy, "100", "0.40")
	h.payouts("cup", "1", "0", "0")
	require.Equal(t, "1060", h.equityOf("a"))
	h.payouts("cup", "1", "0", "0")
	require.Equal(t, []string{"command.noted"}, h.types(), "what was paid is not paid again")
	h.fill("a", "cup", "A", buy, "10", "0.90")
	require.Contains(t, h.flags(), domain.FlagMarketSettled)
	h.fill("a", "cup", "!B", buy, "10", "0.90")
	require.Equal(t, "1062", h.equityOf("a"), "each is worth its payout")
	h.payouts("cup", "1", "0", "0")
	require.Equal(t, []string{"market.paid_out", "trade.closed", "trade.closed"}, h.types())
	require.Equal(t, []string{"1062", "0"}, []string{h.equityOf("a"), h.botOf("a").Value.String()})
	require.Equal(t, []int{3, 2, 0}, []int{h.botOf("a").Trades, h.botOf("a").Wins, h.botOf("a").Losses})
	h.must(h.correction("cup", "0", "1", "0"))
	require.Equal(t, "942", h.equityOf("a"), "1000 − 40 − 9 − 9")
	require.Equal(t, []int{3, 0, 2}, []int{h.botOf("a").Trades, h.botOf("a").Wins, h.botOf("a").Losses})
}

// "at once if it holds nothing more there": where a void takes away what the bot still
// held, the result that waited for it counts.
func TestAWaitingResultCountsWhenNothingIsLeft(t *testing.T) {
	h := second(t, "1000", func(p *domain.Policy) { quietPolicy(p); p.MaxConsecutiveLosses = 1 })
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "A", buy, "100", "0.10")
	id := h.fill("a", "cup", "B", buy, "100", "0.10", provisional)
	h.settleOne("cup", "A", "0")
	require.Equal(t, []int{1, 0}, []int{h.botOf("a").Trades, h.botOf("a").Losses}, "it waits")
	h.void(id)
	require.Equal(t, []int{1, 1}, []int{h.botOf("a").Trades, h.botOf("a").Losses})
	require.Equal(t, risk.Tripped, h.status(domain.ConsecutiveLosses, "a"))
}

// "from then its mark is 0, and min and max run over the rest": the last outcome that is
// left is worth 1, whatever its mark says.
func TestTheLastOutcomeIsWorthOne(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "C", buy, "100", "0.40")
	h.mark("cup", "C", "0.5")
	h.settleOne("cup", "A", "0")
	f, _ := h.s.Figures("a", "cup")
	require.Equal(t, []string{"0", "100"}, []string{f.PayoffMin.String(), f.PayoffMax.String()})
	h.settleOne("cup", "B", "0")
	f, _ = h.s.Figures("a", "cup")
	require.Equal(t, []string{"100", "100", "100"}, []string{f.PayoffMin.String(), f.PayoffMax.String(), f.Value.String()})
	require.Equal(t, "1060", h.equityOf("a"))
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.SettleMarket(Settlement{Market: "cup", Outcome: "C"}) })
	h.settleOne("cup", "C", "1")
	require.Equal(t, "1060", h.equityOf("a"))
}

// "A payout ends every waiting mark of the market."
func TestAPayoutEndsEveryWaitingMark(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.exclusive("cup", "A", "B", "C")
	for _, o := range []string{"A", "B", "C"} {
		h.mark("cup", o, "0.3")
		h.mark("cup", o, "0.9")
		require.NotNil(t, h.s.Instruments[domain.Instrument{Market: "cup", Outcome: o}].Waiting)
	}
	h.settleOne("cup", "A", "0")
	for _, o := range []string{"A", "B", "C"} {
		require.Nil(t, h.s.Instruments[domain.Instrument{Market: "cup", Outcome: o}].Waiting, o)
	}
}

// "Let it end when it can no longer be confirmed": a request for payouts ends when its
// market is settled. Confirming a request that was replaced says so.
func TestARequestForPayoutsEndsWithItsMarket(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	h.deposit("1000")
	h.bot("a", "1000")
	h.exclusive("cup", "A", "B", "C")
	ask := func(payouts string) string {
		h.operator().must(func(d *Decision) error {
			return d.RequestOverride(domain.OverridePayouts, "", json.RawMessage(`{"market":"cup","payouts":`+payouts+`}`), "agreed")
		})
		return lastOf[*domain.OverrideRequested](h).Override
	}
	first := ask(`{"A":"0.5","B":"0.4","C":"0"}`)
	second := ask(`{"A":"0.5","B":"0.3","C":"0"}`)
	h.as(domain.RoleApprover, "anna")
	err := h.refused(domain.CodeConflict, func(d *Decision) error { return d.ConfirmOverride(first) })
	require.ErrorContains(t, err, "was replaced by "+second)
	waits := func() (ids []string) {
		for _, a := range h.s.Approvals("", h.now) {
			ids = append(ids, a.ID)
		}
		return ids
	}
	require.Equal(t, []string{second}, waits())
	h.operator().must(func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "cup", Payouts: map[string]domain.Decimal{"A": dec("1"), "B": dec("0"), "C": dec("0")}})
	})
	require.Empty(t, waits())
}

// "Rebase makes the equity after it the reference of all that it moved": whose outcomes only
// paid each other keeps what it has lost elsewhere, and so does a portfolio in which nothing
// else was corrected.
func TestARebaseIsOfWhatTheCorrectionMoved(t *testing.T) {
	for _, other := range []bool{false, true} {
		h := second(t, "1000", quietPolicy)
		h.deposit("1000")
		h.bot("b", "1000")
		h.exclusive("rain", "YES", "NO")
		h.fee("a", "90")
		h.fee("b", "90")
		h.fill("a", "rain", "YES", buy, "100", "0.40")
		h.fill("a", "rain", "NO", buy, "100", "0.70")
		if other {
			h.fill("b", "rain", "YES", buy, "1", "0.40")
		}
		h.payouts("rain", "1", "0")
		correct := Correction{Market: "rain", Rebase: true, Payouts: map[string]domain.Decimal{"YES": domain.Zero, "NO": domain.One}}
		whole := h.s.Refs.Drawdown(h.s.Equity())
		h.must(func(d *Decision) error { return d.CorrectSettlement(correct, "the oracle was wrong") })
		require.Equal(t, "900", h.equityOf("a"))
		a, b := h.botOf("a"), h.botOf("b")
		h.equal("0.1", a.Refs.Drawdown(a.Equity()))
		if !other {
			h.equal("0.09", b.Refs.Drawdown(b.Equity()))
			require.Equal(t, whole, h.s.Refs.Drawdown(h.s.Equity()))
			continue
		}
		h.equal("0", b.Refs.Drawdown(b.Equity()))
		h.equal("0", h.s.Refs.Drawdown(h.s.Equity()))
	}
}
