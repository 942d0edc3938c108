package projections

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/tradestats"
)

// results appends random commands that close trades which count as one result, wait for
// others, move between results, and are corrected.
func results(t *rapid.T, h *history) {
	var provisional []domain.FillID
	outcomes := []string{"A", "B", "C"}
	for n := range rapid.IntRange(5, 60).Draw(t, "commands") {
		h.after(time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute)
		bot := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "bot")
		market := rapid.SampledFrom([]string{"cup", "league"}).Draw(t, "market")
		outcome := rapid.SampledFrom(outcomes).Draw(t, "outcome")
		what := rapid.SampledFrom([]string{"buy", "buy", "buy", "sell", "sell", "void", "confirm", "settle", "settle", "correct", "trade", "deposit", "flow", "limits"}).Draw(t, "what")
		_ = h.try(func(d *portfolio.Decision) error {
			switch what {
			case "buy", "sell":
				r := portfolio.FillReport{
					FillID: domain.FillID{Bot: bot, TradeID: fmt.Sprint(n)}, Instrument: domain.Instrument{Market: market, Outcome: outcome}, Side: domain.Side(what),
					Quantity: domain.FromInt(rapid.Int64Range(1, 3).Draw(t, "quantity")), Price: dec(rapid.SampledFrom([]string{"0.2", "0.3"}).Draw(t, "price")),
				}
				if rapid.Bool().Draw(t, "provisional") {
					r.Status = domain.FillProvisionalStatus
					provisional = append(provisional, r.FillID)
				}
				return d.RecordFill(r)
			case "void", "confirm":
				if len(provisional) == 0 {
					return d.ConfirmFill(domain.FillID{Bot: bot, TradeID: "none"}, market)
				}
				id := rapid.SampledFrom(provisional).Draw(t, "of")
				if what == "void" {
					return d.VoidFill(id, market)
				}
				return d.ConfirmFill(id, market)
			case "settle":
				if rapid.Bool().Draw(t, "whole") {
					all := map[string]domain.Decimal{"A": domain.Zero, "B": domain.Zero, "C": domain.Zero}
					all[outcome] = domain.One
					return d.SettleMarket(portfolio.Settlement{Market: market, Payouts: all})
				}
				return d.SettleMarket(portfolio.Settlement{Market: market, Outcome: outcome})
			case "correct":
				all := map[string]domain.Decimal{"A": domain.Zero, "B": domain.Zero, "C": domain.Zero}
				all[outcome] = domain.One
				c := portfolio.Correction{Market: market, Payouts: all, Void: rapid.Bool().Draw(t, "refund")}
				if c.Void {
					c.Payouts = nil
				}
				return d.CorrectSettlement(c, "test")
			case "trade":
				return d.RecordTrade(&domain.TradeClosed{Bot: bot, Instrument: domain.Instrument{Market: market}, TradeID: fmt.Sprint("t", n), TradeFigures: domain.TradeFigures{PnL: domain.FromInt(rapid.Int64Range(-3, 3).Draw(t, "pnl"))}})
			case "flow": // of one of the latest deposits
				if f := h.s.Refs.Flows; f != nil && len(f.List) > 0 && f.List[len(f.List)-1].Of != nil {
					of := f.List[len(f.List)-1].Of.Revision
					return d.Adjust(&domain.AdjustmentPosted{Account: "hot:treasury", Amount: domain.FromInt(-1), Reason: "typed wrong", Flow: true, Of: &of})
				}
				return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: domain.FromInt(5)})
			case "limits":
				return d.ChangeLimits([]byte(rapid.SampledFrom([]string{
					`{"max_consecutive_losses":900,"daily_loss_tz":"Asia/Tokyo"}`, `{"max_consecutive_losses":1,"daily_loss_tz":"UTC"}`, `{"max_consecutive_losses":2}`,
					`{"max_bot_drawdown_pct":"0.001"}`, `{"max_bot_drawdown_pct":"0.00123"}`, `{"max_bot_daily_loss_pct":"0.0003"}`, `{"max_daily_loss_pct":"0.002"}`,
					`{"max_rolling_loss_pct":"0.001"}`, `{"max_rolling_loss_pct":"0"}`,
				}).Draw(t, "limits")), "test")
			default:
				return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: domain.FromInt(5)})
			}
		})
	}
}

