package commands

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

const (
	// retryStop is how often recording a stop is retried.
	retryStop = time.Second
	// stopPatience is how long the caller of a stop waits for the record. The
	// stop is in force before that, and is recorded later.
	stopPatience = 2 * time.Second
	// markAfter is how long a record may take before its stop is marked in the file.
	markAfter = 10 * time.Millisecond
	// stopsAtOnce is how many portfolios are stopped at the same time, so that they
	// share the flushes of the store.
	stopsAtOnce = 256
)

// serverCaller is the caller of a stop that the server engages by itself.
var serverCaller = domain.Caller{User: domain.ServerUser, Role: domain.RoleAdmin}

// stops records the stops that are in force but not recorded yet, and keeps them
// in a marker file until then. From the moment of the call, no permit is granted,
// no bot is started and nothing is signed in that portfolio until the stop is in
// its stream.
type stops struct {
	engine  *Engine
	pending *pending
	ctx     context.Context //nolint:containedctx // ends with close
	stop    context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	retrying bool
	poison   error
	// reported is the topic of the last reason for which the server stopped a portfolio.
	reported map[string]string

	file    sync.Mutex
	written uint64      // the moves of pending that the file knows, in all its places
	empty   bool        // the file holds no stops
	told    string      // the last problem with the file that was reported
	behind  atomic.Bool // the file is not up to date in all its places
	unkept  atomic.Bool // no place has the pending stops: a restart forgets them
}

// unwritten marks a file that must be written: no number of moves equals it.
const unwritten = ^uint64(0)

