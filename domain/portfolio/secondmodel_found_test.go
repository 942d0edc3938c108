package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
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

// "registered again" cannot say more than was known: nobody says what the outcomes of a market
// pay together of which one was settled by itself. A first registration was taken all the same.
func TestASettledMarketBecomesNoExclusiveOne(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "rain", "YES", buy, "10", "0.5")
	h.settleOne("rain", "NO", "0.5")
	register := func(exclusive bool) func(*Decision) error {
		return func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: "rain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: exclusive})
		}
	}
	h.refused(domain.CodeConflict, register(true))
	h.must(register(false))
	h.refused(domain.CodeConflict, register(true))
}

// "an outcome settled at 0 … from then … min and max run over the rest": one share of each of
// the rest pays 1 together, so a bot may get its cash out of them. It was refused.
func TestSetsOfWhatMayStillWin(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.must(h.sets("a", "cup", domain.SplitSets, "30", "s1"))
	h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "cup", Outcome: "A"}) })
	require.Equal(t, "1000", h.equityOf("a"))
	h.must(h.sets("a", "cup", domain.MergeSets, "20", "s2"))
	h.equal("990", h.botOf("a").Cash)
	h.equal("10", h.position("a", "cup", "C").Quantity)
	h.must(h.sets("a", "cup", domain.SplitSets, "5", "s3"))
	require.Equal(t, "1000", h.equityOf("a"))
	require.Equal(t, ledger.Position{}, h.position("a", "cup", "A"))
	h.settleOne("cup", "B", "1")
	require.Equal(t, "1000", h.equityOf("a"))
	h.refused(domain.CodeConflict, h.sets("a", "cup", domain.SplitSets, "1", "s4"))
}

// "close_positions is said only where closing is permitted": what is filled late of a settled
// market is closed by no order. Its holder was told to close it.
func TestNobodyIsToldToCloseWhatIsSettled(t *testing.T) {
	h := second(t, "1000", func(p *domain.Policy) { p.ClosePositionsOnTrip, p.PositionDustUSD = true, domain.Zero })
	h.exclusive("rain", "YES", "NO")
	h.settleOne("rain", "YES", "0.5")
	h.fill("a", "rain", "YES", buy, "10", "0.5")
	h.engage(domain.StopManual)
	require.False(t, h.s.ToldToClose("a"))
	h.fill("a", "dry", "YES", buy, "10", "0.5")
	require.True(t, h.s.ToldToClose("a"))
}

// "mark.confirmed stands before the next record …, and everything is evaluated": once. Between
// the two marks of a market the portfolio was worth what it never was, and its peak rose to that.
func TestMarksConfirmedTogetherRaiseNoPeakBetween(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.deposit("1000")
	h.bot("b", "1000")
	h.exclusive("rain", "YES", "NO")
	h.mark("rain", "YES", "0.9")
	h.mark("rain", "NO", "0.1")
	h.fill("a", "rain", "NO", buy, "100", "0.1")
	h.fill("b", "rain", "YES", buy, "100", "0.9")
	before := h.s.Refs.Peak
	h.mark("rain", "YES", "0.1") // and NO at .9
	h.now = h.now.Add(10 * time.Second)
	h.must(func(d *Decision) error { return d.TimeOutLegs() })
	require.Len(t, lastOf[*domain.MarkConfirmed](h).All(), 2)
	h.equal("0.1", h.markOf("rain", "YES").Price)
	h.equal("0.9", h.markOf("rain", "NO").Price)
	require.Equal(t, before, h.s.Refs.Peak)
	require.Equal(t, "1080", h.equityOf("a"))
}

// "below position_dust_usd a market is no open position": by all that is held there, and by
// what it can lose. A short that was sold for nothing was none, and neither were two small
// outcomes that are no dust together.
func TestNoOpenPositionIsSmallInEveryWay(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MaxOpenPositions, p.PositionDustUSD = 1, domain.One })
	buys := order("a", "other", "X", buy, "10", "0.5")
	h.fill("a", "m", "MAYBE", buy, "1", "0.6")
	require.Empty(t, h.would(buys))
	h.fill("a", "m", "OR NOT", buy, "1", "0.4")
	require.Equal(t, denied(domain.ReasonMaxOpenPositions), h.would(buys))

	h = second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MaxOpenPositions, p.PositionDustUSD = 1, domain.One })
	h.fill("a", "m", "MAYBE", sell, "10", "0")
	require.Equal(t, denied(domain.ReasonMaxOpenPositions), h.would(buys))
}

