package projections

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/tradestats"
)

func (h *history) settleCup(s portfolio.Settlement) {
	h.t.Helper()
	s.Market = "cup"
	h.must(func(d *portfolio.Decision) error { return d.SettleMarket(s) })
}

// shown folds the stream into trades and statistics.
func (h *history) shown() ([]Trade, Stats) {
	h.t.Helper()
	s, f := portfolio.New(), NewStats(nil)
	for _, rec := range h.records(h.s.Next) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(h.t, err)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		f.Apply(rec, e, s)
	}
	stats, err := f.View(s, tradestats.DefaultLimits())
	require.NoError(h.t, err)
	trades, err := f.Trades().List("")
	require.NoError(h.t, err)
	return trades, stats
}

func cup(t testingT, outcomes ...string) *history {
	h := newHistory(t, func(p *domain.Policy) {
		p.Rules, p.MaxDailyLossPct, p.MaxConsecutiveLosses = domain.SecondRules, dec("0.9"), 1000
		p.MaxBotDrawdownPct, p.MaxPortfolioDrawdownPct = dec("0.9"), dec("0.9")
	})
	h.deposit("100000")
	h.bot("a", "1000")
	h.must(func(d *portfolio.Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "cup", Kind: domain.KindOutcome, Outcomes: outcomes, Exclusive: true})
	})
	return h
}

// "Result: what win, loss, streak, cooldown and statistics count. … trades of one bot that
// one command closes in one exclusive market are one result, their sum."
func TestStatisticsCountResults(t *testing.T) {
	h := cup(t, "A", "B", "C")
	h.fill("a", "cup", "buy 100 A at 0.49")
	h.fill("a", "cup", "buy 100 B at 0.49")
	h.settleCup(portfolio.Settlement{Outcome: "A"}) // it waits for the rest
	h.settleCup(portfolio.Settlement{Outcome: "B", Payout: domain.One})
	trades, stats := h.shown()
	require.Len(t, trades, 2)
	require.NotEmpty(t, trades[0].ResultID)
	require.Equal(t, trades[0].ResultID, trades[1].ResultID)
	a := stats.Bots[0].ScopeStats
	require.Equal(t, []int{2, 1, 1, 0, 0}, []int{a.Trades, a.Results, a.Wins, a.Losses, a.LongestLossStreak})
	require.Equal(t, []string{"2", "2", "0"}, []string{a.NetPnL.String(), a.GrossProfit.String(), a.GrossLoss.String()})

	h.must(func(d *portfolio.Decision) error {
		return d.CorrectSettlement(portfolio.Correction{Market: "cup", Payouts: map[string]domain.Decimal{"A": domain.Zero, "B": domain.Zero, "C": domain.One}}, "read wrongly")
	})
	_, stats = h.shown()
	a = stats.Bots[0].ScopeStats
	require.Equal(t, []int{2, 1, 0, 1, 1}, []int{a.Trades, a.Results, a.Wins, a.Losses, a.LongestLossStreak})
	require.Equal(t, "-98", a.NetPnL.String())
}

// Every trade of a record of many is in the list and in the statistics.
func TestStatisticsOfManyRows(t *testing.T) {
	const bots = 103
	h := cup(t, "YES", "NO")
	for i := range bots {
		bot := fmt.Sprintf("b%03d", i)
		h.bot(bot, "10")
		h.fill(bot, "cup", "buy 1 YES at 0.4")
	}
	h.settleCup(portfolio.Settlement{Outcome: "YES", Payout: domain.One})
	trades, stats := h.shown()
	require.Len(t, trades, bots)
	require.Equal(t, []int{bots, bots}, []int{stats.Portfolio.Trades, stats.Portfolio.Wins})
	require.Equal(t, "61.8", stats.Portfolio.NetPnL.String())
	for _, b := range stats.Bots[1:] {
		require.Equal(t, 1, b.Trades, b.Bot)
	}
}

// "{market, void:true} gives every holder his cost back": after a correction trades say how
// they closed after all.
func TestACorrectionSaysHowTradesClosed(t *testing.T) {
	h := cup(t, "A", "B")
	h.fill("a", "cup", "buy 100 A at 0.49")
	h.settleCup(portfolio.Settlement{Void: true})
	trades, _ := h.shown()
	require.Equal(t, domain.ClosedByRefund, trades[0].ClosedBy)
	h.must(func(d *portfolio.Decision) error {
		return d.CorrectSettlement(portfolio.Correction{Market: "cup", Payouts: map[string]domain.Decimal{"A": domain.One, "B": domain.Zero}}, "A won")
	})
	trades, _ = h.shown()
	require.Equal(t, domain.ClosedBySettlement, trades[0].ClosedBy)
}
