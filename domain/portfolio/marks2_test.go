package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "A bot's word, fill or mark, prices only its own holding": a bot's report of one share
// at a price of 41 raised another's equity forty-fold.
func TestABotPricesOnlyItsOwn(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.deposit("1000")
	h.bot("b", "1000")
	h.fill("a", "m", "YES", buy, "100", "0.10")
	h.fill("b", "m", "YES", buy, "1", "0.99")
	require.Equal(t, "1000", h.equityOf("a"))
	h.mark("m", "YES", "0.20") // a feed's, or an operator's, is for all
	require.Equal(t, "1010", h.equityOf("a"))
	h.fill("a", "m", "YES", buy, "1", "0.90")
	require.Equal(t, "1009.3", h.equityOf("a"), "there is a mark of the market: 0.9 was paid for what is worth 0.2")
	h.fill("a", "k", "BTC", buy, "1", "0.5")
}

// "Worked (live, no feed): permitted buys of 1,000 at .40 and 1,000 at .55: mark .475,
// equity unchanged."
func TestAFillEarnsNothingInLive(t *testing.T) {
	for _, market := range []string{"rain", "m"} { // exclusive, and unregistered
		h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
		h.deposit("2000")
		h.bot("a", "2000")
		h.exclusive("rain", "YES", "NO")
		p := h.permit("a", market, "YES", buy, "1000", "0.40")
		h.fill("a", market, "YES", buy, "1000", "0.40", withPermit(p))
		h.equal("0.4", *lastOf[*domain.FillRecorded](h).Mark)
		p = h.permit("a", market, "YES", buy, "1000", "0.55")
		h.fill("a", market, "YES", buy, "1000", "0.55", withPermit(p))
		h.equal("0.475", *lastOf[*domain.FillRecorded](h).Mark)
		require.Equal(t, "2000", h.equityOf("a"))
		h.fill("a", market, "YES", sell, "1000", "0.60")
		h.equal("0.475", *lastOf[*domain.FillRecorded](h).Mark, "a sale: not more than at the mark before")
		h.fill("a", market, "YES", sell, "10", "0.30")
		h.equal("0.3", *lastOf[*domain.FillRecorded](h).Mark, "a lower price is believed")
	}
}

// "A fact whose effective_at … is older than the price in force marks nothing."
func TestAnOldFactMarksNothing(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "m", "YES", buy, "100", "0.10")
	before := h.now.Add(-time.Second)
	r := h.report("a", "m", "YES", buy, "100", "0.20")
	r.EffectiveAt = &before
	h.must(func(d *Decision) error { return d.RecordFill(r) })
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark)
	r = h.report("a", "m", "YES", buy, "100", "0.20")
	r.EffectiveAt, r.PermitID = &h.now, h.permit("a", "m", "YES", buy, "100", "0.20")
	h.must(func(d *Decision) error { return d.RecordFill(r) })
	h.equal("0.2", *lastOf[*domain.FillRecorded](h).Mark)
}

// "a fill whose notional ÷ quantity does not [lie in 0..1] marks nothing and is flagged
// price_off."
func TestAPriceThatIsNone(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "m", "YES", buy, "10", "0.10", withNotional("10.000001"))
	require.Contains(t, h.flags(), domain.FlagPriceOff)
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark)
	h.fill("a", "m", "YES", buy, "10", "0.10", withNotional("10"))
	require.NotContains(t, h.flags(), domain.FlagPriceOff)
}

// A void takes a bot's own mark back, as it does one of the market.
func TestAVoidTakesTheOwnMarkBack(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "!A", buy, "100", "0.60")
	require.Equal(t, "1000", h.equityOf("a"), "a word on !A is one on A: 0.4")
	p := h.permit("a", "cup", "!A", buy, "1", "0.55")
	id := h.fill("a", "cup", "!A", buy, "1", "0.50", provisional, withPermit(p))
	require.Equal(t, "990", h.equityOf("a"), "101 × 0.5 for what cost 60.5")
	h.void(id)
	require.Equal(t, "1000", h.equityOf("a"))
}

