package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/bench"
	"pets/internal/cli/serve"
	"pets/internal/config"
	"pets/internal/httpapi"
)

const (
	// httpClients is the number of concurrent clients, each with its own bot.
	httpClients = 64
	// benchBatch is the number of commands in a batch, batchClients how many send them.
	benchBatch   = 100
	batchClients = 16
)

// inProcess runs a server in this process on the store in a folder, and ends it after work.
func (a *app) inProcess(ctx context.Context, store string, measured func(eventstore.Store) eventstore.Store, work func(context.Context, *serve.Server) error) error {
	c := *a.App // a server of its own settings
	c.Err, c.Measured = io.Discard, measured
	c.Config.Store, c.Config.AdminKey, c.Config.AdminKeyFile = "embedded:"+store, config.Secret{}, ""
	c.Config.Dir, c.Config.Witness = "", "" // both are beside the store and are removed with it
	c.Config.Listen, c.Config.MetricsListen, c.Config.RateLimit, c.Config.BytesPerDay = "127.0.0.1:0", "off", 0, 0
	s, err := serve.New(ctx, &c, time.Now)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	return s.Run(running, func(ctx context.Context) error {
		err := work(ctx, s)
		stop()
		return err
	})
}

// listening answers with a handler on a loopback port until the server is closed.
func listening(h http.Handler) (url string, s *http.Server, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s = httpapi.NewServer(h, slog.New(slog.DiscardHandler), nil)
	go func() { _ = s.Serve(l) }() // it ends with Close
	return "http://" + l.Addr().String(), s, nil
}

// clients are bots of one portfolio, each with its way to the server.
type clients struct {
	portfolio string
	bots      []string
	doors     []door // to the portfolio's routes
}

// clientNames are the bots of so many clients.
func clientNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("client%02d", i)
	}
	return names
}

// seedClients makes keys for bots of a portfolio. The doors get their address later.
func seedClients(ctx context.Context, s *seeder, portfolio string, bots []string) (*clients, error) {
	c := &clients{portfolio: portfolio, bots: bots, doors: make([]door, len(bots))}
	shared := keeping(4 * httpClients)
	return c, each(ctx, len(bots), len(bots), func(i int) error {
		key, err := s.key(ctx, domain.RoleBot, portfolio, bots[i])
		c.doors[i] = door{client: shared, key: key}
		return err
	})
}

// openClients is seedClients for a new portfolio, with the bots.
func openClients(ctx context.Context, s *seeder, portfolio string, n int) (*clients, error) {
	bots := clientNames(n)
	if err := s.open(ctx, portfolio, bots...); err != nil {
		return nil, err
	}
	return seedClients(ctx, s, portfolio, bots)
}

// at sets the address of the server.
func (c *clients) at(url string) {
	for i := range c.doors {
		c.doors[i].base = url + "/v1/portfolios/" + c.portfolio
	}
}

// commandBench measures whole commands in process beside the store alone (goal 3), a permit over
// HTTP beside a route that does nothing (goal 5), and batches beside the same in process (goal 6).
type commandBench struct {
	*clients
	engine *commands.Engine
	noop   door

	mu   sync.Mutex
	took map[string][]time.Duration // durations by contender
}

func (b *suite) commandGoals(ctx context.Context) error {
	return b.inFolder(func(dir string) (err error) {
		h := &commandBench{took: map[string][]time.Duration{}}
		store := filepath.Join(dir, "store")
		err = seed(ctx, store, func(s *seeder) error {
			if _, err := s.admin(ctx); err != nil {
				return err
			}
			h.clients, err = openClients(ctx, s, "bench", httpClients)
			return err
		})
		if err != nil {
			return err
		}
		return b.inProcess(ctx, store, nil, func(ctx context.Context, s *serve.Server) error {
			h.engine = s.Engine
			h.at(s.URL())
			return b.measureCommands(ctx, h, dir)
		})
	})
}

