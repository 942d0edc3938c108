package modeltest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// chance does random requests of everything.
type chance struct {
	*rapid.T
	*Second
	known  []SecondFillID
	orders []int
	n      int
}

func pick[T any](c *chance, from ...T) T { return rapid.SampledFrom(from).Draw(c.T, "pick") }

func newChance(t *rapid.T) *chance {
	c := &chance{T: t}
	rules := loose()
	rules.MaxBot, rules.MaxDaily, rules.MaxStreak = pick(c, N("0.3"), N("0.99")), pick(c, N("0.2"), N("0.99")), pick(c, 3, 1000)
	rules.MaxRolling, rules.MaxBotDaily = pick(c, nil, N("0.3")), pick(c, nil, N("0.4"))
	rules.PositionDust, rules.Collar = pick(c, zero, N("0.1"), one), pick(c, zero, N("0.25"))
	rules.WhileTripped, rules.CloseOnTrip, rules.StopsOnlyBot = pick(c, "reduce", "nothing", ""), pick(c, true, false), pick(c, true, false)
	rules.MarkAge, rules.FeeBPS = pick(c, 0, time.Minute), pick(c, zero, N("100"))
	rules.MaxPosition, rules.MaxMarket, rules.MaxOpen = pick(c, nil, N("50")), pick(c, nil, N("60")), pick(c, 0, 2)
	c.Second = NewSecond(rules, pick(c, false, true), noon)
	c.Deposit(Flow{Amount: N("1000")})
	c.Register(Market{Name: "m", Kind: "outcome", Category: "c", Outcomes: []string{"YES", "NO"}})
	c.Register(Market{Name: "abc", Kind: "outcome", Outcomes: []string{"A", "B", "C"}})
	c.Register(Market{Name: "four", Kind: "outcome", Category: "c", Outcomes: []string{"A", "B", "C", "D"}})
	c.Register(Market{Name: "perp", Kind: "perp"})
	for _, id := range []string{"a", "b"} {
		c.AddBot(id, N("100"), nil, true)
	}
	return c
}

var chanceThings = []string{"m/YES", "m/NO", "m/!YES", "abc/A", "abc/B", "abc/C", "abc/!A", "abc/!C", "n/YES", "n/NO", "perp/X", "m/MAYBE", "four/A", "four/B", "four/!A"}

func (c *chance) step() Answer {
	c.n++
	c.At(c.wall.Add(pick(c, 0, time.Second, 9*time.Second, 10*time.Second, time.Minute, 9*time.Hour, -time.Second, -time.Minute)))
	bot, amount, name := pick(c, "a", "b"), N(pick(c, "1", "3", "10", "33.3", "0.1", "70")), thing(pick(c, chanceThings...))
	price := N(pick(c, "0", "0.1", "0.3", "0.5", "0.55", "0.8", "1"))
	kinds := []func() Answer{
		func() Answer { return c.ask(bot, name, amount, price) },
		func() Answer { return c.ask(bot, name, amount, price) },
		func() Answer { return c.fill(bot, name, amount, price) },
		func() Answer { return c.fill(bot, name, amount, price) },
		func() Answer { return c.takeBack() },
		func() Answer {
			return c.Marks(pick(c, feed, other, Speaker{Bot: "a"}), []Said{{Thing: name, Price: price}})
		},
		func() Answer {
			return c.ChangeSets(Sets{Bot: bot, Market: pick(c, "m", "abc", "four"), Action: pick(c, "split", "merge"), Quantity: amount, ID: fmt.Sprint(c.n)})
		},
		func() Answer { return c.money(bot, amount) },
		func() Answer { return c.settle(name, price) },
		func() Answer { return c.person(bot) },
		func() Answer { return c.Register(Market{Name: "n", Kind: "outcome", Outcomes: []string{"YES", "NO"}}) },
		func() Answer { return c.Fund(Funding{Bot: bot, ID: fmt.Sprint(c.n), Thing: name, Amount: amount}) },
		func() Answer {
			return c.Report(Trade{Bot: bot, Market: name.Market, ID: fmt.Sprint(c.n), Profit: sub(price, N("0.5"))})
		},
	}
	return kinds[rapid.IntRange(0, len(kinds)-1).Draw(c.T, "kind")]()
}

func (c *chance) ask(bot string, name Thing, quantity, limit Num) Answer {
	o := SecondOrder{
		Bot: bot, Thing: name, Buys: pick(c, true, false), Quantity: quantity, Limit: limit, Group: pick(c, "", "", "g"),
		Force: pick(c, "gtc", "ioc"), ByOperator: pick(c, false, true), ReduceOnly: pick(c, false, false, true),
	}
	id, why := c.Ask(o, false)
	if id == 0 {
		require.NotEmpty(c, why)
		return Answer{Code: "denied"}
	}
	c.orders = append(c.orders, id)
	if pick(c, true, false) {
		require.Empty(c, c.Place(id, time.Time{}).Code)
	}
	return Answer{}
}

func (c *chance) fill(bot string, name Thing, quantity, price Num) Answer {
	f := SecondFill{
		Bot: bot, Thing: name, Buys: pick(c, true, false), Quantity: quantity, Price: price, ID: fmt.Sprint("f", pick(c, c.n, c.n, c.n, 1)),
		Provisional: pick(c, true, false), Fee: pick(c, zero, N("0.01"), N("-0.01")), FeeAsset: pick(c, "", "", "ETH", "shares"),
	}
	if len(c.orders) > 0 && pick(c, true, true, false) {
		f.Permit = pick(c, c.orders...)
		if p := c.permit(f.Permit); p != nil {
			f.Bot, f.Thing, f.Buys, f.Price, f.Quantity = p.Bot, p.Thing, p.Buys, p.Limit, pick(c, p.Left, smaller(p.Left, quantity))
		}
	}
	c.known = append(c.known, f.id())
	return c.Record(f)
}

