package payoff

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func reduces(t *testing.T, want string, h Holding, o Order, live ...Order) {
	t.Helper()
	require.Equal(t, want, h.Reducing(o, live).String(), "%+v", o)
}

// “An order reduces as far as it moves D toward 0: selling the larger side (at most what
// is held) or buying the smaller, up to |D| less what live reducing permits of that bot
// in that market take.”
func TestReducingTwoOutcomes(t *testing.T) {
	h := held(t, yesNo, "YES", "5000", "NO", "3000") // D = 2,000
	for _, o := range []Order{sell("YES", "1"), buy("NO", "1"), buy("!YES", "1"), sell("!NO", "1")} {
		at := func(quantity string) Order { return Order{Outcome: o.Outcome, Side: o.Side, Quantity: dec(quantity)} }
		reduces(t, "1999", h, at("1999"))
		reduces(t, "2000", h, at("2000"))
		reduces(t, "2000", h, at("2001"))
		reduces(t, "500", h, at("500"), buy("NO", "700"), sell("YES", "800"))
		reduces(t, "500", h, at("501"), buy("NO", "700"), sell("YES", "800"))
		reduces(t, "1", h, at("1"), sell("YES", "1999"))
		reduces(t, "0", h, at("1"), sell("YES", "2000"))
		reduces(t, "0", h, at("1"), sell("YES", "2001"))
	}
	reduces(t, "0", h, sell("NO", "1"))
	reduces(t, "0", h, buy("YES", "1"))
	reduces(t, "0", h, sell("YES", "0"))
	reduces(t, "0", h, sell("YES", "-1"))

	short := held(t, yesNo, "YES", "5", "NO", "-3") // D = 8
	reduces(t, "4", short, sell("YES", "4"))
	reduces(t, "5", short, sell("YES", "5"))
	reduces(t, "5", short, sell("YES", "6")) // at most what is held
	reduces(t, "8", short, buy("NO", "9"))

	even := held(t, yesNo, "YES", "3", "NO", "3")
	for _, o := range []Order{sell("YES", "1"), sell("NO", "1"), buy("YES", "1"), buy("NO", "1")} {
		reduces(t, "0", even, o)
	}
	reduces(t, "1", held(t, yesNo, "YES", "3", "NO", "4"), buy("YES", "2"))
	reduces(t, "1", held(t, yesNo, "YES", "3", "NO", "4"), sell("NO", "2"))
	reduces(t, "0", held(t, yesNo, "YES", "-4", "NO", "-3"), sell("NO", "2")) // nothing is held
	reduces(t, "1", held(t, yesNo, "YES", "-4", "NO", "-3"), buy("YES", "2"))
}

// “More outcomes: buying back what is short reduces; […] other buying opens.”
func TestReducingPurchases(t *testing.T) {
	h := held(t, abc, "A", "-5", "B", "4", "!C", "-2")
	reduces(t, "4", h, buy("A", "4"))
	reduces(t, "5", h, buy("A", "5"))
	reduces(t, "5", h, buy("A", "6"))
	reduces(t, "2", h, buy("!C", "3"))
	reduces(t, "1", h, buy("A", "6"), buy("A", "4"), buy("!C", "2"), sell("B", "1"))
	reduces(t, "0", h, buy("A", "6"), buy("A", "5"))
	reduces(t, "0", h, buy("B", "1"))
	reduces(t, "0", h, buy("C", "1"))
	reduces(t, "0", h, buy("!A", "1")) // it flattens nothing: B may win
}

// “selling what is held reduces as far as min P, with all live reducing sales of that bot
// in that market filled, is not below what it is now”
func TestReducingSales(t *testing.T) {
	h := held(t, abc, "A", "10", "B", "6", "C", "4") // min P = 4
	reduces(t, "5", h, sell("A", "5"))
	reduces(t, "6", h, sell("A", "6"))
	reduces(t, "6", h, sell("A", "7"))
	reduces(t, "2", h, sell("B", "7"))
	reduces(t, "0", h, sell("C", "1"))
	reduces(t, "0", h, sell("!A", "1")) // none is held

	reduces(t, "2", h, sell("A", "2"), sell("A", "4"))
	reduces(t, "2", h, sell("A", "3"), sell("A", "4"))
	reduces(t, "0", h, sell("A", "3"), sell("A", "6"))
	reduces(t, "2", h, sell("B", "3"), sell("A", "6"), buy("C", "1")) // another outcome, and a purchase, take nothing of it

	nots := held(t, abc, "!A", "9", "B", "-2") // P = 0, 7, 9
	reduces(t, "7", nots, sell("!A", "7"))
	reduces(t, "7", nots, sell("!A", "8")) // the next would owe 1 if B wins
	reduces(t, "2", nots, sell("!A", "8"), sell("!A", "5"))

	alone := held(t, abc, "A", "10")
	reduces(t, "9", alone, sell("A", "9"))
	reduces(t, "10", alone, sell("A", "10"))
	reduces(t, "10", alone, sell("A", "11"))
	reduces(t, "1", alone, sell("A", "11"), sell("A", "9"))

	both := held(t, abc, "A", "5", "!A", "5") // it pays 5 whatever wins: no sale keeps that
	reduces(t, "0", both, sell("A", "1"))
	reduces(t, "0", both, sell("!A", "1"))
}

