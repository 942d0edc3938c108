package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// "Reducing = |filled position| …; closing to exactly zero is reducing. Never
// blocked by zones, limits or marks": so what was permitted to close and nothing
// else opens nothing, even if what it was to close has gone.
func TestClosingPermitNeverBecomesAShort(t *testing.T) {
	for _, market := range []string{"m", "spot"} {
		for _, reduceOnly := range []bool{true, false} {
			h := paper(t, "20")
			h.market("spot", domain.KindSpot)
			bought := h.fill("a", market, "YES", buy, "100", "0.1", provisional)
			o := order("a", market, "YES", sell, "100", "0.05")
			o.ReduceOnly = reduceOnly
			h.ask(o)
			id := stepOf[*domain.PermitGranted](h)[0].Permit
			h.place(id)
			h.void(bought)
			require.False(t, h.s.Permits[id].Reserved.IsZero(), "the worst case of what may still be filled")
			h.fill("a", market, "YES", sell, "60", "0.05", withPermit(id))
			require.Equal(t, []string{domain.FlagPermitExceeded, domain.FlagOversold}, h.flags())
			h.fill("a", market, "YES", sell, "40", "0.05", withPermit(id))
			require.Equal(t, []string{domain.FlagPermitExceeded, domain.FlagOversold}, h.flags())
		}
	}
	// A perp is never oversold, but its short was not permitted either.
	h := paper(t, "1000")
	h.market("perp", domain.KindPerp)
	bought := h.fill("a", "perp", "X", buy, "1", "100", provisional)
	id := h.permit("a", "perp", "X", sell, "1", "100")
	h.void(bought)
	h.fill("a", "perp", "X", sell, "1", "100", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitExceeded}, h.flags())
	// Nor does a buy that was to close a short become a long in a blocked zone.
	h = paper(t, "100")
	sold := h.fill("a", "m", "YES", sell, "10", "0.5", provisional)
	id = h.permit("a", "m", "YES", buy, "10", "0.9")
	h.void(sold)
	h.fill("a", "m", "YES", buy, "10", "0.9", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitExceeded}, h.flags())
}

// A flip opens what it was granted, and not one step more.
func TestFlipOpensWhatItWasGranted(t *testing.T) {
	for _, c := range []struct {
		taken  string // by another fill
		within bool
	}{{"", true}, {tiny, false}} {
		h := paper(t, "100")
		h.fill("a", "m", "YES", buy, "6", "0.5")
		id := h.permit("a", "m", "YES", sell, "10", "0.5")
		if c.taken != "" {
			h.fill("a", "m", "YES", sell, c.taken, "0.5")
		}
		h.fill("a", "m", "YES", sell, "10", "0.5", withPermit(id))
		require.Equal(t, c.within, len(h.flags()) == 0, "%v", h.flags())
	}
}

// perp is a bot with 1000 of a large portfolio and a perp market to trade; it may
// close whatever trips.
func perp(t testingT) *harness {
	h := newHarness(t).open(domain.ModePaper, quietPolicy, func(p *domain.Policy) { p.ClosePositionsOnTrip = true })
	h.deposit("1000000")
	h.bot("a", "1000")
	h.market("perp", domain.KindPerp)
	h.mark("perp", "X", "100")
	return h
}

// A sell is filled at its limit or better: what an opening one of a perp may cost
// is known by its mark, where that lies above the limit, and without one not at
// all.
func TestAPerpShortIsReservedAtItsMark(t *testing.T) {
	h := perp(t)
	h.denied(domain.ReasonInsufficientCash, order("a", "perp", "X", sell, "10.000000000000000001", "1"))
	id := h.permit("a", "perp", "X", sell, "10", "1")
	h.equal("1000", lastOf[*domain.PermitGranted](h).Reserved)
	h.fill("a", "perp", "X", sell, "4", "100", withPermit(id))
	require.Empty(t, h.flags())
	h.equal("600", h.s.Permits[id].Reserved, "what is left keeps its worst case")
	h.market("unmarked", domain.KindPerp)
	h.release(id)
	h.must(func(d *Decision) error { return d.Allocate("a", dec("100")) })
	h.denied(domain.ReasonStaleMark, order("a", "unmarked", "X", sell, tiny, "1"))
}

