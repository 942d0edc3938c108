package payoff

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

var (
	yesNo = []string{"YES", "NO"}
	abc   = []string{"A", "B", "C"}
)

// held is a holding of a market in which all outcomes are live, from pairs of names
// and quantities.
func held(t testing.TB, registered []string, pairs ...string) Holding {
	t.Helper()
	h := New(registered, registered)
	for i := 0; i < len(pairs); i += 2 {
		require.True(t, h.Add(pairs[i], dec(pairs[i+1])), pairs[i])
	}
	return h
}

// marked are marks; "" is none.
func marked(prices ...string) []Mark {
	marks := make([]Mark, len(prices))
	for i, p := range prices {
		if p != "" {
			marks[i] = Mark{dec(p), true}
		}
	}
	return marks
}

func texts(ds []domain.Decimal) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = d.String()
	}
	return out
}

func worth(t *testing.T, want string, h Holding, prices ...string) {
	t.Helper()
	value, ok := h.Value(marked(prices...))
	require.True(t, ok)
	require.Equal(t, want, value.String())
}

// “With two, `!YES` is read as `NO`.”
func TestCanonical(t *testing.T) {
	require.Equal(t, "NO", Canonical(yesNo, "!YES"))
	require.Equal(t, "YES", Canonical(yesNo, "!NO"))
	require.Equal(t, "YES", Canonical(yesNo, "YES"))
	require.Equal(t, "!MAYBE", Canonical(yesNo, "!MAYBE"), "no outcome of the market")
	require.Equal(t, "!!YES", Canonical(yesNo, "!!YES"))
	require.Equal(t, "!A", Canonical(abc, "!A"), "an instrument of its own")
	require.Equal(t, "NO", Canonical(yesNo, Complement("YES")))

	h := held(t, yesNo, "!YES", "3", "NO", "4")
	require.Equal(t, dec("7"), h.Of("NO"))
	require.Equal(t, dec("7"), h.Of("!YES"))
	require.Equal(t, []string{"0", "7"}, texts(h.Payoffs(nil)))
}

// “names are compared as written”, “what is held of it is valued, reduced and settled as
// elsewhere”: what the market does not have is not part of its holding.
func TestUnknownOutcomes(t *testing.T) {
	h := held(t, abc, "A", "5", "!B", "2")
	for _, name := range []string{"a", "D", "!D", "!!A", "", "!"} {
		require.False(t, h.Add(name, domain.One), name)
		require.Equal(t, domain.Zero, h.Of(name))
		for _, side := range []domain.Side{domain.Buy, domain.Sell} {
			o := Order{Outcome: name, Side: side, Quantity: domain.One}
			require.Equal(t, domain.Zero, h.Reducing(o, nil))
			require.Equal(t, domain.Zero, h.ReducingForOperator(o, nil))
			require.Equal(t, dec("5"), h.Reducing(Order{Outcome: "A", Side: domain.Sell, Quantity: dec("5")}, []Order{o}), "and takes nothing")
		}
	}
	require.Equal(t, held(t, abc, "A", "5", "!B", "2"), h)
	require.Equal(t, domain.Zero, New(abc, nil).Min())
	worth(t, "0", New(abc, nil))
}

// “P(j) = Σ q(i)·[i = j] + Σ q(!i)·[i ≠ j]; shorts are negative.”
func TestPayoffs(t *testing.T) {
	h := held(t, abc, "A", "10", "B", "-4", "!A", "1", "!B", "2", "!C", "-3")
	require.Equal(t, []string{"9", "-6", "3"}, texts(h.Payoffs(nil)))
	require.Equal(t, Payoff{Min: dec("-6"), Max: dec("9"), Median: dec("3")}, h.Payoff())
	require.Equal(t, Payoff{}, New(abc, nil).Payoff())
	nine := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}
	require.Equal(t, Payoff{Max: dec("9"), Median: domain.Zero}, held(t, nine, "i", "9").Payoff(), "more than fit the room")
}

// “L is the lower median of the P(j): what half of the outcomes pay counts as cash, only
// what differs is priced.”
func TestLowerMedian(t *testing.T) {
	abcd := []string{"A", "B", "C", "D"}
	require.Equal(t, dec("1"), held(t, yesNo, "YES", "1", "NO", "2").Payoff().Median)
	require.Equal(t, dec("2"), held(t, abc, "A", "3", "B", "2", "C", "1").Payoff().Median)
	require.Equal(t, dec("2"), held(t, abcd, "A", "4", "B", "1", "C", "3", "D", "2").Payoff().Median)
	worth(t, "2.3", held(t, abcd, "A", "4", "B", "1", "C", "3", "D", "2"), "0.2", "0.4", "0.3", "0.1") // 2 + 2×.2 − .4 + .3
}

