package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// retryStop is how often a stop that is not recorded yet is tried again.
const retryStop = time.Second

// serverCaller is who engages a stop that nobody asked for.
var serverCaller = domain.Caller{User: domain.ServerUser, Role: domain.RoleAdmin}

// Stopped says what became of a stop in one portfolio.
type Stopped struct {
	Portfolio string `json:"portfolio"`
	// Recorded is false while the store cannot take it; the stop holds all the
	// same.
	Recorded bool   `json:"recorded"`
	Revision uint64 `json:"revision,omitempty"`
	// Refused says why the portfolio takes no stop at all: an imported one, in which
	// nothing is traded.
	Refused string `json:"refused,omitempty"`
}

// stops holds the emergency stops that are not recorded yet: in memory and in the
// marker file. From the moment somebody wants to stop, no permit is granted and no
// bot started in that portfolio until the stop stands in its stream.
type stops struct {
	engine *Engine
	ctx    context.Context //nolint:containedctx // ends with close
	stop   context.CancelFunc
	retry  sync.WaitGroup

	mu       sync.Mutex
	pending  []PendingStop
	retrying bool
	poison   sync.Once
}

func newStops(e *Engine) *stops {
	s := &stops{engine: e}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

func (s *stops) close() {
	s.stop()
	s.retry.Wait()
}

// load takes over what a marker file holds.
func (s *stops) load() error {
	if s.engine.options.Latch == nil {
		return nil
	}
	all, err := s.engine.options.Latch.Read()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, all...)
	return nil
}

// hold refuses what could let a bot trade while a stop waits to be recorded.
func (s *stops) hold(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pending {
		if p.Portfolio == id {
			return domain.Errorf(domain.CodeHalted, "an emergency stop (%s) holds that could not be recorded yet", p.Kind)
		}
	}
	return nil
}

// latch makes stops hold. Memory comes first and cannot fail; a marker file that
// cannot be written is reported, and the stop holds without it.
func (s *stops) latch(all ...PendingStop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, all...)
	s.write()
}

// release lets go of a stop that is recorded, or was refused.
func (s *stops) release(p PendingStop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = slices.DeleteFunc(s.pending, func(q PendingStop) bool { return q.Portfolio == p.Portfolio && q.Key == p.Key })
	s.write()
}

func (s *stops) write() {
	if s.engine.options.Latch == nil {
		return
	}
	if err := s.engine.options.Latch.Write(s.pending); err != nil {
		s.engine.options.Failed("an emergency stop could not be marked in its file; it holds in memory", err)
	}
}

// try records one stop.
func (s *stops) try(ctx context.Context, p PendingStop) (Answer, error) {
	w, err := s.engine.writer(ctx, p.Portfolio, false)
	if err != nil {
		return Answer{}, err
	}
	return w.Do(ctx, Request{Caller: p.Caller, Key: p.Key, Command: EngageStop{Kind: p.Kind, Reason: p.Reason}})
}

// waits: the store could not take it now, so it may be able to later. Anything
// else is a refusal.
func waits(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	code := domain.CodeOf(err)
	return code == domain.CodeUnavailable || code == domain.CodeClock || code == domain.CodeInternal
}

// record tries everything that is pending once.
func (s *stops) record(ctx context.Context) {
	s.mu.Lock()
	all := slices.Clone(s.pending)
	s.mu.Unlock()
	left := 0
	for _, p := range all {
		if _, err := s.try(ctx, p); err != nil && waits(err) {
			left++
			continue
		} else if err != nil {
			s.engine.options.Failed(fmt.Sprintf("an emergency stop of portfolio %s was refused", p.Portfolio), err)
		}
		s.release(p)
	}
	if left > 0 {
		s.keepTrying()
	}
}

// keepTrying records what is pending as soon as it can be.
func (s *stops) keepTrying() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retrying || s.ctx.Err() != nil {
		return
	}
	s.retrying = true
	s.retry.Go(func() {
		tick := time.NewTicker(retryStop)
		defer tick.Stop()
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-tick.C:
			}
			s.record(s.ctx)
			s.mu.Lock()
			if len(s.pending) == 0 {
				s.retrying = false
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
		}
	})
}

