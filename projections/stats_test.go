package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/tradestats"
)

func secondEdition(p *domain.Policy) {
	p.Rules = domain.SecondRules
	p.MaxConsecutiveLosses, p.BreakerWarnAt = 1000, dec("0.999999")
	p.MaxDailyLossPct, p.MaxBotDrawdownPct, p.MaxPortfolioDrawdownPct = dec("0.999999"), dec("0.999999"), dec("0.999999")
}

// exclusive registers a market in which one share of each outcome pays 1 together.
func (h *history) exclusive(market string, outcomes ...string) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: market, Kind: domain.KindOutcome, Outcomes: outcomes, Exclusive: true})
	})
}

func (h *history) pay(s portfolio.Settlement) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error { return d.SettleMarket(s) })
}

// "Result: what win, loss, streak, cooldown and statistics count. A trade is a result; trades
// of one bot that one command closes in one exclusive market are one result, their sum."
func TestStatsCountResults(t *testing.T) {
	h := newHistory(t, secondEdition)
	h.deposit("1000")
	h.bot("a", "1000")
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "buy 1000 YES at 0.5")
	h.fill("a", "rain", "buy 1000 NO at 0.4")
	h.pay(portfolio.Settlement{Market: "rain", Payouts: map[string]domain.Decimal{"YES": dec("0"), "NO": dec("1")}})
	v := h.end().statsOf(t)
	for name, s := range map[string]ScopeStats{"portfolio": v.Portfolio, "a": v.Bots[0].ScopeStats} {
		require.Equal(t, []int{2, 1, 1, 0, 0}, []int{s.Trades, s.Results, s.Wins, s.Losses, s.LongestLossStreak}, name)
		require.Equal(t, "1", s.WinRate.String())
		require.Nil(t, s.ProfitFactor, "nothing was lost")
		require.Equal(t, []string{"100", "100", "0"}, []string{s.NetPnL.String(), s.GrossProfit.String(), s.GrossLoss.String()})
		require.Equal(t, "0", s.MaxDrawdown.Abs.String(), "no fall of 500 in the middle of a settlement")
	}
	require.Len(t, h.end().list(t, "a"), 2)
}

// A trade that is deferred counts with the bot's next result in the market.
func TestStatsOfADeferredResult(t *testing.T) {
	h := newHistory(t, secondEdition)
	h.deposit("1000")
	h.bot("a", "1000")
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "buy 100 A at 0.5")
	h.fill("a", "cup", "buy 100 B at 0.2")
	h.pay(portfolio.Settlement{Market: "cup", Outcome: "A", Payout: dec("0")})
	s := h.end().statsOf(t).Portfolio
	require.Equal(t, []int{1, 0, 0}, []int{s.Trades, s.Results, s.Losses}, "it waits")
	require.Equal(t, []string{"-50", "950"}, []string{s.NetPnL.String(), s.FinalEquity.String()})
	require.Nil(t, s.WinRate)
	h.after(time.Hour).trade("a", "-1")
	h.pay(portfolio.Settlement{Market: "cup", Outcome: "B", Payout: dec("1")})
	v := h.end().statsOf(t)
	for _, s := range []ScopeStats{v.Portfolio, v.Bots[0].ScopeStats} {
		require.Equal(t, []int{3, 2, 1, 1}, []int{s.Trades, s.Results, s.Wins, s.Losses})
		require.Equal(t, []string{"29", "30", "1"}, []string{s.NetPnL.String(), s.GrossProfit.String(), s.GrossLoss.String()}, "80 − 50, and the trade between")
	}
	require.Equal(t, h.s.Bots["a"].Wins, v.Bots[0].Wins)
	require.Equal(t, h.s.Bots["a"].Losses, v.Bots[0].Losses)
}