// "notional ≤ bot cash − reservations": what a short brought in is not the bot's
// to spend, and as much again is its margin.
func TestProceedsOfAShortAreNotFree(t *testing.T) {
	h := perp(t)
	id := h.permit("a", "perp", "X", sell, "10", "100")
	require.Equal(t, "0", h.free("a"))
	h.fill("a", "perp", "X", sell, "10", "100", withPermit(id))
	require.Equal(t, []string{"2000", "0"}, []string{h.botOf("a").Cash.String(), h.free("a")})
	h.denied(domain.ReasonInsufficientCash, order("a", "perp", "X", sell, "20", "100"))
	h.denied(domain.ReasonInsufficientCash, order("a", "perp", "X", sell, tiny, "100"))
	h.denied(domain.ReasonInsufficientCash, order("a", "m", "YES", buy, "0.000000000000000002", "0.5"))
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("a", dec("-"+tiny)) })
	h.mark("perp", "X", "50")
	require.Equal(t, "0", h.free("a"), "a gain is free when it is made")
	h.mark("perp", "X", "150")
	require.Equal(t, "-500", h.free("a"))
	// Oversold spot likewise.
	h = perp(t)
	h.market("spot", domain.KindSpot)
	h.fill("a", "spot", "X", sell, "4", "100")
	require.Equal(t, "600", h.free("a"))
}

// Buying a short back stays possible, in whole or in part, wherever its mark went
// within the capital.
func TestBuyingAPerpBack(t *testing.T) {
	for _, price := range []string{"50", "100", "150", "200"} {
		for _, part := range []string{"10", "5", "1", tiny} {
			h := perp(t)
			h.fill("a", "perp", "X", sell, "10", "100", withPermit(h.permit("a", "perp", "X", sell, "10", "100")))
			h.mark("perp", "X", price)
			before := h.free("a")
			id := h.permit("a", "perp", "X", buy, part, price)
			require.Equal(t, before, h.free("a"), "its cover pays for it")
			h.fill("a", "perp", "X", buy, part, price, withPermit(id))
			require.NotContains(t, h.flags(), domain.FlagPermitExceeded)
			require.False(t, dec(h.free("a")).Less(dec(before)))
		}
	}
	h := perp(t)
	h.fill("a", "perp", "X", sell, "10", "100", withPermit(h.permit("a", "perp", "X", sell, "10", "100")))
	h.mark("perp", "X", "250")
	h.permit("a", "perp", "X", buy, "8", "250")
	require.Equal(t, "0", h.denied(domain.ReasonInsufficientCash, order("a", "perp", "X", buy, "1", "250")).Limit, "2000 of cash are spoken for")
	h.after(time.Minute)
	h.ask(order("a", "perp", "X", buy, "12", "250")) // closes, then opens
	require.Contains(t, h.reasons(), domain.ReasonInsufficientCash)
	h.denied(domain.ReasonInsufficientCash, order("a", "perp", "X", buy, "8.000000000000000001", "250"))
}

// "Buying a short back may use the part of its cover that belongs to what closes", for what
// it opens besides and for its fee too, to the last cent: 4000 are left once the cover is
// free.
func TestBuyingBackAndMoreOfAnOverdrawnShort(t *testing.T) {
	for fee, allowed := range map[string]bool{"7": true, "7.01": false, "7.000000000000000001": false} {
		h := perp(t)
		h.fill("a", "perp", "X", sell, "30", "100") // without a permit
		require.Equal(t, "-2000", h.free("a"), "4000 of cash, 6000 of cover")
		o, named := order("a", "perp", "X", buy, "33", "121"), dec(fee)
		h.must(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Fee: &named}) })
		granted := stepOf[*domain.PermitGranted](h)
		require.Equal(t, allowed, len(granted) == 1, "a fee of %s: %v", fee, h.step)
		if !allowed {
			require.Equal(t, []domain.ReasonCode{domain.ReasonInsufficientCash}, h.reasons())
			continue
		}
		require.Equal(t, "-2007", h.free("a"), "the fee is not covered before it is filled")
		h.fill("a", "perp", "X", buy, "33", "121", withPermit(granted[0].Permit), withFee(fee))
		require.Equal(t, "0", h.free("a"))
		h.check()
	}
}