// "with more than two, a bot's word on !A is one on A likewise": of two outcomes, a bot's
// word on one is none on the other, which may have a mark of the market.
func TestABotsWordIsOnOneOutcome(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "!A", buy, "10", "0.5")
	h.as(domain.RoleBot, "a").mark("rain", "YES", "0.30")
	require.Len(t, lastOf[*domain.PriceMarked](h).Marks, 1)
	h.mark("cup", "!A", "0.75")
	require.Equal(t, "1002.5", h.equityOf("a"))
	h.operator().mark("cup", "A", "0.50")
	require.Equal(t, "1000", h.equityOf("a"), "the next market mark overrides it")
	h.as(domain.RoleBot, "a").mark("cup", "!A", "0.75")
	require.Equal(t, []string{"command.noted"}, h.types(), "there is a mark of the market")
}

// "A bot's word, fill or mark, prices only its own holding": it fills no resting paper order
// of another bot, either.
func TestABotsWordFillsNoOrderOfAnother(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.deposit("1000")
	h.bot("b", "1000")
	rest := func(bot string) string {
		h.as(domain.RoleBot, bot).mark("m", "YES", "0.60")
		o := order(bot, "m", "YES", buy, "100", "0.50")
		o.PaperFill = true
		h.ask(o)
		require.Equal(t, []string{"permit.granted"}, h.types(), "0.6 is above its limit")
		return lastOf[*domain.PermitGranted](h).Permit
	}
	rest("b")
	h.as(domain.RoleBot, "a").mark("m", "YES", "0.40")
	require.Equal(t, []string{"price.marked"}, h.types())
	h.as(domain.RoleBot, "a").fill("a", "m", "YES", buy, "1", "0.40")
	require.Equal(t, []string{"fill.recorded"}, h.types())
	h.as(domain.RoleBot, "b").mark("m", "YES", "0.50")
	require.Equal(t, []string{"price.marked", "fill.recorded"}, h.types(), "its own")
}

// "*Stale* is a field of state and positions": limit, limit + 1, by the mark that values the
// holding.
func TestStale(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkMaxAge = domain.Duration(time.Minute) })
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "!A", buy, "10", "0.5")
	h.fill("a", "cup", "B", buy, "10", "0.5")
	at := h.now
	h.after(30*time.Second).mark("cup", "A", "0.5")
	require.Equal(t, 0, h.s.StalePositions(at.Add(time.Minute)))
	require.Equal(t, 1, h.s.StalePositions(at.Add(time.Minute+1)), "the bot's own mark of B")
	require.Equal(t, 1, h.s.StalePositions(at.Add(90*time.Second)))
	require.Equal(t, 2, h.s.StalePositions(at.Add(90*time.Second+1)), "that of A prices !A")
	h.at(at.Add(time.Minute)).ask(order("a", "m", "YES", buy, "10", "0.3"))
	require.Empty(t, h.reasons())
	h.at(at.Add(time.Minute + 1)).ask(order("a", "m", "YES", buy, "10", "0.3"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonStaleMark}, h.reasons())
	h.settle("cup", "B", "0")
	require.Equal(t, 0, h.s.StalePositions(at.Add(time.Minute+1)), "settled")
}

// "A feed marks all outcomes of a market in one command (`doctor` warns where it does not)."
func TestAMarketThatIsMarkedInParts(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.exclusive("cup", "A", "B", "C")
	h.exclusive("rain", "YES", "NO")
	mark := func(of ...string) {
		var all []domain.Mark
		for i := 0; i < len(of); i += 2 {
			all = append(all, domain.Mark{Market: "cup", Outcome: of[i], Price: dec(of[i+1])})
		}
		h.after(time.Second).must(func(d *Decision) error { return d.MarkPrices(all) })
	}
	h.mark("cup", "A", "0.5")
	require.Empty(t, h.s.PartlyMarked(), "an operator's mark is a correction by hand")
	h.as(domain.RoleFeed, "f")
	mark("A", "0.5", "B", "0.3", "C", "0.2")
	require.Empty(t, h.s.PartlyMarked())
	mark("A", "0.5", "B", "0.3")
	require.Equal(t, []string{"cup"}, h.s.PartlyMarked())
	mark("!A", "0.5", "B", "0.3", "C", "0.9")
	require.Len(t, h.s.WaitingMarks(), 1)
	require.Empty(t, h.s.PartlyMarked(), "what waits is marked, too")
	h.mark("rain", "YES", "0.3")
	require.Empty(t, h.s.PartlyMarked(), "a mark of one of two is one of the other")
	h.operator().settle("cup", "C", "0")
	h.as(domain.RoleFeed, "f")
	mark("A", "0.5", "B", "0.3")
	require.Empty(t, h.s.PartlyMarked(), "what is settled needs no mark")
}

