package commands

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/eventstore"
)

// EngineOptions are the options of its writers, and the place for stops that
// cannot be recorded yet.
type EngineOptions struct {
	Options
	// Latch may be nil: stops are then kept in memory only.
	Latch *LatchFile
	// LatchRoom allocates space in it in advance, so that a full disk does not
	// prevent a stop from being marked.
	LatchRoom bool
	// Failed is called for problems in the background; it may be nil.
	Failed func(what string, err error)
}

// Phases of an engine.
const (
	phaseNew = iota
	phaseLoading
	phaseLoaded
)

// closesAtOnce is how many writers end at the same time.
const closesAtOnce = 16

// Engine has one writer for each portfolio, and one for the system stream. It
// refuses commands for portfolios that do not exist before it allocates anything
// for them, and enforces emergency stops that the store cannot record yet
// (stops.go).
type Engine struct {
	store   eventstore.Store
	options EngineOptions
	system  *Writer
	stops   *stops
	phase   atomic.Int32

	mu      sync.Mutex
	writers map[string]*Writer
	closed  bool
}

// NewEngine returns an engine; [Engine.Load] makes it ready. The stops in its
// marker file are in force from here on.
func NewEngine(store eventstore.Store, o EngineOptions) *Engine {
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
	e := &Engine{store: store, options: o, writers: map[string]*Writer{}}
	e.options.Living = newKeyholders(store, o.Now).living
	e.stops = newStops(e)
	system := o.Options
	system.poisoned = e.stops.poisonedBy
	e.system = NewSystemWriter(store, system)
	return e
}

// Load folds every stream, so that the first command does not wait for it. Stops
// engaged meanwhile are recorded as soon as their stream is folded; those from a
// marker file after this, or before the first command of their portfolio. told,
// which may be nil, is called for every folded stream.
func (e *Engine) Load(ctx context.Context, told func(stream string, done, total int)) (err error) {
	e.phase.Store(phaseLoading)
	defer func() {
		if err != nil {
			e.phase.Store(phaseNew)
		}
	}()
	if e.stops.behind.Load() {
		e.stops.keepTrying(retryStop)
	}
	ids, err := e.Portfolios(ctx)
	if err != nil {
		return err
	}
	if err := e.system.Load(ctx); err != nil {
		return err
	}
	p := progress{told: told, total: len(ids) + 1}
	p.one(SystemStream, nil)
	inParallel(len(ids), 2*runtime.GOMAXPROCS(0), func(i int) {
		if p.failed() == nil {
			p.one(Stream(ids[i]), e.loadOne(ctx, ids[i]))
		}
	})
	if err := p.failed(); err != nil {
		return err
	}
	e.stops.pending.spread(ids)
	e.phase.Store(phaseLoaded)
	e.stops.keepTrying(0)
	return nil
}

// LoadSound folds what can be folded after [Engine.Load] failed: a stop must not
// wait until the whole store is intact.
func (e *Engine) LoadSound(ctx context.Context) {
	ids, err := e.Portfolios(ctx)
	if err != nil {
		return
	}
	inParallel(len(ids), 2*runtime.GOMAXPROCS(0), func(i int) { _ = e.loadOne(ctx, ids[i]) }) // continue with the others
}

func (e *Engine) loadOne(ctx context.Context, id string) error {
	w, err := e.writer(ctx, id, false)
	if err != nil {
		return err
	}
	if err := w.Load(ctx); err != nil {
		return err
	}
	e.stops.early(ctx, id)
	return nil
}

// progress counts the streams that are folded, and keeps the first failure.
type progress struct {
	told  func(stream string, done, total int)
	total int

	mu   sync.Mutex
	done int
	err  error
}

func (p *progress) one(stream string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.done++
		if p.told != nil {
			p.told(stream, p.done, p.total)
		}
	case p.err == nil:
		p.err = err
	}
}

