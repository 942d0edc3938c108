package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/bench"
	"pets/internal/cli/serve"
	"pets/internal/config"
	"pets/internal/httpapi"
)

// httpClients is the number of concurrent clients, each with its own bot.
const httpClients = 64

// benchBatch is the number of commands in a request to the batch endpoint.
const benchBatch = 100

// benchHTTP measures a permit over HTTP beside a route that does nothing (goal 5), and a
// batch beside single commands (goal 6).
type benchHTTP struct {
	server *serve.Server
	url    string
	noop   string
	http   *http.Client
	keys   []string // the bots' keys
	ids    []string

	mu   sync.Mutex
	took map[string][]time.Duration // durations by contender
}

// goals56 runs a server on a fresh folder and, beside it, a listener whose route does nothing.
func (a *app) goals56(ctx context.Context, o bench.Options) (results []bench.Measured, err error) {
	dir, err := os.MkdirTemp(o.Dir, "pets-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	admin, _ := httpapi.NewToken()
	b := *a.App // a server of its own settings
	b.Err = io.Discard
	b.Config.Store, b.Config.AdminKey, b.Config.AdminKeyFile = "embedded:"+filepath.Join(dir, "store"), config.NewSecret(admin), ""
	b.Config.Dir, b.Config.Witness = "", "" // both are beside the store and are removed with it
	b.Config.Listen, b.Config.MetricsListen, b.Config.RateLimit = "127.0.0.1:0", "off", 0
	b.Config.BytesPerDay = 0
	s, err := serve.New(ctx, &b, time.Now)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	err = s.Run(running, func(ctx context.Context) error {
		h := &benchHTTP{server: s, url: s.URL(), took: map[string][]time.Duration{}, http: &http.Client{Transport: &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256}}}
		results, err = h.measure(ctx, o, dir, admin)
		stop()
		return err
	})
	return results, err
}

func (h *benchHTTP) measure(ctx context.Context, o bench.Options, dir, admin string) ([]bench.Measured, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	idle := httpapi.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // reads the body and does nothing
		_, _ = io.WriteString(w, "{}")
	}), h.server.Log, nil)
	go func() { _ = idle.Serve(l) }()
	defer func() { _ = idle.Close() }() // a close error changes nothing
	h.noop = "http://" + l.Addr().String() + "/"
	raw, closer, err := bench.Sync(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }() // the file is removed anyway
	if err := h.open(ctx, admin); err != nil {
		return nil, err
	}
	all := []bench.Contender{
		h.timed("permit", 1, h.permit),
		h.timed("noop", 1, h.nothing),
		raw,
		h.timed("permits", httpClients, h.permit),
		h.timed("noops", httpClients, h.nothing),
		{Name: "fills", Writers: 16, Work: h.fill},
		{Name: "batches", Writers: 16, Work: h.batch},
	}
	figures, err := bench.Turns(ctx, o.Rounds, all, o.Progress)
	if err != nil {
		return nil, err
	}
	floor, batched := make([]float64, o.Rounds), make([]float64, o.Rounds)
	for i := range floor {
		floor[i], batched[i] = figures[1][i]+figures[2][i], benchBatch*figures[6][i]
	}
	one := bench.AtMost(5, "a permit over HTTP, one client, median: ÷ (a route that does nothing + write and fdatasync); "+h.percentiles("permit", "noop"), "µs", figures[0], floor, 2)
	many := bench.AtLeast(5, "permits over HTTP, 64 clients: ÷ requests of a route that does nothing; "+h.percentiles("permits", "noops"), "requests/s", figures[3], figures[4], 0.4)
	batch := bench.AtLeast(6, "fills in batches of 100, 16 clients: ÷ single ones", "commands/s", batched, figures[5], 15)
	return []bench.Measured{one, many, batch}, nil
}

