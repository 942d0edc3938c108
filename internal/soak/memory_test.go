package soak_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/pets/petstest"
)

// TestMemory prints how much memory a server takes while fills and commands pile up, of which
// none is open: what it grows by for each event is what the past costs in memory.
//
//	go test ./internal/soak -run TestMemory -soak.memory 600000 -v
func TestMemory(t *testing.T) {
	events := *memoryEvents
	if events == 0 {
		t.Skip("it prints figures; -soak.memory says how many events")
	}
	s := &soak{t: t, folder: filepath.Join(t.TempDir(), "store"), at: "127.0.0.1:0", began: time.Now()}
	s.start()
	s.post("/v1/portfolios", map[string]any{"id": portfolio, "mode": domain.ModePaper})
	s.here("/deposits", commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("100000000")})
	s.here("/bots", commands.RegisterBot{ID: "bot", Capital: domain.MustDecimal("100000")})
	s.here("/bots/bot/start", struct{}{})
	var before, at uint64
	step := events / 3
	for n, next := 0, step; n < events; { // a fill of two records: every second one closes a trade
		n += s.fills(n, 1000)
		if n >= next {
			next += step
			time.Sleep(8 * time.Second) // what is idle is written, and collected
			now := s.resident()
			grown := int64(0)
			if at > 0 {
				grown = (int64(now) - int64(before)) / int64(uint64(n)-at)
			}
			t.Logf("%d events after %s: %d MB resident, %d bytes for each event since the line before", n, time.Since(s.began).Round(time.Second), now>>20, grown)
			before, at = now, uint64(n)
		}
	}
	s.end()
}

// fills sends fills that buy and sell one share in turn, so that nothing stays open, and returns
// how many events they are.
func (s *soak) fills(from, count int) (events int) {
	s.t.Helper()
	var items []string
	for n := range count {
		side := []string{"buy", "sell"}[n%2]
		items = append(items, fmt.Sprintf(`{"idempotency_key":%q,"command":"record_fill","body":{"bot":"bot","venue":"v","trade_id":"t%d-%d","market":"m","outcome":"YES","side":%q,"quantity":"1","price":"0.5"}}`, uuid.NewString(), from, n, side))
	}
	req, err := http.NewRequest(http.MethodPost, s.server.URL+"/v1/portfolios/"+portfolio+"/batch", bytes.NewBufferString(`{"commands":[`+strings.Join(items, ",")+`]}`))
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+petstest.AdminKey)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, answer.StatusCode, "%s", text)
	require.Equal(s.t, count, bytes.Count(text, []byte(`"status":200`)), "%.500s", text)
	return count + count/2
}
