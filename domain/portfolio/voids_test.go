package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// “status is confirmed by default; provisional counts at once and can
// be confirmed or voided; voiding a confirmed fill is 409.”
func TestFillStatus(t *testing.T) {
	h := trading(t)
	confirmed := h.fill("a", "m", "YES", buy, "10", "0.5")
	require.Equal(t, domain.FillConfirmedStatus, lastOf[*domain.FillRecorded](h).Status)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.VoidFill(confirmed, "") })
	id := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.equal("20", h.position("a", "m", "YES").Quantity, "counts at once")
	h.equal("990", h.balance("hot:bot/a"))
	h.confirm(id)
	require.Equal(t, []string{"fill.confirmed"}, h.types())
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.VoidFill(id, "") })
	h.confirm(id)
	require.Equal(t, []string{"command.noted"}, h.types())
	h.confirm(confirmed)
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ConfirmFill(domain.FillID{Bot: "a", TradeID: "never"}, "") })
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ConfirmFill(domain.FillID{Bot: "zz", TradeID: "never"}, "") })
	voided := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.void(voided)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.ConfirmFill(voided, "") })
	h.void(voided)
	require.Equal(t, []string{"command.noted"}, h.types())
}

// A confirmation is no performance: it moves nothing but the right to void.
func TestConfirmMovesNothing(t *testing.T) {
	h := trading(t)
	id := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	require.Empty(t, h.changed(func() { h.confirm(id) }))
	require.Empty(t, h.s.Provisional)
	require.Empty(t, h.s.Instruments[domain.Instrument{Market: "m", Outcome: "YES"}].Holding("a").Tail)
}

// “…/void refolds that position as if the fill had never been, posts
// the difference in the same append”.
func TestVoidPostsTheDifference(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.4")
	id := h.fill("a", "m", "YES", buy, "10", "0.6", provisional, withFee("0.5"))
	h.fill("a", "m", "YES", sell, "5", "0.8")
	h.equal("7.5", h.position("a", "m", "YES").Cost)
	got := h.changed(func() { h.void(id) })
	require.Equal(t, map[string]string{
		"hot:bot/a": "6.5", "expense:fees/a": "-0.5", "position:bot/a/m/YES": "-5.5", "income:trading/a": "-0.5",
	}, got)
	require.Equal(t, []string{"fill.voided"}, h.types())
	h.equal("2", h.position("a", "m", "YES").Cost)
	h.equal("5", h.position("a", "m", "YES").Quantity)
}

// “trade.revised{trade, before, after|open} corrects trades,
// statistics and the streak since its last reset.”
func TestVoidRevisesTrades(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.4")
	id := h.fill("a", "m", "YES", buy, "10", "0.8", provisional)
	h.fill("a", "m", "YES", sell, "10", "0.5")
	h.fill("a", "m", "YES", sell, "10", "0.5")
	require.Equal(t, domain.Loss, lastOf[*domain.TradeClosed](h).Result)
	trade := lastOf[*domain.TradeClosed](h).Trade
	require.Equal(t, 1, h.botOf("a").Streak.Losses)
	h.void(id)
	require.Equal(t, []string{"fill.voided", "trade.revised"}, h.types())
	e := lastOf[*domain.TradeRevised](h)
	require.Equal(t, trade, e.Trade)
	h.equal("-2", e.Before.PnL)
	require.NotNil(t, e.After)
	h.equal("1", e.After.PnL)
	require.Equal(t, domain.Win, e.After.Result)
	require.False(t, e.Open || e.Void)
	b := h.botOf("a")
	require.Equal(t, []int{1, 1, 0, 0}, []int{b.Trades, b.Wins, b.Losses, b.Streak.Losses})
	h.equal("-10", h.position("a", "m", "YES").Quantity, "the last sale sold what was never bought")
	require.True(t, h.s.Instruments[domain.Instrument{Market: "m", Outcome: "YES"}].Holding("a").Oversold)
}

