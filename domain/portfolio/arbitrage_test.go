package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// legged is a paper portfolio with a bot and a market of two outcomes.
func legged(t testing.TB) *harness {
	h := newHarness(t).open(domain.ModePaper, quietPolicy)
	h.deposit("100000")
	h.bot("a", "1000")
	h.market("rain", domain.KindOutcome, "YES", "NO")
	return h
}

func pair(yes, no string) ArbitrageRequest {
	return ArbitrageRequest{Bot: "a", Legs: []PermitRequest{
		{Order: order("a", "rain", "YES", buy, "100", yes)}, {Order: order("a", "rain", "NO", buy, "100", no)},
	}}
}

// legs asks for an arbitrage, which has to be permitted, and returns its permits.
func (h *harness) legs(r ArbitrageRequest) []string {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.AskArbitrage(r) })
	var ids []string
	for _, g := range stepOf[*domain.PermitGranted](h) {
		ids = append(ids, g.Permit)
	}
	require.NotEmpty(h.t, ids, "%v", h.types())
	return ids
}

// A leg that is filled whole, when no other can be any more, is open.
func TestLastLegFilledWhole(t *testing.T) {
	for _, late := range []bool{false, true} {
		h := legged(t)
		ids := h.legs(pair("0.85", "0.01"))
		h.place(ids[0])
		h.release(ids[1])
		require.Contains(t, h.s.Permits, ids[0], "an order that rests keeps its permit")
		if late {
			h.after(time.Minute)
		}
		h.fill("a", "rain", "YES", buy, "100", "0.85", withPermit(ids[0]))
		require.Equal(t, late, len(h.flags()) == 1 && h.flags()[0] == domain.FlagLegLate)
		if !late {
			h.after(time.Minute)
			h.mark("rain", "YES", "0.85")
		}
		require.Equal(t, 1, h.count(domain.ArbitrageTimedOutType))
		require.Equal(t, "100", h.s.OpenLegs("a")[domain.Instrument{Market: "rain", Outcome: "YES"}].String())
	}
}

// Once one leg is given up, none that is not placed may be placed alone.
func TestReleasingALegReleasesTheOthers(t *testing.T) {
	h := legged(t)
	ids := h.legs(pair("0.85", "0.01"))
	h.release(ids[1])
	require.Equal(t, 2, h.count(domain.PermitReleasedType))
	require.Empty(t, h.s.Permits)
	require.Empty(t, h.s.Arbitrages)
	h.fill("a", "rain", "YES", buy, "100", "0.85", withPermit(ids[0]))
	require.Equal(t, []string{domain.FlagPermitNotLive}, h.flags())
}

// An open leg is covered by the other outcome, whoever permitted it; and a void of
// what closed it opens it again.
func TestOpenLegUntilCoveredOrClosed(t *testing.T) {
	h := legged(t)
	ids := h.legs(pair("0.55", "0.3"))
	h.fill("a", "rain", "YES", buy, "100", "0.55", withPermit(ids[0]))
	h.after(time.Minute)
	h.mark("rain", "YES", "0.55")
	require.Len(t, h.s.OpenLegs("a"), 1)
	sold := h.fill("a", "rain", "YES", sell, "100", "0.55", provisional)
	require.Empty(t, h.s.OpenLegs("a"))
	h.void(sold)
	require.Len(t, h.s.OpenLegs("a"), 1)
	h.fill("a", "rain", "NO", buy, "60", "0.4")
	require.Equal(t, "40", h.s.OpenLegs("a")[domain.Instrument{Market: "rain", Outcome: "YES"}].String())
	h.fill("a", "rain", "NO", buy, "40", "0.4")
	require.Empty(t, h.s.OpenLegs("a"))
	require.Empty(t, h.s.Arbitrages, "nothing is left of it")
}

