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

// BenchmarkStats: the statistics of 100,000 trades of 100 bots, asked for again after each
// further trade.
func BenchmarkStats(b *testing.B) {
	const bots = 100
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
	for range 100_000 {
		trade()
	}
	b.ReportAllocs()
	for b.Loop() {
		trade()
		_, err := f.View(s, nil)
		require.NoError(b, err)
	}
}