// "An outcome that a registered market does not have … is valued, reduced and settled as
// elsewhere": what is closed of it is a result of its own, and waits for nothing.
func TestAnOutcomeThatTheMarketHasNotIsAResultOfItsOwn(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "10", "0.5")
	h.fill("a", "rain", "MAYBE", buy, "10", "0.5")
	h.settleOne("rain", "MAYBE", "0")
	require.False(t, lastOf[*domain.TradeClosed](h).Deferred)
	require.Equal(t, 1, h.botOf("a").Losses)

	// Nor does it count what waits.
	h.exclusive("abc", "A", "B", "C")
	h.fill("a", "abc", "A", buy, "10", "0.5")
	h.fill("a", "abc", "B", buy, "10", "0.5")
	h.fill("a", "abc", "D", buy, "10", "0.5")
	h.settleOne("abc", "A", "0")
	require.Equal(t, 1, h.botOf("a").Losses, "B is held still")
	h.fill("a", "abc", "D", sell, "10", "0.6")
	require.Equal(t, []int{1, 1}, []int{h.botOf("a").Losses, h.botOf("a").Wins})
}

// "`reset` with `rebase` is possible whenever the scope has equity ≠ 0, and says what it rebases
// to": at 0 there is nothing to measure from. It was taken where a higher limit let the ratio pass,
// and said nothing.
func TestNothingIsRebasedToZero(t *testing.T) {
	h := second(t, "100", func(p *domain.Policy) { quietPolicy(p); p.MaxBotDrawdownPct = dec("0.2") })
	h.fee("a", "30")
	h.allocate("a", "-70")
	h.equal("0.3", h.botDD("a"))
	h.refused(domain.CodeWouldRetrip, func(d *Decision) error {
		return d.ResetBreaker(risk.Key{Breaker: domain.BotDrawdown, Bot: "a"}, "x", true)
	})
	h.limits(`{"max_bot_drawdown_pct":"0.5"}`)
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.ResetBreaker(risk.Key{Breaker: domain.BotDrawdown, Bot: "a"}, "x", true)
	})
	h.reset(domain.BotDrawdown, "a", false)
	h.equal("0.3", h.botDD("a"))
}

// "An outcome that a registered market does not have" is none of its inventory: a market maker
// that once had some of it was denied what it may have of a market of which all outcomes are known.
func TestWhatAMakerHasNoMoreIsNoInventory(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.deposit("1000")
	h.must(func(d *Decision) error {
		return d.RegisterBot(&domain.BotRegistered{Bot: "mm", Kind: domain.BotMarketMaker, InventoryCap: dec("40")}, dec("500"), true)
	})
	h.exclusive("rain", "YES", "NO")
	h.must(h.sets("mm", "rain", domain.SplitSets, "70", "s1"))
	require.Empty(t, h.would(order("mm", "rain", "NO", buy, "40", "0.5")))
	h.fill("mm", "rain", "MAYBE", buy, "1", "0.5", provisional)
	h.fill("mm", "rain", "MAYBE", sell, "1", "0.5")
	require.Empty(t, h.would(order("mm", "rain", "NO", buy, "40", "0.5")))
	require.Equal(t, denied(domain.ReasonInventoryCap), h.would(order("mm", "rain", "NO", buy, "41", "0.5")))
}

// "{market, void:true} gives every holder his cost back": a payout in the form with one outcome
// contradicts that, also where it happens to be the last mark, which is 0 without any. It was taken,
// and paid what came late at that mark.
func TestNoOutcomeOfAVoidMarketIsSettledAtItsMark(t *testing.T) {
	for _, mark := range []string{"0", "0.5"} {
		h := second(t, "1000", quietPolicy)
		h.must(func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: "pair", Kind: domain.KindOutcome, Outcomes: []string{"A", "B"}})
		})
		if mark != "0" {
			h.mark("pair", "A", mark)
		}
		h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "pair", Void: true}) })
		settle := func(d *Decision) error {
			return d.SettleMarket(Settlement{Market: "pair", Outcome: "A", Payout: dec(mark)})
		}
		h.refused(domain.CodeConflict, settle)
		h.fill("a", "pair", "A", buy, "10", "0.9")
		h.refused(domain.CodeConflict, settle)
		h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "pair", Void: true}) })
		require.Equal(t, "1000", h.equityOf("a"))
	}
}
