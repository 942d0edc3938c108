package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// What a bot's own key can invent must not bind the others.

// byKey records a fill by the key of a bot, which names no permit: its own word.
func (h *harness) byKey(bot, market, outcome string, side domain.Side, quantity, price string, options ...fillOption) domain.FillID {
	h.t.Helper()
	before := h.caller
	defer func() { h.caller = before }()
	return h.as(domain.RoleBot, bot).fill(bot, market, outcome, side, quantity, price, options...)
}

// invented is a live portfolio of 10,000, with the default limits, in which a has 1,000 and b
// 2,000. The market m has two outcomes.
func invented(t testingT, capital string, change ...func(*domain.Policy)) *harness {
	t.Helper()
	h := newHarness(t).open(domain.ModeLive, append([]func(*domain.Policy){func(p *domain.Policy) { p.Rules = domain.SecondRules }}, change...)...)
	h.deposit("10000")
	h.bot("a", capital)
	h.bot("b", "2000")
	h.exclusive("m", "YES", "NO")
	return h
}

// "Neither one bot's reports nor one wrong mark block marks, settlements or stops": a peak
// that a bot invented is multiplied by flows, and refuses nothing. Statistics saturate.
func TestAnInventedPeakBlocksNothing(t *testing.T) {
	h := invented(t, "1000")
	h.fill("b", "m", "YES", buy, "1500", "0.5")
	h.as(domain.RoleFeed, "feed").mark("m", "YES", "0.5")
	for _, f := range []struct {
		side            domain.Side
		quantity, price string
	}{{buy, "990000000000", "0"}, {sell, "990000000000", "1"}, {buy, "990000000000", "1"}, {sell, "990000000000", "0"}} {
		h.byKey("a", "z", "YES", f.side, f.quantity, f.price)
	}
	h.byKey("a", "z", "NO", buy, "9998", "1")
	h.byKey("a", "z", "NO", sell, "9998", "0")
	require.Equal(t, "2", h.s.Equity().String())
	h.operator().deposit("2000")
	h.operator().adjust("hot:bot/a", "9998")
	for range 8 { // more flows make it no worse
		h.operator().deposit("1000000")
		h.operator().withdraw("999999")
	}
	for key, b := range h.s.Breakers {
		if b.Status == risk.Tripped {
			h.operator().reset(key.Breaker, key.Bot, true)
		}
	}
	h.operator().clearStop()
	h.operator().start("b")
	for _, v := range []domain.Decimal{h.s.Refs.Peak, h.s.Refs.LifetimePeak, h.s.Refs.DayOpen, h.s.Refs.Max.Abs} {
		require.False(t, risk.HighestReference.Less(v), "%s", v)
	}
	h.deposit("1000")
	h.as(domain.RoleFeed, "feed").mark("m", "YES", "0.3")
	h.mark("m", "YES", "0.1")
	require.Equal(t, risk.Tripped, h.status(domain.BotDrawdown, "b"), "the fall of what b holds is seen")
	h.after(time.Minute).stoppable("")
}

// "A mark of the market is a fact": where a quantity that a bot invented would make it
// unbearable, that holding counts as 10^12, and the mark is taken for all.
func TestAnInventedQuantityBlocksNoMark(t *testing.T) {
	h := invented(t, "1000", func(p *domain.Policy) { p.BreakerStops = domain.StopBot })
	h.market("ETH", domain.KindSpot)
	h.byKey("a", "ETH", "ETH", buy, "1000000000000", "0")
	h.as(domain.RoleBot, "b")
	h.fill("b", "ETH", "ETH", buy, "0.5", "2000", withPermit(h.permit("b", "ETH", "ETH", buy, "0.5", "2000")))
	h.as(domain.RoleFeed, "feed").mark("ETH", "ETH", "2000")
	h.equal("1000000000000", h.s.holding("a", domain.Instrument{Market: "ETH", Outcome: "ETH"}).Value)
	h.equal("2000", h.botOf("b").Equity())
	h.mark("ETH", "ETH", "1000")
	h.after(11 * time.Second)
	h.mark("m", "YES", "0.5")
	h.equal("1500", h.botOf("b").Equity())
	require.Equal(t, risk.Tripped, h.status(domain.BotDrawdown, "b"), "its loss of 25 % is seen")
	h.byKey("a", "ETH", "ETH", sell, "1000000000000", "0")
	h.equal("1000", h.botOf("a").Equity(), "and the invention goes as it came")
}

