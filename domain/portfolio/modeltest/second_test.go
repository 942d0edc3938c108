package modeltest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// try is a model with short words for what tests do.
type try struct {
	*testing.T
	*Second
	fillsMade int
}

var feed, other = Speaker{User: "feed"}, Speaker{User: "other"}

func loose() SecondRules {
	return SecondRules{
		Rules: Rules{
			MaxStreak: 1000, MaxDaily: N("0.99"), MaxBot: N("0.99"), MaxAll: N("0.99"), WarnAt: N("0.8"), Dust: zero, TTL: 30 * time.Second, FeeBPS: zero,
			Zones: []Num{N("0.05"), N("0.2"), N("0.4"), N("0.6"), N("0.8"), N("0.98")},
		},
		WhileTripped: "reduce", MinCapital: one,
	}
}

// start opens a portfolio of 100,000 with the bots a and b of 10,000 each, and the markets
// m of two outcomes and abc of three.
func start(t *testing.T, live bool, change ...func(*SecondRules)) *try {
	t.Helper()
	rules := loose()
	for _, c := range change {
		c(&rules)
	}
	s := &try{T: t, Second: NewSecond(rules, live, noon)}
	s.ok(s.Deposit(Flow{Amount: N("100000")}))
	s.ok(s.Register(Market{Name: "m", Kind: "outcome", Outcomes: []string{"YES", "NO"}}))
	s.ok(s.Register(Market{Name: "abc", Kind: "outcome", Outcomes: []string{"A", "B", "C"}}))
	for _, id := range []string{"a", "b"} {
		s.ok(s.AddBot(id, N("10000"), nil, true))
	}
	return s
}

func (s *try) ok(a Answer) Answer {
	s.Helper()
	require.Empty(s, a.Code)
	return a
}

func (s *try) no(code string, a Answer) {
	s.Helper()
	require.Equal(s, code, a.Code)
}

func (s *try) pass(d time.Duration) { s.At(s.wall.Add(d)) }

func thing(name string) Thing {
	market, outcome, _ := strings.Cut(name, "/")
	return Thing{market, outcome}
}

func (s *try) order(bot, side, name, quantity, limit string) SecondOrder {
	return SecondOrder{Bot: bot, Buys: side == "buy", Thing: thing(name), Quantity: N(quantity), Limit: N(limit)}
}

// granted asks for a permit and places it.
func (s *try) granted(o SecondOrder) int {
	s.Helper()
	id, why := s.Ask(o, false)
	require.Empty(s, Codes(why))
	s.ok(s.Place(id, time.Time{}))
	return id
}

func (s *try) denied(o SecondOrder, codes ...string) {
	s.Helper()
	_, why := s.Ask(o, true)
	require.Equal(s, codes, Codes(why))
}

// trade has an order permitted and filled at its limit.
func (s *try) trade(bot, side, name, quantity, price string) Answer {
	s.Helper()
	f := s.report(bot, side, name, quantity, price)
	f.Permit = s.granted(s.order(bot, side, name, quantity, price))
	return s.ok(s.Record(f))
}

func (s *try) report(bot, side, name, quantity, price string) SecondFill {
	s.fillsMade++
	return SecondFill{Bot: bot, Buys: side == "buy", Thing: thing(name), Quantity: N(quantity), Price: N(price), ID: fmt.Sprint("f", s.fillsMade)}
}

// fact records a fill without a permit.
func (s *try) fact(bot, side, name, quantity, price string) Answer {
	s.Helper()
	return s.ok(s.Record(s.report(bot, side, name, quantity, price)))
}

// mark records marks of a feed, as "m/YES .3".
func (s *try) mark(marks ...string) Answer {
	s.Helper()
	return s.ok(s.Marks(feed, said(marks...)))
}

func said(marks ...string) []Said {
	var out []Said
	for _, text := range marks {
		name, price, _ := strings.Cut(text, " ")
		if asset, is := strings.CutPrefix(name, "$"); is {
			out = append(out, Said{Asset: asset, Price: N(price)})
			continue
		}
		out = append(out, Said{Thing: thing(name), Price: N(price)})
	}
	return out
}