// newStops reads the marker file. Its stops are in force from here on.
func newStops(e *Engine) *stops {
	s := &stops{engine: e, pending: newPending(), reported: map[string]string{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if e.options.Latch != nil {
		s.takeOver(e.options.Latch)
	}
	return s
}

// takeOver reads a marker file. A file that cannot be understood may hold any
// stop: everything is stopped then, and people have to check and clear it.
func (s *stops) takeOver(file *LatchFile) {
	all, err := file.Read()
	for _, p := range all {
		if unsound := p.checkEntry(); unsound != nil {
			err = errors.Join(err, unsound)
			continue
		}
		l, _, full := s.pending.add(p, false)
		if err = errors.Join(err, full); l != nil {
			l.found = true
		}
	}
	_, s.written = s.pending.list()
	s.empty = err == nil && len(all) == 0
	if !s.empty || s.engine.options.LatchRoom { // write it to the places that do not have it
		s.written = unwritten
	}
	if err == nil {
		s.save()
		return
	}
	name, aside := file.SetAside(s.engine.WallClock())
	s.engine.options.Failed("the marker file of stops cannot be understood, so every portfolio is stopped; look at "+name, errors.Join(err, aside))
	s.latchEverything("the marker file of stops could not be understood; what else it held is not known")
	s.save()
}

// checkEntry refuses an entry that could never be recorded.
func (p *PendingStop) checkEntry() error {
	if p.Kind == kindBot {
		if err := domain.CheckID("portfolio", p.Portfolio); err != nil {
			return err
		}
	} else if err := portfolio.CheckStop(p.Kind, p.Reason); err != nil {
		return err
	}
	if p.Portfolio == "" {
		return domain.Invalid("portfolio", "is missing")
	}
	return CheckRequest(&Request{Caller: p.Caller, Key: p.Key, Command: p.command()})
}

func (s *stops) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.work.Wait()
	s.save()
}

// background runs f in a goroutine, and close waits for it.
func (s *stops) background(f func()) {
	s.mu.Lock()
	if !s.closed {
		s.work.Go(f)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	f()
}

// save writes the marker file unless it is up to date. Callers that wait for a
// running write find it up to date. A failed write is reported, and retried each
// second; the stops are in force without it. kept reports that what is pending
// survives a restart.
func (s *stops) save() (kept bool) {
	if s.engine.options.Latch == nil {
		return false
	}
	s.file.Lock()
	defer s.file.Unlock()
	all, moves := s.pending.list()
	if moves == s.written {
		return true
	}
	if len(all) == 0 && s.empty && s.written != unwritten { // stops that are recorded already need no file
		s.written = moves
		return true
	}
	kept, err := s.engine.options.Latch.keep(all, moves+1)
	s.behind.Store(err != nil)
	s.unkept.Store(!kept && len(all) > 0)
	s.report(kept, len(all), err)
	if err == nil {
		s.written, s.empty = moves, len(all) == 0
		return true
	}
	s.empty = s.empty && len(all) == 0
	return kept
}

func (s *stops) saveLater() {
	s.save()
	s.keepTrying(retryStop) // does nothing unless something is left
}

// report reports each problem with the marker file once.
func (s *stops) report(kept bool, pending int, err error) {
	told := ""
	switch {
	case err == nil:
	case kept:
		told = "the marker of stops cannot be written in both its folders, that of the server (PETS_DIR) and that of the witness (PETS_WITNESS)"
	case pending == 0:
		told = "there is no room for stops on the disk: one that cannot be recorded would hold in memory only"
	default:
		told = "a stop could not be marked in its file; it holds in memory, and a restart forgets it"
	}
	if told != s.told && err != nil {
		s.engine.options.Failed(told, err)
	}
	s.told = told
}

// saveIfSlow writes the marker file unless done is called soon. A stop is
// acknowledged only when it is marked or recorded, and most are recorded at once.
func (s *stops) saveIfSlow() (done func()) {
	recorded := make(chan struct{})
	s.background(func() {
		slow := time.NewTimer(markAfter)
		defer slow.Stop()
		select {
		case <-recorded:
		case <-slow.C:
			s.save()
		}
	})
	return func() { close(recorded) }
}

// try records one stop.
func (s *stops) try(ctx context.Context, p PendingStop) (Answer, error) {
	w, err := s.engine.writer(ctx, p.Portfolio, false)
	if err != nil {
		return Answer{}, err
	}
	return w.Do(ctx, Request{Caller: p.Caller, Key: p.Key, Command: p.command()})
}

// waits reports whether a stop that could not be recorded now may be recorded later; it
// stays in force until then. That includes errors that are not the fault of the stop: a
// defect, or a record that would be too large. Any other error is a refusal.
func waits(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch domain.CodeOf(err) {
	case domain.CodeUnavailable, domain.CodeClock, domain.CodeInternal, domain.CodeTooLarge:
		return true
	default:
		return false
	}
}

// attempt records a stop for its caller, if its stream is folded, and drops it once it is
// recorded or refused. l is the stop in force meanwhile: the caller's own, or an earlier
// one of the same kind.
func (s *stops) attempt(ctx context.Context, l *latched, p PendingStop) (answer Answer, recorded bool, err error) {
	if !s.engine.folded(p.Portfolio) {
		return Answer{}, false, nil
	}
	own := s.pending.owned(l, &p)
	if own {
		s.pending.first(l)
	}
	answer, err = s.try(ctx, p)
	switch {
	case err == nil:
		if own {
			s.pending.drop(l)
		}
		return answer, true, nil
	case waits(err):
		return Answer{}, false, nil
	}
	if own {
		s.pending.dropUnshared(l)
	}
	return Answer{}, false, err
}

// settle records a stop in the background.
func (s *stops) settle(ctx context.Context, l *latched) {
	done := s.pending.trying(l)
	defer done()
	s.record(ctx, l)
}

func (s *stops) record(ctx context.Context, l *latched) {
	p := s.pending.stop(l)
	_, err := s.try(ctx, p)
	if domain.CodeOf(err) == domain.CodeIdempotencyMismatch {
		// The caller was told that the stop is in force, so it must be recorded even though
		// its key was used for another command.
		_, err = s.try(ctx, s.pending.rekey(l, uuid.NewString()))
	}
	if l.found && domain.CodeOf(err) == domain.CodeNotFound {
		if s.nowhere(ctx, l, err) {
			return
		}
		_, err = s.try(ctx, s.pending.stop(l)) // the portfolio may have been opened since: this error is about the bot
	}
	if err != nil && waits(err) {
		return
	}
	if err != nil {
		s.engine.options.Failed(p.refused(), err)
	}
	s.pending.drop(l)
}

// nowhere reports whether a refused stop is of a portfolio that the store does not have. If it was
// answered as holding before a restart, the beginning of that portfolio may have been lost with the
// store, and the stop must not be lost with it: it stays in force, and is recorded as soon as the
// portfolio is opened.
func (s *stops) nowhere(ctx context.Context, l *latched, err error) bool {
	if domain.CodeOf(s.engine.inStore(ctx, l.Portfolio, false)) != domain.CodeNotFound {
		return false
	}
	if !l.nowhere.Swap(true) {
		s.engine.options.Failed(l.missing(), err)
	}
	return true
}

// pass tries to record everything that is pending, portfolio by portfolio, and writes
// the marker file once.
func (s *stops) pass(ctx context.Context) {
	defer s.save()
	if s.poisoned() != nil || s.engine.phase.Load() == phaseLoading {
		return
	}
	if len(s.pending.of(everywhere)) > 0 {
		if ids, err := s.engine.Portfolios(ctx); err == nil {
			s.pending.spread(ids)
		}
	}
	ids := s.pending.portfolios()
	inParallel(len(ids), stopsAtOnce, func(i int) {
		for _, l := range s.pending.of(ids[i]) {
			if ids[i] != everywhere && ctx.Err() == nil {
				s.settle(ctx, l)
			}
		}
	})
}

// early records the stops that were engaged in a portfolio while the engine folded.
func (s *stops) early(ctx context.Context, id string) {
	for _, l := range s.pending.of(id) {
		if l.early {
			s.settle(ctx, l)
		}
	}
}

// ahead records a portfolio's stops from a marker file before a command of that portfolio
// is decided, or waits for another goroutine that does. It tries each stop once; if that
// fails, the stop just stays in force.
func (s *stops) ahead(ctx context.Context, id string) {
	if s.engine.phase.Load() != phaseLoaded {
		return
	}
	for _, l := range s.pending.of(id) {
		done, under := s.pending.firstTry(l)
		switch {
		case done != nil:
			s.record(ctx, l)
			done()
		case under != nil:
			select {
			case <-under:
			case <-ctx.Done():
			}
		}
	}
}

// keepTrying records pending stops in the background until none is left. The first pass
// comes after wait.
func (s *stops) keepTrying(wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retrying || s.closed || !s.left() {
		return
	}
	s.retrying = true
	s.work.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-timer.C:
			}
			s.pass(s.ctx)
			if s.nothingLeft() {
				return
			}
			timer.Reset(retryStop)
		}
	})
}