// "A mark that lowers what is counted is never refused": one wrong mark does not stay.
func TestAWrongMarkCanBeCorrected(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = domain.Zero })
	h.exclusive("m", "YES", "NO")
	h.market("TOK", domain.KindSpot)
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.depositIn("hot", "TOK", "400")
	h.markAsset("TOK", "999999999999")
	h.mark("m", "YES", "0.4")
	h.depositIn("hot", "TOK", "90")
	h.mark("m", "YES", "0.5")
	h.depositIn("hot", "TOK", "11") // 501 of it
	h.refused(domain.CodeMarksRefused, func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Asset: "TOK", Price: dec("1000000000000")}})
	})
	h.markAsset("TOK", "2")
	h.equal("2002", h.s.Equity())

	h.fill("a", "TOK", "TOK", buy, "400", "1")
	h.as(domain.RoleBot, "a").mark("TOK", "TOK", "999999999999") // on paper, its word
	h.as(domain.RoleFeed, "feed").mark("TOK", "TOK", "2")
	h.mark("m", "YES", "0.3")
	h.equal("2382", h.s.Equity())
}

// The same for what a bot owes of another asset.
func TestAnInventedDebtBlocksNoMark(t *testing.T) {
	h := invented(t, "1000")
	h.operator().depositIn("hot", "ETH", "1")
	for range 2 {
		h.byKey("a", "z", "YES", buy, "1", "0.5", func(r *FillReport) { r.Fee, r.FeeAsset = dec("500000000000"), "ETH" })
	}
	h.as(domain.RoleFeed, "feed").markAsset("ETH", "2000")
	h.as(domain.RoleFeed, "second").markAsset("ETH", "2000")
	h.equal("-1000000000000", h.botOf("a").OtherValue)
	h.equal("2000", h.s.Equity().Add(dec("1000000000000")).Sub(dec("10000")))
	h.operator().depositIn("hot", "ETH", "1")
	h.stoppable("")
}

// "In a halt of a live portfolio a bot's own word gives it nothing to reduce": a sale that
// can be voided leaves nothing flat.
func TestAnInventedSaleOpensNothingInAHalt(t *testing.T) {
	for _, confirmed := range []bool{false, true} {
		h := invented(t, "2000", func(p *domain.Policy) { p.BlockedZones = nil })
		h.as(domain.RoleBot, "a")
		for _, outcome := range []string{"YES", "NO"} {
			h.fill("a", "m", outcome, buy, "500", "0.5", withPermit(h.permit("a", "m", outcome, buy, "500", "0.5")))
		}
		h.halt()
		sale := h.fill("a", "m", "NO", sell, "500", "0.5", provisional)
		h.equal("-500", h.s.holding("a", domain.Instrument{Market: "m", Outcome: "NO"}).OwnWord)
		require.Contains(t, h.would(order("a", "m", "YES", sell, "500", "0.4")), domain.ReasonBotStopped)
		require.Empty(t, h.operator().would(order("a", "m", "YES", sell, "500", "0.4")))
		h.as(domain.RoleBot, "a")
		if confirmed {
			h.must(func(d *Decision) error { return d.ConfirmFill(sale, "m") })
			require.Empty(t, h.would(order("a", "m", "YES", sell, "500", "0.4")), "it cannot be voided any more")
			continue
		}
		h.must(func(d *Decision) error { return d.VoidFill(sale, "m") })
		require.Contains(t, h.would(order("a", "m", "YES", sell, "500", "0.4")), domain.ReasonBotStopped)
	}
}