func (s *try) is(want string, got Num) {
	s.Helper()
	require.NotNil(s, got)
	require.Equal(s, N(want).RatString(), got.RatString())
}

func (s *try) equity(want string) {
	s.Helper()
	s.is(want, s.Equity("a"))
}

// --- section 1

// “Worked: 5,000 YES and 3,000 NO, marks .30 and .49: 3,000 + 2,000 × .30 = 3,600.”
func TestValueIsThatOfWhatDiffers(t *testing.T) {
	s := start(t, false)
	s.mark("m/YES 0.3", "m/NO 0.49")
	s.fact("a", "buy", "m/YES", "5000", "0.3")
	s.fact("a", "buy", "m/NO", "3000", "0.49")
	f := s.Figures("a", "m")
	s.is("3600", f.Value)
	s.is("3000", f.PayoffMin)
	s.is("5000", f.PayoffMax)
	s.is("600", f.Exposed) // max(2,970, 3,600) − 3,000
	s.equity("10630")      // 10,000 − 2,970 + 3,600
}

// “Exposure of a bot in an exclusive market = max(cost, value) − min P, at most max P − min
// P, plus the worst case of live opening permits; elsewhere max(cost, value) of a long”.
func TestExposure(t *testing.T) {
	s := start(t, false)
	exposed := func(market, want string) {
		t.Helper()
		s.is(want, s.Figures("a", market).Exposed)
	}
	s.fact("a", "buy", "m/YES", "100", "0.5")
	s.mark("m/YES 0.3")
	exposed("m", "50")
	s.mark("m/YES 0.7")
	exposed("m", "70")
	s.fact("a", "buy", "m/NO", "90", "0.9")
	exposed("m", "10") // cost 131, P is 100 and 90
	s.granted(s.order("a", "buy", "m/YES", "10", "0.5"))
	s.is("15", s.Figures("a", "m").Exposure)
	s.fact("a", "buy", "x/YES", "100", "0.5")
	s.mark("x/YES 0.3")
	exposed("x", "50")
	s.mark("x/YES 0.7")
	exposed("x", "70")
}

// “held within [min P, max P]”: marks of a feed need not add up to 1.
func TestValueIsHeldWithinThePayoffs(t *testing.T) {
	s := start(t, false)
	s.ok(s.Register(Market{Name: "four", Kind: "outcome", Outcomes: []string{"A", "B", "C", "D"}}))
	s.fact("a", "buy", "four/A", "10", "0.5")
	s.fact("a", "buy", "four/B", "10", "0.5")
	s.mark("four/A 0.7", "four/B 0.7", "four/C 0.1", "four/D 0.1")
	s.is("10", s.Figures("a", "four").Value)
	s.fact("b", "buy", "four/C", "10", "0.5")
	s.fact("b", "buy", "four/!D", "10", "0.5")
	s.fact("b", "sell", "four/A", "5", "0.5")
	s.is("9.5", s.Figures("b", "four").Value) // P is 5, 10, 20, 0; L 5: 5 + 5 × .7 + 15 × .1 − 5 × .1
}

// “n complete sets are worth n whatever a mark says”: the pair was bought for 980.
func TestPairIsRiskless(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBot, r.MaxDaily = N("0.001"), N("0.001") })
	s.trade("a", "buy", "m/YES", "1000", "0.49")
	s.trade("a", "buy", "m/NO", "1000", "0.49")
	s.equity("10020")
	for _, mark := range []string{"0.01", "0.5", "1", "0"} {
		s.mark("m/YES " + mark)
		s.equity("10020")
		require.Equal(s, "ok", s.Status(Alarm{BotDD, "a"}))
	}
	s.is("0", s.Figures("a", "m").Exposed)
}

// “A lone !A is 1 − mark(A).” “In a market of more than two outcomes !A is an instrument of
// its own: it pays 1 unless A wins”.
func TestNotAIsWorthTheRest(t *testing.T) {
	s := start(t, false)
	s.mark("abc/A 0.3", "abc/B 0.2", "abc/C 0.4")
	s.fact("a", "buy", "abc/!A", "100", "0.6")
	s.is("70", s.Figures("a", "abc").Value)
	s.ok(s.Settle(Settlement{Market: "abc", Outcome: "A", Payout: one}))
	s.equity("9940")
	require.Equal(s, 1, s.Bot("a").Losses)
}