// A voided closing fill opens its trade again; closed anew, it keeps its name.
func TestVoidReopens(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.fill("a", "m", "YES", sell, "10", "0.4", provisional)
	trade := lastOf[*domain.TradeClosed](h).Trade
	require.Equal(t, 1, h.botOf("a").Streak.Losses)
	h.void(id)
	e := lastOf[*domain.TradeRevised](h)
	require.True(t, e.Open)
	require.Nil(t, e.After)
	require.False(t, e.Void)
	require.Equal(t, []int{0, 0, 0}, []int{h.botOf("a").Trades, h.botOf("a").Losses, h.botOf("a").Streak.Losses})
	require.Equal(t, trade, h.position("a", "m", "YES").Episode.Trade)
	require.Equal(t, 1, h.botOf("a").Positions)
	h.fill("a", "m", "YES", sell, "10", "0.6")
	require.Equal(t, trade, lastOf[*domain.TradeClosed](h).Trade)
	require.Equal(t, []int{1, 1, 0}, []int{h.botOf("a").Trades, h.botOf("a").Wins, h.botOf("a").Streak.Losses})
}

// “episodes that merge keep the first trade's id (the others are
// revised to void)”.
func TestVoidMerges(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	first := h.position("a", "m", "YES").Episode.Trade
	id := h.fill("a", "m", "YES", sell, "10", "0.6", provisional)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	second := h.position("a", "m", "YES").Episode.Trade
	h.fill("a", "m", "YES", sell, "10", "0.3")
	h.void(id)
	revised := stepOf[*domain.TradeRevised](h)
	require.Len(t, revised, 2)
	require.Equal(t, []string{first, second}, []string{revised[0].Trade, revised[1].Trade})
	require.True(t, revised[0].Open)
	require.True(t, revised[1].Void)
	require.Nil(t, revised[1].After)
	require.Equal(t, first, h.position("a", "m", "YES").Episode.Trade)
	require.Equal(t, 0, h.botOf("a").Trades)
	h.equal("10", h.position("a", "m", "YES").Quantity)
	h.equal("5", h.position("a", "m", "YES").Cost)
}

// A void can split an episode in two, and can close one.
func TestVoidSplitsAndCloses(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.fill("a", "m", "YES", sell, "15", "0.6")
	flipper := h.s.Next - 1
	h.void(id)
	require.Equal(t, []string{"fill.voided", "trade.closed"}, h.types())
	closed := lastOf[*domain.TradeClosed](h)
	require.Equal(t, domain.ClosedByVoid, closed.ClosedBy)
	h.equal("1", closed.PnL)
	h.equal("-5", h.position("a", "m", "YES").Quantity)
	require.Equal(t, domain.TradeName(flipper), h.position("a", "m", "YES").Episode.Trade)

	h = trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id = h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.fill("a", "m", "YES", sell, "10", "0.6")
	h.void(id)
	h.equal("1", lastOf[*domain.TradeClosed](h).PnL)
	require.Equal(t, 0, h.botOf("a").Positions)
}

// A flip that is voided gives back the position it closed.
func TestVoidOfAFlip(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	trade := h.position("a", "m", "YES").Episode.Trade
	id := h.fill("a", "m", "YES", sell, "30", "0.6", provisional, withFee("3"))
	h.equal("-20", h.position("a", "m", "YES").Quantity)
	h.fill("a", "m", "YES", buy, "5", "0.5")
	h.void(id)
	p := h.position("a", "m", "YES")
	h.equal("15", p.Quantity)
	h.equal("7.5", p.Cost)
	require.Equal(t, trade, p.Episode.Trade)
	h.equal("0", p.Episode.Fees)
	require.True(t, lastOf[*domain.TradeRevised](h).Open)
}

