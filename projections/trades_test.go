package projections

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/eventstore"
)

func list(t testingT, trades *Trades, bot string) []Trade {
	t.Helper()
	all, err := trades.List(bot)
	require.NoError(t, err)
	return all
}

// A page has what the list has, from any place on, whatever is gone.
func TestPagesAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trades := NewTrades(nil)
		trades.rows.per = rapid.IntRange(1, 20).Draw(t, "rows of a piece")
		bots := []string{"a", "b", "nobody"}
		for n := range rapid.IntRange(0, 120).Draw(t, "events") {
			e := domain.Event(&domain.TradeClosed{Trade: fmt.Sprint("t", n), Bot: rapid.SampledFrom(bots[:2]).Draw(t, "bot")})
			if n > 0 && rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				e = &domain.TradeRevised{Trade: fmt.Sprint("t", rapid.IntRange(0, n-1).Draw(t, "of"))} // gone, perhaps again
			}
			trades.Apply(eventstore.Record{Revision: uint64(n)}, e, nil)
		}
		bot := rapid.SampledFrom(append(bots, "")).Draw(t, "whose")
		after, limit := rapid.IntRange(0, 130).Draw(t, "after"), rapid.IntRange(1, 40).Draw(t, "limit")
		want := []Trade{}
		for _, one := range list(t, trades, bot) {
			if one.Number > after {
				want = append(want, one)
			}
		}
		page, err := trades.Page(bot, after, limit)
		require.NoError(t, err)
		require.Equal(t, len(want) > limit, page.More)
		require.Equal(t, want[:min(limit, len(want))], page.Trades)
	})
}

// BenchmarkPage: ten trades in the middle of many.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			pieces := &PiecesInMemory{}
			trades := NewTrades(pieces)
			closedTrades(trades, n)
			for b.Loop() {
				page, err := trades.Page("bot-1", n/2, 10)
				require.NoError(b, err)
				require.Len(b, page.Trades, 10)
			}
			b.ReportMetric(float64(len(pieces.bytes))/float64(n), "B-on-disk/trade")
		})
	}
}