// percentiles returns how long the requests of two contenders took.
func (h *benchHTTP) percentiles(ours, theirs string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := func(name string) string {
		all := h.took[name]
		if len(all) == 0 {
			return "-"
		}
		slices.Sort(all)
		at := func(p int) time.Duration { return all[len(all)*p/100].Round(time.Microsecond) }
		return fmt.Sprintf("p50 %s, p99 %s", at(50), at(99))
	}
	return of(ours) + " beside " + of(theirs)
}

// timed returns a contender whose requests are timed one by one.
func (h *benchHTTP) timed(name string, clients int, work func(int) error) bench.Contender {
	return bench.Contender{Name: name, Writers: clients, Work: func(n int) error {
		began := time.Now()
		err := work(n)
		took := time.Since(began)
		h.mu.Lock()
		h.took[name] = append(h.took[name], took)
		h.mu.Unlock()
		return err
	}}
}

// open opens a portfolio with a bot and a key for each client.
func (h *benchHTTP) open(ctx context.Context, admin string) error {
	c, err := client.New(client.Options{URL: h.url, Key: admin})
	if err != nil {
		return err
	}
	p := c.Portfolio("bench")
	if err := c.Send(ctx, http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "bench", "mode": domain.ModePaper}, nil); err != nil {
		return err
	}
	if err := p.Post(ctx, "/deposits", "deposit", commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1000000000")}, nil); err != nil {
		return err
	}
	for n := range httpClients {
		id := fmt.Sprintf("bot%02d", n)
		if err := p.Post(ctx, "/bots", "bot "+id, commands.RegisterBot{ID: id, Capital: domain.MustDecimal("10000000")}, nil); err != nil {
			return err
		}
		if err := p.Post(ctx, "/bots/"+id+"/start", "start "+id, struct{}{}, nil); err != nil {
			return err
		}
		var key struct{ Secret string }
		body := map[string]string{"user": id, "role": "bot", "portfolio": "bench", "bot": id}
		if err := c.Send(ctx, http.MethodPost, "/v1/api-keys", "key "+id, body, &key); err != nil {
			return err
		}
		h.ids, h.keys = append(h.ids, id), append(h.keys, key.Secret)
	}
	return nil
}

func (h *benchHTTP) nothing(n int) error {
	return h.post(n, h.noop, h.permitBody(n))
}

func (h *benchHTTP) permitBody(n int) string {
	// The short ttl keeps reservations from adding up over the run.
	return `{"bot":"` + h.ids[n] + `","market":"m","outcome":"YES","side":"buy","quantity":"10","limit_price":"0.5","ttl":"50ms"}`
}

func (h *benchHTTP) permit(n int) error {
	return h.post(n, h.url+"/v1/portfolios/bench/permits", h.permitBody(n))
}

func (h *benchHTTP) fillBody(n int) string {
	return `{"bot":"` + h.ids[n] + `","market":"m` + h.ids[n] + `","outcome":"YES","side":"buy","quantity":"0.01","price":"0.5","trade_id":"` + uuid.NewString() + `"}`
}

func (h *benchHTTP) fill(n int) error {
	return h.post(n, h.url+"/v1/portfolios/bench/fills", h.fillBody(n))
}

func (h *benchHTTP) batch(n int) error {
	items := make([]string, benchBatch)
	for i := range items {
		items[i] = `{"idempotency_key":"` + uuid.NewString() + `","command":"record_fill","body":` + h.fillBody(n) + `}`
	}
	return h.post(n, h.url+"/v1/portfolios/bench/batch", `{"commands":[`+strings.Join(items, ",")+`]}`)
}

// post sends one request and reads its answer, which must be a success.
func (h *benchHTTP) post(n int, url, body string) error {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.keys[n])
	req.Header.Set("Idempotency-Key", uuid.NewString())
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to the end
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var v struct{ Allowed *bool }
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(answer))
	}
	if err := json.Unmarshal(answer, &v); err == nil && v.Allowed != nil && !*v.Allowed {
		return fmt.Errorf("a permit was denied: %s", bytes.TrimSpace(answer))
	}
	return nil
}