func (c *chance) takeBack() Answer {
	if len(c.known) == 0 {
		return refuse("none")
	}
	if id := pick(c, c.known...); pick(c, true, true, false) {
		return c.Void(id)
	} else {
		return c.Confirm(id)
	}
}

func (c *chance) money(bot string, amount Num) Answer {
	switch pick(c, "in", "out", "to", "back", "all back", "fee", "asset", "price", "correct") {
	case "in":
		return c.Deposit(Flow{Amount: amount})
	case "out":
		return c.Deposit(Flow{Amount: neg(amount)})
	case "to":
		return c.Allocate(bot, amount)
	case "back":
		return c.Allocate(bot, neg(amount))
	case "all back":
		return c.Allocate(bot, neg(c.Cash(bot)))
	case "asset":
		return c.Deposit(Flow{Amount: amount, Asset: "ETH"})
	case "price":
		return c.Marks(pick(c, feed, other), []Said{{Asset: "ETH", Price: amount}})
	case "correct":
		return c.CorrectFlow(1, amount)
	}
	return c.Charge(bot, amount)
}

func (c *chance) settle(name Thing, payout Num) Answer {
	if pick(c, true, true, false) {
		return refuse("none")
	}
	switch pick(c, "one", "one", "void", "correct") {
	case "one":
		return c.Settle(Settlement{Market: name.Market, Outcome: name.Outcome, Payout: payout})
	case "void":
		return c.Settle(Settlement{Market: name.Market, Void: true})
	}
	return c.Correct(Correction{Market: "m", Payouts: map[string]Num{"YES": payout, "NO": sub(one, payout)}, Two: true, Rebase: pick(c, true, false)})
}

func (c *chance) person(bot string) Answer {
	switch pick(c, "start", "start", "stop", "reset", "emergency", "ask", "clear", "release", "clock", "reconcile") {
	case "start":
		return c.Start(bot)
	case "stop":
		return c.Stop(bot, pick(c, true, false))
	case "reset":
		a := pick(c, Alarm{BotDD, bot}, Alarm{Losses, bot}, Alarm{Name: Daily}, Alarm{Name: Rolling}, Alarm{BotDaily, bot}, Alarm{Name: Portfolio})
		return c.Reset(a, pick(c, true, false))
	case "emergency":
		return c.Emergency("manual")
	case "ask":
		return c.AskClear("olga")
	case "clear":
		return c.Clear("paula")
	case "release":
		if len(c.orders) > 0 {
			return c.Release(pick(c, c.orders...))
		}
	case "clock":
		return c.AcceptClock()
	}
	return c.Reconcile(N("1000"))
}

// view is everything that the model answers, as text.
func (c *chance) view() string {
	text := fmt.Sprint(c.Portfolio(), c.Breakers(), c.Permits(), c.Waiting())
	for _, id := range []string{"a", "b"} {
		text += fmt.Sprint(c.Bot(id), c.Holdings(id))
		for _, market := range c.Markets() {
			text += fmt.Sprint(c.Figures(id, market))
		}
	}
	return text
}

// TestSecondHolds does random requests, and checks after each what always holds: a value is
// “held within [min P, max P]”, exposure is “at most max P − min P”, what is refused changes
// nothing, and no money comes or goes by itself.
func TestSecondHolds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := newChance(r)
		for range rapid.IntRange(5, 40).Draw(r, "steps") {
			before, was := "", c.Second.clone()
			a := c.step()
			if a.Code != "" && a.Code != "denied" {
				was.At(c.wall)
				before = (&chance{Second: was}).view()
				require.Equal(c, before, c.view(), "refused: %s", a.Code)
			}
			c.always()
		}
	})
}

func (c *chance) always() {
	sum := add(c.treasury("", false), c.treasury("", true))
	for asset, n := range c.assetsOf("") {
		if mark := c.Mark("", assetThing(asset)); mark != nil {
			sum = add(sum, mul(n, mark))
		}
	}
	for _, id := range c.ids() {
		sum = add(sum, c.Equity(id))
		b := c.Bot(id)
		require.Equal(c, b.Results, b.Wins+b.Losses+b.Neutral)
		require.LessOrEqual(c, b.Results, b.Trades)
		for _, ratio := range []Num{b.Drawdown, b.Daily} {
			require.True(c, ratio.Sign() >= 0 && !less(one, ratio), "%s", ratio)
		}
		for _, market := range c.Markets() {
			c.figures(id, market)
		}
	}
	require.Equal(c, c.Equity("").RatString(), sum.RatString())
	p := c.Portfolio()
	require.False(c, less(p.Lifetime, p.Drawdown), "lifetime peak is never rebased")
	for _, p := range c.Permits() {
		require.True(c, p.Left.Sign() > 0 && p.Reserved.Sign() >= 0 && p.Closing.Sign() >= 0 && !less(p.Left, p.Closing))
	}
}

func (c *chance) figures(id, market string) {
	f := c.Figures(id, market)
	require.True(c, f.Exposed.Sign() >= 0, "%+v", f)
	if f.PayoffMin == nil || slices.ContainsFunc(c.things(market), func(t Thing) bool { return !c.together(t) }) {
		return
	}
	require.False(c, less(f.Value, f.PayoffMin) || less(f.PayoffMax, f.Value), "%+v", f)
	require.False(c, less(sub(f.PayoffMax, f.PayoffMin), f.Exposed), "%+v", f)
}