// "a market mark of !A (registered with two: of the other) is one of A": a bot's word on NO
// counts nothing where the market has a fresh mark of YES alone.
func TestABotsWordAgainstAMarkOfTheOther(t *testing.T) {
	h := paper(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkMaxAge = domain.Duration(time.Minute) })
	h.mark("rain", "YES", "0.40")
	h.fill("a", "rain", "YES", buy, "100", "0.40")
	h.limits(`{"rules":2}`)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "NO", buy, "1", "0.60")
	require.Nil(t, lastOf[*domain.FillRecorded](h).Mark)
	h.as(domain.RoleBot, "a").after(time.Minute-1).mark("rain", "NO", "0.10")
	require.Equal(t, []string{"command.noted"}, h.types(), "limit − 1")
	h.after(1).mark("rain", "NO", "0.10")
	require.Equal(t, []string{"price.marked"}, h.types())
}

// "A fact whose effective_at … is older than the price in force marks nothing", but "any word
// in live earns nothing": 1,000 bought at .10 yesterday were worth .90 each today.
func TestAnEarlyTimeEarnsNothing(t *testing.T) {
	for _, market := range []string{"rain", "cup", "m"} { // two outcomes, three, and unregistered
		for _, permitted := range []bool{false, true} {
			h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
			h.deposit("2000")
			h.bot("a", "2000")
			h.exclusive("rain", "YES", "NO")
			h.exclusive("cup", "YES", "NO", "DRAW")
			h.fill("a", market, "YES", buy, "1", "0.90")
			marked, yesterday := h.now, h.now.Add(-24*time.Hour)
			h.after(time.Minute)
			late := func(side domain.Side, quantity, price string) *domain.Decimal {
				h.t.Helper()
				r := h.report("a", market, "YES", side, quantity, price)
				r.EffectiveAt = &yesterday
				if permitted {
					r.PermitID = h.permit("a", market, "YES", side, quantity, price)
				}
				h.must(func(d *Decision) error { return d.RecordFill(r) })
				return lastOf[*domain.FillRecorded](h).Mark
			}
			h.equal("0.100799200799200799", *late(buy, "1000", "0.10"))
			require.False(t, dec("2000").Less(h.s.Bots["a"].Equity()))
			require.True(t, dec("1999.999999").Less(h.s.Bots["a"].Equity()), "one that is late costs nothing, either")
			i := domain.Instrument{Market: market, Outcome: "YES"}
			require.Equal(t, marked, h.s.Instruments[i].priceInForce("a").Time, "it is no newer price")
			require.Nil(t, late(buy, "10", "0.50"), "it earns nothing where it is")
			require.Nil(t, late(sell, "500", "0.05"), "a sale marks nothing")
		}
	}
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "!A", buy, "10", "0.90")
	before := h.now.Add(-time.Second)
	r := h.report("a", "cup", "!A", buy, "90", "0.40")
	r.EffectiveAt = &before
	h.must(func(d *Decision) error { return d.RecordFill(r) })
	h.equal("0.45", *lastOf[*domain.FillRecorded](h).Mark, "without a permit on paper, too")
	require.Equal(t, "1000", h.equityOf("a"))
}

// "if there is none, the mark before stays": where there was none, what the other outcome
// leaves is none that the bot could earn by. Both orders come to the same.
func TestAnImpliedPriceIsNoMarkBefore(t *testing.T) {
	for _, first := range []string{"NO", "YES"} {
		h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
		h.deposit("1000")
		h.bot("a", "1000")
		h.exclusive("rain", "YES", "NO")
		if first == "YES" {
			h.fill("a", "rain", "YES", buy, "50", "0.30")
		}
		h.fill("a", "rain", "NO", buy, "30", "0.49")
		if first == "NO" {
			h.fill("a", "rain", "YES", buy, "50", "0.30")
		}
		f, _ := h.s.Figures("a", "rain")
		require.Equal(t, "36", f.Value.String(), first)
	}
}
