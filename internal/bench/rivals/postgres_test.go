package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"pets/internal/bench"
)

// The ledger books each trade once, denies what is beyond a limit, and leaves nothing behind.
func TestPostgres(t *testing.T) {
	dir, err := os.MkdirTemp("", "pg") // a socket's path is short, and t.TempDir is only for this user
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only if the test has failed
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run, err := openPostgres(t.Context(), dir, 2, 4)
	var missing *bench.MissingError
	if errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	failed := make([]error, 8)
	for n := range failed {
		group.Go(func() {
			for i := 0; i < 10 && failed[n] == nil; i++ {
				failed[n] = run.Trade(t.Context(), bench.LedgerTrade{Portfolio: n % 2, Bot: n / 2, TradeID: fmt.Sprint(i)})
			}
		})
	}
	group.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []bench.LedgerTrade{{Portfolio: 0, Bot: 0, TradeID: "0"}, {Portfolio: 7, TradeID: "x"}, {Bot: 9, TradeID: "x"}} {
		if err := run.Trade(t.Context(), bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	answer := httptest.NewRecorder()
	run.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"portfolio":1,"bot":1,"trade_id":"new"}`)))
	if answer.Code != http.StatusOK {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if n, err := run.Trades(t.Context()); n != 81 || err != nil {
		t.Errorf("%d trades, %v", n, err)
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