// The same after a late registration, which joins what is held under two names: the word of
// both is kept, and what both weigh counts once.
func TestALateRegistrationKeepsWhatIsAWord(t *testing.T) {
	h := invented(t, "2000", func(p *domain.Policy) { p.RegisteredOnly = false })
	h.byKey("a", "late", "NO", buy, "100", "0.1")
	h.byKey("a", "late", "!YES", buy, "200", "0.1")
	h.operator().exclusive("late", "YES", "NO")
	no := h.s.holding("a", domain.Instrument{Market: "late", Outcome: "NO"})
	h.equal("300", no.Quantity)
	h.equal("300", no.OwnWord)
	h.equal("300", h.botOf("a").claims)
	h.halt()
	require.Contains(t, h.would(order("a", "late", "NO", sell, "300", "0.4")), domain.ReasonBotStopped)
}

// "Any word in live earns nothing": where a purchase that flips a bot's own short earns
// something at any price, it is marked where it earns least.
func TestAFlippedShortEarnsLeast(t *testing.T) {
	for _, market := range []string{"m", "other"} {
		h := invented(t, "2000", func(p *domain.Policy) { quietPolicy(p); p.RegisteredOnly = false })
		for range 3 {
			h.byKey("a", market, "YES", sell, "1000", "0.9")
			was := h.botOf("a").Equity()
			h.byKey("a", market, "YES", buy, "2000", "0.1")
			h.equal("700", h.botOf("a").Equity().Sub(was), "what closing the short at .1 earned in cash, and nothing for what it opened")
			h.byKey("a", market, "YES", sell, "1000", "0")
		}
	}
}

// "What one bot has is at most 10^12", also what it owes of an asset that has no mark.
func TestWhatIsOwedWithoutAMarkIsBounded(t *testing.T) {
	h := invented(t, "1000")
	eth := func(fee string) func(*FillReport) {
		return func(r *FillReport) { r.Fee, r.FeeAsset = dec(fee), "ETH" }
	}
	h.byKey("a", "z", "YES", buy, "1", "0.5", eth("999999999999"))
	h.as(domain.RoleBot, "a")
	err := h.refused(domain.CodeInvalid, h.recordFill(h.report("a", "z", "YES", buy, "1", "0.5", eth("1.000001"))))
	require.ErrorContains(t, err, "The bound is 10^12")
	h.byKey("a", "z", "YES", buy, "1", "0.5", eth("1"))
	h.operator().depositIn("hot", "ETH", "2")
	h.adjust("hot:treasury", "-2", "ETH")
	h.adjust("hot:bot/a", "2", "ETH")
	h.byKey("a", "z", "YES", buy, "1", "0.5", eth("1"))
}

// "A void is as if the fill had never been": a loss that waited for what an invented fill left
// in the market counts at once when that is voided, and trips.
func TestAnInventedFillHidesNoStreak(t *testing.T) {
	h := invented(t, "2000", func(p *domain.Policy) { p.BlockedZones = nil })
	h.exclusive("abc", "A", "B", "C")
	h.as(domain.RoleBot, "a")
	for range 2 {
		h.fill("a", "abc", "A", buy, "10", "0.4", withPermit(h.permit("a", "abc", "A", buy, "10", "0.4")))
		h.fill("a", "abc", "A", sell, "10", "0.39")
	}
	require.Equal(t, 2, h.botOf("a").Streak.Losses)
	h.fill("a", "abc", "A", buy, "10", "0.4", withPermit(h.permit("a", "abc", "A", buy, "10", "0.4")))
	lie := h.fill("a", "abc", "C", buy, "1", "0.2", provisional)
	h.operator().settle("abc", "A", "0")
	require.Equal(t, 2, h.botOf("a").Streak.Losses)
	h.as(domain.RoleBot, "a").must(func(d *Decision) error { return d.VoidFill(lie, "abc") })
	require.Equal(t, 3, h.botOf("a").Streak.Losses)
	require.Equal(t, risk.Tripped, h.status(domain.ConsecutiveLosses, "a"))
}