func (p *progress) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Health is the state of an engine.
type Health struct {
	// Poisoned is why the store accepts nothing until it is opened again, or nil.
	Poisoned error
	// PendingStops counts the stops that are in force but not recorded yet.
	PendingStops int
	// PendingBots counts those of them that stop one bot.
	PendingBots int
	// StopsNowhere names the portfolios that a stop holds for and that the store does not have.
	StopsNowhere []string
	// UnkeptStops counts those that are only in memory: a restart forgets them.
	UnkeptStops int
	// Loaded: every stream was folded.
	Loaded bool
	// ClockBehind is how far the wall clock is behind the last record of a
	// stream, the largest of all streams; 0 if it is not.
	ClockBehind time.Duration
	// StandStill counts the portfolios whose clock is behind: those in which two people
	// accepted it go on, although other streams are still behind.
	StandStill int
}

// Health returns the state of the engine; it is cheap. If the store becomes
// poisoned without an append, this call notices it and stops everything.
func (e *Engine) Health() Health {
	if s, ok := e.store.(interface{ Poisoned() error }); ok {
		if err := s.Poisoned(); err != nil {
			e.stops.poisonedBy(err)
		}
	}
	h := Health{Poisoned: e.stops.poisoned(), PendingStops: int(e.stops.pending.count.Load()), PendingBots: e.stops.pending.bots(), StopsNowhere: e.stops.pending.nowhere(), Loaded: e.phase.Load() == phaseLoaded}
	h.ClockBehind, h.StandStill = e.clockBehind()
	if e.stops.unkept.Load() {
		h.UnkeptStops = h.PendingStops
	}
	return h
}

func (e *Engine) clockBehind() (most time.Duration, portfolios int) {
	wall := e.system.options.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	most = e.system.behind(wall)
	for _, w := range e.writers {
		behind := w.behind(wall)
		if most = max(most, behind); behind > 0 {
			portfolios++
		}
	}
	return most, portfolios
}

