package modeltest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// randomHoldings is a model with some holdings in abc and marks of it, of a, b and c.
func randomHoldings(r *rapid.T) *chance {
	c := &chance{T: r, Second: NewSecond(loose(), false, noon)}
	c.Deposit(Flow{Amount: N("10000")})
	c.Register(Market{Name: "abc", Kind: "outcome", Outcomes: []string{"A", "B", "C"}})
	for _, id := range []string{"a", "b", "c"} {
		c.AddBot(id, N("1000"), nil, true)
	}
	for n := range rapid.IntRange(1, 10).Draw(r, "fills") {
		require.Empty(r, c.Record(SecondFill{
			Bot: pick(c, "a", "b", "c"), ID: fmt.Sprint(n), Thing: Thing{"abc", pick(c, "A", "B", "C", "!A", "!B", "!C")}, Buys: pick(c, true, true, false),
			Quantity: N(pick(c, "1", "10", "30.5", "100")), Price: N(pick(c, "0.1", "0.45", "0.8")),
		}).Code)
	}
	if pick(c, true, false) {
		c.Marks(feed, said("abc/A 0.3", "abc/B 0.5"))
	}
	return c
}

// “Value depends on P alone, so no split, merge or pair moves equity”.
func TestSetsMoveNoEquity(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := randomHoldings(r)
		bot := pick(c, "a", "b", "c")
		before, p := c.Equity(bot), c.Portfolio()
		drawdown := c.Bot(bot).Drawdown
		for n := range 3 {
			a := c.ChangeSets(Sets{Bot: bot, Market: "abc", Action: pick(c, "split", "merge"), Quantity: N(pick(c, "1", "7.3", "100")), ID: fmt.Sprint(n)})
			require.Contains(r, []string{"", "not_held"}, a.Code)
		}
		require.Equal(r, before.RatString(), c.Equity(bot).RatString())
		require.Equal(r, drawdown.RatString(), c.Bot(bot).Drawdown.RatString())
		require.Equal(r, p.Drawdown.RatString(), c.Portfolio().Drawdown.RatString())
		// What is not in closed trades is in those that are open.
		profit, cost := c.Bot(bot).Profit, zero
		for _, h := range c.Holdings(bot) {
			cost = add(cost, h.Cost)
			if is := c.held(bot, h.Thing).open; is != nil {
				profit = add(profit, is.profit(), h.Cost)
			}
		}
		require.Equal(r, profit.RatString(), sub(add(c.Cash(bot), cost), N("1000")).RatString())
	})
}

// The order in which one market is settled does not change what it ends at.
func TestOrderOfSettlement(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := randomHoldings(r)
		one := func(outcome, payout string) Settlement {
			return Settlement{Market: "abc", Outcome: outcome, Payout: N(payout)}
		}
		var first string
		for _, order := range [][]Settlement{
			{{Market: "abc", Payouts: map[string]Num{"A": N("0"), "B": N("0"), "C": N("1")}}},
			{one("C", "1")},
			{one("A", "0"), one("C", "1")},
			{one("A", "0"), one("B", "0"), one("C", "1")},
			{one("B", "0"), one("A", "0"), one("C", "1")},
			{one("B", "0"), {Market: "abc", Payouts: map[string]Num{"A": N("0"), "C": N("1")}}},
			{{Market: "abc", Void: true}},
			{one("A", "1")},
		} {
			done := c.Second.clone()
			for _, s := range order {
				require.Empty(r, done.Settle(s).Code)
			}
			if order[0].Void || order[0].Payout != nil && order[0].Outcome == "A" && order[0].Payout.Sign() > 0 {
				require.Empty(r, done.Correct(Correction{Market: "abc", Payouts: map[string]Num{"A": N("0"), "B": N("0"), "C": N("1")}}).Code)
			}
			text := ""
			for _, id := range done.ids() {
				b := done.Bot(id)
				text += fmt.Sprint(id, b.Cash, b.Equity, b.Trades, b.Results, b.Wins, b.Losses, b.Neutral, b.Profit, b.Streak, " ")
			}
			if first == "" {
				first = text
			}
			require.Equal(r, first, text, "%+v", order)
		}
	})
}