// “With two outcomes: the smaller side at 1, the rest of the larger at its mark.
// Worked: 5,000 YES and 3,000 NO, marks .30 and .49: 3,000 + 2,000 × .30 = 3,600.”
func TestValueOfTwoOutcomes(t *testing.T) {
	worth(t, "3600", held(t, yesNo, "YES", "5000", "NO", "3000"), "0.30", "0.49")
	worth(t, "3980", held(t, yesNo, "YES", "3000", "NO", "5000"), "0.30", "0.49")
	worth(t, "3000", held(t, yesNo, "YES", "3000", "NO", "3000"), "0.30", "0.49")
	worth(t, "2999.7", held(t, yesNo, "YES", "2999", "NO", "3000"), "0.30", "0.70")
	worth(t, "3000.3", held(t, yesNo, "YES", "3001", "NO", "3000"), "0.30", "0.70")
	worth(t, "-7", held(t, yesNo, "YES", "-10"), "0.30", "0.30") // it owes 10 if YES wins, and NO has 10 more
}

// “A lone !A is 1 − mark(A).”
func TestValueOfAComplement(t *testing.T) {
	worth(t, "0.8", held(t, abc, "!A", "1"), "0.2", "0.5", "0.5")
	worth(t, "0.8", held(t, abc, "!A", "1"), "0.2", "", "")
	worth(t, "-8", held(t, abc, "!A", "-10"), "0.2", "0.3", "0.9")
}

// “n complete sets are worth n whatever a mark says.”
func TestValueOfSets(t *testing.T) {
	sets := held(t, abc, "A", "7", "B", "7", "C", "7")
	worth(t, "7", sets, "0.9", "0.9", "0.9")
	worth(t, "7", sets, "0", "0", "0")
	worth(t, "7", sets, "", "", "")
	worth(t, "-7", held(t, yesNo, "YES", "-7", "NO", "-7"), "", "")
	worth(t, "14", held(t, abc, "!A", "7", "!B", "7", "!C", "7"), "0.9", "", "0.9") // two of three win
}

// “An outcome without a mark has 1 − that of its complement, else what the other marks
// leave of 1, in equal parts, not below 0.” The complement's mark is the caller's.
func TestValueWithoutMarks(t *testing.T) {
	worth(t, "7", held(t, yesNo, "YES", "10"), "", "0.3")
	worth(t, "3", held(t, abc, "A", "10"), "", "0.4", "")
	worth(t, "0.000000000000000001", held(t, abc, "A", "1"), "", "0.4", "0.599999999999999999")
	worth(t, "0", held(t, abc, "A", "1"), "", "0.4", "0.6")
	worth(t, "0", held(t, abc, "A", "1"), "", "0.4", "0.600000000000000001")
	worth(t, "0.333333333333333333", held(t, []string{"A", "B", "C", "D"}, "A", "1"), "", "", "", "0")

	_, ok := held(t, abc, "A", "10").Value(marked("", "", ""))
	require.False(t, ok, "nothing is known")
	_, ok = held(t, abc, "A", "10").Value(nil)
	require.False(t, ok)
	worth(t, "2.5", held(t, abc, "A", "10"), "", "0.5") // marks that are too few are missing
	worth(t, "5", held(t, abc, "B", "10"), "", "0.5", "", "0.9")
	worth(t, "0", New(abc, abc), "", "", "")
	worth(t, "4", Holding{Outcomes: []string{"C"}, Shares: []Shares{{For: dec("4"), Against: dec("9")}}}, "") // the last live one
}

// “held within [min P, max P]”
func TestValueIsHeldWithinPayoffs(t *testing.T) {
	sure := held(t, abc, "A", "10", "B", "10")
	worth(t, "9.9", sure, "0.5", "0.5", "0.01") // 10 − 10 × .01
	worth(t, "10", sure, "0.5", "0.5", "0")
	three := held(t, abc, "A", "12", "B", "11", "C", "10")
	worth(t, "11.9", three, "0.9", "0", "0")
	worth(t, "12", three, "1", "0", "0")
	four := held(t, []string{"A", "B", "C", "D"}, "A", "1", "B", "1")
	worth(t, "0.99", four, "0.5", "0.49", "0", "0")
	worth(t, "1", four, "0.5", "0.5", "0", "0")
	worth(t, "1", four, "0.5", "0.51", "0", "0")
	short := held(t, []string{"A", "B", "C", "D"}, "A", "-1", "B", "-1", "C", "-1")
	worth(t, "-0.01", short, "0", "0", "0", "0.99")
	worth(t, "0", short, "0", "0", "0", "1")
	low := held(t, []string{"A", "B", "C", "D", "E"}, "A", "-1", "B", "-1")
	worth(t, "-0.99", low, "0.5", "0.49", "0", "0", "0")
	worth(t, "-1", low, "0.5", "0.5", "0", "0", "0")
	worth(t, "-1", low, "0.5", "0.51", "0", "0", "0")
}

