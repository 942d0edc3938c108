package portfolio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

// resultsOf returns the wins, losses, neutral results and the streak of bot a.
func resultsOf(h *harness) []int {
	b := h.botOf("a")
	return []int{b.Wins, b.Losses, b.Neutral, b.Streak.Losses}
}

func threeLosses(p *domain.Policy) { p.MaxConsecutiveLosses = 3 }

// “as if the fill had never been”: “trades of one bot that one command closes in one exclusive
// market are one result, their sum.” Three markets in which the whole earned +80 are three
// wins, also where a void makes the settlement close what a fill had closed; and three in
// which it lost 10 are three losses.
func TestAVoidAfterASettlementJoinsItsResult(t *testing.T) {
	for _, c := range []struct {
		yes, no, wins string
		want          []int
		status        risk.Status
	}{
		{"0.30", "0.30", "YES", []int{3, 0, 0, 0}, risk.OK},
		{"0.60", "0.45", "NO", []int{0, 3, 0, 3}, risk.Tripped},
	} {
		h := second(t, "10000", quietPolicy, threeLosses)
		var sold []domain.FillID
		for _, m := range []string{"m1", "m2", "m3"} {
			h.exclusive(m, "YES", "NO")
			h.fill("a", m, "YES", buy, "100", c.yes)
			sold = append(sold, h.fill("a", m, "YES", sell, "100", c.yes, provisional))
			h.fill("a", m, "YES", buy, "100", c.yes)
			h.fill("a", m, "NO", buy, "200", c.no)
		}
		for _, m := range []string{"m1", "m2", "m3"} {
			h.settleOne(m, c.wins, "1")
		}
		for _, id := range sold {
			h.void(id)
		}
		require.Equal(t, c.want, resultsOf(h))
		require.Equal(t, c.status, h.status("consecutive_losses", "a"))
	}
}

// A pair of which one half was sold for a time is one result of the settlement.
func TestAVoidMakesAPairOneResult(t *testing.T) {
	h := second(t, "10000", quietPolicy)
	h.exclusive("m", "YES", "NO")
	h.fill("a", "m", "YES", buy, "200", "0.30")
	h.fill("a", "m", "NO", buy, "200", "0.30")
	id := h.fill("a", "m", "YES", sell, "200", "0.30", provisional)
	h.settleOne("m", "YES", "1")
	require.Equal(t, []int{0, 1, 1, 1}, resultsOf(h))
	h.void(id)
	require.Equal(t, []int{1, 0, 0, 0}, resultsOf(h))
	revised := stepOf[*domain.TradeRevised](h)
	require.Len(t, revised, 2, "both halves name their result")
	require.NotEmpty(t, revised[0].Joins)
	require.Equal(t, revised[0].Joins, revised[1].Joins)
}

// Histories with voids after settlements come to the same wins, losses, streak and P&L as
// those without the voided fills: a void is “as if the fill had never been”.
func TestVoidsAfterSettlementsAreAsIfTheFillHadNeverBeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		with, without := second(t, "100000", quietPolicy), second(t, "100000", quietPolicy)
		both := []*harness{with, without}
		var voids []domain.FillID
		held, ever := map[string]int{}, map[string]int{}
		for m := range rapid.IntRange(1, 3).Draw(t, "markets") {
			market := fmt.Sprint("m", m)
			outcomes := []string{"A", "B", "C"}[:rapid.IntRange(2, 3).Draw(t, "outcomes")]
			for _, h := range both {
				h.exclusive(market, outcomes...)
				h.fill("a", market, outcomes[0], buy, "1", "0.5") // the settlement pays something
			}
			for n := range rapid.IntRange(1, 8).Draw(t, "fills") {
				outcome := rapid.SampledFrom(outcomes).Draw(t, "outcome")
				price := rapid.SampledFrom([]string{"0.1", "0.3", "0.5", "0.8"}).Draw(t, "price")
				key := market + outcome
				if have := held[key]; have > 0 && rapid.Bool().Draw(t, "sell") {
					quantity := rapid.IntRange(1, have).Draw(t, "quantity")
					held[key] -= quantity
					id := with.fill("a", market, outcome, sell, fmt.Sprint(quantity), price, provisional, withID(fmt.Sprint(market, n)))
					if rapid.Bool().Draw(t, "voided") {
						voids = append(voids, id)
					} else {
						ever[key] -= quantity
						without.fill("a", market, outcome, sell, fmt.Sprint(quantity), price, provisional, withID(fmt.Sprint(market, n)))
					}
					continue
				}
				quantity := rapid.IntRange(1, 3).Draw(t, "quantity")
				held[key] += quantity
				for _, h := range both {
					h.fill("a", market, outcome, buy, fmt.Sprint(quantity), price, withID(fmt.Sprint(market, n)))
				}
			}
			wins := rapid.SampledFrom(outcomes).Draw(t, "wins")
			oneByOne := len(outcomes) == 3 && rapid.Bool().Draw(t, "one by one")
			for _, h := range both {
				if oneByOne {
					for _, outcome := range outcomes {
						if outcome != wins {
							h.settleOne(market, outcome, "0")
						}
					}
				}
				h.settleOne(market, wins, "1")
			}
		}
		for _, id := range voids {
			with.void(id)
		}
		require.Equal(t, resultsOf(without), resultsOf(with))
		require.Equal(t, without.equityOf("a"), with.equityOf("a"))
		require.Equal(t, without.botOf("a").Trades, with.botOf("a").Trades)
	})
}