// “With two, !YES is read as NO.”
func TestNotYesIsNo(t *testing.T) {
	s := start(t, false)
	s.fact("a", "buy", "m/!YES", "10", "0.5")
	s.is("10", s.quantity("a", thing("m/NO")))
	require.Empty(t, s.fact("a", "buy", "m/NO", "1", "0.5").Bad)
	require.NotContains(t, s.fact("a", "buy", "m/!NO", "1", "0.5").Flags, "outcome_unknown")
	require.Contains(t, s.fact("a", "buy", "m/yes", "1", "0.5").Flags, "outcome_unknown")
}

// “An outcome without a mark has 1 − that of its complement, else what the other marks leave
// of 1, in equal parts, not below 0.”
func TestOutcomeWithoutMark(t *testing.T) {
	s := start(t, false)
	s.fact("a", "buy", "abc/B", "100", "0.9")
	require.Equal(t, "[1/20 9/10 1/20]", fmt.Sprint(s.marks("a", "abc", nil)))
	s.mark("abc/A 0.4")
	require.Equal(t, "[2/5 9/10 0/1]", fmt.Sprint(s.marks("a", "abc", nil)))
	require.Equal(t, "[2/5 3/10 3/10]", fmt.Sprint(s.marks("b", "abc", nil)), "a bot's word prices only its own holding")
}

// “A registration may come after marks and fills; its event says by how much each scope's
// equity changes by it, and references are scaled by that as by a flow.”
func TestLateRegistrationIsAFlow(t *testing.T) {
	s := start(t, false)
	s.mark("late/Y 0.2", "late/N 0.2")
	s.fact("a", "buy", "late/Y", "1000", "0.5")
	s.fact("a", "buy", "late/N", "1000", "0.5")
	s.equity("9400")
	before := s.Bot("a").Drawdown
	s.is("0.06", before)
	a := s.ok(s.Register(Market{Name: "late", Kind: "outcome", Outcomes: []string{"Y", "N"}}))
	s.is("600", a.Changes["a"])
	s.is("600", a.Changes[""])
	// What was settled cannot become exclusive: nobody said what its outcomes pay together.
	s.ok(s.Settle(Settlement{Market: "paid", Outcome: "Y", Payout: N("0.5")}))
	paid := Market{Name: "paid", Kind: "outcome", Outcomes: []string{"Y", "N"}}
	s.no("conflict", s.Register(paid))
	paid.Exclusive = "no"
	s.ok(s.Register(paid))
	s.equity("10000")
	s.is("0.06", s.Bot("a").Drawdown)
}

// “In an exclusive market payouts sum to 1 (payouts_sum; another sum takes two people,
// override payouts); !A pays 1 − payout(A).” “names every outcome of a registered market”.
func TestSettlementOfAMarket(t *testing.T) {
	s := start(t, false)
	s.trade("a", "buy", "m/YES", "100", "0.5")
	s.trade("a", "buy", "m/NO", "50", "0.4")
	pay := func(yes, no string) Settlement {
		return Settlement{Market: "m", Payouts: map[string]Num{"YES": N(yes), "NO": N(no)}}
	}
	s.no("payouts_sum", s.Settle(pay("1", "0.1")))
	s.no("invalid", s.Settle(Settlement{Market: "m", Payouts: map[string]Num{"YES": one}}))
	s.no("invalid", s.Settle(Settlement{Market: "m", Outcome: "YES", Payout: one, Bot: "a"}))
	s.ok(s.Settle(pay("1", "0")))
	s.equity("10030")
	b := s.Bot("a")
	require.Equal(t, []int{2, 1, 1, 0}, []int{b.Trades, b.Results, b.Wins, b.Losses}, "one result, their sum")
	require.True(t, s.Settle(pay("1", "0")).Again)
	require.True(t, s.Settle(Settlement{Market: "m", Outcome: "NO", Payout: zero}).Again, "the form with one outcome settles both")
	s.no("conflict", s.Settle(pay("0", "1")))
	s.denied(s.order("a", "buy", "m/YES", "1", "0.5"), "market_settled")
	require.Contains(t, s.fact("a", "buy", "m/NO", "10", "0.5").Flags, "market_settled")
	s.equity("10025") // its mark is the payout
	s.ok(s.Settle(pay("1", "0")))
	require.Equal(t, 1, s.Bot("a").Losses)
}

