package live

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/views"
)

// findEvery is how often new portfolios are searched for. One that is asked for
// is found at once.
const findEvery = time.Second

// Options of Followers.
type Options struct {
	// Prefix begins the names of the streams of portfolios; the id is the rest.
	Prefix string
	// Since is where news begins, usually the end of the store at the start: records
	// after it are handed on by [Followers.News].
	Since eventstore.Position
	// Log receives a message when something can no longer be followed; nil
	// discards it.
	Log *slog.Logger
	// Checkpoints gets copies of the states that are followed; nil makes none.
	Checkpoints Checkpoints
	// CheckpointEvery and CheckpointIdle replace 16,000 events and 5 s, for tests.
	CheckpointEvery uint64
	CheckpointIdle  time.Duration
	// Views has the files of pieces of the readers. With nil the pieces are in memory, and
	// every start folds every history from its first record.
	Views *views.Folder
}

// Followers follow all portfolios of a store.
type Followers struct {
	store   eventstore.Store
	options Options
	ctx     context.Context //nolint:containedctx // ends all followers
	end     context.CancelFunc
	running sync.WaitGroup
	keeper  *keeper       // nil if no checkpoints are made
	restore chan struct{} // has room for each restore that may run

	mu    sync.Mutex
	made  []attachment
	all   map[string]*Portfolio
	ended bool
}

// New returns followers that follow nothing yet; see [Attach], [Followers.Open]
// and [Followers.Find].
func New(store eventstore.Store, o Options) *Followers {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Followers{store: store, options: o, all: map[string]*Portfolio{}, restore: make(chan struct{}, restoresAtOnce)}
	f.ctx, f.end = context.WithCancel(context.Background())
	if f.keeper = newKeeper(f, o); f.keeper != nil {
		f.running.Go(func() { f.keeper.run(f.ctx) })
	}
	f.running.Go(func() { f.tellFolding(f.ctx) })
	return f
}

// Close ends all followers and [Followers.News], waits for them, and makes the last
// checkpoints.
func (f *Followers) Close() {
	if f.keeper != nil && f.ctx.Err() == nil {
		f.keeper.reach()
	}
	f.mu.Lock()
	again := f.ended
	f.ended = true
	f.mu.Unlock()
	f.end()
	f.running.Wait()
	if f.keeper != nil && !again {
		f.keeper.last()
	}
}

// Open returns the follower of a portfolio, or nil if there is no such portfolio.
// It also finds one that another server opened. The error reports that the store
// does not answer.
func (f *Followers) Open(ctx context.Context, id string) (*Portfolio, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.all[id]; known != nil {
		return known, nil
	}
	if domain.CheckID("portfolio", id) != nil {
		return nil, nil
	}
	stream := f.options.Prefix + id
	head, err := f.store.Head(ctx, stream)
	switch {
	case errors.As(err, new(*eventstore.NotFound)):
		return nil, nil
	case err != nil:
		return nil, unavailable(err)
	case f.ended:
		return nil, domain.Errorf(domain.CodeUnavailable, "the server is stopping")
	}
	p := &Portfolio{of: f, store: f.store, id: id, stream: stream, log: f.options.Log, made: slices.Clone(f.made), again: make(chan struct{}, 1)}
	p.now = p.empty()
	f.all[id] = p
	f.running.Go(func() { p.follow(f.ctx, head) })
	return p, nil
}

func unavailable(err error) error {
	return &domain.Error{Code: domain.CodeUnavailable, Message: "the store does not answer", Cause: err}
}

// Find follows all portfolios, including new ones, until the context ends.
func (f *Followers) Find(ctx context.Context) {
	tick := time.NewTicker(findEvery)
	defer tick.Stop()
	for {
		_, _ = f.openAll(ctx) // a store that does not answer is tried again
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// openAll opens every existing portfolio.
func (f *Followers) openAll(ctx context.Context) ([]*Portfolio, error) {
	names, err := f.store.Streams(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	var all []*Portfolio
	for _, name := range names {
		id, is := strings.CutPrefix(name, f.options.Prefix)
		if !is {
			continue
		}
		p, err := f.Open(ctx, id)
		if err != nil {
			return nil, err
		}
		if p != nil {
			all = append(all, p)
		}
	}
	return all, nil
}

// Reached returns when every existing portfolio has been folded to its end.
func (f *Followers) Reached(ctx context.Context) error {
	all, err := f.openAll(ctx)
	for _, p := range all {
		if err == nil {
			err = p.Reach(ctx, 0)
		}
	}
	return err
}

// Broken names a portfolio that can no longer be followed, or returns "".
func (f *Followers) Broken() string {
	for _, p := range f.list() {
		if p.broken.Load() != nil {
			return p.id
		}
	}
	return ""
}

// Refused names a portfolio of which a reader cannot answer until the next start, or returns "".
func (f *Followers) Refused() string {
	for _, p := range f.list() {
		if p.gaveUp.Load() {
			return p.id
		}
	}
	return ""
}

// Each shows the state of every portfolio that is followed and open, one after
// another, sorted by name. A state must not be kept.
func (f *Followers) Each(look func(*portfolio.State)) {
	for _, p := range f.list() {
		_ = p.Read(func(s *portfolio.State) error { // one that is not open is left out
			look(s)
			return nil
		})
	}
}

// list returns the followed portfolios, sorted.
func (f *Followers) list() []*Portfolio {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*Portfolio, 0, len(f.all))
	for _, p := range f.all {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Portfolio) int { return strings.Compare(a.id, b.id) })
	return all
}