// The void of the fill that opened the episode leaves it its name.
func TestVoidOfTheOpeningFill(t *testing.T) {
	h := trading(t)
	id := h.fill("a", "m", "YES", buy, "10", "0.4", provisional)
	trade := h.position("a", "m", "YES").Episode.Trade
	h.fill("a", "m", "YES", buy, "10", "0.6")
	h.void(id)
	p := h.position("a", "m", "YES")
	require.Equal(t, trade, p.Episode.Trade)
	h.equal("10", p.Quantity)
	h.equal("6", p.Cost)
	id = h.fill("a", "n", "YES", buy, "10", "0.4", provisional)
	h.void(id)
	require.Equal(t, 1, h.botOf("a").Positions)
	h.equal("0", h.position("a", "n", "YES").Quantity)
	require.Equal(t, []string{"fill.voided"}, h.types(), "an open trade that never closed needs no revision")
}

// Voids in any order come to the same.
func TestVoidsOutOfOrder(t *testing.T) {
	run := func(voids ...int) (string, []int) {
		h := trading(t)
		ids := []domain.FillID{
			h.fill("a", "m", "YES", buy, "10", "0.5", provisional),
			h.fill("a", "m", "YES", sell, "4", "0.6", provisional),
			h.fill("a", "m", "YES", sell, "6", "0.3", provisional),
		}
		h.fill("a", "m", "YES", buy, "3", "0.2")
		h.fill("a", "m", "YES", sell, "3", "0.4")
		for _, n := range voids {
			h.void(ids[n])
		}
		b := h.botOf("a")
		return h.balance("hot:bot/a").String() + " " + h.position("a", "m", "YES").Quantity.String() + " " + h.position("a", "m", "YES").Cost.String(),
			[]int{b.Trades, b.Wins, b.Losses, b.Positions, b.Streak.Losses}
	}
	for _, orders := range [][][]int{{{0, 1}, {1, 0}}, {{0, 2}, {2, 0}}, {{1, 2}, {2, 1}}, {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}} {
		money, counts := run(orders[0]...)
		for _, order := range orders[1:] {
			m, c := run(order...)
			require.Equal(t, money, m, "%v", order)
			require.Equal(t, counts, c, "%v", order)
		}
	}
	money, counts := run(0, 1, 2)
	require.Equal(t, "1000.6 0 0", money, "only the last two fills ever were")
	require.Equal(t, []int{1, 1, 0, 0, 0}, counts)
}

// “A void of an unknown id is kept, and its fill then posts nothing.”
func TestVoidOfUnknownFill(t *testing.T) {
	for _, status := range []fillOption{provisional, func(*FillReport) {}} {
		h := trading(t)
		r := h.report("a", "m", "YES", buy, "10", "0.5", status, withFee("1"))
		h.void(r.FillID)
		require.True(t, lastOf[*domain.FillVoided](h).Unknown)
		h.void(r.FillID)
		require.Equal(t, []string{"command.noted"}, h.types())
		require.Empty(t, h.changed(func() { h.must(func(d *Decision) error { return d.RecordFill(r) }) }))
		require.Equal(t, []string{"fill.recorded"}, h.types())
		require.Equal(t, []string{domain.FlagVoided}, h.flags())
		require.Nil(t, h.markOf("m", "YES"), "it marks nothing either")
		h.must(func(d *Decision) error { return d.RecordFill(r) })
		require.Equal(t, []string{"command.noted"}, h.types())
		other := r
		other.Quantity = dec("11")
		h.refused(domain.CodeTradeIDConflict, func(d *Decision) error { return d.RecordFill(other) })
		h.refused(domain.CodeConflict, func(d *Decision) error { return d.ConfirmFill(r.FillID, "") })
		h.void(r.FillID)
		require.Equal(t, []string{"command.noted"}, h.types())
	}
}

// A voided fill that is reported again stays voided.
func TestVoidedFillAgain(t *testing.T) {
	h := trading(t)
	r := h.report("a", "m", "YES", buy, "10", "0.5", provisional)
	record := func(d *Decision) error { return d.RecordFill(r) }
	h.must(record)
	h.void(r.FillID)
	require.Empty(t, h.changed(func() { h.must(record) }))
	require.Equal(t, []string{"command.noted"}, h.types())
}