// “|Δ ratio| ≤ 1e-12 across any flow”: the model does not round, so flows in any split move
// no ratio at all, also if the scope sleeps in between.
func TestFlowsMoveNoRatio(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := &chance{T: r, Second: NewSecond(loose(), false, noon)}
		c.Deposit(Flow{Amount: N("10000")})
		for n := range rapid.IntRange(0, 4).Draw(r, "losses") {
			c.At(noon.Add(time.Duration(n) * 7 * time.Hour))
			c.Charge("", N(pick(c, "-100", "50", "700", "0.000001")))
		}
		want := c.Portfolio()
		for range rapid.IntRange(1, 8).Draw(r, "flows") {
			amount := N(pick(c, "1", "-1", "333.333333", "-5000", "-0.5", "100000", "0.000001"))
			if e := add(c.Equity(""), amount); pick(c, false, false, true) || e.Sign() <= 0 {
				amount = neg(c.Equity("")) // all of it: the scope sleeps
			}
			require.Empty(r, c.Deposit(Flow{Amount: amount}).Code)
			is := c.Portfolio()
			for _, pair := range [][2]Num{{want.Drawdown, is.Drawdown}, {want.Lifetime, is.Lifetime}, {want.Daily, is.Daily}, {want.Rolling, is.Rolling}} {
				require.Equal(r, pair[0].RatString(), pair[1].RatString())
			}
		}
	})
}

// A correction leaves the references as if the flow had been right, whatever came between.
func TestCorrectedFlowIsAsIfItHadBeenRight(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		typed, right := NewSecond(loose(), false, noon), NewSecond(loose(), false, noon)
		c := &chance{T: r, Second: typed}
		both := func(act func(*Second)) { act(typed); act(right) }
		both(func(m *Second) { m.Deposit(Flow{Amount: N("10000")}) })
		id := typed.Deposit(Flow{Amount: N(pick(c, "9000", "-9000"))}).ID
		amount := typed.moments[id-1].amount
		half := N(amount.FloatString(0))
		half.Quo(half, Whole(10))
		right.Deposit(Flow{Amount: half})
		for range rapid.IntRange(0, 5).Draw(r, "between") {
			loss, flow := N(pick(c, "-100", "50", "200")), N(pick(c, "100", "-50"))
			if pick(c, true, false) {
				both(func(m *Second) { m.Charge("", loss) })
			} else {
				both(func(m *Second) { m.Deposit(Flow{Amount: flow}) })
			}
		}
		require.Empty(r, typed.CorrectFlow(id, sub(half, amount)).Code)
		a, b := typed.Portfolio(), right.Portfolio()
		require.Equal(r, fmt.Sprint(b.Equity, b.Drawdown, b.Lifetime, b.Daily, b.Rolling), fmt.Sprint(a.Equity, a.Drawdown, a.Lifetime, a.Daily, a.Rolling))
	})
}

// A word that earns nothing: whatever a bot fills in live moves its equity by no more
// than nothing.
func TestWordsEarnNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := randomHoldings(r)
		c.live = true
		for n := range 4 {
			before := c.Equity("a")
			name, price := Thing{"abc", pick(c, "A", "B", "C", "!A", "!B")}, N(pick(c, "0", "0.05", "0.3", "0.62", "0.9", "1"))
			f := SecondFill{Bot: "a", ID: fmt.Sprint("w", n), Thing: name, Buys: true, Quantity: N(pick(c, "1", "50", "0.001")), Price: price}
			before = c.bought(f, before)
			require.False(r, less(before, c.Equity("a")), "%s after %s", c.Equity("a").FloatString(18), before.FloatString(18))
		}
	})
}

