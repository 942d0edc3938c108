package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/internal/httpapi"
	"pets/internal/open"
)

// seeder fills a fresh folder through an engine in this process, before a server that is measured
// opens it.
type seeder struct {
	engine *commands.Engine
	caller domain.Caller
}

// seed creates a store in a folder, or opens the one that is there, fills it, and closes it.
func seed(ctx context.Context, folder string, fill func(*seeder) error) (err error) {
	store, engine, err := open.FreshEngine(folder)
	if err != nil {
		return err
	}
	s := &seeder{engine: engine, caller: domain.Caller{User: "admin", Role: domain.RoleAdmin}}
	defer func() {
		s.engine.Close()
		err = errors.Join(err, store.Close())
	}()
	if err := s.engine.Load(ctx, nil); err != nil {
		return err
	}
	return fill(s)
}

// each calls work for 0 to n-1, many at once, so that they share flushes.
func each(ctx context.Context, n, atOnce int, work func(i int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, atOnce)
	for w := range atOnce {
		group.Go(func() {
			for errs[w] == nil && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[w] = work(i)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil { // most likely, the others say the same
			return err
		}
	}
	return ctx.Err()
}

// admin creates the first key and returns its secret.
func (s *seeder) admin(ctx context.Context) (string, error) {
	token, hash := httpapi.NewToken()
	_, err := s.engine.System(ctx, s.request(commands.BootstrapKey{User: "admin", Hash: hash}))
	return token, err
}

// key issues a key and returns its secret.
func (s *seeder) key(ctx context.Context, role domain.Role, portfolio, bot string) (string, error) {
	token, hash := httpapi.NewToken()
	user := string(role) + "-" + uuid.NewString()[:8]
	_, err := s.engine.System(ctx, s.request(commands.IssueKey{User: user, Role: role, Portfolio: portfolio, Bot: bot, Hash: hash}))
	return token, err
}

func (s *seeder) request(c commands.Command) commands.Request {
	return commands.Request{Caller: s.caller, Key: uuid.NewString(), Command: c}
}

// open opens a paper portfolio with running bots.
func (s *seeder) open(ctx context.Context, id string, bots ...string) error {
	requests := []commands.Request{
		s.request(commands.OpenPortfolio{ID: id, Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.NewPolicy(domain.ModePaper, domain.ClockWall, "USDC")}),
		s.request(commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1000000000")}),
	}
	for _, bot := range bots {
		requests = append(requests, s.request(commands.RegisterBot{ID: bot, Capital: domain.MustDecimal("100000"), Start: true}))
	}
	if err := firstError(s.engine.DoAll(ctx, id, requests)); err != nil {
		return fmt.Errorf("open %s: %w", id, err)
	}
	return nil
}

func firstError(results []commands.Result, err error) error {
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}
	return err
}

// history records fills of a bot until the portfolio has about the given number of events.
func (s *seeder) history(ctx context.Context, id, bot string, events int) error {
	for have := 0; have < events; have += 1000 {
		var requests []commands.Request
		for i := range 1000 {
			side := domain.Buy
			if i%2 == 1 {
				side = domain.Sell
			}
			requests = append(requests, s.request(commands.RecordFill{
				FillID: domain.FillID{Bot: bot, TradeID: uuid.NewString()}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"},
				Side: side, Quantity: domain.MustDecimal("1"), Price: domain.MustDecimal("0.5"),
			}))
		}
		if err := firstError(s.engine.DoEach(ctx, id, requests)); err != nil {
			return err
		}
	}
	return nil
}