func TestVoidRefusals(t *testing.T) {
	h := trading(t)
	for _, id := range []domain.FillID{{Bot: "a"}, {Bot: "a", TradeID: "x", Leg: -1}, {Bot: "a", TradeID: "x", Leg: 1001}, {Bot: "a", TradeID: "x", Venue: "\x01"}, {Bot: "a b", TradeID: "x"}} {
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.VoidFill(id, "") })
	}
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.VoidFill(domain.FillID{Bot: "zz", TradeID: "x"}, "") })
	h.trade("a", "5")
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.VoidFill(domain.FillID{Bot: "a", TradeID: "r1", Leg: domain.ReportedLeg}, "")
	})
}

// “The mark goes back unless a later one exists”.
func TestMarkGoesBack(t *testing.T) {
	price := func(h *harness) string {
		if m := h.markOf("m", "YES"); m != nil {
			return m.Price.String()
		}
		return "none"
	}
	h := trading(t)
	id := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.void(id)
	require.Equal(t, "none", price(h))
	h.mark("m", "YES", "0.3")
	marked := h.markOf("m", "YES").Time
	id = h.after(time.Minute).fill("a", "m", "YES", buy, "10", "0.5", provisional)
	require.Equal(t, "0.5", price(h))
	h.void(id)
	require.Equal(t, "0.3", price(h))
	require.Equal(t, marked, h.markOf("m", "YES").Time, "and is as old as it was")
	id = h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.mark("m", "YES", "0.7")
	h.void(id)
	require.Equal(t, "0.7", price(h), "a later one exists")
	first := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	second := h.fill("b", "m", "YES", buy, "10", "0.6", provisional)
	h.void(first)
	require.Equal(t, "0.6", price(h), "a later one exists, another bot's")
	h.void(second)
	require.Equal(t, "0.7", price(h), "and now there is none any more")
	first = h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	second = h.fill("b", "m", "YES", buy, "10", "0.6", provisional)
	h.confirm(first)
	h.void(second)
	require.Equal(t, "0.5", price(h), "the mark of a confirmed fill")
	first = h.fill("a", "m", "YES", buy, "10", "0.2", provisional)
	h.settle("m", "YES", "1")
	h.void(first)
	require.Equal(t, "1", price(h), "the payout is the last mark")
}

// The value of what other bots hold goes back with the mark.
func TestMarkGoesBackForAll(t *testing.T) {
	h := trading(t)
	h.fill("b", "m", "YES", buy, "100", "0.5")
	id := h.fill("a", "m", "YES", buy, "10", "0.4", provisional)
	h.equal("990", h.botOf("b").Equity())
	h.void(id)
	h.equal("1000", h.botOf("b").Equity())
	h.equal("2500", h.s.Equity())
}

// “peaks and day-opens are not refolded”.
func TestVoidLeavesReferences(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "100", "0.5")
	id := h.fill("b", "m", "YES", buy, "1", "0.9", provisional) // marks a's 100 at 0.9
	h.equal("2540", h.s.Refs.Peak)
	h.after(24*time.Hour).mark("x", "YES", "0.5")
	h.equal("2540", h.s.Refs.DayOpen)
	h.void(id)
	h.equal("2500", h.s.Equity())
	h.equal("2540", h.s.Refs.Peak)
	h.equal("2540", h.s.Refs.DayOpen)
	h.equal("1040", h.botOf("a").Refs.Peak)
	h.equal("2540", h.s.Refs.LifetimePeak)
}

