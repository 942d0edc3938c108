package commands

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"pets/domain"
	"pets/eventstore"
)

// EngineOptions are those of its writers, and where stops are kept that cannot be
// recorded yet.
type EngineOptions struct {
	Options
	// Latch may be nil: stops are then kept in memory only.
	Latch *LatchFile
	// Failed is told of what goes wrong in the background; it may be nil.
	Failed func(what string, err error)
}

// Engine has one writer for each portfolio there is, and one for the system
// stream. It refuses commands for portfolios that do not exist before anything is
// made for them, and holds emergency stops that the store cannot take (stops.go).
type Engine struct {
	store   eventstore.Store
	options EngineOptions
	system  *Writer
	stops   *stops

	mu      sync.Mutex
	writers map[string]*Writer
	closed  bool
}

// NewEngine returns an engine; [Engine.Load] makes it ready.
func NewEngine(store eventstore.Store, o EngineOptions) *Engine {
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
	e := &Engine{store: store, options: o, writers: map[string]*Writer{}}
	e.options.Living = newKeyholders(store).living
	e.system = NewSystemWriter(store, o.Options)
	e.stops = newStops(e)
	return e
}

// Load folds every stream, so that the first command does not wait for it, and
// records the stops that a marker file holds, before anything else is decided.
// told, which may be nil, hears of every stream that is done.
func (e *Engine) Load(ctx context.Context, told func(stream string, done, total int)) error {
	if told == nil {
		told = func(string, int, int) {}
	}
	if err := e.stops.load(); err != nil { // first: what it holds is held from here on
		return err
	}
	ids, err := e.Portfolios(ctx)
	if err != nil {
		return err
	}
	if err := e.system.Load(ctx); err != nil {
		return err
	}
	told(SystemStream, 1, len(ids)+1)
	for i, id := range ids {
		w, err := e.writer(ctx, id, false)
		if err != nil {
			return err
		}
		if err := w.Load(ctx); err != nil {
			return err
		}
		told(Stream(id), i+2, len(ids)+1)
	}
	e.stops.record(ctx)
	return nil
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

// Do sends one command to the writer of a portfolio; see [Writer.Do].
func (e *Engine) Do(ctx context.Context, portfolio string, r Request) (Answer, error) {
	opens := opening(r.Command) != nil
	w, err := e.writer(ctx, portfolio, opens)
	if err != nil {
		return Answer{}, err
	}
	answer, err := w.Do(ctx, r)
	if err != nil {
		e.looked(err)
		if opens {
			e.dropUnopened(portfolio, w)
		}
	}
	return answer, err
}

// DoEach sends several commands, each decided on its own; see [Writer.DoEach].
func (e *Engine) DoEach(ctx context.Context, portfolio string, requests []Request) ([]Result, error) {
	w, err := e.writer(ctx, portfolio, false)
	if err != nil {
		return nil, err
	}
	results, err := w.DoEach(ctx, requests)
	for _, r := range results {
		e.looked(r.Err)
	}
	return results, err
}

// DoAll sends several commands, stopping at the first that fails; see
// [Writer.DoAll].
func (e *Engine) DoAll(ctx context.Context, portfolio string, requests []Request) ([]Result, error) {
	opens := len(requests) > 0 && opening(requests[0].Command) != nil
	w, err := e.writer(ctx, portfolio, opens)
	if err != nil {
		return nil, err
	}
	return w.DoAll(ctx, requests)
}

// System sends one command to the system stream.
func (e *Engine) System(ctx context.Context, r Request) (Answer, error) {
	answer, err := e.system.Do(ctx, r)
	e.looked(err)
	return answer, err
}

// looked engages the emergency stop everywhere once the store is poisoned: what
// it holds is not known before it is opened anew, and a person has to look.
func (e *Engine) looked(err error) {
	var u *eventstore.Unavailable
	if errors.As(err, &u) && u.Poisoned {
		e.stops.poisoned(u)
	}
}

// writer returns the writer of a portfolio that exists, or is about to be opened.
func (e *Engine) writer(ctx context.Context, id string, opens bool) (*Writer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errStopped
	}
	if w := e.writers[id]; w != nil {
		return w, nil
	}
	if err := domain.CheckID("portfolio", id); err != nil {
		return nil, err
	}
	_, exists, err := e.head(ctx, Stream(id))
	switch {
	case err != nil:
		return nil, err
	case !exists && !opens:
		return nil, domain.Errorf(domain.CodeNotFound, "there is no such portfolio")
	}
	o := e.options.Options
	o.Hold = func() error { return e.stops.hold(id) }
	w := NewWriter(e.store, id, o)
	e.writers[id] = w
	return w, nil
}

// dropUnopened lets go of the writer of a portfolio that was not opened after
// all: names that are tried must not cost memory for ever.
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

// Close ends every writer after the batch at hand.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	writers := make([]*Writer, 0, len(e.writers)+1)
	for _, w := range e.writers {
		writers = append(writers, w)
	}
	e.mu.Unlock()
	e.stops.close()
	for _, w := range slices.Concat(writers, []*Writer{e.system}) {
		w.Close()
	}
}
