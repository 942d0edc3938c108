package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func collared(t testingT) *harness {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.exclusive("rain", "YES", "NO")
	h.mark("rain", "YES", "0.40")
	h.fill("a", "rain", "YES", buy, "100", "0.40")
	return h
}

// "a mark further than that from the market mark in force **waits**: it prices nothing" —
// limit − 1, limit, limit + 1.
func TestAMarkBeyondTheCollarWaits(t *testing.T) {
	for price, equity := range map[string]string{"0.649999": "1024.9999", "0.65": "1025", "0.650001": "1000", "0.15": "975", "0.149999": "1000"} {
		h := collared(t)
		h.after(time.Minute).mark("rain", "YES", price)
		require.Equal(t, equity, h.equityOf("a"), price)
	}
	h := collared(t)
	h.mark("rain", "YES", "0.95")
	h.ask(order("a", "rain", "YES", buy, "1", "0.30"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonMarkUnconfirmed}, h.reasons())
	h.ask(order("a", "rain", "YES", sell, "1", "0.30"))
	require.Empty(t, h.reasons(), "what reduces is permitted")
}

// With two outcomes a mark of one prices the other, so that the collar holds for an outcome
// that was never marked itself.
func TestTheCollarOfTheOther(t *testing.T) {
	for marked, price := range map[string]string{"YES": "0.650001", "NO": "0.349999"} {
		h := paper(t, "1000", quietPolicy)
		h.mark("rain", "YES", "0.40")
		h.fill("a", "rain", "YES", buy, "100", "0.40")
		h.limits(`{"rules":2,"mark_collar":"0.25"}`)
		h.exclusive("rain", "YES", "NO")
		h.mark("rain", marked, price)
		require.Equal(t, "1000", h.equityOf("a"))
		for _, m := range lastOf[*domain.PriceMarked](h).Marks {
			require.True(t, m.Waits, "%s of %s", m.Outcome, marked)
		}
		require.Len(t, h.s.WaitingMarks(), 2)
		h.mark("rain", "NO", "0.35")
		require.Empty(t, h.s.WaitingMarks(), "limit")
		require.Equal(t, "1025", h.equityOf("a"))
	}
}

// "A mark of another command within the collar of the market mark in force takes force and
// drops the waiting one; else one within the collar of the waiting one takes force itself;
// any other takes its place, and its time runs on."
func TestWhatBecomesOfAMarkThatWaits(t *testing.T) {
	in := func(h *harness) *Instrument {
		return h.s.Instruments[domain.Instrument{Market: "rain", Outcome: "YES"}]
	}
	h := collared(t)
	h.mark("rain", "YES", "0.95")
	since := in(h).Waiting.Since
	h.after(time.Second).mark("rain", "YES", "0.05")
	h.equal("0.05", in(h).Waiting.Price, "another takes its place")
	require.Equal(t, since, in(h).Waiting.Since, "its time runs on")
	h.after(time.Second).mark("rain", "YES", "0.10")
	require.Nil(t, in(h).Waiting)
	require.Equal(t, "970", h.equityOf("a"), "within the collar of the waiting one")
	h.mark("rain", "YES", "0.90")
	h.mark("rain", "YES", "0.20")
	require.Nil(t, in(h).Waiting, "within the collar of the one in force")
	require.Equal(t, "980", h.equityOf("a"))
}

// "mark_confirm_after (10 s) from the first, mark.confirmed stands before the next record
// (after a day.opened) … and everything is evaluated".
func TestAMarkIsConfirmedByTime(t *testing.T) {
	h := second(t, "1000", func(p *domain.Policy) { p.MarkCollar = dec("0.25"); p.BreakerWarnAt = dec("0.999") })
	h.exclusive("rain", "YES", "NO")
	h.mark("rain", "YES", "0.40")
	h.fill("a", "rain", "YES", buy, "1000", "0.40")
	h.mark("rain", "YES", "0.10")
	h.after(10*time.Second - 1).deposit("1")
	require.Equal(t, []string{"deposit.recorded"}, h.types())
	h.after(1).deposit("1")
	require.Equal(t, []string{"mark.confirmed", "breaker.tripped", "breaker.tripped", "deposit.recorded"}, h.types(), "a loss of 300")
	require.Len(t, h.step[0].(*domain.MarkConfirmed).All(), 2, "of both outcomes")
	require.Equal(t, "700", h.equityOf("a"))
	h.mark("rain", "YES", "0.60")
	h.at(h.now.Truncate(24 * time.Hour).Add(24 * time.Hour)).deposit("1")
	require.Equal(t, []string{"day.opened", "mark.confirmed"}, h.types()[:2])
}