// “revised trades keep their place in the order”; the streak counts
// them there, since its last reset.
func TestRevisedTradeKeepsItsPlace(t *testing.T) {
	lossThen := func(h *harness) domain.FillID {
		h.fill("a", "m", "YES", buy, "10", "0.5")
		id := h.fill("a", "m", "YES", sell, "5", "0.1", provisional)
		h.fill("a", "m", "YES", sell, "5", "0.6")
		return id // without it the trade is open
	}
	h := trading(t)
	h.trade("a", "-1")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.fill("a", "m", "YES", buy, "10", "0.9", provisional)
	h.fill("a", "m", "YES", sell, "20", "0.6") // −2, without the void fill +1 and a short
	h.trade("a", "-1")
	h.trade("a", "-1")
	require.Equal(t, 4, h.botOf("a").Streak.Losses)
	h.void(id)
	require.Equal(t, 1, lastOf[*domain.TradeRevised](h).Number, "the second of four")
	require.Equal(t, 2, h.botOf("a").Streak.Losses, "a win in its old place, two losses after it")
	h = trading(t)
	id = lossThen(h)
	require.Equal(t, 1, h.botOf("a").Streak.Losses)
	h.void(id)
	require.Equal(t, 0, h.botOf("a").Streak.Losses, "open: no trade")
}

// A reset is a person's word on all that came before it: no void counts there.
func TestStreakSinceItsLastReset(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, func(p *domain.Policy) { p.MaxDailyLossPct, p.MaxConsecutiveLosses = dec("0.9"), 2 })
	h.deposit("2000")
	h.bot("a", "2000")
	h.trade("a", "-1")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.fill("a", "m", "YES", buy, "10", "0.9", provisional)
	h.fill("a", "m", "YES", sell, "10", "0.6")
	h.fill("a", "m", "YES", sell, "10", "0.6")
	require.Equal(t, 1, h.count(domain.BreakerTrippedType))
	h.reset(domain.ConsecutiveLosses, "a", false)
	h.trade("a", "-1")
	h.void(id)
	require.Equal(t, 1, h.botOf("a").Streak.Losses)
	require.Equal(t, []int{3, 1, 2}, []int{h.botOf("a").Trades, h.botOf("a").Wins, h.botOf("a").Losses}, "statistics are corrected all the same")
}

// “It may trip a breaker, never untrip one.”
func TestVoidTripsNeverUntrips(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, func(p *domain.Policy) { p.MaxDailyLossPct = dec("0.9") })
	h.deposit("1000")
	h.bot("a", "1000")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.fill("a", "m", "YES", buy, "10", "0.4", provisional)
	h.fill("a", "m", "YES", sell, "10", "0.48")
	h.fill("a", "m", "YES", sell, "10", "0.48")
	require.Equal(t, domain.Win, lastOf[*domain.TradeClosed](h).Result)
	h.trade("a", "-1")
	h.trade("a", "-1")
	require.Equal(t, 2, h.botOf("a").Streak.Losses)
	h.void(id) // without it the first trade lost, too
	require.Equal(t, []string{"fill.voided", "trade.revised", "breaker.tripped"}, h.types())
	trip := lastOf[*domain.BreakerTripped](h)
	require.Equal(t, domain.ConsecutiveLosses, trip.Breaker)
	require.Equal(t, h.s.Next-3, trip.Cause, "the void")
	require.EqualValues(t, "tripped", h.status(domain.ConsecutiveLosses, "a"))

	h = newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "1000")
	id = h.fill("a", "m", "YES", buy, "100", "0.6", provisional)
	h.fill("a", "m", "YES", sell, "100", "0.1")
	require.EqualValues(t, "tripped", h.status(domain.DailyLoss, ""))
	h.void(id)
	h.equal("1000", h.s.Equity())
	require.EqualValues(t, "tripped", h.status(domain.DailyLoss, ""), "a person has to reset it")
	require.Equal(t, Stopped, h.botOf("a").Status)
}

