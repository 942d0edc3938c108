package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/projections"
	"pets/replay"
)

// at adds --at, the moment a reading command looks at.
func at(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "at", "", "as of this revision or RFC 3339 time (default: now)")
}

// lookEither asks the server that is named (there), or folds the folder and shows that
// (here).
func (a *app) lookEither(ctx context.Context, moment string, riders []projections.Projection, there func() error, here func(*portfolio.State) error) error {
	asks, err := a.asksServer()
	switch {
	case err != nil:
		return err
	case asks:
		return there()
	}
	if moment == "" {
		a.tellMarked()
	}
	return a.look(ctx, moment, riders, here)
}

// tellMarked tells of the stops that wait in the marker file for the next server: they are
// in no stream yet.
func (a *app) tellMarked() {
	all, err := a.latch(nil).Read()
	switch {
	case errors.Is(err, fs.ErrPermission):
		_, _ = fmt.Fprintf(a.err, "pets: warning: the marker of stops cannot be read by this user: a stop that waits in it is not shown: %v\n", err)
	case err != nil:
		_, _ = fmt.Fprintf(a.err, "pets: warning: %v; the next server stops everything\n", err)
	}
	for _, p := range all {
		if p.Portfolio != a.config.Portfolio && p.Portfolio != "*" {
			continue
		}
		what := "the emergency stop (" + p.Kind + ")"
		if !p.Emergency() {
			what = "the stop of bot " + p.Bot
		}
		_, _ = fmt.Fprintf(a.err, "pets: warning: %s by %s HOLDS and is not recorded yet: the next server records it before anything else\n", what, p.Caller.User)
	}
}

// look folds the portfolio up to --at and shows it. Riders see every event on
// the way; without any, a snapshot shortens the way.
func (a *app) look(ctx context.Context, atFlag string, riders []projections.Projection, show func(*portfolio.State) error) error {
	to, err := projections.ParsePoint(atFlag)
	if err != nil {
		return onFlag("--at", err)
	}
	store, err := a.openLooker(ctx)
	if err != nil {
		return err
	}
	return errors.Join(a.lookIn(ctx, store, to, riders, show), store.Close())
}

func (a *app) lookIn(ctx context.Context, store *diskStore, to projections.Point, riders []projections.Projection, show func(*portfolio.State) error) error {
	if err := a.exists(ctx, store); err != nil {
		return err
	}
	r := projections.NewRunner(store, a.stream(), riders...)
	r.UseSnapshot(a.snapshots(store), to)
	if err := r.CatchUp(ctx, to); err != nil {
		return err
	}
	var shown error
	r.Read(func(s *portfolio.State) {
		switch {
		case s.IsOpen():
			shown = show(s)
		default:
			shown = notYet(a.config.Portfolio)
		}
	})
	return shown
}

// exists makes sure that the portfolio has a history, whatever moment of it is
// asked about.
func (a *app) exists(ctx context.Context, store eventstore.Store) error {
	_, err := store.Head(ctx, a.stream())
	var missing *eventstore.NotFound
	if errors.As(err, &missing) {
		return a.noPortfolio(ctx, store)
	}
	return err
}

// noPortfolio says which portfolios there are instead.
func (a *app) noPortfolio(ctx context.Context, store eventstore.Store) error {
	ids, err := replay.Portfolios(ctx, store)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return domain.Errorf(domain.CodeNotFound, "the store is empty; import something first")
	}
	return notThere(a.config.Portfolio, ids)
}