// poisoned latches a stop for every portfolio, once: the store says nothing any
// more until it is opened anew, and then a person has to look at it.
func (s *stops) poisoned(u *eventstore.Unavailable) {
	s.poison.Do(func() {
		ids, err := s.engine.Portfolios(context.Background())
		if err != nil {
			s.engine.options.Failed("the portfolios of a poisoned store cannot be listed", err)
		}
		s.engine.options.Failed("the store is poisoned until it is opened anew; every portfolio is stopped", u)
		s.systemError(ids, "the event store took no more events: a write or a flush failed")
	})
}

func (s *stops) systemError(ids []string, reason string) {
	all := make([]PendingStop, 0, len(ids))
	for _, id := range ids {
		all = append(all, PendingStop{
			Portfolio: id, Caller: serverCaller, Key: uuid.NewString(), Kind: domain.StopSystemError, Reason: reason, At: s.engine.now(),
		})
	}
	s.latch(all...)
}

func (e *Engine) now() time.Time {
	if e.options.Now != nil {
		return e.options.Now().UTC()
	}
	return time.Now().UTC()
}

// SystemError stops a portfolio in which something does not add up.
func (e *Engine) SystemError(ctx context.Context, id, reason string) {
	e.stops.systemError([]string{id}, reason)
	e.stops.record(ctx)
}

// Stop engages the emergency stop of a portfolio. It holds from the moment this
// is called; recorded is false while the store cannot take it.
func (e *Engine) Stop(ctx context.Context, id string, r Request) (answer Answer, recorded bool, err error) {
	c, err := stopOf(&r)
	if err != nil {
		return Answer{}, false, err
	}
	if _, err := e.writer(ctx, id, false); err != nil {
		return Answer{}, false, err
	}
	p := PendingStop{Portfolio: id, Caller: r.Caller, Key: r.Key, Kind: c.Kind, Reason: c.Reason, At: e.now()}
	e.stops.latch(p)
	answer, err = e.stops.try(ctx, p)
	if err != nil && waits(err) {
		e.looked(err)
		e.stops.keepTrying()
		return Answer{}, false, nil
	}
	e.stops.release(p)
	return answer, err == nil, err
}

// StopBot takes one bot out of trading; recorded is false while the store cannot
// take it.
func (e *Engine) StopBot(ctx context.Context, id string, r Request) (answer Answer, recorded bool, err error) {
	answer, err = e.Do(ctx, id, r)
	return answer, err == nil, err
}

// StopAll engages the emergency stop of every portfolio. All of them hold before
// the first is recorded.
func (e *Engine) StopAll(ctx context.Context, r Request) ([]Stopped, error) {
	c, err := stopOf(&r)
	if err != nil {
		return nil, err
	}
	ids, err := e.Portfolios(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]PendingStop, 0, len(ids))
	for _, id := range ids {
		all = append(all, PendingStop{Portfolio: id, Caller: r.Caller, Key: r.Key, Kind: c.Kind, Reason: c.Reason, At: e.now()})
	}
	e.stops.latch(all...)
	out := make([]Stopped, len(all))
	for i, p := range all {
		out[i].Portfolio = p.Portfolio
		answer, err := e.stops.try(ctx, p)
		if err != nil && waits(err) {
			e.looked(err)
			e.stops.keepTrying()
			continue
		}
		e.stops.release(p)
		if err != nil { // and the others are stopped all the same
			out[i].Refused = err.Error()
			continue
		}
		out[i].Recorded, out[i].Revision = true, answer.Revision
	}
	return out, nil
}

// stopOf refuses, before anything is latched, a stop that could never be
// recorded.
func stopOf(r *Request) (EngageStop, error) {
	if err := check(r); err != nil {
		return EngageStop{}, err
	}
	c, ok := r.Command.(EngageStop)
	if !ok {
		return c, errWrongStream(r.Command)
	}
	return c, portfolio.CheckStop(c.Kind, c.Reason)
}
