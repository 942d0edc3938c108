package projections

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// BenchmarkStats: the statistics of a million trades of 100 bots, asked for again after each
// further trade; after the void of one that is 5,000 trades old; after a change of limits; and
// for the first time.
func BenchmarkStats(b *testing.B) {
	const bots, trades = 100, 1_000_000
	s, f := portfolio.New(), NewStats(nil)
	next := uint64(0)
	apply := func(e domain.Event) {
		rec := eventstore.Record{Revision: next, Time: noon.Add(time.Duration(next) * time.Minute)}
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		f.Apply(rec, e, s)
		next++
	}
	apply(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.NewPolicy(domain.ModePaper, domain.ClockWall, "USDC")})
	apply(&domain.DepositRecorded{Wallet: domain.WalletHot, Asset: "USDC", Amount: dec("1000000")})
	for n := range bots {
		apply(&domain.BotRegistered{Bot: fmt.Sprint("b", n)})
		apply(&domain.BotCapitalAllocated{Bot: fmt.Sprint("b", n), Amount: dec("1000")})
	}
	trade := func() {
		n := int64(next)
		pnl, result := domain.FromInt(n%7-3), domain.Win
		if pnl.Sign() <= 0 {
			result = domain.Loss
		}
		apply(&domain.TradeClosed{
			Trade: fmt.Sprint("t", n), Bot: fmt.Sprint("b", n%bots), Instrument: domain.Instrument{Market: "m"}, ClosedBy: domain.ClosedByReport,
			TradeID: fmt.Sprint(n), TradeFigures: domain.TradeFigures{PnL: pnl, Result: result},
		})
	}
	for range trades {
		trade()
	}
	view := func(b *testing.B) {
		b.Helper()
		_, err := f.View(s, nil)
		require.NoError(b, err)
	}
	b.Run("again", func(b *testing.B) {
		for view(b); b.Loop(); view(b) {
			trade()
		}
	})
	b.Run("after a void", func(b *testing.B) {
		for view(b); b.Loop(); view(b) {
			trade()
			n := next - 5000
			apply(&domain.TradeRevised{Trade: fmt.Sprint("t", n), Bot: fmt.Sprint("b", n%bots), Number: int(n / bots), After: &domain.TradeFigures{Result: domain.Win}})
		}
	})
	b.Run("after a change of limits", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			s.Policy.MaxConsecutiveLosses = 3 + n%5
			view(b)
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			f.kept.forget(0)
			view(b)
		}
	})
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			kept, err := f.Keep()
			require.NoError(b, err)
			b.ReportMetric(float64(len(kept))/float64(f.trades.rows.size()), "B/trade")
			b.ReportMetric(float64(len(f.trades.rows.pieces.(*PiecesInMemory).bytes))/float64(f.trades.rows.size()), "B-on-disk/trade")
		}
	})
}
