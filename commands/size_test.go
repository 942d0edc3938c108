package commands

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// crowded has a market of two outcomes of which every one of n bots holds both, at a loss of
// 10 whichever wins. One loss trips a bot.
func crowded(t *testing.T, n int) *rig {
	t.Helper()
	r := newRig(t).opened()
	r.must(alice, ChangeLimits{Limits: json.RawMessage(`{"max_consecutive_losses":1,"breaker_stops":"bot","max_daily_loss_pct":"0.99","max_portfolio_drawdown_pct":"0.99","max_bot_drawdown_pct":"0.99","rules":2}`), Reason: "x"})
	r.must(olga, RecordDeposit{Wallet: domain.WalletHot, Amount: dec("1000000")})
	r.must(olga, RegisterMarket{Market: "rain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
	for i := range n {
		bot := fmt.Sprintf("strategy-%04d", i)
		buys := func(outcome, price string) Command {
			return RecordFill{FillID: domain.FillID{Bot: bot, TradeID: outcome}, Instrument: domain.Instrument{Market: "rain", Outcome: outcome}, Side: domain.Buy, Quantity: dec("100"), Price: dec(price)}
		}
		results, err := r.w.DoAll(r.ctx(), r.by(olga, RegisterBot{ID: bot, Capital: dec("150"), Start: true}, buys("YES", "0.60"), buys("NO", "0.50")))
		require.NoError(t, err)
		for _, res := range results {
			require.NoError(t, res.Err)
		}
	}
	return r
}

// storedSince returns the number of records of the stream and the bytes from one revision on, as
// an append counts them.
func storedSince(t *testing.T, s eventstore.Store, from uint64) (next uint64, bytes int) {
	t.Helper()
	next = from
	require.NoError(t, eventstore.Walk(t.Context(), s, Stream("main"), from, func(rec eventstore.Record) error {
		next = rec.Revision + 1
		p := eventstore.Proposed{Type: rec.Type, Metadata: rec.Metadata, Data: rec.Data}
		bytes += p.Size()
		return nil
	}))
	return next, bytes
}

// "1,000 holders of both outcomes, each of them tripping, settle and are corrected": through
// the writer, each as one command of at most 1 MiB.
func TestAThousandHoldersThroughTheWriter(t *testing.T) {
	r := crowded(t, 1000)
	next, _ := storedSince(t, r.store, 0)
	a := r.must(olga, SettleMarket{Instrument: domain.Instrument{Market: "rain"}, Payouts: map[string]domain.Decimal{"YES": dec("1"), "NO": dec("0")}})
	require.Equal(t, 2000, a.Closed())
	require.Len(t, a.Directives, 1000, "each of them trips")
	next, bytes := storedSince(t, r.store, next)
	require.Less(t, bytes, 1<<20)

	r.must(olga, CorrectSettlement{Market: "rain", Payouts: map[string]domain.Decimal{"YES": dec("0"), "NO": dec("1")}, Reason: "read wrongly"})
	_, bytes = storedSince(t, r.store, next)
	require.Less(t, bytes, 1<<20)
	s := fold(t, r.store)
	for _, bot := range []string{"strategy-0000", "strategy-0999"} {
		b := s.Bots[bot]
		require.Equal(t, []any{"140", 2, 0, 1}, []any{b.Equity().String(), b.Trades, b.Wins, b.Losses})
	}
	r.check()
}

// "above, it is refused before anything is written, naming the bound": at one byte and one
// record less than a settlement takes.
func TestASettlementThatIsTooLarge(t *testing.T) {
	settle := SettleMarket{Instrument: domain.Instrument{Market: "rain", Outcome: "YES"}, Payout: dec("1")}
	r := crowded(t, 110)
	first, _ := storedSince(t, r.store, 0)
	r.must(olga, settle)
	last, bytes := storedSince(t, r.store, first)
	records := int(last - first)

	r = crowded(t, 110)
	for _, most := range []portfolio.Room{{Records: records, Bytes: bytes - 1}, {Records: records - 1, Bytes: bytes}} {
		r.w.Close()
		r.w = r.writer(Options{most: most})
		err := r.refused(domain.CodeTooLarge, olga, settle)
		require.ErrorContains(t, err, fmt.Sprintf("may record %d events of %d bytes", most.Records, most.Bytes))
		next, _ := storedSince(t, r.store, 0)
		require.Equal(t, first, next, "something was written")
	}
	r.w.Close()
	r.w = r.writer(Options{most: portfolio.Room{Records: records, Bytes: bytes}})
	a := r.must(olga, settle)
	require.Equal(t, 220, a.Closed())
	r.check()
}
