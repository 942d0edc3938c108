package payoff

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func decs(texts ...string) []domain.Decimal {
	out := make([]domain.Decimal, len(texts))
	for i, s := range texts {
		out[i] = dec(s)
	}
	return out
}

// “Split: cash −q, q of each outcome at the share of q that its mark has among all; […]
// in equal parts where a mark is missing, all are 0 […]; the rounding goes to the
// largest.”
func TestSplitShares(t *testing.T) {
	split := func(q string, prices ...string) []string { return texts(SplitShares(dec(q), marked(prices...))) }
	require.Equal(t, []string{"30", "70"}, split("100", "0.3", "0.7"))
	require.Equal(t, []string{"25", "75"}, split("100", "0.3", "0.9"), "of all marks, whatever their sum")
	require.Equal(t, []string{"50", "50"}, split("100", "0.3", ""))
	require.Equal(t, []string{"50", "50"}, split("100", "0", "0"))
	require.Equal(t, []string{"0", "100"}, split("100", "0", "0.000000000000000001"))
	require.Equal(t, []string{"0.333333333333333334", "0.333333333333333333", "0.333333333333333333"}, split("1", "", "0.5", "0.5"), "the first of the largest")
	require.Equal(t, []string{"0.285714285714285714", "0.428571428571428572", "0.285714285714285714"}, split("1", "0.2", "0.3", "0.2"))
	require.Equal(t, []string{"0", "0"}, split("0", "0.3", "0.7"))
	require.Empty(t, split("1"))
}

// “merge: q of each leaves at average cost for q in cash, shared out in proportion to the
// cost taken out; in equal parts where […] no cost is taken out”
func TestMergeShares(t *testing.T) {
	merge := func(q string, costs ...string) []string { return texts(MergeShares(dec(q), decs(costs...))) }
	require.Equal(t, []string{"40", "60"}, merge("100", "20", "30"))
	require.Equal(t, []string{"0", "100"}, merge("100", "0", "30"))
	require.Equal(t, []string{"50", "50"}, merge("100", "0", "0"))
	require.Equal(t, []string{"33.333333333333333333", "66.666666666666666667"}, merge("100", "1", "2"))
	require.Equal(t, []string{"50", "50"}, merge("100", "-1", "2"), "no cost can be told from that")
	require.Equal(t, []string{"50", "50"}, merge("100", "1", "-1"))
	require.Equal(t, []string{"-1", "-2"}, merge("-3", "1", "2"))
}

// A few units of the last decimal are shared out to the unit, and no part is negative.
func TestSharesOfTheLastDecimal(t *testing.T) {
	const unit = "0.000000000000000001"
	for quantity := domain.Zero; quantity.Less(dec("0.000000000000000020")); quantity = quantity.Add(dec(unit)) {
		for n := 1; n <= 12; n++ {
			sum := domain.Zero
			for _, part := range SplitShares(quantity, make([]Mark, n)) {
				require.False(t, part.Sign() < 0, "%s among %d", quantity, n)
				sum = sum.Add(part)
			}
			require.Equal(t, quantity, sum)
		}
	}
}

func refused(t *testing.T, err error, field, part string) {
	t.Helper()
	var e *domain.Error
	require.True(t, errors.As(err, &e), "%v", err)
	require.Equal(t, domain.CodeInvalid, e.Code)
	require.Equal(t, field, e.Field)
	require.ErrorContains(t, err, part)
}

// “`POST …/settlements {market, payouts:{YES:"1",NO:"0"}}` names every outcome of a
// registered market”
func TestPayouts(t *testing.T) {
	read := func(pairs ...string) ([]Payout, error) {
		named := map[string]domain.Decimal{}
		for i := 0; i < len(pairs); i += 2 {
			named[pairs[i]] = dec(pairs[i+1])
		}
		return Payouts(abc, named)
	}
	got, err := read("C", "0", "A", "1", "B", "0")
	require.NoError(t, err)
	require.Equal(t, []Payout{{"A", dec("1")}, {"B", dec("0")}, {"C", dec("0")}}, got)

	_, err = read("A", "1", "C", "0")
	refused(t, err, "payouts", `do not name the outcome "B"`)
	for range 20 { // a map has no order; what is said does not depend on it
		_, err = read("A", "1", "B", "0", "C", "0", "c", "0", "!A", "0", "D", "0")
		refused(t, err, "payouts", `name "!A", which is no outcome of the market, or is settled; name A, B, C`)
	}
	_, err = read("A", "1", "B", "-0.000000000000000001", "C", "0")
	refused(t, err, "payouts", `of "B" is -0.000000000000000001; a share of an exclusive market pays between 0 and 1`)
	_, err = read("A", "1.000000000000000001", "B", "0", "C", "0")
	refused(t, err, "payouts", `of "A"`)
	many, named := []string{}, map[string]domain.Decimal{"x": domain.Zero}
	for i := range 11 {
		many = append(many, fmt.Sprint(i))
		named[many[i]] = domain.Zero
	}
	_, err = Payouts(many, named)
	refused(t, err, "payouts", "every live outcome and no other")
}