// A void can move equity down to a limit: limit − 1, limit, limit + 1.
func TestVoidMovesEquity(t *testing.T) {
	for price, trips := range map[string]bool{"0.49999999999999999": false, "0.5": true, "0.50000000000000001": true} {
		h := newHarness(t)
		h.open(domain.ModePaper, func(p *domain.Policy) { p.BreakerWarnAt = dec("0.999999") })
		h.deposit("1000")
		h.bot("a", "1000")
		id := h.fill("a", "m", "YES", sell, "100", price, provisional)
		h.settle("m", "YES", "0") // the sale earned its price
		require.Equal(t, 0, h.count(domain.BreakerTrippedType))
		h.lose("a", dec(price).Mul(dec("100")).String())
		require.Equal(t, 0, h.count(domain.BreakerTrippedType))
		h.void(id)
		require.Equal(t, trips, h.count(domain.BreakerTrippedType) > 0, "daily loss of %s at %s", h.dailyLoss(), price)
	}
}

// “as if the fill had never been”: a settlement pays what was left
// without it, also to a holder whom the fill had left with nothing.
func TestVoidAfterSettlement(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.fill("a", "m", "YES", sell, "10", "0.6", provisional)
	h.settle("m", "YES", "1")
	h.equal("1001", h.balance("hot:bot/a"))
	h.void(id)
	h.equal("0", h.position("a", "m", "YES").Quantity, "settled with the others")
	h.equal("1005", h.balance("hot:bot/a"))
	b := h.botOf("a")
	require.Equal(t, []int{1, 1, 0}, []int{b.Trades, b.Wins, b.Positions})

	h = trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id = h.fill("a", "m", "YES", sell, "10", "0.6", provisional)
	h.settle("m", "YES", "1", "b")
	h.void(id)
	h.equal("10", h.position("a", "m", "YES").Quantity, "that settlement was narrowed to another bot")
	h.settle("m", "YES", "1")
	h.equal("1005", h.balance("hot:bot/a"))

	h = trading(t)
	h.settle("m", "YES", "1", "b")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id = h.fill("a", "m", "YES", sell, "10", "0.6", provisional)
	h.settle("m", "YES", "1")
	h.void(id)
	h.equal("1005", h.balance("hot:bot/a"), "also when nobody seemed to hold it")
}

// A trade is judged by the dust of the day it closed on; a later change of
// loss_dust does not reach back, and the books of wins and losses stay right.
func TestVoidAfterDustChanged(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.fill("a", "m", "YES", buy, "10", "0.6", provisional)
	h.fill("a", "m", "YES", sell, "20", "0.545") // −0.1 of 10.9
	require.Equal(t, domain.Loss, lastOf[*domain.TradeClosed](h).Result)
	h.limits(`{"loss_dust":"0.5"}`)
	h.void(id)
	e := lastOf[*domain.TradeRevised](h)
	require.Equal(t, domain.Loss, e.Before.Result)
	require.Equal(t, domain.Win, e.After.Result, "+0.45: a win by the dust it closed under")
	b := h.botOf("a")
	require.Equal(t, []int{1, 1, 0, 0}, []int{b.Trades, b.Wins, b.Losses, b.Neutral})
}

// What a void takes away was never permitted to be short; what a permit allowed
// stays allowed.
func TestVoidOversold(t *testing.T) {
	h := trading(t)
	id := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.fill("a", "m", "YES", sell, "10", "0.6")
	require.NotContains(t, h.flags(), domain.FlagOversold)
	h.void(id)
	held := h.s.Instruments[domain.Instrument{Market: "m", Outcome: "YES"}].Holding("a")
	h.equal("-10", held.Quantity)
	require.True(t, held.Oversold)
	h = trading(t)
	h.market("perp", domain.KindPerp)
	id = h.fill("a", "perp", "x", buy, "10", "0.5", provisional)
	h.fill("a", "perp", "x", sell, "10", "0.6")
	h.void(id)
	require.False(t, h.s.Instruments[domain.Instrument{Market: "perp", Outcome: "x"}].Holding("a").Oversold)
}
