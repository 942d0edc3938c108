package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "what one command closes or revises stands in records of at most 250 rows …; readers see
// single trades": in pages, in the stream and in the trades; a bot sees only its own.
func TestReadersSeeSingleTrades(t *testing.T) {
	const bots = 105
	r := newRig(t, rigged{burst: 2000}).opened()
	r.must("admin", main+"/limits", `{"adopt":true,"reason":"risk lives in markets","max_consecutive_losses":1,"max_daily_loss_pct":"0.99","max_bot_drawdown_pct":"0.99","breaker_stops":"bot"}`)
	r.must("operator", main+"/markets", `{"market":"cup","kind":"outcome","outcomes":["A","B","C"]}`)
	var commands []string
	add := func(name, body string) {
		commands = append(commands, fmt.Sprintf(`{"idempotency_key":%q,"command":%q,"body":%s}`, uuid.NewString(), name, body))
	}
	for i := range bots { // alpha is the last in the order of holders
		bot := fmt.Sprintf("a%03d", i)
		r.must("operator", main+"/bots", fmt.Sprintf(`{"id":%q,"capital":"1"}`, bot))
		add("record_fill", fmt.Sprintf(`{"bot":%q,"market":"cup","outcome":"A","side":"buy","quantity":"1","price":"0.5","trade_id":"1"}`, bot))
	}
	add("record_fill", `{"bot":"alpha","market":"cup","outcome":"A","side":"buy","quantity":"2","price":"0.5","trade_id":"1"}`)
	a := r.post("operator", main+"/batch", `{"commands":[`+strings.Join(commands, ",")+`]}`)
	require.Equal(t, http.StatusOK, a.status)
	require.NotContains(t, a.body, `"problem"`)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages, _ := r.listen(ctx, "alpha", "", "")
	require.Equal(t, "hello", next(t, messages).event)
	last := r.must("operator", main+"/settlements", `{"market":"cup","payouts":{"A":"0","B":"1","C":"0"}}`)

	page := func(who, types string) []eventAnswer {
		var got eventsAnswer
		r.get(who, main+"/events?limit=1000&types="+types).into(t, &got)
		return got.Events
	}
	trades := page("operator", "trade.closed")
	require.Len(t, trades, bots+1)
	require.Nil(t, trades[99].Row)
	require.Equal(t, 0, *trades[100].Row)
	require.Equal(t, 5, *trades[105].Row)
	for _, e := range trades {
		require.Equal(t, domain.TradeClosedType, e.Type)
	}
	require.Equal(t, trades[100].Revision, trades[105].Revision)
	require.Len(t, page("operator", "breaker.tripped"), bots+1)
	require.Len(t, page("operator", "trades.closed"), 6, "the record by its own name")
	own := page("alpha", "trade.closed")
	require.Len(t, own, 1)
	require.Contains(t, string(own[0].Data), `"bot":"alpha"`)
	require.Len(t, page("alpha", "breaker.tripped"), 1)

	var heard []string
	for len(heard) < 4 {
		m := next(t, messages)
		heard = append(heard, m.event)
		if m.event == "event" {
			var e eventAnswer
			require.NoError(t, json.Unmarshal([]byte(m.data), &e))
			heard[len(heard)-1] = e.Type
		}
	}
	require.Equal(t, []string{domain.MarketPaidOutType, domain.TradeClosedType, domain.BreakerTrippedType, "directive"}, heard)

	var closed struct{ Trades []json.RawMessage }
	r.get("operator", main+fmt.Sprintf("/trades?limit=1000&min_revision=%d", last)).into(t, &closed)
	require.Len(t, closed.Trades, bots+1)
}

// A body that says void false settles one outcome, and does not lack its payout.
func TestVoidFalseDoesNotStandForAPayout(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	for _, body := range []string{
		`{"market":"m","outcome":"YES"}`,
		`{"market":"m","outcome":"YES","void":false}`,
		`{"market":"m","outcome":"YES","payouts":null}`,
		`{"market":"m","outcome":"YES","payouts":{}}`,
	} {
		a := r.post("operator", main+"/settlements", body)
		require.Equal(t, domain.CodeInvalid, a.code(t), body)
	}
}
