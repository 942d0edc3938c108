package portfolio

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// settled is everything of a state that the settlement of a market decides.
func settled(h *harness) []string {
	var out []string
	for _, id := range h.s.BotIDs() {
		b := h.s.Bots[id]
		out = append(out, fmt.Sprint(id, " ", b.Cash, b.Cost, b.Value, b.Positions, b.Closings, b.Trades, b.Wins, b.Losses, b.Neutral, string(b.Streak.Results), b.Streak.Losses))
	}
	for _, in := range h.s.SortedInstruments() {
		out = append(out, fmt.Sprint(in.Instrument, " ", in.Payout, in.Refunded, len(in.Holdings)))
	}
	return append(out, h.s.Equity().String(), h.s.Cash.String())
}

// fills draws the same purchases and sales of a few bots in a market of several outcomes.
func drawFills(t *rapid.T, outcomes []string) []FillReport {
	names := slices.Clone(outcomes)
	if len(outcomes) > 2 {
		for _, o := range outcomes {
			names = append(names, "!"+o)
		}
	}
	var fills []FillReport
	for n := range rapid.IntRange(1, 8).Draw(t, "fills") {
		fills = append(fills, FillReport{
			FillID:     domain.FillID{Bot: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "bot"), TradeID: fmt.Sprint("f", n)},
			Instrument: domain.Instrument{Market: "cup", Outcome: rapid.SampledFrom(names).Draw(t, "outcome")},
			Side:       rapid.SampledFrom([]domain.Side{buy, buy, buy, sell}).Draw(t, "side"),
			Quantity:   dec(fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "quantity"))),
			Price:      dec(fmt.Sprintf("0.%02d", rapid.IntRange(1, 99).Draw(t, "price"))),
		})
	}
	return fills
}

// "no order of settlements of one market changes the final state": all outcomes by one
// command; one after the other, the losers in any order and the winner last; some of them
// one by one and the rest by payouts; or the winner at once, which settles the others;
// and something else first, which a correction replaces.
func TestNoOrderOfSettlementsChangesTheFinalState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := []string{"A", "B", "C", "D"}[:rapid.IntRange(2, 4).Draw(t, "outcomes")]
		fills := drawFills(t, outcomes)
		winner := rapid.SampledFrom(outcomes).Draw(t, "winner")
		losers := rapid.Permutation(slices.DeleteFunc(slices.Clone(outcomes), func(o string) bool { return o == winner })).Draw(t, "losers")
		first := rapid.IntRange(0, len(losers)).Draw(t, "one by one")
		if len(outcomes) == 2 {
			first = 0
		}

		begin := func() *harness {
			h := second(t, "1000", quietPolicy)
			h.deposit("1000")
			h.bot("b", "1000")
			h.exclusive("cup", outcomes...)
			for _, f := range fills {
				h.must(func(d *Decision) error { return d.RecordFill(f) })
			}
			return h
		}
		payouts := func(live []string, winner string) Settlement {
			s := Settlement{Market: "cup", Payouts: map[string]domain.Decimal{}}
			for _, o := range live {
				s.Payouts[o] = domain.Zero
			}
			s.Payouts[winner] = domain.One
			return s
		}
		settle := func(h *harness, s Settlement) {
			h.must(func(d *Decision) error { return d.SettleMarket(s) })
		}

		whole := begin()
		settle(whole, payouts(outcomes, winner))
		want := settled(whole)

		mixed := begin()
		for _, o := range losers[:first] {
			settle(mixed, Settlement{Market: "cup", Outcome: o})
		}
		settle(mixed, payouts(slices.DeleteFunc(slices.Clone(outcomes), func(o string) bool { return slices.Contains(losers[:first], o) }), winner))
		require.Equal(t, want, settled(mixed), "%d one by one, the rest by payouts", first)

		single := begin()
		for _, o := range losers[:first] {
			settle(single, Settlement{Market: "cup", Outcome: o})
		}
		settle(single, Settlement{Market: "cup", Outcome: winner, Payout: domain.One})
		require.Equal(t, want, settled(single), "%d losers, then the winner", first)

		wrong := begin()
		settle(wrong, payouts(outcomes, losers[0]))
		c := Correction{Market: "cup", Payouts: payouts(outcomes, winner).Payouts}
		wrong.must(func(d *Decision) error { return d.CorrectSettlement(c, "it was wrong") })
		require.Equal(t, want, settled(wrong), "corrected")

		partly := begin()
		if len(outcomes) > 2 {
			settle(partly, Settlement{Market: "cup", Outcome: winner}) // at 0, wrongly
			partly.must(func(d *Decision) error { return d.CorrectSettlement(c, "it was wrong") })
			require.Equal(t, want, settled(partly), "corrected when partly settled")
		}
	})
}