func (b *suite) measureCommands(ctx context.Context, h *commandBench, dir string) (err error) {
	url, idle, err := listening(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // reads the body and does nothing
		_, _ = io.WriteString(w, "{}")
	}))
	if err != nil {
		return err
	}
	defer func() { _ = idle.Close() }() // a close error changes nothing
	h.noop = door{client: keeping(4 * httpClients), base: url}
	raw, file, err := bench.Sync(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	alone, store, err := bench.StoreAlone(filepath.Join(dir, "alone"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var all []bench.Contender
	if b.o.wants(3) {
		all = append(all, bench.Contender{Name: "commands", Writers: httpClients, Work: h.command}, alone)
	}
	if b.o.wants(5) {
		raw.Name = "raw"
		all = append(all, h.timed("permit", 1, h.permit), h.timed("noop", 1, h.nothing), raw, h.timed("permits", httpClients, h.permit), h.timed("noops", httpClients, h.nothing))
	}
	if b.o.wants(6) {
		all = append(all, bench.Contender{Name: "batches", Writers: batchClients, Work: h.batch}, bench.Contender{Name: "in process", Writers: batchClients, Work: h.batchInProcess})
	}
	series, err := b.turns(ctx, all)
	if err != nil {
		return err
	}
	b.add(h.results(b, series)...)
	return nil
}

// results compares the contenders.
func (h *commandBench) results(b *suite, series map[string][]float64) (all []bench.Measured) {
	if b.o.wants(3) {
		what := "fills of 64 callers in process, decided, durable, applied and hashed; beside single appends of 64 writers"
		all = append(all, bench.Ratio(3, "whole command ÷ store alone", what, "a second", series["commands"], series["store alone"]).Least(0.6))
	}
	if b.o.wants(5) {
		floor := make([]float64, b.o.rounds)
		for i := range floor {
			floor[i] = series["noop"][i] + series["raw"][i]
		}
		one := bench.Ratio(5, "permit over HTTP, one client", "median; beside a route that does nothing plus write and fdatasync", "µs", series["permit"], floor).Most(2)
		one.Note = h.percentiles("permit", "noop")
		many := bench.Ratio(5, "permits over HTTP, 64 clients", "beside requests of a route that does nothing", "requests/s", series["permits"], series["noops"]).Least(0.4)
		many.Note = h.percentiles("permits", "noops")
		all = append(all, one, many)
	}
	if b.o.wants(6) {
		for _, name := range []string{"batches", "in process"} {
			for i := range series[name] {
				series[name][i] *= benchBatch
			}
		}
		what := "fills in batches of 100 by 16 clients over HTTP; beside the same batches in process"
		all = append(all, bench.Ratio(6, "batch over HTTP ÷ in process", what, "commands/s", series["batches"], series["in process"]).Least(0.6))
	}
	return all
}

// percentiles returns how long the requests of two contenders took.
func (h *commandBench) percentiles(ours, theirs string) string {
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
func (h *commandBench) timed(name string, clients int, work func(int) error) bench.Contender {
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

// request is a command of a client, for the engine in this process.
func (c *clients) request(n int, command commands.Command) commands.Request {
	caller := domain.Caller{User: c.bots[n], Role: domain.RoleBot, Bot: c.bots[n]}
	return commands.Request{Caller: caller, Key: uuid.NewString(), Command: command}
}

func (h *commandBench) command(n int) error {
	_, err := h.engine.Do(context.Background(), h.portfolio, h.request(n, fillCommand(h.bots[n])))
	return err
}

func (h *commandBench) nothing(n int) error {
	_, err := h.noop.must(context.Background(), http.MethodPost, "/", permitBody(h.bots[n]))
	return err
}

func (h *commandBench) permit(n int) error {
	_, err := h.doors[n].granted(context.Background(), "/permits", permitBody(h.bots[n]))
	return err
}

func (h *commandBench) batch(n int) error {
	items := make([]string, benchBatch)
	for i := range items {
		items[i] = batchItem("record_fill", fillBody(h.bots[n]))
	}
	answer, err := h.doors[n].must(context.Background(), http.MethodPost, "/batch", batchBody(items))
	if at := bytes.Index(answer, []byte(`"problem":`)); err == nil && at >= 0 {
		err = fmt.Errorf("a fill was refused: %s", answer[at:min(at+200, len(answer))])
	}
	return err
}

func (h *commandBench) batchInProcess(n int) error {
	requests := make([]commands.Request, benchBatch)
	for i := range requests {
		requests[i] = h.request(n, fillCommand(h.bots[n]))
	}
	return firstError(h.engine.DoEach(context.Background(), h.portfolio, requests))
}
