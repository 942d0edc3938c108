package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/eventstore/memory"
)

// scenario appends random commands; most are accepted.
func scenario(t *rapid.T, h *history) {
	h.deposit("1000")
	bots := []string{"a", "b", "c"} // c has no capital
	for i, capital := range []string{"400", "300", "0"} {
		h.bot(bots[i], capital)
	}
	var provisional []domain.FillID
	amount := func(name string, least, most int64) domain.Decimal {
		return domain.FromInt(rapid.Int64Range(least, most).Draw(t, name)).Div(domain.FromInt(100))
	}
	for range rapid.IntRange(1, 40).Draw(t, "commands") {
		h.after(time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute)
		bot := rapid.SampledFrom(bots).Draw(t, "bot")
		in := domain.Instrument{Market: rapid.SampledFrom([]string{"m", "n"}).Draw(t, "market"), Outcome: "YES"}
		what := rapid.SampledFrom([]string{"fill", "fill", "fill", "fill", "void", "confirm", "settle", "mark", "trade", "trade", "fee", "adjust", "deposit", "withdraw", "allocate", "limits", "reset", "asset"}).Draw(t, "what")
		err := h.try(func(d *portfolio.Decision) error {
			switch what {
			case "fill":
				r := portfolio.FillReport{
					FillID: domain.FillID{Bot: bot, TradeID: fmt.Sprint(h.s.Next)}, Instrument: in,
					Side:     rapid.SampledFrom([]domain.Side{domain.Buy, domain.Sell}).Draw(t, "side"),
					Quantity: amount("quantity", 1, 5), Price: amount("price", 1, 99), Fee: amount("fee", 0, 3),
				}
				if rapid.Bool().Draw(t, "provisional") {
					r.Status = domain.FillProvisionalStatus
					provisional = append(provisional, r.FillID)
				}
				return d.RecordFill(r)
			case "void", "confirm":
				if len(provisional) == 0 {
					return errors.New("nothing to void")
				}
				id := rapid.SampledFrom(provisional).Draw(t, "of")
				if what == "void" {
					return d.VoidFill(id, "")
				}
				return d.ConfirmFill(id, "")
			case "settle":
				return d.Settle(&domain.MarketSettled{Instrument: in, Payout: amount("payout", 0, 100)})
			case "trade":
				return d.RecordTrade(&domain.TradeClosed{Bot: bot, Instrument: in, TradeID: fmt.Sprint(h.s.Next), TradeFigures: domain.TradeFigures{PnL: amount("pnl", -3000, 3000), Fee: amount("fee", 0, 50)}})
			default:
				return other(t, d, what, bot, in, amount)
			}
		})
		if err != nil {
			require.NotEqual(t, domain.CodeInternal, domain.CodeOf(errors.Join(err, domain.Errorf(domain.CodeInvalid, ""))))
		}
	}
}

func other(t *rapid.T, d *portfolio.Decision, what, bot string, in domain.Instrument, amount func(string, int64, int64) domain.Decimal) error {
	switch what {
	case "mark":
		return d.MarkPrices([]domain.Mark{{Market: in.Market, Outcome: in.Outcome, Price: amount("price", 1, 99)}})
	case "asset":
		return d.MarkPrices([]domain.Mark{{Asset: "MATIC", Price: amount("price", 1, 99)}})
	case "fee":
		kind := rapid.SampledFrom([]string{domain.FeeTrading, domain.FeeRebate}).Draw(t, "kind")
		return d.RecordFee(&domain.FeeRecorded{Bot: bot, Amount: amount("fee", 1, 300), Kind: kind})
	case "adjust":
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:bot/" + bot, Amount: amount("amount", -3000, 3000), Reason: "test"})
	case "deposit":
		asset := rapid.SampledFrom([]string{"USDC", "MATIC"}).Draw(t, "asset")
		return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Asset: asset, Amount: amount("amount", 1, 50_000)})
	case "withdraw":
		return d.Withdraw(&domain.WithdrawalRecorded{Wallet: domain.WalletHot, Amount: amount("amount", 1, 30_000)})
	case "allocate":
		return d.Allocate(bot, amount("amount", -10_000, 10_000))
	case "limits":
		return d.ChangeLimits([]byte(fmt.Sprintf(`{"max_daily_loss_pct":"0.%d","daily_loss_tz":%q}`, rapid.IntRange(1, 9).Draw(t, "limit"), rapid.SampledFrom([]string{"UTC", "Asia/Tokyo"}).Draw(t, "zone"))), "test")
	default:
		return d.ResetBreaker(risk.Key{Breaker: domain.ConsecutiveLosses, Bot: bot}, "test", false)
	}
}