// Portfolios lists the portfolios there are, sorted.
func (e *Engine) Portfolios(ctx context.Context) ([]string, error) {
	names, err := e.store.Streams(ctx)
	if err != nil {
		return nil, unreachable(err)
	}
	var ids []string
	for _, name := range names {
		if id, ok := strings.CutPrefix(name, streamPrefix); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func unreachable(err error) error {
	return &domain.Error{Code: domain.CodeUnavailable, Message: "the store does not answer", Cause: err}
}

// SystemHead returns the last revision of the system stream, if it has any.
func (e *Engine) SystemHead(ctx context.Context) (head uint64, any bool, err error) {
	return e.head(ctx, SystemStream)
}

// Approvers returns the approvers' keys and the id of the ledger, as a decision made now
// would see them.
func (e *Engine) Approvers() (approval.Approvers, error) {
	h, err := e.options.Living(SystemStream, nil)
	if err != nil {
		return approval.Approvers{}, err
	}
	return *h.Approvers, nil
}

func (e *Engine) head(ctx context.Context, stream string) (head uint64, any bool, err error) {
	head, err = e.store.Head(ctx, stream)
	var missing *eventstore.NotFound
	switch {
	case errors.As(err, &missing):
		return 0, false, nil
	case err != nil:
		return 0, false, unreachable(err)
	}
	return head, true, nil
}

// Do sends one command to the writer of a portfolio; see [Writer.Do]. A stop is
// in force even if the answer says that the store cannot record it.
func (e *Engine) Do(ctx context.Context, portfolio string, r Request) (Answer, error) {
	if answer, handled, err := e.doStop(ctx, portfolio, r); handled {
		return answer, err
	}
	one := newSingle(ctx, r)
	requests := e.arrive(portfolio, one.requests[:])
	one.requests[0] = requests[0]
	_, opens := as[OpenPortfolio](requests[0].Command)
	w, err := e.writer(ctx, portfolio, opens)
	if err != nil {
		return Answer{}, err
	}
	e.stops.ahead(ctx, portfolio)
	_, err = w.send(&one.job)
	if err == nil {
		err = one.results[0].Err
	}
	if err != nil && opens {
		e.dropUnopened(portfolio, w)
	}
	if err != nil {
		return Answer{}, err
	}
	e.asOfNow(ctx, portfolio, one.requests[:], one.results[:])
	return one.results[0].Answer, one.results[0].Err
}

// DoEach sends several commands, each decided on its own; see [Writer.DoEach]. Stops of
// bots hold even where the store cannot take them.
func (e *Engine) DoEach(ctx context.Context, portfolio string, requests []Request) ([]Result, error) {
	requests = e.arrive(portfolio, requests)
	w, err := e.writer(ctx, portfolio, false)
	if err != nil {
		return nil, err
	}
	e.stops.ahead(ctx, portfolio)
	results, err := w.DoEach(ctx, requests)
	e.keep(portfolio, requests, results)
	if err == nil {
		e.asOfNow(ctx, portfolio, requests, results)
	}
	return results, err
}

// DoAll sends several commands, stopping at the first that fails; see
// [Writer.DoAll].
func (e *Engine) DoAll(ctx context.Context, portfolio string, requests []Request) ([]Result, error) {
	opens := false
	if len(requests) > 0 {
		_, opens = as[OpenPortfolio](requests[0].Command)
	}
	w, err := e.writer(ctx, portfolio, opens)
	if err != nil {
		return nil, err
	}
	e.stops.ahead(ctx, portfolio)
	return w.DoAll(ctx, requests)
}

// System sends one command to the system stream.
func (e *Engine) System(ctx context.Context, r Request) (Answer, error) {
	return e.system.Do(ctx, r)
}

// writer returns the writer of a portfolio that exists, or is about to be opened.
func (e *Engine) writer(ctx context.Context, id string, opens bool) (*Writer, error) {
	if w, err := e.known(id); w != nil || err != nil {
		return w, err
	}
	if err := e.inStore(ctx, id, opens); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.writers[id]; w != nil || e.closed {
		return w, e.ended()
	}
	o := e.options.Options
	o.Hold = func(bot string) error { return e.stops.pending.hold(id, bot) }
	o.overtaken = func(bot string, seen uint64) error { return e.stops.pending.overtaken(id, bot, seen) }
	o.poisoned = e.stops.poisonedBy
	o.unsound = func(reason string) { e.unsound(id, reason) }
	w := NewWriter(e.store, id, o)
	e.writers[id] = w
	return w, nil
}

// known returns the writer of a portfolio if there is one.
func (e *Engine) known(id string) (*Writer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.writers[id], e.ended()
}

func (e *Engine) ended() error {
	if e.closed {
		return errStopped
	}
	return nil
}

// inStore refuses a portfolio that does not exist, unless it is about to be
// opened.
func (e *Engine) inStore(ctx context.Context, id string, opens bool) error {
	if err := domain.CheckID("portfolio", id); err != nil {
		return err
	}
	_, exists, err := e.head(ctx, Stream(id))
	if err == nil && !exists && !opens {
		err = domain.Errorf(domain.CodeNotFound, "there is no such portfolio")
	}
	return err
}

// exists refuses a portfolio that does not exist.
func (e *Engine) exists(ctx context.Context, id string) error {
	if w, err := e.known(id); w != nil || err != nil {
		return err
	}
	return e.inStore(ctx, id, false)
}

// folded reports whether a command of a portfolio would be decided without folding a
// long history first.
func (e *Engine) folded(id string) bool {
	if e.phase.Load() == phaseLoaded {
		return id != everywhere
	}
	w, err := e.known(id)
	return err == nil && w != nil && w.folded.Load()
}

// dropUnopened drops the writer of a portfolio that was not opened after all, so
// that attempts with other names do not use memory permanently.
func (e *Engine) dropUnopened(id string, w *Writer) {
	if _, exists, err := e.head(context.Background(), Stream(id)); err != nil || exists {
		return
	}
	e.mu.Lock()
	if e.writers[id] == w {
		delete(e.writers, id)
	}
	e.mu.Unlock()
	w.Close()
}

// Close ends every writer after its current group.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	writers := make([]*Writer, 0, len(e.writers)+1)
	for _, w := range e.writers {
		writers = append(writers, w)
	}
	e.mu.Unlock()
	e.stops.close()
	inParallel(len(writers), closesAtOnce, func(i int) { writers[i].Close() })
	e.system.Close()
}
