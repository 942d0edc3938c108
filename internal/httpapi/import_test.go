package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// An import whose answer would be too long is answered for the rows that were booked; the
// rest, sent again, is booked then, and nothing twice.
func TestALongImportAnswer(t *testing.T) {
	r := newRig(t, rigged{now: newHands().now, perDay: 1 << 30})
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	olga := domain.Caller{User: "olga", Role: domain.RoleOperator}
	_, err := r.engine.DoAll(context.Background(), "past", []commands.Request{{
		Caller: olga, Key: "open", Import: &commands.Import{At: at, Source: "f:1"},
		Command: commands.OpenPortfolio{
			ID: "past", Mode: domain.ModePaper, Clock: domain.ClockImported, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper),
		},
	}})
	require.NoError(t, err)
	rows := repeated(4000, func(i int) string {
		return fmt.Sprintf(`{"key":"row-%d","at":"2026-01-02T00:00:00Z","source":"f:%d","command":"record_trade","newcomers":{"bot":"b","capital":"0"},`+
			`"body":{"bot":"b","market":"%s","trade_id":"%d","pnl":"1"}}`, i, i+2, strings.Repeat(`\"`, 240), i)
	})
	requests := 0
	for left := rows; len(left) > 0; requests++ {
		a := r.post("operator", "/v1/portfolios/past/import", `{"rows":[`+strings.Join(left, ",")+`]}`)
		require.Equal(t, http.StatusOK, a.status, "%.300s", a.body)
		require.LessOrEqual(t, len(a.body), maxAnswer)
		var v importAnswer
		a.into(t, &v)
		require.NotEmpty(t, v.Results)
		for _, one := range v.Results {
			require.Nil(t, one.Problem)
			require.False(t, one.Replayed)
			require.NotEmpty(t, one.Events)
		}
		left = left[len(v.Results):]
	}
	require.Greater(t, requests, 1)
	trades := 0
	for _, rec := range r.records("portfolio-past") {
		var e struct{ Bot string }
		if rec.Type == (&domain.TradeClosed{}).EventType() && json.Unmarshal(rec.Data, &e) == nil {
			trades++
		}
	}
	require.Equal(t, len(rows), trades)

	// What a row records that is no fact is counted: that it was set aside.
	size := func() (n int) {
		for _, rec := range r.records("portfolio-past") {
			n += len(rec.Type) + len(rec.Metadata) + len(rec.Data)
		}
		return n
	}
	before, charged := size(), r.charged(1<<30)
	a := r.post("operator", "/v1/portfolios/past/import",
		`{"rows":[{"key":"aside","at":"2026-01-03T00:00:00Z","source":"f:9","command":"set_row_aside","reason":"unknown","body":{"row":"k"}}]}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Greater(t, size(), before, a.body)
	require.Equal(t, size()-before, r.charged(1<<30)-charged)
}