// After a purchase raised the smallest payoff, earlier sales that still rest may reach
// below it. Nothing more is sold then.
func TestReducingSalesAfterARise(t *testing.T) {
	h := held(t, abc, "A", "8", "B", "-3", "!B", "-3", "C", "8") // P = 5, −3, 5
	resting := sell("A", "8")
	reduces(t, "8", h, resting) // down to −3, as if B wins
	reduces(t, "8", h, sell("C", "8"), resting)
	h.Add("B", dec("3")) // P = 5, 0, 5
	reduces(t, "0", h, sell("C", "8"), resting)
	reduces(t, "0", h, sell("C", "8"), sell("A", "6")) // −1 if A wins
	reduces(t, "5", h, sell("C", "8"), sell("A", "5"))
}

// “With two, …” is about markets registered with two: of a market of three of which one
// is settled, the purchase of the other half opens.
func TestTwoLiveOutcomesAreNoPair(t *testing.T) {
	h := New(abc, abc[:2])
	require.True(t, h.Add("A", dec("5")))
	require.True(t, h.Add("!A", dec("1")))
	require.Equal(t, []string{"5", "1"}, texts(h.Payoffs(nil)))
	reduces(t, "0", h, buy("B", "1"))
	reduces(t, "4", h, sell("A", "5"))
	reduces(t, "0", h, sell("!A", "1"))
}

// A complement of the only live outcome pays nothing, so that all of it may be sold.
func TestReducingTheLastOutcome(t *testing.T) {
	h := New(abc, abc[:1])
	h.Add("!A", dec("3"))
	reduces(t, "3", h, sell("!A", "4"))
}

// “In a halt an operator's sale of what is held or purchase of what is short counts as
// reducing whatever it uncovers.”
func TestReducingForOperator(t *testing.T) {
	reduces := func(want string, h Holding, o Order, live ...Order) {
		t.Helper()
		require.Equal(t, want, h.ReducingForOperator(o, live).String(), "%+v", o)
	}
	h := held(t, yesNo, "YES", "5", "NO", "3")
	reduces("4", h, sell("YES", "4"))
	reduces("5", h, sell("YES", "5"))
	reduces("5", h, sell("YES", "6"))
	reduces("3", h, sell("NO", "4")) // uncovers the other half
	reduces("2", h, buy("NO", "4"))  // as a bot's
	reduces("0", h, buy("YES", "1"))
	reduces("1", h, sell("NO", "4"), sell("NO", "2"))
	reduces("0", h, sell("NO", "4"), sell("NO", "3"))
	reduces("0", h, sell("NO", "0"))
	reduces("0", h, sell("NO", "-1"))

	shorts := held(t, yesNo, "YES", "-3", "NO", "-3")
	reduces("2", shorts, buy("YES", "2"))
	reduces("3", shorts, buy("YES", "3"))
	reduces("3", shorts, buy("YES", "4"))
	reduces("1", shorts, buy("YES", "4"), buy("YES", "2"))
	reduces("0", shorts, sell("YES", "1"))

	sets := held(t, abc, "A", "4", "B", "4", "C", "4", "!A", "1")
	reduces("4", sets, sell("A", "5"))
	reduces("1", sets, sell("!A", "2"))
	reduces("0", sets, buy("A", "5"))
	require.Equal(t, domain.Zero, sets.Reducing(sell("A", "1"), nil))
}

// “reducing permits of one bot and market with the same `group` (take-profit and stop)
// count as G, the largest.”
func TestReducingBesideGroups(t *testing.T) {
	in := func(group string, o Order) Order { o.Group = group; return o }
	pair := held(t, yesNo, "YES", "200")
	exit := []Order{in("exit", sell("YES", "100")), in("exit", buy("NO", "80"))}
	reduces(t, "100", pair, sell("YES", "101"), exit...)
	reduces(t, "200", pair, in("exit", sell("YES", "201")), exit...) // it competes with no order of its own group
	reduces(t, "60", pair, sell("YES", "101"), append(exit, in("other", sell("YES", "30")), in("other", sell("YES", "40")))...)

	more := held(t, abc, "A", "100", "B", "60")
	exit = []Order{in("exit", sell("A", "70")), in("exit", sell("B", "50"))}
	reduces(t, "30", more, sell("A", "100"), exit...)
	reduces(t, "10", more, sell("B", "100"), exit...)
	reduces(t, "100", more, in("exit", sell("A", "101")), exit...)
}

// “selling the larger side (at most what is held)”: what another order sells of it is
// not held twice.
func TestAShareIsSoldOnce(t *testing.T) {
	h := held(t, yesNo, "YES", "100", "NO", "-50") // D = 150
	reduces(t, "20", h, sell("YES", "70"), sell("YES", "80"))
	reduces(t, "70", h, buy("NO", "90"), sell("YES", "80"))
}