// "Statistics are kept, not recomputed": asked for at any moment, they are those of a fold
// that was never asked before, whatever was revised since.
func TestKeptStatisticsAreThoseOfTheWholeSeries(t *testing.T) {
	t.Parallel()
	kept, forgotten := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		if rapid.Bool().Draw(t, "results") {
			h = cup(t, "A", "B", "C")
			h.bot("b", "1000")
			h.must(func(d *portfolio.Decision) error {
				return d.RegisterMarket(&domain.MarketRegistered{Market: "league", Kind: domain.KindOutcome, Outcomes: []string{"A", "B", "C"}, Exclusive: true})
			})
			results(t, h)
		} else {
			scenario(t, h)
		}
		s, f, oracle := portfolio.New(), NewStats(nil), newOracleStats()
		f.trades.rows.per = rapid.IntRange(1, 4).Draw(t, "rows of a piece")
		records := h.records(h.s.Next)
		for n, rec := range records {
			e, err := domain.Decode(rec.Type, rec.Data)
			require.NoError(t, err)
			before := len(f.kept.at)
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
			f.Apply(rec, e, s)
			oracle.Apply(rec, e, s)
			if len(f.kept.at) < before {
				forgotten++
			}
			if n%2 == 1 && n+1 < len(records) {
				continue
			}
			got, err := f.View(s, nil)
			require.NoError(t, err)
			if len(f.kept.at) > 0 {
				kept++
			}
			require.Equal(t, whole(t, oracle, s), got, "at revision %d", rec.Revision)
		}
	})
	if testing.Short() {
		return // too few cases to meet each
	}
	require.NotZero(t, kept, "nothing was ever kept")
	require.NotZero(t, forgotten, "nothing that was kept was ever revised")
}

// Statistics after a change of limits read no more of the history than without one. The count
// is of the pieces that are read; the zone, which every day depends on, costs them all.
func TestStatisticsAfterAChangeOfLimitsReadNothingAgain(t *testing.T) {
	t.Parallel()
	s, pieces := portfolio.New(), &torn{}
	s.Policy = domain.DefaultPolicy(domain.ModePaper)
	s.Portfolio, s.Policy.Rules = "main", domain.SecondRules
	f := NewStats(pieces)
	f.trades.rows.add(row{flow: true, amount: dec("200000")})
	for n := range 20 {
		bot := fmt.Sprint("bot-", n)
		s.Bots[bot] = &portfolio.Bot{}
		f.trades.rows.add(row{Trade: Trade{Bot: bot, Revision: 1}, flow: true, amount: dec("10000")})
	}
	closedTrades(f.Trades(), 20_000)
	all := len(f.trades.rows.sums)
	require.Greater(t, all, 30)
	read := func(limits tradestats.Limits) (Stats, int) {
		before := pieces.uses
		got, err := f.View(s, limits)
		require.NoError(t, err)
		return got, pieces.uses - before
	}
	_, first := read(nil)
	require.GreaterOrEqual(t, first, all)
	_, again := read(nil)
	require.LessOrEqual(t, again, 1)
	for _, limits := range []string{
		`{"max_consecutive_losses":2}`, `{"max_bot_drawdown_pct":"0.1"}`, `{"max_daily_loss_pct":"0.025","max_bot_drawdown_pct":"0.004"}`, `{"max_bot_daily_loss_pct":"0.01"}`, `{"max_consecutive_losses":7}`,
	} {
		require.NoError(t, json.Unmarshal([]byte(limits), &s.Policy))
		got, n := read(nil)
		require.LessOrEqual(t, n, again, limits)
		fresh := NewStats(pieces)
		kept, err := f.Keep()
		require.NoError(t, err)
		require.NoError(t, fresh.Restore(kept))
		f.kept.forget(0) // so that all of it is walked by these limits
		want, n := read(nil)
		require.GreaterOrEqual(t, n, all)
		require.Equal(t, want, got, limits)
		require.GreaterOrEqual(t, len(got.Portfolio.ClosedBreakers), 2, limits)
		f = fresh // a later start, which never walked by them
	}
	_, other := read(tradestats.Limits{domain.BotDrawdown: dec("0.2"), domain.ConsecutiveLosses: dec("4")})
	require.LessOrEqual(t, other, again, "limits that were asked for")
	s.Policy.DailyLossTZ = "Asia/Tokyo"
	_, zone := read(nil)
	require.GreaterOrEqual(t, zone, all)
	s.Policy.MaxRollingLossPct = dec("0.1")
	_, rolling := read(nil)
	require.GreaterOrEqual(t, rolling, all, "its hours were not followed")
	s.Policy.MaxRollingLossPct = dec("0.2")
	_, rolling = read(nil)
	require.LessOrEqual(t, rolling, again)
	kept, err := f.Keep()
	require.NoError(t, err)
	f = NewStats(pieces)
	require.NoError(t, f.Restore(kept))
	_, started := read(nil)
	require.LessOrEqual(t, started, again, "a later start walks everything while losses roll")
}
