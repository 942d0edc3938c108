package modeltest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (s *try) filled(f SecondFill, change func(*SecondFill)) Answer {
	s.Helper()
	change(&f)
	return s.Record(f)
}

// “A fee above what was reserved is flagged fee_exceeded and changes nothing else; for sells
// the fee is reserved at price 1 in outcome markets”.
func TestFeeOfAPermit(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.FeeBPS = N("100") })
	f := s.report("a", "buy", "m/YES", "100", "0.5")
	f.Permit = s.granted(s.order("a", "buy", "m/YES", "100", "0.5"))
	f.Fee = N("0.500002")
	require.Equal(t, []string{"fee_exceeded"}, s.ok(s.Record(f)).Flags)
	s.is("0.5", s.Mark("a", thing("m/YES")))
	// A rebate reserves nothing for later fees.
	id := s.granted(s.order("b", "buy", "m/YES", "100", "0.5"))
	for n, fee := range []string{"-0.4", "0.5", "0.000002"} {
		f = s.report("b", "buy", "m/YES", "10", "0.5")
		f.Permit, f.Fee = id, N(fee)
		require.Len(t, s.ok(s.Record(f)).Flags, []int{0, 0, 1}[n])
	}
	f = s.report("a", "sell", "m/YES", "100", "0.5")
	f.Permit = s.granted(s.order("a", "sell", "m/YES", "100", "0.5"))
	f.Fee = one
	require.Empty(t, s.ok(s.Record(f)).Flags)
}

// “Within a permit means market, side, quantity and price.”
func TestWithinAPermit(t *testing.T) {
	s := start(t, false)
	id := s.granted(s.order("a", "buy", "m/YES", "100", "0.5"))
	f := s.report("a", "buy", "m/YES", "10", "0.51")
	f.Permit = id
	require.Equal(t, []string{"permit_exceeded"}, s.ok(s.Record(f)).Flags)
	f = s.report("a", "sell", "m/YES", "10", "0.5")
	f.Permit = id
	require.Equal(t, []string{"permit_not_live"}, s.ok(s.Record(f)).Flags)
	require.Equal(t, []string{"no_permit"}, s.fact("a", "buy", "m/YES", "1", "0.5").Flags)
}

// “Fees are signed (a rebate is negative) and have a fee_asset: the base asset; another asset
// (in P&L at its mark then, 0 without one, flagged fee_unpriced); or shares: buys only, fee <
// quantity, the fill is one of quantity − fee shares for the same cash”.
func TestFeeAssets(t *testing.T) {
	s := start(t, false)
	f := s.report("a", "buy", "m/YES", "100", "0.5")
	f.Fee, f.FeeAsset = N("0.01"), "ETH"
	require.Contains(t, s.ok(s.Record(f)).Flags, "fee_unpriced")
	s.equity("10000")
	s.mark("$ETH 1000")
	s.equity("9990")
	s.is("0", s.Bot("a").Drawdown)
	f = s.report("a", "sell", "m/YES", "100", "0.5")
	f.Fee, f.FeeAsset = N("0.01"), "ETH"
	require.NotContains(t, s.ok(s.Record(f)).Flags, "fee_unpriced")
	s.equity("9980")
	s.is("-10", s.Bot("a").Profit)
	f = s.report("b", "buy", "m/YES", "100", "0.5")
	f.FeeAsset = "shares"
	s.no("invalid", s.filled(f, func(f *SecondFill) { f.Fee = N("100") }))
	s.no("invalid", s.filled(f, func(f *SecondFill) { f.Fee, f.Buys = one, false }))
	s.ok(s.filled(f, func(f *SecondFill) { f.Fee = N("2") }))
	s.is("98", s.quantity("b", thing("m/YES")))
	s.is("50", s.held("b", thing("m/YES")).Cost)
	s.is("9950", s.Cash("b"))
	s.is("0.5", s.Mark("b", thing("m/YES")))
	s.is("9999", s.Equity("b"))
}