// “In an exclusive market payouts sum to 1”
func TestSumToOne(t *testing.T) {
	for _, c := range []struct {
		last, sum string
		ok        bool
	}{
		{"0.399999999999999999", "0.999999999999999999", false},
		{"0.4", "1", true},
		{"0.400000000000000001", "1.000000000000000001", false},
	} {
		sum, ok := SumToOne([]Payout{{"A", dec("0.25")}, {"B", dec("0.35")}, {"C", dec(c.last)}})
		require.Equal(t, c.sum, sum.String())
		require.Equal(t, c.ok, ok)
	}
}

// “`!A` pays 1 − payout(A)”
func TestPayoutOf(t *testing.T) {
	payouts := []Payout{{"A", dec("0.25")}, {"B", dec("0.75")}}
	for name, want := range map[string]string{"A": "0.25", "!A": "0.75", "B": "0.75", "!B": "0.25"} {
		got, ok := PayoutOf(payouts, name)
		require.True(t, ok)
		require.Equal(t, want, got.String(), name)
	}
	for _, name := range []string{"C", "!C", "!!A", "a", ""} {
		_, ok := PayoutOf(payouts, name)
		require.False(t, ok, name)
	}
}

func settles(t *testing.T, registered, live []string, outcome, price string) ([]Payout, []string) {
	t.Helper()
	settled, rest, err := SettleOne(registered, live, outcome, dec(price))
	require.NoError(t, err)
	return settled, rest
}

// “in an exclusive market registered with two it settles both”
func TestSettleOneOfTwo(t *testing.T) {
	for _, name := range []string{"NO", "!YES"} {
		settled, rest := settles(t, yesNo, yesNo, name, "0.3")
		require.Equal(t, []Payout{{"YES", dec("0.7")}, {"NO", dec("0.3")}}, settled)
		require.Empty(t, rest)
	}
	for price, other := range map[string]string{"0": "1", "0.000000000000000001": "0.999999999999999999", "0.999999999999999999": "0.000000000000000001", "1": "0"} {
		settled, _ := settles(t, yesNo, yesNo, "YES", price)
		require.Equal(t, []Payout{{"YES", dec(price)}, {"NO", dec(other)}}, settled)
	}
	for _, price := range []string{"-0.000000000000000001", "1.000000000000000001"} {
		_, _, err := SettleOne(yesNo, yesNo, "YES", dec(price))
		refused(t, err, "payout", "between 0 and 1")
	}
	_, _, err := SettleOne(yesNo, yesNo, "MAYBE", domain.One)
	refused(t, err, "outcome", `"MAYBE" is no outcome of the market, or is settled; name one of YES, NO`)
}

// “with more, it takes 0 or 1: 1 settles all others at 0; an outcome settled at 0 pays 1
// on its complement; from then […] min and max run over the rest, which later payouts
// name.”
func TestSettleOneOfMore(t *testing.T) {
	settled, rest := settles(t, abc, abc, "B", "1")
	require.Equal(t, []Payout{{"A", dec("0")}, {"B", dec("1")}, {"C", dec("0")}}, settled)
	require.Empty(t, rest)

	for name, price := range map[string]string{"B": "0", "!B": "1"} {
		settled, rest = settles(t, abc, abc, name, price)
		require.Equal(t, []Payout{{"B", dec("0")}}, settled)
		require.Equal(t, []string{"A", "C"}, rest)
		not, ok := PayoutOf(settled, "!B")
		require.True(t, ok)
		require.Equal(t, domain.One, not)
	}
	require.Equal(t, []string{"A", "B", "C"}, abc, "the market's own list is as it was")
	h := New(abc, rest)
	require.True(t, h.Add("A", dec("2")) && h.Add("C", dec("3")))
	require.Equal(t, Payoff{Min: dec("2"), Max: dec("3"), Median: dec("2")}, h.Payoff())
	_, err := Payouts(rest, map[string]domain.Decimal{"A": domain.One, "B": domain.Zero, "C": domain.Zero})
	refused(t, err, "payouts", `name "B"`)
	_, _, err = SettleOne(abc, rest, "B", domain.One)
	refused(t, err, "outcome", "is settled")

	settled, rest = settles(t, abc, rest, "!A", "0")
	require.Equal(t, []Payout{{"A", dec("1")}, {"C", dec("0")}}, settled)
	require.Empty(t, rest)

	for _, price := range []string{"0.000000000000000001", "0.5", "0.999999999999999999"} {
		_, _, err = SettleOne(abc, []string{"A", "C"}, "A", dec(price))
		refused(t, err, "payout", "of one outcome is 0 or 1 in a market of more than two")
	}
	_, _, err = SettleOne(abc, []string{"C"}, "C", domain.Zero)
	refused(t, err, "payout", `of "C" cannot be 0: it is the last outcome of the market`)
	settled, rest = settles(t, abc, []string{"C"}, "C", "1")
	require.Equal(t, []Payout{{"C", dec("1")}}, settled)
	require.Empty(t, rest)
}