// "A bot has at most one arbitrage with a leg in a blocked zone that is neither complete nor
// closed": a leg whose fill can be voided is not complete.
func TestAnArbitrageIsNotCompleteByWhatCanBeVoided(t *testing.T) {
	h := invented(t, "2000", func(p *domain.Policy) { p.BlockedZones = []int{3} })
	ask := func() []domain.ReasonCode {
		h.must(func(d *Decision) error {
			return d.AskArbitrage(ArbitrageRequest{Bot: "a", Legs: []PermitRequest{
				{Order: order("a", "m", "YES", buy, "500", "0.5"), Fee: new(domain.Decimal)}, {Order: order("a", "m", "NO", buy, "500", "0.45"), Fee: new(domain.Decimal)},
			}})
		})
		var codes []domain.ReasonCode
		for _, e := range stepOf[*domain.ArbitrageDenied](h) {
			for _, r := range e.Reasons {
				codes = append(codes, r.Code)
			}
		}
		return codes
	}
	h.as(domain.RoleBot, "a")
	require.Empty(t, ask())
	legs := lastOf[*domain.ArbitragePermitted](h).Permits
	yes := h.fill("a", "m", "YES", buy, "500", "0.5", withPermit(legs[0]), provisional)
	no := h.fill("a", "m", "NO", buy, "500", "0.45", withPermit(legs[1]), provisional)
	require.Contains(t, ask(), domain.ReasonArbitrageOpen)
	for _, id := range []domain.FillID{yes, no} {
		h.must(func(d *Decision) error { return d.ConfirmFill(id, "m") })
	}
	require.Empty(t, ask())
}

// "A voided fill reported confirmed under a new key lives again": the same fill is within its
// permit as it was, takes nothing more of it, and is not the bot's own word.
func TestAReinstatedFillIsByItsPermit(t *testing.T) {
	for _, whole := range []bool{false, true} {
		h := invented(t, "2000")
		h.as(domain.RoleBot, "a")
		quantity := "60"
		if whole {
			quantity = "100"
		}
		p := h.permit("a", "m", "YES", buy, "100", "0.5")
		r := h.report("a", "m", "YES", buy, quantity, "0.5", withPermit(p), provisional)
		h.must(h.recordFill(r))
		h.must(func(d *Decision) error { return d.VoidFill(r.FillID, "m") })
		r.Status = domain.FillConfirmedStatus
		h.must(h.recordFill(r))
		e := lastOf[*domain.FillReinstated](h)
		require.Empty(t, e.Flags)
		require.False(t, e.OwnWord)
		if !whole {
			h.fill("a", "m", "YES", buy, "40", "0.5", withPermit(p))
			require.Empty(t, h.flags(), "the rest of it")
		}
		h.equal("0", h.s.holding("a", r.Instrument).OwnWord)
		require.Nil(t, h.s.Permits[p])
	}
	h := invented(t, "2000") // another fill under its name is judged as any other
	h.as(domain.RoleBot, "a")
	r := h.report("a", "m", "YES", buy, "60", "0.5", withPermit(h.permit("a", "m", "YES", buy, "100", "0.5")), provisional)
	h.must(h.recordFill(r))
	h.must(func(d *Decision) error { return d.VoidFill(r.FillID, "m") })
	r.Status, r.Quantity = domain.FillConfirmedStatus, dec("61")
	h.must(h.recordFill(r))
	require.Equal(t, []string{domain.FlagPermitExceeded}, lastOf[*domain.FillReinstated](h).Flags)
}

// "Oversold: what is short after the fill, as far as no permit was granted to open it." A sale
// that lives again after its permit is over, and after the shares were sold elsewhere, is
// recorded, and is short without a permit.
func TestAReinstatedSaleWithoutItsPermitOversells(t *testing.T) {
	h := invented(t, "2000")
	h.as(domain.RoleBot, "a")
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(h.permit("a", "m", "YES", buy, "10", "0.5")))
	p := h.permit("a", "m", "YES", sell, "10", "0.5")
	r := h.report("a", "m", "YES", sell, "10", "0.5", withPermit(p), provisional)
	h.must(h.recordFill(r))
	h.must(func(d *Decision) error { return d.VoidFill(r.FillID, "m") })
	require.Nil(t, h.s.Permits[p], "it was used up")
	h.fill("a", "m", "YES", sell, "10", "0.5", withPermit(h.permit("a", "m", "YES", sell, "10", "0.5")))
	r.Status = domain.FillConfirmedStatus
	h.must(h.recordFill(r))
	require.Equal(t, []string{domain.FlagOversold}, lastOf[*domain.FillReinstated](h).Flags)
	h.equal("-10", h.s.holding("a", r.Instrument).Quantity)
}