// “In live a bot's key may not report a rebate above 5 % of the notional, nor funding above
// 5 % of the position's value or without a perp position; an operator may.”
func TestWhatABotMayNotReportInLive(t *testing.T) {
	s := start(t, true)
	s.ok(s.Register(Market{Name: "perp", Kind: "perp"}))
	f := s.report("a", "buy", "perp/X", "10", "100")
	s.no("denied", s.filled(f, func(f *SecondFill) { f.Fee = N("-50.01") }))
	s.ok(s.filled(f, func(f *SecondFill) { f.Fee = N("-50") }))
	fund := Funding{Bot: "a", ID: "1", Thing: thing("perp/X"), Amount: N("50.01")}
	s.no("denied", s.Fund(fund))
	fund.Amount = N("-50")
	s.ok(s.Fund(fund))
	s.no("denied", s.Fund(Funding{Bot: "a", ID: "2", Thing: thing("m/YES"), Amount: one}))
	s.ok(s.Fund(Funding{Bot: "a", ID: "2", Thing: thing("m/YES"), Amount: one, ByOperator: true}))
	s.no("denied", s.Report(Trade{Bot: "a", Market: "m", ID: "1", Profit: one}))
	s.ok(s.Report(Trade{Bot: "a", Market: "m", ID: "1", Profit: one, ByOperator: true}))
}

// Funding is “in equity and in the P&L of the open episode; when flat it is the bot's, and of
// no trade.”
func TestFunding(t *testing.T) {
	s := start(t, false)
	fund := Funding{Bot: "a", ID: "1", Thing: thing("perp/X"), Amount: N("-3")}
	s.ok(s.Fund(fund))
	require.True(t, s.Fund(fund).Again)
	fund.Amount = N("-4")
	s.no("conflict", s.Fund(fund))
	s.equity("9997")
	s.fact("a", "buy", "perp/X", "1", "0.5")
	fund.ID = "2"
	s.ok(s.Fund(fund))
	s.fact("a", "sell", "perp/X", "1", "0.5")
	s.equity("9993")
	s.is("-4", s.Bot("a").Profit)
}

// “Identity of a fill = (bot, venue, market, trade_id, leg); confirm and void take market,
// needed where the id is unknown or not unique.”
func TestIdentity(t *testing.T) {
	s := start(t, false)
	f := s.report("a", "buy", "m/YES", "10", "0.5")
	f.Provisional = true
	s.ok(s.Record(f))
	require.True(t, s.Record(f).Again)
	s.no("trade_id_conflict", s.filled(f, func(f *SecondFill) { f.Price = N("0.4") }))
	id := SecondFillID{Bot: "a", ID: f.ID}
	s.ok(s.Confirm(id))
	f.Thing = thing("abc/A")
	s.ok(s.Record(f)) // another market: another fill
	s.no("invalid", s.Void(id))
	s.no("invalid", s.Void(SecondFillID{Bot: "a", ID: "unknown"}))
	id.Market = "abc"
	s.ok(s.Void(id))
	require.True(t, s.Void(id).Again)
	s.no("conflict", s.Void(SecondFillID{Bot: "a", Market: "m", ID: f.ID}))
}

// “A voided fill reported confirmed under a new key lives again (fill.reinstated: the new
// content, at a new place in the order; in a settled market paid at once); reported
// provisional it is 409 voided, which says so. Voided first, then reported: posts nothing,
// however often.”
func TestReinstated(t *testing.T) {
	s := start(t, false)
	f := s.report("a", "buy", "m/YES", "100", "0.5")
	f.Provisional = true
	s.ok(s.Record(f))
	id := SecondFillID{Bot: "a", Market: "m", ID: f.ID}
	s.ok(s.Void(id))
	s.no("voided", s.Record(f))
	s.ok(s.Settle(Settlement{Market: "m", Outcome: "YES", Payout: one}))
	f.Provisional, f.Quantity = false, N("50")
	s.ok(s.Record(f))
	s.equity("10025")
	require.Equal(t, 1, s.Bot("a").Wins)
	require.True(t, s.Record(f).Again)
	s.no("conflict", s.Void(id))
	s.ok(s.Void(SecondFillID{Bot: "b", Market: "m", ID: "early"}))
	early := s.report("b", "buy", "m/YES", "1", "0.5")
	early.ID = "early"
	require.Equal(t, []string{"voided"}, s.ok(s.Record(early)).Flags)
	require.True(t, s.Record(early).Again)
	s.is("10000", s.Equity("b"))
}

