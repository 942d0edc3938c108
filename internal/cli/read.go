package cli

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
	"pets/internal/open"
	"pets/projections"
	"pets/replay"
)

// AtFlag adds --at, the moment that a reading command shows.
func AtFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "at", "", "as of this revision or RFC 3339 time (default: now)")
}

// LookEither calls there if this run goes to a server. Otherwise it folds the folder and
// passes the state to here.
func (a *App) LookEither(ctx context.Context, moment string, riders []projections.Projection, there func() error, here func(*portfolio.State) error) error {
	asks, err := a.AsksServer()
	switch {
	case err != nil:
		return err
	case asks:
		return there()
	}
	if moment == "" {
		a.tellMarked()
	}
	return a.Look(ctx, moment, riders, here)
}

// tellMarked warns about stops that wait in the marker file for the next server: no stream
// has them yet.
func (a *App) tellMarked() {
	all, err := a.Latch(nil).Read()
	switch {
	case errors.Is(err, fs.ErrPermission):
		a.Tell("warning: the marker of stops cannot be read by this user: a stop that waits in it is not shown: %v", err)
	case err != nil:
		a.Tell("warning: %v; the next server stops everything", err)
	}
	for _, p := range all {
		if p.Portfolio != a.Config.Portfolio && p.Portfolio != "*" {
			continue
		}
		what := "the emergency stop (" + p.Kind + ")"
		if !p.Emergency() {
			what = "the stop of bot " + p.Bot
		}
		a.Tell("warning: %s by %s HOLDS and is not recorded yet: the next server records it before anything else", what, p.Caller.User)
	}
}

// Look folds the portfolio up to --at and shows it. Riders see every event of the fold;
// without any, it starts from the nearest checkpoint.
func (a *App) Look(ctx context.Context, atFlag string, riders []projections.Projection, show func(*portfolio.State) error) error {
	to, err := projections.ParsePoint(atFlag)
	if err != nil {
		return OnFlag("--at", err)
	}
	store, err := a.OpenLooker(ctx)
	if err != nil {
		return err
	}
	return errors.Join(a.LookIn(ctx, store, to, riders, show), store.Close())
}

// LookIn is Look on an open store.
func (a *App) LookIn(ctx context.Context, store open.Store, to projections.Point, riders []projections.Projection, show func(*portfolio.State) error) error {
	if err := a.Exists(ctx, store); err != nil {
		return err
	}
	folding := a.folding(ctx, store, to)
	r := projections.NewRunner(folding, a.Stream(), riders...)
	r.UseCheckpoint(a.Checkpoints(store), to)
	err := r.CatchUp(ctx, to)
	folding.bar.Finish()
	if err != nil {
		return err
	}
	var shown error
	r.Read(func(s *portfolio.State) {
		switch {
		case s.IsOpen():
			shown = show(s)
		default:
			shown = notYet(a.Config.Portfolio)
		}
	})
	return shown
}

// Exists returns an error unless the portfolio has a history, regardless of --at.
func (a *App) Exists(ctx context.Context, store eventstore.Store) error {
	_, err := store.Head(ctx, a.Stream())
	var missing *eventstore.NotFound
	if errors.As(err, &missing) {
		return a.noPortfolio(ctx, store)
	}
	return err
}

// noPortfolio returns an error that names the portfolios of the store.
func (a *App) noPortfolio(ctx context.Context, store eventstore.Store) error {
	ids, err := replay.Portfolios(ctx, store)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return domain.Errorf(domain.CodeNotFound, "the store is empty; import something first")
	}
	return notThere(a.Config.Portfolio, ids)
}

// LookLedger is LookEither for what holds the ledger's id: here gets it with the state.
func (a *App) LookLedger(ctx context.Context, moment string, there func() error, here func(ledger string, s *portfolio.State) error) error {
	asks, err := a.AsksServer()
	switch {
	case err != nil:
		return err
	case asks:
		return there()
	}
	to, err := projections.ParsePoint(moment)
	if err != nil {
		return OnFlag("--at", err)
	}
	if moment == "" {
		a.tellMarked()
	}
	store, err := a.OpenLooker(ctx)
	if err != nil {
		return err
	}
	ledger, err := ledgerOf(ctx, store)
	if err == nil {
		err = a.LookIn(ctx, store, to, nil, func(s *portfolio.State) error { return here(ledger, s) })
	}
	return errors.Join(err, store.Close())
}

// ledgerOf returns the id of the ledger in a store, "" if that has no keys yet.
func ledgerOf(ctx context.Context, store eventstore.Store) (string, error) {
	ledger := ""
	err := eventstore.Walk(ctx, store, commands.SystemStream, 0, func(rec eventstore.Record) error {
		first, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		ledger = approval.LedgerID(rec.Time, first)
		return ErrEnough
	})
	var none *eventstore.NotFound
	if errors.Is(err, ErrEnough) || errors.As(err, &none) {
		return ledger, nil
	}
	return ledger, err
}

// FoldSystem folds the system stream of the folder of this run: its keys, as of now.
func (a *App) FoldSystem(ctx context.Context) (*system.State, error) {
	store, err := a.OpenLooker(ctx)
	if err != nil {
		return nil, err
	}
	s := system.New()
	err = eventstore.Walk(ctx, store, commands.SystemStream, 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		return err
	})
	if none := (*eventstore.NotFound)(nil); errors.As(err, &none) {
		err = nil
	}
	return s, errors.Join(err, store.Close())
}
