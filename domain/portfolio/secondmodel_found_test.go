package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
)

// What the storms of TestSecondModel found, each with the sentence that decides it.

// "!YES is read as NO" (with two outcomes): the form with one outcome settled an instrument of
// that name, which nobody holds, and left NO open.
func TestTheComplementOfTwoIsSettledAsTheOther(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "NO", buy, "100", "0.4")
	h.must(func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "rain", Outcome: "!YES", Payout: domain.One})
	})
	require.Equal(t, ledger.Position{}, h.position("a", "rain", "NO"))
	require.Equal(t, "1060", h.equityOf("a"))
	require.True(t, h.s.decided("rain"))
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "rain", Outcome: "!YES", Payout: domain.One, Bot: "a"})
	})
}

// "!A pays 1 − payout(A)": once A is settled, so is !A, whether anybody held it or not. It was
// permitted to be bought.
func TestAComplementIsSettledWithItsOutcome(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("abc", "A", "B", "C")
	h.fill("a", "abc", "B", buy, "1", "0.4")
	h.must(func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "abc", Outcome: "A", Payout: domain.Zero})
	})
	require.Equal(t, denied(domain.ReasonMarketSettled), h.would(order("a", "abc", "!A", buy, "10", "0.5")))
	h.fill("a", "abc", "!A", buy, "10", "0.9")
	require.Contains(t, h.flags(), domain.FlagMarketSettled)
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark, "the payout is the last mark")
	require.Equal(t, "1001", h.equityOf("a"), "ten that pay 1, for nine")
}

// "{market, void:true} gives every holder his cost back": what is filled late in a void market
// is worth its cost, so a bot's word on its price earns nothing.
func TestALateFillInAVoidMarketIsWorthItsCost(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.mark("rain", "YES", "0.9")
	h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "rain", Void: true}) })
	h.fill("a", "rain", "YES", buy, "100", "0.1")
	require.Equal(t, "1000", h.equityOf("a"))
	h.fill("a", "rain", "NO", sell, "100", "0.8")
	require.Equal(t, "1000", h.equityOf("a"))
	h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "rain", Void: true}) })
	require.Equal(t, "1000", h.equityOf("a"), "and is paid that")
	require.Zero(t, h.botOf("a").Positions)
}

// "own mark = the price, or the highest below it at which the bot's value … is not more than …
// (a sale: than at the mark before)": where an outcome has no mark, the mark before is "what
// the other marks leave of 1". A sale below it hid its loss.
func TestASaleBelowAnImpliedMarkHidesNothing(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("abc", "A", "B", "C")
	h.mark("abc", "B", "0.3")
	h.mark("abc", "C", "0.3")
	h.fill("a", "abc", "A", sell, "100", "0.1") // .4 by what the others leave
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark)
	require.Equal(t, "970", h.equityOf("a"))
	h.fill("a", "abc", "A", sell, "100", "0.5")
	h.equal("0.5", *lastOf[*domain.FillRecorded](h).Mark, "a higher price of what is short is believed")
}

// "A mark of another command within the collar of … the waiting one takes force": of two marks
// of one thing in one command only the last is a word at all.
func TestTheLastMarkOfACommandCounts(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.mark("m", "YES", "0.5")
	h.must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "YES", Price: dec("0.6")}, {Market: "m", Outcome: "YES", Price: dec("0.9")}})
	})
	h.equal("0.5", h.markOf("m", "YES").Price)
	h.equal("0.9", *h.s.WaitingFor(domain.Instrument{Market: "m", Outcome: "YES"}))
}