// “The same side of one fill of a named venue under a second bot, and fills beside a reported
// trade of one id, are recorded and flagged reported_twice.”
func TestReportedTwice(t *testing.T) {
	s := start(t, false)
	for _, c := range []struct {
		bot, side, venue string
		want             bool
	}{{"a", "buy", "v", false}, {"b", "sell", "v", false}, {"b", "buy", "w", false}, {"b", "buy", "", false}} {
		f := s.report(c.bot, c.side, "m/YES", "1", "0.5")
		f.ID, f.Venue = "one", c.venue
		require.NotContains(t, s.ok(s.Record(f)).Flags, "reported_twice")
	}
	unnamed := s.report("a", "buy", "m/YES", "1", "0.5")
	unnamed.ID = "one"
	require.NotContains(t, s.ok(s.Record(unnamed)).Flags, "reported_twice")
	s.ok(s.AddBot("c", zero, nil, true))
	f := s.report("c", "buy", "m/YES", "1", "0.5")
	f.ID, f.Venue = "one", "v"
	require.Contains(t, s.ok(s.Record(f)).Flags, "reported_twice")
	s.ok(s.Report(Trade{Bot: "c", Market: "m", ID: "t", Profit: one}))
	f.ID, f.Venue = "t", ""
	require.Contains(t, s.ok(s.Record(f)).Flags, "reported_twice")
	require.Equal(t, []string{"reported_twice"}, s.ok(s.Report(Trade{Bot: "b", Market: "m", ID: "one", Profit: one})).Flags)
}

// “Deposits and withdrawals with a tx are booked once per (asset, wallet, tx, leg): the same
// again is noted, another amount is a conflict.”
func TestDepositsAreBookedOnce(t *testing.T) {
	s := start(t, false)
	f := Flow{Amount: one, Tx: "0x1"}
	s.ok(s.Deposit(f))
	require.True(t, s.Deposit(f).Again)
	f.Amount = N("2")
	s.no("conflict", s.Deposit(f))
	f.Leg = 1
	s.ok(s.Deposit(f))
	f.Leg, f.Cold = 0, true
	s.ok(s.Deposit(f))
	s.is("100005", s.Equity(""))
}

// “a reducing fill that leaves a position worth less (the higher of |cost| and |quantity| ×
// the fill's price) closes the trade; the rest keeps its share of the cost and begins the
// next episode. An episode that never was worth more is neutral.”
func TestDust(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.PositionDust = N("0.1") })
	s.fact("a", "buy", "m/YES", "100", "0.5")
	s.fact("a", "sell", "m/YES", "99.8", "0.5") // .2 × .5 = .1 is not less
	require.Zero(t, s.Bot("a").Trades)
	s.fact("a", "sell", "m/YES", "0.01", "0.4") // .19 × .5
	b := s.Bot("a")
	require.Equal(t, []int{1, 1}, []int{b.Trades, b.Losses})
	s.is("-0.001", b.Profit)
	s.is("0.095", s.held("a", thing("m/YES")).Cost)
	s.fact("a", "sell", "m/YES", "0.19", "0.4")
	b = s.Bot("a")
	require.Equal(t, []int{2, 1, 1}, []int{b.Trades, b.Losses, b.Neutral})
	s.is("-0.02", b.Profit)
	s.equity("9999.98")
}

// “A shortage of the base asset on the chain beyond what live permits reserve, found by two
// reconciliations in a row, denies increases and signatures of orders that open
// (unreconciled) until one finds none”.
func TestUnreconciled(t *testing.T) {
	s := start(t, true)
	o := s.order("a", "buy", "m/YES", "100", "0.5")
	id := s.granted(o)
	s.ok(s.Reconcile(N("99949.99")))
	s.denied(o)
	s.ok(s.Reconcile(N("99950")))
	s.ok(s.Reconcile(N("99949.99")))
	require.True(t, s.MaySign(id))
	s.ok(s.Reconcile(N("99949.99")))
	s.denied(o, "unreconciled")
	require.False(t, s.MaySign(id))
	s.ok(s.Reconcile(N("100001")))
	s.denied(o)
}

// “A wall clock behind the last record by more than 2 s still takes facts, marks and
// everything that stops or reduces, with the last record's time and a flag; it refuses what
// opens … Two people may accept the clock: time then runs on from the last record at the wall
// clock's pace”.
func TestClock(t *testing.T) {
	s := start(t, true)
	o := s.order("a", "buy", "m/YES", "100", "0.5")
	f := s.report("a", "buy", "m/YES", "100", "0.5")
	s.ok(s.Record(f))
	s.ok(s.Stop("b", false))
	s.pass(-2 * time.Second)
	s.denied(o)
	s.ok(s.Start("b"))
	s.pass(-1)
	s.denied(o, "clock")
	s.denied(s.order("a", "sell", "m/YES", "100", "0.5"))
	s.no("clock", s.Start("b"))
	require.Contains(t, s.fact("a", "buy", "m/YES", "1", "0.5").Flags, "clock")
	require.Equal(t, noon, s.items[len(s.items)-1].at)
	s.ok(s.AcceptClock())
	s.denied(o)
	s.pass(time.Second)
	s.fact("a", "buy", "m/YES", "1", "0.5")
	require.Equal(t, noon.Add(time.Second), s.items[len(s.items)-1].at)
}
