package modeltest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// “Worked (live, no feed): permitted buys of 1,000 at .40 and 1,000 at .55: mark .475, equity
// unchanged.”
func TestAWordInLiveEarnsNothing(t *testing.T) {
	s := start(t, true)
	s.trade("a", "buy", "m/YES", "1000", "0.4")
	s.is("0.4", s.Mark("a", thing("m/YES")))
	s.trade("a", "buy", "m/YES", "1000", "0.55")
	s.is("0.475", s.Mark("a", thing("m/YES")))
	s.equity("10000")
	// “(a sale: than at the mark before)”
	s.trade("a", "sell", "m/YES", "1000", "0.9")
	s.is("0.475", s.Mark("a", thing("m/YES")))
	s.equity("10425")
	require.Equal(t, "denied", s.Marks(Speaker{Bot: "a"}, said("m/YES 0.4")).Code)
	s.is("0.475", s.Mark("a", thing("m/YES")))
	require.Nil(t, s.Mark("", thing("m/YES")))
	require.Nil(t, s.Mark("b", thing("m/YES")))
}

// “A fill outside or without a permit … earns nothing … if there is none, the mark before
// stays.”
func TestAFillWithoutPermitEarnsNothing(t *testing.T) {
	s := start(t, false)
	s.trade("a", "buy", "m/YES", "1000", "0.4")
	s.fact("a", "buy", "m/YES", "1", "0.9")
	s.is("0.400499500499500499", s.Mark("a", thing("m/YES")))
	require.True(t, less(sub(N("10000"), s.Equity("a")), N("0.000000000000001")))
	require.False(t, less(N("10000"), s.Equity("a")))
	s.trade("a", "buy", "m/YES", "1", "0.9")
	s.is("0.9", s.Mark("a", thing("m/YES"))) // in paper, with a permit
	// A short: a lower mark would earn, so none is taken.
	s.fact("b", "sell", "m/YES", "10", "0.5")
	s.is("0.5", s.Mark("b", thing("m/YES")))
	s.fact("b", "sell", "m/YES", "10", "0.3")
	s.is("0.5", s.Mark("b", thing("m/YES")))
}

// Where the other marks leave nothing of 1, a higher word no longer takes from the outcomes
// without a mark: the value falls until there, and rises from there.
func TestAWordWithABend(t *testing.T) {
	s := start(t, true)
	s.ok(s.Register(Market{Name: "four", Kind: "outcome", Outcomes: []string{"A", "B", "C", "D"}}))
	s.mark("four/C 0.3", "four/D 0.2")
	s.ok(s.ChangeSets(Sets{Bot: "a", Market: "four", Action: "split", Quantity: N("20"), ID: "1"}))
	for n, name := range []string{"four/A", "four/C", "four/D"} {
		s.fact("a", "sell", name, []string{"10", "20", "20"}[n], "0.1")
	}
	// 10 A and 20 B: 10 × x + 20 × what x leaves of .5.
	s.is("0.6", s.modest("a", thing("four/A"), N("0.9"), N("6")))
	s.is("0.5", s.modest("a", thing("four/A"), N("0.9"), N("5")))
	require.Nil(t, s.modest("a", thing("four/A"), N("0.9"), N("4.9")))
	s.is("0.45", s.modest("a", thing("four/A"), N("0.45"), N("5.5")))
}

// “with more than two, a bot's word on !A is one on A likewise.”
func TestAWordOnNotA(t *testing.T) {
	s := start(t, false)
	s.trade("a", "buy", "abc/!A", "100", "0.6")
	s.is("0.4", s.Mark("a", thing("abc/A")))
	s.fact("a", "buy", "abc/!A", "100", "0.8")
	s.is("0.3", s.Mark("a", thing("abc/A")))
	s.equity("10000")
}

// “A bot's word … prices only its own holding, and only when that outcome has no market mark
// younger than mark_max_age (0: none at all) at that moment.” “The next market mark overrides
// all of these.”
func TestMarketMarkAndOwnMark(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MarkAge = time.Minute })
	s.mark("m/YES 0.5")
	s.is("0.5", s.Mark("", thing("m/NO"))) // “registered with two: of the other”
	s.pass(time.Minute - 1)
	s.trade("a", "buy", "m/YES", "10", "0.6")
	s.is("0.5", s.Mark("a", thing("m/YES")))
	s.pass(1)
	s.trade("a", "buy", "m/YES", "10", "0.6")
	s.is("0.6", s.Mark("a", thing("m/YES")))
	s.is("0.5", s.Mark("b", thing("m/YES")))
	s.mark("m/YES 0.3")
	s.is("0.3", s.Mark("a", thing("m/YES")))
	rules := loose()
	s.ok(s.Change(rules, false))
	s.pass(time.Hour)
	s.trade("a", "buy", "m/YES", "10", "0.6")
	s.is("0.3", s.Mark("a", thing("m/YES")))
}

// “in an exclusive market a market mark of !A (registered with two: of the other) is one of
// A, at 1 − it, unless the same command gives a good one of A”.
func TestMarkOfTheComplement(t *testing.T) {
	s := start(t, false)
	s.mark("m/NO 0.6")
	s.is("0.4", s.Mark("", thing("m/YES")))
	s.mark("m/NO 0.49", "m/YES 0.3")
	s.is("0.3", s.Mark("", thing("m/YES")))
	s.mark("abc/!A 0.6")
	s.is("0.4", s.Mark("", thing("abc/A")))
	s.mark("abc/A 0.5", "abc/!A 0.6")
	s.is("0.5", s.Mark("", thing("abc/A")))
	a := s.mark("m/NO 0.1", "m/YES 1.01") // not a good one
	require.Equal(t, []int{1}, a.Bad)
	s.is("0.9", s.Mark("", thing("m/YES")))
	s.no("invalid", s.Marks(feed, said("m/NO 1.1")))
}