// bought records a purchase. If there is no mark at which it earns nothing, the mark before
// stays, and the equity may be higher: that is the rule. What was never marked is worth then
// what was paid for it, if that is less.
func (c *chance) bought(f SecondFill, before Num) Num {
	most := add(c.value("a", "abc", nil), f.cash())
	require.Empty(c, c.Record(f).Code)
	if c.items[c.fills[f.id()]].mark == nil || c.modest("a", f.Thing, f.at(), most) == nil {
		return larger(before, c.Equity("a"))
	}
	return before
}

// TestPermitsAreCovered: who fills only what was permitted, at the limit or better, never
// owes what it does not have: its cash covers its shorts. A shortage could only come from a
// reservation that is too small.
func TestPermitsAreCovered(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := &chance{T: r, Second: NewSecond(loose(), pick(&chance{T: r}, false, true), noon)}
		c.Rules.FeeBPS, c.Rules.Zones = pick(c, zero, N("100")), []Num{zero, one}
		c.Deposit(Flow{Amount: N("10000")})
		c.Register(Market{Name: "m", Kind: "outcome", Outcomes: []string{"YES", "NO"}})
		c.Register(Market{Name: "abc", Kind: "outcome", Outcomes: []string{"A", "B", "C"}})
		c.AddBot("a", N("100"), nil, true)
		for range rapid.IntRange(5, 60).Draw(r, "steps") {
			c.n++
			c.covered()
			short := zero
			for _, t := range c.things("") {
				short = add(short, c.cover("a", t))
			}
			require.False(r, less(c.Cash("a"), short), "cash %s, shorts %s", c.Cash("a"), short)
		}
	})
}

// covered asks for a permit, fills one, or changes sets.
func (c *chance) covered() {
	switch pick(c, "ask", "ask", "fill", "fill", "sets", "release") {
	case "ask":
		o := SecondOrder{
			Bot: "a", Thing: thing(pick(c, "m/YES", "m/NO", "abc/A", "abc/B", "abc/!A", "x/Y")), Buys: pick(c, true, false), Group: pick(c, "", "g"),
			Quantity: N(pick(c, "1", "10", "50", "100", "130")), Limit: N(pick(c, "0.1", "0.4", "0.5", "0.9")),
		}
		if id, _ := c.Ask(o, false); id != 0 {
			require.Empty(c, c.Place(id, time.Time{}).Code)
			c.orders = append(c.orders, id)
		}
	case "sets":
		// A set is a fact: it may take what is promised. Here it does not.
		s := Sets{Bot: "a", Market: pick(c, "m", "abc"), Action: pick(c, "split", "merge"), Quantity: N(pick(c, "1", "10", "50")), ID: fmt.Sprint(c.n)}
		if s.Action == "split" && !less(c.Free("a"), s.Quantity) || len(c.Permits()) == 0 && c.Free("a").Sign() >= 0 && s.Action == "merge" {
			c.ChangeSets(s)
		}
	case "release":
		if len(c.orders) > 0 {
			c.Release(pick(c, c.orders...))
		}
	default:
		if len(c.orders) == 0 {
			return
		}
		if p := c.permit(pick(c, c.orders...)); p != nil {
			quantity := pick(c, p.Left, smaller(p.Left, N("3")))
			fee := down(muldiv(p.fee, quantity, p.Quantity))
			f := SecondFill{Bot: "a", ID: fmt.Sprint(c.n), Thing: p.Thing, Buys: p.Buys, Quantity: quantity, Price: p.Limit, Fee: fee, Permit: p.ID}
			a := c.Record(f)
			require.Empty(c, a.Code)
			// Another order may have sold what this one was granted to close. What that one
			// had to spare passes only to orders of its limit and of no group: this one then
			// sells short. The fill says so, and the short is covered all the same.
			if !slices.Equal(a.Flags, []string{"oversold"}) {
				require.Empty(c, a.Flags)
			}
		}
	}
}