// A mark that was confirmed by time is as old as it is: a server that stood still for an hour
// knows no price that is younger. It overrides what bots said while it waited.
func TestAConfirmedMarkKeepsItsAge(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) {
		p.MarkCollar, p.MarkMaxAge = dec("0.25"), domain.Duration(time.Minute)
	})
	h.exclusive("cup", "A", "B", "C")
	h.as(domain.RoleFeed, "f").must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "cup", Outcome: "A", Price: dec("0.40")}, {Market: "cup", Outcome: "B", Price: dec("0.30")}, {Market: "cup", Outcome: "C", Price: dec("0.30")}})
	})
	h.operator().fill("a", "cup", "A", buy, "100", "0.40")
	at := h.after(2 * time.Minute).now
	h.as(domain.RoleFeed, "f").must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "cup", Outcome: "A", Price: dec("0.90")}, {Market: "cup", Outcome: "B", Price: dec("0.30")}, {Market: "cup", Outcome: "C", Price: dec("0.30")}})
	})
	h.as(domain.RoleBot, "a").after(time.Second).mark("cup", "A", "0.10")
	require.Equal(t, "970", h.equityOf("a"), "the mark in force is 2 minutes old, so the bot's word counts")
	h.operator().at(at.Add(time.Minute)).deposit("1")
	require.Equal(t, []string{"mark.confirmed", "deposit.recorded"}, h.types())
	require.Equal(t, "1050", h.equityOf("a"))
	require.Empty(t, h.s.PartlyMarked(), "all three are of one command")
	require.Equal(t, 0, h.s.StalePositions(at.Add(time.Minute)), "limit")
	require.Equal(t, 1, h.s.StalePositions(at.Add(time.Minute+1)), "limit + 1")
}

// "A bot's word, fill or mark, prices only its own holding": an asset is nobody's own. A fee that
// another bot owes in it would change that bot's equity.
func TestABotMarksNoAsset(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.deposit("1000")
	h.bot("b", "1000")
	h.markAsset("ETH", "1000")
	r := h.report("b", "m", "YES", buy, "10", "0.50")
	r.Fee, r.FeeAsset = dec("0.01"), "ETH"
	h.must(func(d *Decision) error { return d.RecordFill(r) })
	require.Equal(t, "990", h.equityOf("b"))
	h.as(domain.RoleBot, "a").refused(domain.CodeMarksRefused, func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Asset: "ETH", Price: dec("1100")}})
	})
	h.must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Asset: "ETH", Price: dec("1100")}, {Market: "m", Outcome: "NO", Price: dec("0.4")}})
	})
	require.Equal(t, domain.CodeDenied, lastOf[*domain.PriceMarked](h).Refused[0].Code)
	require.Equal(t, "990", h.equityOf("b"))
}

// A stop never fails because a feed has sent too much: of many marks that have waited long enough
// one decision confirms those that have waited longest, and the next ones the rest. A market is
// confirmed as a whole.
func TestManyMarksAreConfirmedInParts(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	mark := func(from, to int, price string) {
		var all []domain.Mark
		for n := from; n < to; n++ {
			for _, outcome := range []string{"A", "B", "C"} {
				all = append(all, domain.Mark{Market: fmt.Sprintf("m%03d", n), Outcome: outcome, Price: dec(price)})
			}
		}
		h.must(func(d *Decision) error { return d.MarkPrices(all) })
	}
	mark(0, 200, "0.1")
	mark(200, 400, "0.1")
	mark(200, 400, "0.9")
	h.after(time.Second)
	mark(0, 200, "0.9")
	require.Len(t, h.s.WaitingMarks(), 1200)
	h.after(10 * time.Second)
	require.Len(t, h.s.waited(h.now), 1002, "600 that have waited longer, 133 whole markets, and the rest of the one that begins within 1,000")
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopManual, "too much") })
	require.Equal(t, []string{"mark.confirmed", "emergency_stop.engaged"}, h.types())
	require.Len(t, lastOf[*domain.MarkConfirmed](h).All(), 1002)
	require.Equal(t, "m134", h.s.WaitingMarks()[0].Market)
	require.True(t, h.s.ClocksEnd(h.now, Jump{}, Standstill{}), "the server makes the next decision")
	h.deposit("1")
	require.Equal(t, []string{"mark.confirmed", "deposit.recorded"}, h.types())
	require.Len(t, lastOf[*domain.MarkConfirmed](h).All(), 198)
	require.Empty(t, h.s.WaitingMarks())
	require.False(t, h.s.ClocksEnd(h.now, Jump{}, Standstill{}))
}