// Whatever a bot is permitted to sell of a perp, while its price stands still it
// is never short of more than its capital.
func TestNoStormOfShortsOutgrowsTheCapital(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := perp(t)
		for range 12 {
			o := order("a", "perp", fmt.Sprint("X", rapid.IntRange(0, 1).Draw(t, "instrument")), rapid.SampledFrom([]domain.Side{sell, sell, buy}).Draw(t, "side"), "1", "100")
			o.Quantity = dec(rapid.SampledFrom([]string{"1", "2", "5", "10", "20"}).Draw(t, "quantity"))
			h.ask(o)
			if granted := stepOf[*domain.PermitGranted](h); len(granted) > 0 && rapid.IntRange(0, 4).Draw(t, "filled") > 0 {
				h.fill("a", "perp", o.Outcome, o.Side, o.Quantity.String(), "100", withPermit(granted[0].Permit))
			}
			short := domain.Zero
			for _, in := range h.s.Instruments {
				if held := in.Holding("a"); held != nil {
					short = short.Add(held.Quantity.Min(domain.Zero).Abs().Mul(dec("100")))
				}
			}
			require.False(t, dec("1000").Less(short), "short of %s", short)
			require.False(t, dec(h.free("a")).Sign() < 0)
		}
	})
}

// "Buying a short back may use the part of its cover that belongs to the closed part": there
// is one cover, however many orders may close the short. A split leaves D as it is, so all of
// them reduce, and makes the short, and with it the cover, smaller.
func TestOneCoverPaysForOneOrder(t *testing.T) {
	short := func() *harness {
		h := second(t, "400", quietPolicy, func(p *domain.Policy) { p.BlockedZones = nil })
		h.exclusive("rain", "YES", "NO")
		sold := h.grant(order("a", "rain", "YES", sell, "1000", "0.65"))
		h.fill("a", "rain", "YES", sell, "1000", "0.65", withPermit(sold.Permit))
		require.Empty(t, h.flags())
		return h
	}
	covered := func(h *harness) {
		reserved := domain.Zero
		for _, p := range h.s.Permits {
			reserved = reserved.Add(p.Reserved)
		}
		require.False(t, h.botOf("a").Cash.Less(reserved), "%s reserved of %s", reserved, h.botOf("a").Cash)
		require.False(t, h.s.freeCash(h.botOf("a"), h.now).Sign() < 0)
	}
	h := short()
	h.must(h.sets("a", "rain", domain.SplitSets, "900", "s1"))
	h.equal("150", h.botOf("a").Cash)
	h.grant(order("a", "rain", "YES", buy, "100", "0.95"))
	for range 9 {
		h.denied(domain.ReasonInsufficientCash, order("a", "rain", "YES", buy, "100", "0.95"))
	}
	covered(h)

	// "Cash is reserved for each" of a group.
	h = short()
	for n, limit := range []string{"0.5", "0.66", "0.67"} {
		o := order("a", "rain", "YES", buy, "1000", limit)
		o.ReduceOnly, o.Group = true, "g"
		if h.ask(o); n == 0 {
			require.Empty(t, h.reasons())
		} else {
			require.Equal(t, []domain.ReasonCode{domain.ReasonInsufficientCash}, h.reasons())
		}
		h.after(time.Second)
	}
	covered(h)

	// What is closed in parts takes its parts of the cover, as before.
	h = short()
	for range 4 {
		h.grant(order("a", "rain", "YES", buy, "250", "1"))
	}
	covered(h)
}