// "Every one is rebuilt from zero to the same answer": a runner that follows the
// stream live, one that comes late, one that stops and goes on, and one that starts
// from a snapshot answer alike; and the answers agree with each other.
func TestRebuiltEqualsLive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		live := follow(h.store)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- live.Follow(ctx) }()
		scenario(t, h)
		reached := func() (done bool) {
			live.Read(func(s *portfolio.State) { done = s.Next == h.s.Next })
			return done
		}
		for deadline := time.Now().Add(5 * time.Second); !reached() && time.Now().Before(deadline); {
			time.Sleep(50 * time.Microsecond)
		}
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)

		whole := h.end()
		want := whole.answers(t)
		require.Equal(t, want, live.answers(t))

		middle := rapid.Uint64Range(0, h.s.Next-1).Draw(t, "middle")
		late := at(t, h.store, Point{Revision: &middle})
		require.Equal(t, at(t, prefix(t, h, middle), Point{}).answers(t), late.answers(t), "--at is a prefix fold")
		require.NoError(t, late.CatchUp(ctxOf(), Point{}))
		require.Equal(t, want, late.answers(t))

		checkAgreement(t, h, whole)
	})
}

func ctxOf() context.Context { return context.Background() }

// prefix is a store that holds a history only up to a revision.
func prefix(t testingT, h *history, last uint64) *memory.Store {
	t.Helper()
	p := &history{t: t, store: memory.New()}
	for _, rec := range h.records(last + 1) {
		p.append(rec.Type, rec.Time, rec.Data)
	}
	return p.store
}

// checkAgreement holds the projections against each other and against the books.
func checkAgreement(t testingT, h *history, m *models) {
	t.Helper()
	s := h.s
	for asset, sum := range BalancesOf(s).Sums {
		require.True(t, sum.IsZero(), "the accounts of %s sum to %s", asset, sum)
	}
	stats := m.statsOf(t)
	trades, net := 0, domain.Zero
	for i, id := range s.BotIDs() {
		b, got := s.Bots[id], stats.Bots[i]
		require.Equal(t, []int{b.Trades, b.Wins, b.Losses, b.Neutral}, []int{got.Trades, got.Wins, got.Losses, got.Neutral}, id)
		sum := domain.Zero
		list := m.list(t, id)
		for _, tr := range list {
			sum = sum.Add(tr.PnL)
		}
		require.Len(t, list, b.Trades)
		require.Equal(t, sum, got.NetPnL)
		require.Equal(t, got.GrossProfit.Sub(got.GrossLoss), got.NetPnL)
		trades, net = trades+b.Trades, net.Add(sum)
	}
	require.Equal(t, trades, stats.Portfolio.Trades)
	require.Equal(t, net, stats.Portfolio.NetPnL)
	for i, tr := range m.list(t, "") {
		require.Equal(t, i+1, tr.Number)
	}
	value := domain.Zero
	for _, p := range PositionsOf(s) {
		value = value.Add(p.Cost).Add(p.UnrealisedPnL)
	}
	require.Equal(t, s.Value, value)
	all := m.points(t, 0)
	require.Equal(t, s.Equity(), all[len(all)-1].Equity, "the last point is the equity now")
	checkThinned(t, m, all)
}

// Thinning "keeps, of every stretch, the lowest and the highest equity, its trips
// and the last point"; flows are kept whole.
func checkThinned(t testingT, m *models, all []EquityPoint) {
	t.Helper()
	low, high, trips, flows := extremes(all)
	for _, most := range []int{3, 4, 7, 20, len(all)} {
		thinned := m.points(t, max(most, LeastPoints))
		l, h, tr, f := extremes(thinned)
		require.Equal(t, []domain.Decimal{low, high, flows}, []domain.Decimal{l, h, f}, "%d points", most)
		require.Equal(t, trips, tr)
		require.LessOrEqual(t, len(thinned), max(most, LeastPoints)+trips)
		require.Equal(t, all[len(all)-1].Revision, thinned[len(thinned)-1].Revision)
		require.True(t, slices.IsSortedFunc(thinned, func(a, b EquityPoint) int { return int(a.Revision) - int(b.Revision) }))
	}
}

func extremes(points []EquityPoint) (low, high domain.Decimal, trips int, flows domain.Decimal) {
	low, high = points[0].Equity, points[0].Equity
	for _, p := range points {
		low, high, flows = low.Min(p.Equity), high.Max(p.Equity), flows.Add(p.Flow)
		if p.Tripped != "" {
			trips++
		}
	}
	return low, high, trips, flows
}
