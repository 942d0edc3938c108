package risk

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

func in(market, outcome string) domain.Instrument {
	return domain.Instrument{Market: market, Outcome: outcome}
}

var threeMarkets = map[string][]string{"bin": {"YES", "NO"}, "cup": {"A", "B", "C"}}

func outcomesOf(market string) []string { return threeMarkets[market] }

// "total worst-case cost < the sure payout".
func TestSurePayout(t *testing.T) {
	d := domain.MustDecimal
	tests := []struct {
		name   string
		shares Shares
		want   string
	}{
		{"nothing", Shares{}, "0"},
		{"a pair", Shares{in("bin", "YES"): d("10"), in("bin", "NO"): d("10")}, "10"},
		{"the smaller of a pair", Shares{in("bin", "YES"): d("10"), in("bin", "NO"): d("7")}, "7"},
		{"one side pays nothing for sure", Shares{in("bin", "YES"): d("10")}, "0"},
		{"an outcome without a leg", Shares{in("cup", "A"): d("10"), in("cup", "B"): d("10")}, "0"},
		{"all of three", Shares{in("cup", "A"): d("3"), in("cup", "B"): d("4"), in("cup", "C"): d("5")}, "3"},
		{"all sold: what has to be paid", Shares{in("bin", "YES"): d("-10"), in("bin", "NO"): d("-12")}, "-12"},
		{"one sold", Shares{in("bin", "YES"): d("-10")}, "-10"},
		{"two markets are added up", Shares{in("bin", "YES"): d("2"), in("bin", "NO"): d("2"), in("cup", "A"): d("1")}, "2"},
		{"a market nobody knows pays nothing", Shares{in("x", "YES"): d("2"), in("x", "NO"): d("2")}, "0"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, tt.shares.SurePayout(outcomesOf).String(), tt.name)
	}
}

// The sure payout is what the worst of all endings pays, tried one by one.
func TestSurePayoutIsTheWorstEnding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := Shares{}
		for market, outcomes := range threeMarkets {
			for _, o := range outcomes {
				if n := rapid.IntRange(-20, 20).Draw(t, market+o); n != 0 {
					shares[in(market, o)] = domain.FromInt(int64(n))
				}
			}
		}
		worst := domain.FromInt(1_000_000)
		for _, first := range threeMarkets["bin"] {
			for _, second := range threeMarkets["cup"] {
				worst = worst.Min(shares[in("bin", first)].Add(shares[in("cup", second)]))
			}
		}
		require.Equal(t, worst.String(), shares.SurePayout(outcomesOf).String())
	})
}

// What is open is what has to be taken away for complete sets to be left, and points
// the way it was traded.
func TestOpenLegs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := Shares{}
		sign := rapid.SampledFrom([]int64{-1, 1}).Draw(t, "bought or sold")
		for _, o := range threeMarkets["cup"] {
			shares[in("cup", o)] = domain.FromInt(sign * rapid.Int64Range(0, 20).Draw(t, o))
		}
		rest := Shares{}
		for i, q := range shares {
			rest[i] = q
		}
		open := shares.Open(outcomesOf)
		for _, o := range open {
			require.Equal(t, int(sign), o.Quantity.Sign())
			rest[o.Instrument] = rest[o.Instrument].Sub(o.Quantity)
		}
		require.Less(t, len(open), 3, "one leg is always covered")
		require.Equal(t, rest[in("cup", "A")], rest[in("cup", "B")])
		require.Equal(t, rest[in("cup", "A")], rest[in("cup", "C")])
	})
	mixed := Shares{in("bin", "YES"): domain.FromInt(4), in("bin", "NO"): domain.FromInt(-3)}
	require.Equal(t, []domain.OpenLeg{
		{Instrument: in("bin", "NO"), Quantity: domain.FromInt(-3)}, {Instrument: in("bin", "YES"), Quantity: domain.FromInt(4)},
	}, mixed.Open(outcomesOf), "neither covers the other")
}

// Inventory is the largest exposure over all sets of orders that may be filled, tried
// one by one.
func TestInventoryIsTheWorstOfAllFills(t *testing.T) {
	type order struct {
		outcome  int
		quantity int64 // below 0 to sell
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "outcomes")
		complete := n > 1 && rapid.Bool().Draw(t, "complete")
		held := rapid.SliceOfN(rapid.Int64Range(-9, 9), n, n).Draw(t, "held")
		orders := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) order {
			return order{rapid.IntRange(0, n-1).Draw(t, "outcome"), rapid.Int64Range(-9, 9).Draw(t, "quantity")}
		}), 0, 6).Draw(t, "orders")

		reach := make([]Reach, n)
		for i, q := range held {
			reach[i] = Reach{Low: domain.FromInt(q), High: domain.FromInt(q)}
		}
		for _, o := range orders {
			q := domain.FromInt(o.quantity)
			reach[o.outcome].Low = reach[o.outcome].Low.Add(q.Min(domain.Zero))
			reach[o.outcome].High = reach[o.outcome].High.Add(q.Max(domain.Zero))
		}

		most := int64(0)
		for set := range 1 << len(orders) {
			all := append([]int64(nil), held...)
			if !complete {
				all = append(all, 0)
			}
			for i, o := range orders {
				if set>>i&1 == 1 {
					all[o.outcome] += o.quantity
				}
			}
			low, high := all[0], all[0]
			for _, q := range all {
				low, high = min(low, q), max(high, q)
			}
			most = max(most, high-low)
		}
		require.Equal(t, domain.FromInt(most).String(), Inventory(reach, complete).String())
	})
}

func TestLegCost(t *testing.T) {
	d := domain.MustDecimal
	o := domain.Order{Side: domain.Buy, Quantity: d("10"), LimitPrice: d("0.4"), Fee: d("0.1")}
	require.Equal(t, "4.1", LegCost(o).String())
	o.Side = domain.Sell
	require.Equal(t, "-3.9", LegCost(o).String())
}