// “{market, void:true} gives every holder his cost back (P&L as it is; the result is
// neutral).”
func TestVoidMarketGivesCostBack(t *testing.T) {
	s := start(t, false)
	f := s.report("a", "buy", "m/YES", "100", "0.5")
	f.Fee = one
	s.ok(s.Record(f))
	s.fact("a", "sell", "m/YES", "40", "0.75")
	s.mark("m/YES 0.1")
	s.ok(s.Settle(Settlement{Market: "m", Void: true}))
	s.equity("10009") // 40 × .25 − 1
	b := s.Bot("a")
	require.Equal(t, []int{1, 0, 1}, []int{b.Results, b.Wins, b.Neutral})
	s.is("9", b.Profit)
	require.True(t, s.Settle(Settlement{Market: "m", Void: true}).Again)
	s.no("conflict", s.Settle(Settlement{Market: "m", Outcome: "YES", Payout: one}))
}

// “with more, it takes 0 or 1: 1 settles all others at 0; an outcome settled at 0 pays 1 on
// its complement; from then its mark is 0, and min and max run over the rest, which later
// payouts name. What that closes counts with the bot's next result in the market, at once if
// it holds nothing more there.”
func TestOneOutcomeOfThree(t *testing.T) {
	s := start(t, false)
	s.fact("a", "buy", "abc/A", "100", "0.5")
	s.fact("a", "buy", "abc/!A", "10", "0.5")
	s.fact("a", "buy", "abc/B", "200", "0.4")
	s.fact("b", "buy", "abc/A", "100", "0.5")
	s.no("invalid", s.Settle(Settlement{Market: "abc", Outcome: "A", Payout: N("0.5")}))
	s.ok(s.Settle(Settlement{Market: "abc", Outcome: "A", Payout: zero}))
	f := s.Figures("a", "abc")
	s.is("0", f.PayoffMin)
	s.is("200", f.PayoffMax)
	a, b := s.Bot("a"), s.Bot("b")
	require.Equal(t, []int{2, 0}, []int{a.Trades, a.Results}, "it waits for the next result")
	require.Equal(t, []int{1, 1, 1}, []int{b.Trades, b.Results, b.Losses}, "at once")
	s.no("payouts_sum", s.Settle(Settlement{Market: "abc", Payouts: map[string]Num{"B": N("0.4"), "C": N("0.4")}}))
	s.ok(s.Settle(Settlement{Market: "abc", Payouts: map[string]Num{"B": one, "C": zero}}))
	a = s.Bot("a")
	require.Equal(t, []int{3, 1, 1}, []int{a.Trades, a.Results, a.Wins})
	s.is("75", a.Profit) // −50 + 5 + 120
}

// “each trade that settlement closed changes by its quantity × the difference (against a
// void: to cost ÷ quantity; trade.revised), later refolds use the corrected payout; it may
// trip, it never untrips.”
func TestCorrection(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBot = N("0.05") })
	f := s.report("a", "buy", "m/YES", "1000", "0.5")
	f.Provisional = true
	s.ok(s.Record(f))
	s.ok(s.Settle(Settlement{Market: "m", Outcome: "YES", Payout: one}))
	s.equity("10500")
	s.ok(s.Correct(Correction{Market: "m", Payouts: map[string]Num{"YES": zero, "NO": one}}))
	s.equity("9500")
	require.Equal(t, "tripped", s.Status(Alarm{BotDD, "a"}))
	require.Equal(t, 1, s.Bot("a").Losses)
	s.ok(s.Correct(Correction{Market: "m", Void: true}))
	s.equity("10000")
	require.Equal(t, "tripped", s.Status(Alarm{BotDD, "a"}))
	require.Equal(t, 1, s.Bot("a").Neutral)
	s.ok(s.Correct(Correction{Market: "m", Payouts: map[string]Num{"YES": N("0.4"), "NO": N("0.6")}}))
	s.equity("9900")
	s.ok(s.Void(SecondFillID{Bot: "a", Market: "m", ID: f.ID}))
	s.equity("10000")
	require.Zero(t, s.Bot("a").Trades)
}

