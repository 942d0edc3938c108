package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore/embedded"
)

// discarded drops what is answered, but for the status.
type discarded struct {
	header http.Header
	status int
}

func (a *discarded) Header() http.Header         { return a.header }
func (a *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (a *discarded) WriteHeader(status int)      { a.status = status }

// BenchmarkRequests: a fill, or a batch of 100, and a permit, without the network.
func BenchmarkRequests(b *testing.B) {
	serve := func(b *testing.B, r *rig, path string, body func(i int) string) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			q := httptest.NewRequest(http.MethodPost, main+path, strings.NewReader(body(i)))
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("Authorization", "Bearer "+r.keys["operator"])
			q.Header.Set("Idempotency-Key", uuid.NewString())
			a := &discarded{header: http.Header{}}
			r.api.ServeHTTP(a, q)
			require.Equal(b, http.StatusOK, a.status)
		}
	}
	fill := func() string { return fillBodyOf("alpha", uuid.NewString(), "0.0001", "0.5") }
	b.Run("fill", func(b *testing.B) {
		r := newRig(b, rigged{}).opened()
		serve(b, r, "/fills", func(int) string { return fill() })
	})
	b.Run("permit preview", func(b *testing.B) {
		r := newRig(b, rigged{}).opened()
		serve(b, r, "/permits?preview=true", func(int) string { return permitBody("alpha", "0.01") })
	})
	b.Run("batch", func(b *testing.B) {
		r := newRig(b, rigged{}).opened()
		serve(b, r, "/batch", func(int) string {
			var items []string
			for range 100 {
				items = append(items, fmt.Sprintf(`{"idempotency_key":%q,"command":"record_fill","body":%s}`, uuid.NewString(), fill()))
			}
			return `{"commands":[` + strings.Join(items, ",") + `]}`
		})
	})
}

// BenchmarkOverHTTP sets batches of 100 fills over the network beside the same commands in
// process, and permits beside a route that does nothing. All of it is on one machine, so the
// clients take their part of the processors, too.
func BenchmarkOverHTTP(b *testing.B) {
	store, err := embedded.Open(b.TempDir(), embedded.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close() })
	r := newRig(b, rigged{store: store}).opened()
	idle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		_, _ = io.WriteString(w, "{}")
	}))
	b.Cleanup(idle.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256}}
	post := func(who, url, body string) error {
		q, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Authorization", "Bearer "+r.keys[who])
		q.Header.Set("Idempotency-Key", uuid.NewString())
		a, err := client.Do(q)
		if err != nil {
			return err
		}
		defer a.Body.Close()
		if text, _ := io.ReadAll(a.Body); a.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %.200s", a.Status, text)
		}
		return nil
	}
	permit := `{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":"0.0001","limit_price":"0.5","ttl":"50ms"}`
	for name, run := range map[string]struct {
		callers, commands int
		do                func(who string) error
	}{
		"batches/HTTP":       {16, 100, func(who string) error { return post(who, r.base+main+"/batch", hundredFills()) }},
		"batches/in process": {16, 100, func(string) error { return hundredInProcess(r.engine) }},
		"permits/HTTP":       {64, 1, func(who string) error { return post(who, r.base+main+"/permits", permit) }},
		"permits/no-op":      {64, 1, func(who string) error { return post(who, idle.URL, permit) }},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(run.callers / 2) // × 2 processors
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				who := []string{"alpha", "operator", "admin"}[n.Add(1)%3] // a key has at most 24 requests under way
				for pb.Next() {
					if err := run.do(who); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(run.commands*b.N)/b.Elapsed().Seconds(), "commands/s")
		})
	}
}

func hundredFills() string {
	items := make([]string, 100)
	for i := range items {
		items[i] = item("record_fill", fillBodyOf("alpha", uuid.NewString(), "0.0001", "0.5"))
	}
	return batchOf(items...)
}

func hundredInProcess(engine *commands.Engine) error {
	requests := make([]commands.Request, 100)
	for i := range requests {
		requests[i] = commands.Request{
			Caller: domain.Caller{User: "alpha", Role: domain.RoleBot, Bot: "alpha"}, Key: uuid.NewString(),
			Command: commands.RecordFill{
				FillID: domain.FillID{Bot: "alpha", TradeID: uuid.NewString()}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy,
				Quantity: domain.MustDecimal("0.0001"), Price: domain.MustDecimal("0.5"),
			},
		}
	}
	results, err := engine.DoEach(context.Background(), "main", requests)
	for i := range results {
		if err == nil {
			err = results[i].Err
		}
	}
	return err
}