// “Exposure of a bot in an exclusive market = max(cost, value) − min P, at most max P −
// min P”
func TestExposure(t *testing.T) {
	p := held(t, yesNo, "YES", "5000", "NO", "3000").Payoff()
	for _, c := range []struct{ cost, value, want string }{
		{"3100", "3600", "600"},
		{"3599", "3600", "600"},
		{"3600", "3600", "600"},
		{"3601", "3600", "601"},
		{"4999", "3600", "1999"},
		{"5000", "3600", "2000"},
		{"5001", "3600", "2000"}, // what was paid above the best payoff is lost already
		{"3000", "3000", "0"},
		{"2999", "2999", "0"}, // without marks, and bought below the worst payoff
	} {
		require.Equal(t, c.want, p.Exposure(dec(c.cost), dec(c.value)).String(), "%+v", c)
	}
	short := held(t, abc, "A", "-10").Payoff()
	require.Equal(t, "7", short.Exposure(dec("-4"), dec("-3")).String())
}

// “Selling one half of a set opens the other: zones judge it at 1 − the limit”
func TestAcquiredPrice(t *testing.T) {
	require.Equal(t, dec("0.3"), AcquiredPrice(domain.Buy, dec("0.3")))
	require.Equal(t, dec("0.7"), AcquiredPrice(domain.Sell, dec("0.3")))
	require.Equal(t, dec("0"), AcquiredPrice(domain.Sell, dec("1")))
}

// “the sure payout of legs is min P of them, per exclusive market.”
func TestSurePayout(t *testing.T) {
	legs := func(orders ...Order) string {
		sum, ok := SurePayout(abc, abc, orders)
		require.True(t, ok)
		return sum.String()
	}
	require.Equal(t, "0", legs())
	require.Equal(t, "4", legs(buy("A", "4"), buy("!A", "4")), "a share and its complement")
	require.Equal(t, "3", legs(buy("A", "4"), buy("!A", "3")))
	require.Equal(t, "0", legs(buy("A", "4"), buy("B", "4")), "C may win")
	require.Equal(t, "4", legs(buy("A", "4"), buy("B", "4"), buy("C", "5")))
	require.Equal(t, "8", legs(buy("!A", "4"), buy("!B", "4"), buy("!C", "4")), "two of three win")
	require.Equal(t, "-4", legs(sell("A", "4"), sell("B", "4"), sell("C", "3")))
	_, ok := SurePayout(abc, abc, []Order{buy("A", "4"), buy("D", "4")})
	require.False(t, ok)
	_, ok = SurePayout(abc, abc[:2], []Order{buy("!C", "4")})
	require.False(t, ok, "settled")
	sum, ok := SurePayout(yesNo, yesNo, []Order{buy("YES", "4"), buy("!YES", "4")})
	require.True(t, ok)
	require.Equal(t, dec("4"), sum)
}

func buy(outcome, quantity string) Order {
	return Order{Outcome: outcome, Side: domain.Buy, Quantity: dec(quantity)}
}

func sell(outcome, quantity string) Order {
	return Order{Outcome: outcome, Side: domain.Sell, Quantity: dec(quantity)}
}

// What a permit or an evaluation asks of a market of few outcomes allocates nothing.
func TestNothingIsAllocated(t *testing.T) {
	live := []Order{sell("A", "1")}
	for _, h := range []Holding{held(t, yesNo, "YES", "5", "NO", "3"), held(t, six, "A", "5", "!B", "3", "C", "-1")} {
		marks := make([]Mark, len(h.Outcomes))
		marks[0] = Mark{dec("0.4"), true}
		o := Order{Outcome: h.Outcomes[0], Side: domain.Sell, Quantity: dec("2")}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			value, _ := h.Value(marks)
			h.Payoff().Exposure(value, value)
			h.Reducing(o, live)
			h.ReducingForOperator(o, live)
		}))
	}
}

func BenchmarkValue(b *testing.B) {
	for name, h := range map[string]Holding{"2": held(b, yesNo, "YES", "5000", "NO", "3000"), "6": held(b, six, "A", "5", "!B", "3", "C", "-1")} {
		marks := make([]Mark, len(h.Outcomes))
		for i := range marks {
			marks[i] = Mark{dec("0.15"), true}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Value(marks)
			}
		})
	}
}

func BenchmarkReducing(b *testing.B) {
	for name, h := range map[string]Holding{"2": held(b, yesNo, "YES", "5000", "NO", "3000"), "6": held(b, six, "A", "5", "!B", "3", "C", "-1")} {
		o := Order{Outcome: h.Outcomes[0], Side: domain.Sell, Quantity: dec("2")}
		live := []Order{{Outcome: h.Outcomes[0], Side: domain.Sell, Quantity: dec("1")}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Reducing(o, live)
			}
		})
	}
}
