package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func TestSmoke(t *testing.T) {
	s := New()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	d := domain.MustDecimal
	run := func(f func(*Decision) error) {
		t.Helper()
		dec := s.Begin(now, domain.Caller{User: "x", Role: domain.RoleOperator})
		require.NoError(t, f(dec))
		require.NoError(t, dec.Finish())
		for _, e := range dec.Events() {
			b, err := domain.Encode(e)
			require.NoError(t, err)
			fmt.Println(e.EventType(), string(b))
			_, err = domain.Decode(e.EventType(), b)
			require.NoError(t, err)
		}
		require.Empty(t, s.Book.TrialBalance())
		h, err := s.Hash()
		require.NoError(t, err)
		b, _ := s.Snapshot()
		r, err := Restore(b)
		require.NoError(t, err)
		h2, _ := r.Hash()
		require.Equal(t, h, h2)
	}
	run(func(dec *Decision) error {
		return dec.Open(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)})
	})
	run(func(dec *Decision) error {
		return dec.Deposit(&domain.DepositRecorded{Wallet: "hot", Amount: d("1000")})
	})
	run(func(dec *Decision) error { return dec.RegisterBot(&domain.BotRegistered{Bot: "a"}, d("1000"), true) })
	for i, p := range []string{"-10", "-10", "5", "-10", "-10", "-10"} {
		run(func(dec *Decision) error {
			return dec.RecordTrade(&domain.TradeClosed{Bot: "a", Instrument: domain.Instrument{Market: "m"}, TradeID: fmt.Sprint(i), TradeFigures: domain.TradeFigures{PnL: d(p)}})
		})
	}
	run(func(dec *Decision) error {
		return dec.RecordFill(FillReport{FillID: domain.FillID{Bot: "a", TradeID: "1"}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: d("10"), Price: d("0.5"), Status: "provisional"})
	})
	run(func(dec *Decision) error {
		return dec.RecordFill(FillReport{FillID: domain.FillID{Bot: "a", TradeID: "2"}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Sell, Quantity: d("10"), Price: d("0.6")})
	})
	run(func(dec *Decision) error { return dec.VoidFill(domain.FillID{Bot: "a", TradeID: "1"}) })
	run(func(dec *Decision) error {
		return dec.AskPermit(PermitRequest{Order: domain.Order{Bot: "a", Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: d("10"), LimitPrice: d("0.9")}})
	})
}