// "each mark is judged alone: good ones are taken, bad ones answered by index; all bad: 422"
func TestEachMarkIsJudgedAlone(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "YES", Price: dec("1.000001")}, {Market: "m", Outcome: "NO", Price: dec("1")}})
	})
	e := lastOf[*domain.PriceMarked](h)
	require.Len(t, e.Marks, 1)
	require.Equal(t, 0, e.Refused[0].Index)
	require.Equal(t, domain.CodeInvalid, e.Refused[0].Code)
	err := h.refused(domain.CodeMarksRefused, func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "YES", Price: dec("-1")}, {Asset: "USDC", Price: dec("1")}})
	})
	require.ErrorContains(t, err, "marks[0]: price must not be negative; marks[1]: marks the base asset is always worth 1")
}

// "A payout ends every waiting mark of the market", of outcomes that are not paid, too.
func TestAPayoutEndsWhatWaits(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.exclusive("cup", "A", "B", "C")
	for _, outcome := range []string{"A", "B", "C"} {
		h.mark("cup", outcome, "0.30")
	}
	h.mark("cup", "B", "0.90")
	h.mark("cup", "C", "0.90")
	require.Len(t, h.s.waited(h.now.Add(time.Minute)), 2)
	h.settle("cup", "A", "0")
	require.Empty(t, h.s.waited(h.now.Add(time.Minute)))
	h.after(time.Minute).deposit("1")
	require.Equal(t, []string{"deposit.recorded"}, h.types())
	h.equal("0.3", h.markOf("cup", "B").Price)
}

// "mark_confirm_after (10 s) from the first" holds for an asset that has a mark in force:
// relative, and confirmed by time.
func TestAMarkOfAnAssetIsConfirmedByTime(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper, quietPolicy, func(p *domain.Policy) { p.Rules, p.MarkCollar = domain.SecondRules, dec("0.25") })
	h.depositIn(domain.WalletHot, "COIN", "10")
	h.as(domain.RoleFeed, "f1").markAsset("COIN", "2")
	h.equal("20", h.s.Equity())
	h.markAsset("COIN", "2.5")
	h.equal("25", h.s.Equity(), "the limit")
	h.markAsset("COIN", "1.874999")
	h.equal("25", h.s.Equity(), "beyond it")
	at, ok := h.s.NextConfirmation()
	require.True(t, ok)
	require.Equal(t, h.now.Add(10*time.Second), at)
	h.after(10 * time.Second).operator().deposit("1")
	require.Equal(t, []string{"mark.confirmed", "deposit.recorded"}, h.types())
	h.equal("19.74999", h.s.Equity())
	_, ok = h.s.NextConfirmation()
	require.False(t, ok)
	require.Equal(t, "f1", h.s.Assets["COIN"].FeedMarks[0].User)
}

// "while Time stands still nothing is confirmed by time" — and a clock that jumped confirms
// after the jump was recorded.
func TestWhileTimeStandsNothingIsConfirmed(t *testing.T) {
	h := collared(t)
	h.mark("rain", "YES", "0.95")
	h.now = h.now.Add(time.Minute)
	d := h.s.Clone().Begin(h.now, h.caller)
	d.Behind(Standstill{Behind: time.Hour})
	require.NoError(t, d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("1")}))
	require.Equal(t, []string{"deposit.recorded"}, typesOf(d.Events()))
	require.False(t, h.s.ClocksEnd(h.now, Jump{}, Standstill{Behind: time.Hour}))
	require.True(t, h.s.ClocksEnd(h.now, Jump{}, Standstill{}))
	require.True(t, h.s.Timed(h.now))
	h.must(func(d *Decision) error {
		d.ClockJumped(Jump{By: time.Minute, Forward: time.Minute})
		return d.TimeOutLegs()
	})
	require.Equal(t, []string{"clock.jumped", "mark.confirmed"}, h.types())
	require.Len(t, lastOf[*domain.MarkConfirmed](h).All(), 2)
	require.False(t, h.s.Timed(h.now))
}