func (s *stops) nothingLeft() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retrying = s.left()
	return !s.retrying
}

// left reports whether there is anything to record, or to mark in the file.
func (s *stops) left() bool { return s.pending.count.Load() > 0 || s.behind.Load() }

// poisoned returns why the store accepts nothing any more, or nil.
func (s *stops) poisoned() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poison
}

// poisonedBy puts a stop of everything in force, once: the store is unusable
// until it is opened again, and then a person has to check it.
func (s *stops) poisonedBy(err error) {
	s.mu.Lock()
	known := s.poison != nil
	if !known {
		s.poison = err
	}
	s.mu.Unlock()
	if known {
		return
	}
	trouble := eventstore.TroubleOf(err)
	s.latchEverything("the event store took no more events: " + trouble.What)
	s.save()
	s.keepTrying(retryStop)
	what := "the store is poisoned until it is opened again; every portfolio is stopped"
	if !strings.Contains(err.Error(), trouble.Advice) {
		what += ". " + trouble.Advice
	}
	s.engine.options.Failed(what, err)
}

func (s *stops) latchEverything(reason string) {
	_, _, _ = s.pending.add(s.ours(everywhere, domain.StopSystemError, reason), false) // an emergency stop always fits
}

// ours returns a stop that the server engages by itself.
func (s *stops) ours(id, kind, reason string) PendingStop {
	return PendingStop{Portfolio: id, Caller: serverCaller, Key: uuid.NewString(), Kind: kind, Reason: reason, At: s.engine.WallClock()}
}