// What no event could be read back from is refused; so is more than can be said to be
// overdue in one append.
func TestArbitragesAreBounded(t *testing.T) {
	h := legged(t)
	r := ArbitrageRequest{Bot: "a"}
	for i := range 8 {
		h.market(fmt.Sprint("m", i), domain.KindOutcome, "A", "B")
		for _, o := range []string{"A", "B"} {
			r.Legs = append(r.Legs, PermitRequest{Order: order("a", fmt.Sprint("m", i), o, buy, "900000000000000", "0.9")})
		}
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.AskArbitrage(r) })

	small := pair("0.5", "0.01")
	small.Legs[0].Quantity, small.Legs[1].Quantity = dec("0.01"), dec("0.01")
	small.PaperFill = true
	h.mark("rain", "YES", "0.5")
	h.mark("rain", "NO", "0.5") // the second leg rests
	for range maxBotArbitrages {
		h.legs(small)
		h.after(31 * time.Second)
	}
	h.refused(domain.CodeRateLimited, func(d *Decision) error { return d.AskArbitrage(small) })
	// Nothing is held up by what is overdue: it is said with the commands that come.
	h = legged(t)
	h.mark("rain", "YES", "0.5")
	h.mark("rain", "NO", "0.5")
	for range 50 {
		h.legs(small)
	}
	h.after(time.Hour)
	for _, want := range []int{maxTimeOuts, maxTimeOuts, 10, 0} {
		h.must(func(d *Decision) error { return d.TimeOutLegs() })
		require.Equal(t, want, h.count(domain.ArbitrageTimedOutType))
	}
}

// An order that rests on paper fills only what it is still granted: not what another
// order has closed meanwhile.
func TestPaperOrderNeverOpensWhatItWasToClose(t *testing.T) {
	h := legged(t)
	h.market("BTC", domain.KindSpot)
	h.fill("a", "BTC", "BTC", buy, "10", "5")
	o := order("a", "BTC", "BTC", sell, "10", "9")
	o.PaperFill = true
	h.ask(o)
	id := stepOf[*domain.PermitGranted](h)[0].Permit
	h.place(id)
	h.fill("a", "BTC", "BTC", sell, "7", "6")
	h.mark("BTC", "BTC", "9")
	filled := stepOf[*domain.FillRecorded](h)
	require.Len(t, filled, 1)
	require.Equal(t, "3", filled[0].Quantity.String())
	require.Equal(t, "0", h.position("a", "BTC", "BTC").Quantity.String())
	h.mark("BTC", "BTC", "10")
	require.Empty(t, stepOf[*domain.FillRecorded](h), "there is nothing left to sell")
}

// What a void brings back to be closed is another fill of the order, under a name of
// its own: none is booked twice, and none hides another.
func TestAPaperOrderFilledInParts(t *testing.T) {
	h := legged(t)
	h.market("BTC", domain.KindSpot)
	h.fill("a", "BTC", "BTC", buy, "10", "5")
	o := order("a", "BTC", "BTC", sell, "10", "9")
	o.PaperFill = true
	h.ask(o)
	h.place(stepOf[*domain.PermitGranted](h)[0].Permit)
	sold := h.fill("a", "BTC", "BTC", sell, "7", "6", provisional)
	h.mark("BTC", "BTC", "9")
	first := stepOf[*domain.FillRecorded](h)[0]
	require.Equal(t, "3", first.Quantity.String())
	h.void(sold)
	h.mark("BTC", "BTC", "9.5")
	second := stepOf[*domain.FillRecorded](h)[0]
	require.Equal(t, "7", second.Quantity.String())
	require.NotEqual(t, first.FillID, second.FillID)
	require.Equal(t, first.TradeID, second.TradeID)
	require.Equal(t, "1040", h.botOf("a").Cash.String(), "1,000, less 50, and 10 at 9")
	require.Equal(t, "0", h.position("a", "BTC", "BTC").Quantity.String())
}

// The engine's fills are its own: nobody takes one back before it came.
func TestPaperFillsAreTheEngines(t *testing.T) {
	h := legged(t)
	id := domain.FillID{Bot: "a", Venue: domain.VenuePaper, TradeID: domain.PermitName(h.s.Next)}
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.VoidFill(id, "") })
	r := h.report("a", "rain", "YES", buy, "1", "0.5")
	r.Venue = domain.VenuePaper
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RecordFill(r) })
}

// The mark of a fill reaches orders that rest on paper, like any other.
func TestAFillsMarkReachesPaperOrders(t *testing.T) {
	h := legged(t)
	h.mark("rain", "YES", "0.6")
	o := order("a", "rain", "YES", buy, "10", "0.5")
	o.PaperFill = true
	h.ask(o)
	id := stepOf[*domain.PermitGranted](h)[0].Permit
	h.place(id)
	h.bot("b", "1000")
	h.fill("b", "rain", "YES", buy, "10", "0.3")
	filled := stepOf[*domain.FillRecorded](h)
	require.Len(t, filled, 2)
	require.Equal(t, "0.5", filled[1].Price.String(), "at its limit")
	require.Nil(t, h.s.Permits[id])
}