// "The first mark of an asset in live waits for one by another user within the collar, and
// for nothing else."
func TestTheFirstMarkOfAnAsset(t *testing.T) {
	h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules, p.MarkCollar = domain.SecondRules, dec("0.25") })
	h.depositIn(domain.WalletHot, "COIN", "10")
	h.as(domain.RoleFeed, "f1").markAsset("COIN", "2")
	h.after(time.Hour).markAsset("COIN", "2")
	require.False(t, h.s.Assets["COIN"].Marked, "the same user, an hour later")
	h.operator().markAsset("COIN", "2")
	require.True(t, h.s.Assets["COIN"].Marked, "an operator is another user than the feed")

	h = newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules, p.MarkCollar = domain.SecondRules, dec("0.25") })
	h.depositIn(domain.WalletHot, "COIN", "10")
	h.markAsset("COIN", "2")
	h.markAsset("COIN", "2")
	require.False(t, h.s.Assets["COIN"].Marked, "the same operator")

	h.as(domain.RoleFeed, "f1").markAsset("COIN", "9")
	h.markAsset("COIN", "2")
	h.as(domain.RoleFeed, "f2").markAsset("COIN", "2.6")
	require.False(t, h.s.Assets["COIN"].Marked, "more than a quarter away")
	h.as(domain.RoleFeed, "f1").markAsset("COIN", "2.2")
	require.True(t, h.s.Assets["COIN"].Marked)
	h.equal("2.2", h.s.Assets["COIN"].Mark)
}

// "a market mark of !A (registered with two: of the other) is one of A, at 1 − it, unless the
// same command gives a good one of A".
func TestAMarkOfTheOther(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.exclusive("cup", "A", "B", "C")
	h.mark("rain", "NO", "0.30")
	h.equal("0.7", h.markOf("rain", "YES").Price)
	h.must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{
			{Market: "rain", Outcome: "NO", Price: dec("0.45")},
			{Market: "rain", Outcome: "YES", Price: dec("0.5")},
			{Market: "cup", Outcome: "!A", Price: dec("0.9")},
			{Market: "cup", Outcome: "!B", Price: dec("0.9")},
			{Market: "cup", Outcome: "B", Price: dec("0.2")},
		})
	})
	h.equal("0.5", h.markOf("rain", "YES").Price)
	h.equal("0.45", h.markOf("rain", "NO").Price)
	h.equal("0.1", h.markOf("cup", "A").Price)
	h.equal("0.2", h.markOf("cup", "B").Price)
}

// A mark in force fills the orders that rest on paper and whose limit it reaches: also one that
// was confirmed by time.
func TestAConfirmedMarkFillsWhatRestsOnPaper(t *testing.T) {
	h := collared(t)
	o := order("a", "rain", "YES", sell, "40", "0.90")
	o.PaperFill = true
	h.grant(o)
	h.place(lastOf[*domain.PermitGranted](h).Permit)
	h.mark("rain", "YES", "0.95")
	require.Equal(t, "100", h.position("a", "rain", "YES").Quantity.String())
	h.after(10 * time.Second).deposit("1")
	require.Equal(t, []string{"mark.confirmed", "fill.recorded", "deposit.recorded"}, h.types())
	require.Equal(t, "60", h.position("a", "rain", "YES").Quantity.String())
	h.equal("0.9", stepOf[*domain.FillRecorded](h)[0].Price)
}

// "a market mark of `!A` … is one of A, at 1 − it": so a mark of A fills an order for `!A` that
// rests on paper — limit − 1, limit, limit + 1.
func TestAMarkFillsTheComplementOnPaper(t *testing.T) {
	for price, held := range map[string]string{"0.699999": "0", "0.7": "10", "0.700001": "10"} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("cup", "A", "B", "C")
		h.mark("cup", "A", "0.60")
		o := order("a", "cup", "!A", buy, "10", "0.30")
		o.PaperFill = true
		h.place(h.grant(o).Permit)
		h.mark("cup", "A", price)
		require.Equal(t, held, h.s.quantityOf("a", o.Instrument).String(), price)
	}
}