// A correction with rebase measures from what it leaves.
func TestCorrectionRebases(t *testing.T) {
	s := start(t, true, func(r *SecondRules) { r.MaxBot = N("0.05") })
	s.fact("a", "buy", "m/YES", "1000", "0.5")
	s.ok(s.Settle(Settlement{Market: "m", Outcome: "YES", Payout: one}))
	c := Correction{Market: "m", Payouts: map[string]Num{"YES": zero, "NO": one}, Rebase: true}
	s.no("denied", s.Correct(c))
	c.Two = true
	s.ok(s.Correct(c))
	require.Equal(t, "ok", s.Status(Alarm{BotDD, "a"}))
	s.is("0", s.Bot("a").Drawdown)
}

// “Split: cash −q, q of each outcome at the share of q that its mark has among all; merge: q
// of each leaves at average cost for q in cash, shared out in proportion to the cost taken
// out; in equal parts where a mark is missing …; the rounding goes to the largest.”
func TestSets(t *testing.T) {
	s := start(t, false)
	sets := func(action, quantity, id string) Sets {
		return Sets{Bot: "a", Market: "abc", Action: action, Quantity: N(quantity), ID: id}
	}
	s.no("not_held", s.ChangeSets(sets("merge", "1", "0")))
	s.no("not_held", s.ChangeSets(sets("split", "10001", "0")))
	s.ok(s.ChangeSets(sets("split", "100", "1")))
	require.True(t, s.ChangeSets(sets("split", "100", "1")).Again)
	s.no("conflict", s.ChangeSets(sets("split", "101", "1")))
	s.is("33.333333333333333334", s.held("a", thing("abc/A")).Cost)
	s.is("33.333333333333333333", s.held("a", thing("abc/C")).Cost)
	s.mark("abc/A 0.5", "abc/B 0.25", "abc/C 0.5")
	s.ok(s.ChangeSets(sets("split", "100", "2")))
	s.is("73.333333333333333334", s.held("a", thing("abc/A")).Cost)
	s.equity("10000")
	parts := share(one, []Num{N("0.2"), N("0.3"), N("0.2")})
	s.is("0.285714285714285714", parts[0])
	s.is("0.428571428571428572", parts[1])
	s.ok(s.ChangeSets(sets("merge", "200", "3")))
	s.equity("10000")
	s.is("10000", s.Cash("a"))
	b := s.Bot("a")
	require.Equal(t, []int{3, 1, 1}, []int{b.Trades, b.Results, b.Neutral})
}

// “Result: … A trade is a result; trades of one bot that one command closes in one exclusive
// market are one result, their sum.” Worked: capital 1,000, losses −10, −10, +5, −10, −10,
// −10 → trips at the sixth trade, not the fourth.
func TestStreak(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxStreak = 3 })
	for n, profit := range []string{"-10", "-10", "5", "-10", "-10", "-10"} {
		require.NotEqual(t, "tripped", s.Status(Alarm{Losses, "a"}))
		s.ok(s.Report(Trade{Bot: "a", Market: "x", ID: fmt.Sprint(n), Profit: N(profit)}))
	}
	require.Equal(t, "tripped", s.Status(Alarm{Losses, "a"}))
	require.Equal(t, 3, s.Bot("a").Streak)
	s.ok(s.Reset(Alarm{Losses, "a"}, false))
	require.Equal(t, 0, s.Bot("a").Streak)
}

// A hedge that loses on one side and wins on the other is no losing streak.
func TestHedgeIsOneResult(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxStreak = 1 })
	s.fact("a", "buy", "m/YES", "100", "0.4")
	s.fact("a", "buy", "m/NO", "100", "0.4")
	s.ok(s.Settle(Settlement{Market: "m", Outcome: "YES", Payout: one}))
	require.Equal(t, "ok", s.Status(Alarm{Losses, "a"}))
	require.Equal(t, 0, s.Bot("a").Streak)
}