// "`stats` judges closed breakers by the policy in force (drawdown of the merged series too by
// `max_bot_drawdown_pct`) unless `--limit` says otherwise, and shows the limit." — limit − 1,
// limit, limit + 1.
func TestStatsJudgeByThePolicyInForce(t *testing.T) {
	h := newHistory(t, secondEdition)
	h.deposit("1000")
	h.bot("a", "1000")
	h.trade("a", "-100")
	limit := func(key, text string) {
		h.must(func(d *portfolio.Decision) error { return d.ChangeLimits([]byte(`{"`+key+`":"`+text+`"}`), "test") })
	}
	for text, trips := range map[string]bool{"0.100001": false, "0.1": true, "0.099999": true} {
		limit("max_bot_drawdown_pct", text)
		v := h.end().statsOf(t)
		for _, s := range []ScopeStats{v.Portfolio, v.Bots[0].ScopeStats} {
			if !trips {
				require.Empty(t, s.ClosedBreakers)
				continue
			}
			require.Len(t, s.ClosedBreakers, 1)
			require.Equal(t, domain.BotDrawdown, s.ClosedBreakers[0].Breaker)
			require.Equal(t, dec(text), s.ClosedBreakers[0].Limit)
		}
	}
	limit("max_bot_drawdown_pct", "0.1")
	m := h.end()
	m.Read(func(s *portfolio.State) {
		v, err := m.stats.View(s, tradestats.Limits{domain.BotDrawdown: dec("0.2"), domain.DailyLoss: dec("0.05")})
		require.NoError(t, err)
		require.Len(t, v.Portfolio.ClosedBreakers, 1)
		require.Equal(t, domain.DailyLoss, v.Portfolio.ClosedBreakers[0].Breaker)
		require.Len(t, v.Bots[0].ClosedBreakers, 1, "--limit is of the merged series")
	})
}

// Statistics see a corrected deposit as if it had been recorded right.
func TestStatsOfACorrectedFlow(t *testing.T) {
	h := newHistory(t, secondEdition)
	h.deposit("10000")
	h.bot("a", "1000")
	h.withdraw("9000")
	of := h.s.Next - 1
	h.trade("a", "-100")
	require.Equal(t, "0.1", h.end().statsOf(t).Portfolio.MaxDrawdown.Ratio.String())
	h.must(func(d *portfolio.Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:treasury", Amount: dec("8100"), Reason: "mistyped", Flow: true, Of: &of})
	})
	s := h.end().statsOf(t).Portfolio
	require.Equal(t, dec("100").Div(dec("9100")).Ratio(), s.MaxDrawdown.Ratio)
	require.Equal(t, []string{"9100", "9000"}, []string{s.OpeningCapital.String(), s.FinalEquity.String()})
}

// "Equity … go[es] on with the price in force; `state` shows both"; stale and partly marked are
// fields of it.
func TestStateShowsWhatWaits(t *testing.T) {
	h := newHistory(t, secondEdition, func(p *domain.Policy) {
		p.MarkCollar, p.MarkMaxAge = dec("0.25"), domain.Duration(time.Minute)
	})
	h.deposit("1000")
	h.bot("a", "1000")
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "buy 10 !A at 0.5")
	mark := func(price string) {
		h.must(func(d *portfolio.Decision) error {
			return d.MarkPrices([]domain.Mark{{Market: "cup", Outcome: "A", Price: dec(price)}})
		})
	}
	mark("0.5")
	since := h.after(time.Second).now
	mark("0.9")
	force, waits := dec("0.5"), dec("0.1")
	v := StateOf(h.s)
	require.Equal(t, []WaitingMark{{Market: "cup", Outcome: "A", Price: dec("0.9"), InForce: &force, Since: since}}, v.WaitingMarks)
	require.Equal(t, []*domain.Decimal{&force, &waits}, []*domain.Decimal{v.Positions[0].Mark, v.Positions[0].MarkWaiting})
	require.Equal(t, "1000", v.Equity.String())
	require.False(t, v.Stale)
	require.False(t, StateAt(h.s, since.Add(59*time.Second)).Stale, "a minute after the mark in force")
	late := StateAt(h.s, since.Add(59*time.Second+1))
	require.True(t, late.Stale)
	require.True(t, late.Positions[0].Stale)
	require.True(t, OwnStateOf(h.s, "a", since.Add(time.Hour)).Stale)
	require.Empty(t, v.PartlyMarked, "an operator marked it")
}
