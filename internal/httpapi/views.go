package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/projections"
)

// maxWait bounds ?min_revision=.
const maxWait = 5 * time.Second

// views are the live read models, one per portfolio, each following its stream.
type views struct {
	store eventstore.Store
	ctx   context.Context //nolint:containedctx // ends all followers
	log   *slog.Logger

	mu        sync.Mutex
	all       map[string]*view
	followers sync.WaitGroup
}

// view is a portfolio's state with everything that needs the whole history.
type view struct {
	runner *projections.Runner
	riders riders
	broken error // why it no longer follows; guarded by views.mu
}

// riders are the read models that see every event.
type riders struct {
	stats  *projections.StatsFold // and the trades
	equity *projections.Equity
}

func newRiders() riders {
	return riders{stats: projections.NewStats(), equity: projections.NewEquity()}
}

func (r riders) list() []projections.Projection { return []projections.Projection{r.stats, r.equity} }

func newViews(ctx context.Context, store eventstore.Store, log *slog.Logger) *views {
	return &views{store: store, ctx: ctx, log: log, all: map[string]*view{}}
}

// open returns the view of a portfolio, nil where there is no such portfolio.
// One that another server opened is found here, too.
func (v *views) open(ctx context.Context, id string) (*view, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known := v.all[id]; known != nil {
		return known, nil
	}
	if domain.CheckID("portfolio", id) != nil {
		return nil, nil
	}
	var missing *eventstore.NotFound
	switch _, err := v.store.Head(ctx, commands.Stream(id)); {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, &domain.Error{Code: domain.CodeUnavailable, Message: "the store does not answer", Cause: err}
	}
	opened := &view{riders: newRiders()}
	opened.runner = projections.NewRunner(v.store, commands.Stream(id), opened.riders.list()...)
	v.all[id] = opened
	v.followers.Go(func() { v.follow(id, opened) })
	return opened, nil
}

// follow keeps a view at the head of its stream until the server stops. A view
// that cannot go on says so, and is not answered from.
func (v *views) follow(id string, w *view) {
	err := w.runner.Follow(v.ctx)
	if v.ctx.Err() != nil {
		return
	}
	v.log.Error("a portfolio cannot be followed any more; its reads are refused", "portfolio", id, "error", err.Error())
	v.mu.Lock()
	w.broken = err
	v.mu.Unlock()
}

// broken names a portfolio whose view stopped, "" where all follow.
func (v *views) broken() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, w := range v.all {
		if w.broken != nil {
			return id
		}
	}
	return ""
}

func (v *views) wait() { v.followers.Wait() }

// ids lists the portfolios that are followed, sorted.
func (v *views) ids() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids := make([]string, 0, len(v.all))
	for id := range v.all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// moment is what of a portfolio a GET looks at, and when.
type moment struct {
	at      projections.Point
	min     *uint64
	history bool // riders are needed
	who     key
	// room takes room for the answer before anything is shown; nil for an answer that
	// needs none of its own.
	room func() error
}

func (m moment) makeRoom() error {
	if m.room == nil {
		return nil
	}
	return m.room()
}

// look shows a portfolio as it stands, or as it was. The state must not be kept.
func (a *API) look(ctx context.Context, id string, m moment, show func(*portfolio.State, riders) error) error {
	v, err := a.views.open(ctx, id)
	switch {
	case err != nil:
		return err
	case v == nil:
		return domain.Errorf(domain.CodeNotFound, "there is no such portfolio")
	}
	a.views.mu.Lock()
	broken := v.broken
	a.views.mu.Unlock()
	if broken != nil {
		return &domain.Error{Code: domain.CodeUnavailable, Message: "the portfolio cannot be followed; see the server's log", Cause: broken}
	}
	if err := a.reached(ctx, id, v, m); err != nil {
		return err
	}
	if m.at.Revision != nil || m.at.Time != nil {
		return a.lookBack(ctx, id, m, show)
	}
	if err := m.makeRoom(); err != nil {
		return err
	}
	return shown(v.runner, v.riders, show)
}

func shown(r *projections.Runner, with riders, show func(*portfolio.State, riders) error) error {
	var err error
	r.Read(func(s *portfolio.State) {
		if !s.IsOpen() {
			err = domain.Errorf(domain.CodeNotFound, "the portfolio did not exist yet at that time")
			return
		}
		err = show(s, with)
	})
	return err
}

// reached waits until the view has everything that was acknowledged before the
// question, by this server or another: who was told of a trade finds it. With
// ?min_revision= it waits for what is still to come.
func (a *API) reached(ctx context.Context, id string, v *view, m moment) error {
	least, err := a.config.Store.Head(ctx, commands.Stream(id))
	if err != nil {
		return unavailable(err)
	}
	if m.min != nil {
		least = max(least, *m.min)
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if err := v.runner.Wait(ctx, least); err != nil {
		return domain.Errorf(domain.CodeUnavailable, "revision %d has not come within %s", least, maxWait)
	}
	return nil
}