// “a fill whose notional ÷ quantity does not [lie in 0..1] marks nothing and is flagged
// price_off.” “A fact whose effective_at … is older than the price in force marks nothing.”
func TestFillsThatMarkNothing(t *testing.T) {
	s := start(t, false)
	f := s.report("a", "buy", "m/YES", "10", "0.5")
	f.Notional = N("10.01")
	require.Contains(t, s.ok(s.Record(f)).Flags, "price_off")
	require.Nil(t, s.Mark("a", thing("m/YES")))
	s.trade("a", "buy", "m/YES", "10", "0.5")
	for n, want := range []string{"0.5", "0.6"} {
		f = s.report("a", "buy", "m/YES", "10", "0.6")
		f.Permit = s.granted(s.order("a", "buy", "m/YES", "10", "0.6"))
		f.Effective = noon.Add(time.Duration(n-1) * time.Nanosecond)
		s.ok(s.Record(f))
		s.is(want, s.Mark("a", thing("m/YES")))
	}
}

func collared(r *SecondRules) { r.Collar, r.MaxBot = N("0.25"), N("0.05") }

// “a mark further than that from the market mark in force waits: it prices nothing.” “permits
// that open in that market are denied (mark_unconfirmed).” “mark_confirm_after (10 s) from
// the first … everything is evaluated”.
func TestCollar(t *testing.T) {
	s := start(t, true, collared)
	s.mark("m/YES 0.5", "m/NO 0.5")
	s.trade("a", "buy", "m/YES", "2000", "0.5")
	s.mark("m/YES 0.25", "m/NO 0.5") // at the limit
	s.is("0.25", s.Mark("", thing("m/YES")))
	s.ok(s.Reset(Alarm{BotDD, "a"}, true))
	s.ok(s.Start("a"))
	s.mark("m/YES 0.500000000000000001", "m/NO 0.5")
	s.is("0.25", s.Mark("", thing("m/YES")))
	require.Len(t, s.Waiting(), 1)
	s.denied(s.order("a", "buy", "m/YES", "1", "0.5"), "mark_unconfirmed")
	s.denied(s.order("a", "sell", "m/YES", "1", "0.5"))
	s.pass(9 * time.Second)
	s.mark("m/YES 0.9", "m/NO 0.5") // takes its place, and its time runs on
	s.pass(time.Second - 1)
	require.Equal(t, "nothing", s.Tick().Code)
	s.is("0.25", s.Mark("", thing("m/YES")))
	s.pass(1)
	s.ok(s.Deposit(Flow{Amount: one}))
	s.is("0.9", s.Mark("", thing("m/YES")))
	s.equity("10800")
	require.Empty(t, s.Waiting())
}

// “A mark of another command within the collar of the market mark in force takes force and
// drops the waiting one; else one within the collar of the waiting one takes force itself”.
func TestMarksConfirm(t *testing.T) {
	s := start(t, true, collared)
	s.mark("m/YES 0.2", "m/NO 0.5")
	s.mark("m/YES 0.6", "m/NO 0.5")
	s.mark("m/YES 0.45", "m/NO 0.5")
	s.is("0.45", s.Mark("", thing("m/YES")))
	require.Empty(t, s.Waiting())
	s.mark("m/YES 0.9", "m/NO 0.5")
	s.mark("m/YES 0.8", "m/NO 0.5")
	s.is("0.8", s.Mark("", thing("m/YES")))
	s.mark("m/YES 0.1", "m/NO 0.5")
	s.ok(s.Settle(Settlement{Market: "m", Outcome: "YES", Payout: one}))
	require.Empty(t, s.Waiting(), "a payout ends every waiting mark of the market")
	s.mark("m/YES 0.1")
	s.is("1", s.Mark("", thing("m/YES")))
}

// “The first mark of an asset in live waits for one by another user within the collar, and
// for nothing else.” “relative elsewhere”.
func TestFirstMarkOfAnAsset(t *testing.T) {
	s := start(t, true, collared)
	s.ok(s.Deposit(Flow{Asset: "ETH", Amount: one}))
	s.mark("$ETH 1000")
	s.pass(time.Hour)
	s.mark("$ETH 1000")
	require.Nil(t, s.Mark("", assetThing("ETH")))
	s.ok(s.Marks(other, said("$ETH 1250.1")))
	require.Nil(t, s.Mark("", assetThing("ETH")))
	s.ok(s.Marks(feed, said("$ETH 1250")))
	s.is("1250", s.Mark("", assetThing("ETH")))
	s.is("101250", s.Equity(""))
	s.is("0", s.Portfolio().Drawdown)
	s.mark("$ETH 937")
	require.Len(t, s.Waiting(), 1)
	s.mark("$ETH 937.5")
	s.is("937.5", s.Mark("", assetThing("ETH")))
}

// “Equity, peaks, day-open, flows and breakers go on with the price in force”: the day opens
// first, and then the mark is confirmed.
func TestDayOpensBeforeAMarkIsConfirmed(t *testing.T) {
	s := start(t, true, collared, func(r *SecondRules) { r.MaxBot, r.MaxDaily = N("0.99"), N("0.005") })
	s.mark("m/YES 0.5", "m/NO 0.5")
	s.trade("a", "buy", "m/YES", "2000", "0.5")
	s.pass(11*time.Hour + 59*time.Minute + 55*time.Second)
	s.mark("m/YES 0.1", "m/NO 0.5")
	s.pass(10 * time.Second)
	s.ok(s.Tick())
	require.Equal(t, "tripped", s.Status(Alarm{Name: Daily}))
	require.Equal(t, "2026-03-03", s.Portfolio().Day)
}
