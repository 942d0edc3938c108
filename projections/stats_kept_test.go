package projections

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
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
				return d.ChangeLimits([]byte(fmt.Sprintf(`{"max_consecutive_losses":%d,"daily_loss_tz":%q}`, rapid.IntRange(900, 901).Draw(t, "limit"), rapid.SampledFrom([]string{"UTC", "Asia/Tokyo"}).Draw(t, "zone"))), "test")
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
	require.NotZero(t, kept, "nothing was ever kept")
	require.NotZero(t, forgotten, "nothing that was kept was ever revised")
}
