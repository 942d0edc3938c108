package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// “any word in live, earns nothing”: a price that a bot said while it was flat does not value
// what a void gives back above the cash that the void takes.
func TestAWordBeforeAVoidEarnsNothing(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "YES", "NO")
	h.market("other", domain.KindOutcome)
	for _, market := range []string{"m", "other"} {
		h.fill("a", market, "YES", buy, "1000", "0.01")
		id := h.fill("a", market, "YES", sell, "1000", "0.01", provisional)
		h.fill("a", market, "YES", buy, "1", "0.99")
		before := h.s.Bots["a"].Equity()
		h.void(id)
		require.False(t, before.Less(h.s.Bots["a"].Equity()), "%s: from %s to %s", market, before, h.s.Bots["a"].Equity())
		require.NotNil(t, stepOf[*domain.FillVoided](h)[0].Mark)
		h.mark(market, "YES", "0.99")
		require.True(t, before.Less(h.s.Bots["a"].Equity()), "the next market mark overrides it")
	}
}

// The same of a void after which the bot's holdings are worth no more: a voided purchase gives
// its cash back, and leaves short what was sold of it.
func TestAVoidedPurchaseEarnsNothing(t *testing.T) {
	for _, market := range []string{"m", "other", "perp"} {
		h := invented(t, "2000", func(p *domain.Policy) { quietPolicy(p); p.RegisteredOnly = false })
		h.market("perp", domain.KindPerp)
		for range 3 {
			id := h.byKey("a", market, "YES", buy, "1000", "0.5", provisional)
			h.byKey("a", market, "YES", sell, "1000", "0.5")
			h.byKey("a", market, "YES", buy, "1", "0")
			was := h.s.Bots["a"].Equity()
			h.must(func(d *Decision) error { return d.VoidFill(id, market) })
			require.False(t, was.Less(h.s.Bots["a"].Equity()), "%s: from %s to %s", market, was, h.s.Bots["a"].Equity())
			h.byKey("a", market, "YES", buy, "999", "0.5")
		}
		h.equal("2001.5", h.s.Bots["a"].Equity(), "three shares were free")
	}
}

// "own mark = the price, or the highest below it": the price in force may be what the other marks
// leave, "in equal parts". A void never values a holding higher than that does.
func TestAVoidPricesNothingAboveWhatTheOthersLeave(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("abc", "A", "B", "C")
	h.fill("a", "abc", "A", buy, "100", "0.5", func(r *FillReport) { n := dec("101"); r.Notional = &n }) // price_off: it marks nothing
	id := h.fill("a", "abc", "A", sell, "100", "0.6", provisional)
	h.fill("a", "abc", "C", buy, "1", "0.1")
	h.void(id)
	require.Nil(t, stepOf[*domain.FillVoided](h)[0].Mark)
	require.Equal(t, "944", h.equityOf("a"), "A and B have .45 each of what C leaves")
}

// The price that was in force before a voided fill is in force again: it earned nothing.
func TestAVoidRestoresAnEarlierPrice(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "YES", "NO")
	h.fill("a", "m", "YES", buy, "100", "0.5")
	id := h.fill("a", "m", "YES", sell, "50", "0.4", provisional)
	h.void(id)
	require.Nil(t, stepOf[*domain.FillVoided](h)[0].Mark)
	require.Equal(t, "1000", h.equityOf("a"))
}

// “{market, void:true} gives every holder his cost back”, also of what is filled late.
func TestALateFillOfALostOutcomeGetsItsCostBack(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "A", "B", "C")
	h.payouts("m", "0.5", "0", "0.5")
	h.fill("a", "m", "B", buy, "600", "0.5")
	require.Equal(t, "700", h.equityOf("a"))
	h.must(func(d *Decision) error {
		return d.CorrectSettlement(Correction{Market: "m", Void: true}, "it was void")
	})
	require.Equal(t, "1000", h.equityOf("a"))
	require.Len(t, h.s.MarketHoldings("a", h.now), 1)
}

// A fee without a value came into equity as a flow, by “the first mark” of its asset, and so
// it goes: a void of its fill hides no loss.
func TestAVoidOfAnUnpricedFeeIsAFlow(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	eth := func(r *FillReport) { r.Fee, r.FeeAsset = dec("0.01"), "ETH" }
	id := h.fill("a", "m", "YES", buy, "10", "0.5", eth, provisional)
	h.markAsset("ETH", "10000")
	require.Equal(t, "900", h.equityOf("a"))
	h.fill("a", "m", "YES", buy, "10", "0.5", eth)
	require.Equal(t, "800", h.equityOf("a"))
	before := h.botDD("a")
	require.Positive(t, before.Sign())
	h.void(id)
	require.Equal(t, "900", h.equityOf("a"))
	require.Equal(t, before, h.botDD("a"))
	_, fees := h.s.Income("a")
	h.equal("100", fees, "the fee in ETH, at what it was worth")
}
