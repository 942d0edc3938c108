package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/internal/bench"
	"pets/internal/cli/serve"
)

// hotPortfolio is the number of the portfolio in which all callers trade at once. Those below it
// have one caller each.
const hotPortfolio = httpClients

// ledgerBench measures trades, each a permit and its fill, beside another ledger (goal 11): in
// one portfolio and in 64, in process and over HTTP.
type ledgerBench struct {
	engine *commands.Engine
	own    [hotPortfolio + 1]*clients // by portfolio
	other  bench.LedgerRun
	door   door // to the other ledger
	traded atomic.Int64
}

func (b *suite) ledgerGoal(ctx context.Context) error {
	if len(b.rivals.Ledgers) == 0 {
		b.add(bench.Skip(11, "permit and fill ÷ PostgreSQL", inMakeBench))
	}
	for _, rival := range b.rivals.Ledgers {
		dir := b.o.dir
		if dir == "" {
			dir = os.TempDir()
		}
		run, err := rival.Open(ctx, dir, hotPortfolio+1, httpClients)
		var missing *bench.MissingError
		if errors.As(err, &missing) {
			b.add(bench.Skip(11, "permit and fill ÷ "+rival.Name, missing.Why))
			continue
		}
		if err == nil {
			err = errors.Join(b.besideLedger(ctx, rival, run), run.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *suite) besideLedger(ctx context.Context, rival bench.Ledger, run bench.LedgerRun) error {
	url, server, err := listening(run.Handler())
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }() // a close error changes nothing
	l := &ledgerBench{other: run, door: door{client: keeping(4 * httpClients), base: url}}
	return b.inFolder(func(dir string) error {
		store := filepath.Join(dir, "store")
		if err := seed(ctx, store, func(s *seeder) error { return l.seed(ctx, s) }); err != nil {
			return err
		}
		return b.inProcess(ctx, store, nil, func(ctx context.Context, s *serve.Server) error {
			l.engine = s.Engine
			for _, c := range l.own {
				c.at(s.URL())
			}
			return b.measureLedger(ctx, rival, l)
		})
	})
}

// seed opens the portfolios.
func (l *ledgerBench) seed(ctx context.Context, s *seeder) error {
	if _, err := s.admin(ctx); err != nil {
		return err
	}
	for p := range l.own {
		bots := 1
		if p == hotPortfolio {
			bots = httpClients
		}
		var err error
		if l.own[p], err = openClients(ctx, s, fmt.Sprintf("ledger-%02d", p), bots); err != nil {
			return err
		}
	}
	return nil
}

func (b *suite) measureLedger(ctx context.Context, rival bench.Ledger, l *ledgerBench) error {
	hot := func(n int) (p, bot int) { return hotPortfolio, n }
	spread := func(n int) (p, bot int) { return n, 0 }
	rows := []struct {
		name, what  string
		where       func(int) (int, int)
		ours, other func(p, bot int) error
	}{
		{"one portfolio, in process", "two commands of 64 callers; beside one function call over 64 connections", hot, l.inProcess, l.called},
		{"64 portfolios, in process", "two commands of 64 callers; beside one function call over 64 connections", spread, l.inProcess, l.called},
		{"one portfolio, HTTP", "two requests of 64 clients; beside one request to a service in front of the database", hot, l.overHTTP, l.requested},
		{"64 portfolios, HTTP", "two requests of 64 clients; beside one request to a service in front of the database", spread, l.overHTTP, l.requested},
	}
	var all []bench.Contender
	for _, r := range rows {
		work := func(trade func(p, bot int) error) func(int) error {
			return func(n int) error { return trade(r.where(n)) }
		}
		all = append(all, bench.Contender{Name: "ours " + r.name, Writers: httpClients, Work: work(r.ours)}, bench.Contender{Name: "other " + r.name, Writers: httpClients, Work: work(r.other)})
	}
	series, err := b.turns(ctx, all)
	if err != nil {
		return err
	}
	switch n, err := l.other.Trades(ctx); {
	case err != nil:
		return err
	case int64(n) != l.traded.Load():
		return fmt.Errorf("%s has acknowledged %d trades and holds %d", rival.Name, l.traded.Load(), n)
	}
	for _, r := range rows {
		b.add(bench.Ratio(11, "trade, "+r.name, "permit and fill, durable: "+r.what+" ("+rival.Name+")", "trades/s", series["ours "+r.name], series["other "+r.name]).Least(rival.Least))
	}
	return nil
}

// inProcess asks for a permit and reports its fill. A bot needs the answer to the first before
// it may place the order.
func (l *ledgerBench) inProcess(p, bot int) error {
	c := l.own[p]
	fill := fillCommand(c.bots[bot])
	answer, err := l.engine.Do(context.Background(), c.portfolio, c.request(bot, commands.AskPermit{
		Bot: c.bots[bot], Instrument: fill.Instrument, Side: domain.Buy, Quantity: fill.Quantity, LimitPrice: fill.Price,
	}))
	if err != nil {
		return err
	}
	if answer.Permit == nil || !answer.Permit.Allowed {
		return fmt.Errorf("a permit was denied: %v", answer.Permit)
	}
	fill.PermitID = answer.Permit.PermitID
	_, err = l.engine.Do(context.Background(), c.portfolio, c.request(bot, fill))
	return err
}

// overHTTP is inProcess over HTTP.
func (l *ledgerBench) overHTTP(p, bot int) error {
	c := l.own[p]
	id, market := c.bots[bot], "m"+c.bots[bot]
	permit, err := c.doors[bot].granted(context.Background(), "/permits", `{"bot":"`+id+`","market":"`+market+`","outcome":"YES","side":"buy","quantity":"0.01","limit_price":"0.5"}`)
	if err != nil {
		return err
	}
	body := `{"bot":"` + id + `","market":"` + market + `","outcome":"YES","side":"buy","quantity":"0.01","price":"0.5","trade_id":"` + uuid.NewString() + `","permit_id":"` + permit + `"}`
	_, err = c.doors[bot].must(context.Background(), http.MethodPost, "/fills", body)
	return err
}

// called trades in the other ledger.
func (l *ledgerBench) called(p, bot int) error {
	err := l.other.Trade(context.Background(), bench.LedgerTrade{Portfolio: p, Bot: bot, TradeID: uuid.NewString()})
	if err == nil {
		l.traded.Add(1)
	}
	return err
}

// requested trades in the other ledger over HTTP.
func (l *ledgerBench) requested(p, bot int) error {
	body, err := json.Marshal(bench.LedgerTrade{Portfolio: p, Bot: bot, TradeID: uuid.NewString()})
	if err != nil {
		return err
	}
	if _, err = l.door.must(context.Background(), http.MethodPost, "/", string(body)); err == nil {
		l.traded.Add(1)
	}
	return err
}
