package commands

import (
	"context"
	"strings"
	"time"
	"unicode"

	"pets/domain"
	"pets/domain/portfolio"
)

// Stopped is the result of a stop in one portfolio.
type Stopped struct {
	// Portfolio is "*", for every portfolio, if the store could not list them.
	Portfolio string `json:"portfolio"`
	// Recorded is false while the store cannot record it. The stop is in force
	// all the same.
	Recorded bool `json:"recorded"`
	// Kept is missing if the stop is recorded. It is false while the stop is only
	// in memory, because no marker could be written: a restart forgets it.
	Kept     *bool  `json:"kept,omitempty"`
	Revision uint64 `json:"revision,omitempty"`
	// Refused says why the portfolio accepts no stop at all, such as an imported one.
	Refused string `json:"refused,omitempty"`
}

// CannotTrade reports whether there was nothing to stop: nothing is traded in an imported
// portfolio. A server says so in words.
func (s Stopped) CannotTrade() bool { return s.Refused == errImported.Message }

// Stop engages the emergency stop of a portfolio. It is in force from the moment
// of the call, even before and while the engine loads. recorded is false while
// the store cannot record it, or its stream is not folded yet. [Answer.Kept] then
// says whether it survives a restart.
func (e *Engine) Stop(ctx context.Context, id string, r Request) (answer Answer, recorded bool, err error) {
	p, err := e.stopOf(&r)
	if err != nil {
		return Answer{}, false, err
	}
	p.Portfolio = id
	return e.engage(ctx, p)
}

// StopBot stops a bot, as [Engine.Stop] stops a portfolio: it is in force from
// the moment of the call.
func (e *Engine) StopBot(ctx context.Context, id string, r Request) (answer Answer, recorded bool, err error) {
	p, err := e.stopOfBot(&r)
	if err != nil {
		return Answer{}, false, err
	}
	p.Portfolio = id
	return e.engage(ctx, p)
}

// StopAll engages the emergency stop of every portfolio. All of them are in force
// before the first is recorded.
func (e *Engine) StopAll(ctx context.Context, r Request) ([]Stopped, error) {
	p, err := e.stopOf(&r)
	if err != nil {
		return nil, err
	}
	soon, cancel := context.WithTimeout(ctx, nameWithin)
	ids, err := e.Portfolios(soon)
	cancel()
	if err != nil { // the portfolios are unknown, so it covers whatever there is
		ids = []string{everywhere}
	}
	all, own := make([]*latched, len(ids)), make([]PendingStop, len(ids))
	for i, id := range ids {
		own[i] = p
		own[i].Portfolio = id
		all[i], _, _ = e.stops.pending.add(own[i], e.phase.Load() != phaseLoaded) // an emergency stop always fits
	}
	e.stops.save()
	out := make([]Stopped, len(ids))
	inParallel(len(ids), stopsAtOnce, func(i int) {
		out[i].Portfolio = ids[i]
		answer, recorded, err := e.stops.attempt(ctx, all[i], own[i])
		switch {
		case err != nil: // and the others are stopped all the same
			out[i].Refused = err.Error()
		case recorded:
			out[i].Recorded, out[i].Revision = true, answer.Revision
		}
	})
	kept := e.stops.save()
	for i := range out {
		if !out[i].Recorded && out[i].Refused == "" {
			out[i].Kept = &kept
		}
	}
	e.stops.keepTrying(retryStop)
	return out, nil
}

// nameWithin is how long a stop waits for the store to say what there is to stop. It is in force
// without that answer.
const nameWithin = 200 * time.Millisecond

// engage puts a stop in force, and records it if that is possible now.
func (e *Engine) engage(ctx context.Context, p PendingStop) (answer Answer, recorded bool, err error) {
	soon, cancel := context.WithTimeout(ctx, nameWithin)
	err = e.exists(soon, p.Portfolio)
	cancel()
	if err != nil && !waits(err) {
		return Answer{}, false, err
	}
	l, _, err := e.stops.pending.add(p, e.phase.Load() != phaseLoaded)
	if err != nil {
		return Answer{}, false, err
	}
	defer e.stops.keepTrying(retryStop)
	patient, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	done := e.stops.saveIfSlow()
	answer, recorded, err = e.stops.attempt(patient, l, p)
	done()
	if recorded {
		results := []Result{{Answer: answer}}
		if answer.Replayed { // it may have been cleared since
			e.asOfNow(ctx, p.Portfolio, []Request{{Caller: p.Caller, Key: p.Key, Command: p.command()}}, results)
		} else {
			e.addressed(patient, p.Portfolio, results)
		}
		answer = results[0].Answer
	}
	if recorded || err != nil {
		e.stops.background(e.stops.saveLater)
		return answer, recorded, err
	}
	return Answer{Kept: e.stops.save()}, false, nil
}

// errStopHolds answers a stop that was sent as an ordinary command and is not
// recorded yet.
var errStopHolds = domain.Errorf(domain.CodeUnavailable, "the stop is in force, but cannot be recorded yet; it will be recorded as soon as the store accepts it")

// errStopInMemory is the same where the marker file cannot be written either.
var errStopInMemory = domain.Errorf(domain.CodeUnavailable, "the stop is in force in memory only: it can be neither recorded nor marked in its file, and a restart forgets it")

// doStop sends a stop as a command. handled is false for every other command.
func (e *Engine) doStop(ctx context.Context, id string, r Request) (answer Answer, handled bool, err error) {
	var recorded bool
	if r.Command == nil {
		return Answer{}, false, nil
	}
	switch r.Command.spec() {
	case engageStop:
		answer, recorded, err = e.Stop(ctx, id, r)
	case stopBot:
		answer, recorded, err = e.StopBot(ctx, id, r)
	default:
		return Answer{}, false, nil
	}
	if err == nil && !recorded {
		if err = errStopHolds; !answer.Kept && e.options.Latch != nil {
			err = errStopInMemory
		}
	}
	return answer, true, err
}

// keep puts the stops of a batch in force that the store could not record.
func (e *Engine) keep(id string, requests []Request, results []Result) {
	kept := false
	for i := range requests {
		if len(results) > i && (results[i].Err == nil || !waits(results[i].Err)) {
			continue
		}
		p, err := e.stopOfBot(&requests[i])
		if err != nil {
			continue
		}
		p.Portfolio = id
		if l, _, err := e.stops.pending.add(p, false); err == nil {
			e.stops.pending.first(l) // it was tried just now
			kept = true
		}
	}
	if kept {
		e.stops.save()
		e.stops.keepTrying(retryStop)
	}
}

// stopOf refuses, before anything is in force, a stop that could never be
// recorded.
func (e *Engine) stopOf(r *Request) (PendingStop, error) {
	if err := CheckRequest(r); err != nil {
		return PendingStop{}, err
	}
	c, is := as[EngageStop](r.Command)
	if !is {
		return PendingStop{}, errWrongStream(r.Command)
	}
	return PendingStop{Caller: r.Caller, Key: r.Key, Kind: c.Kind, Reason: c.Reason, At: e.WallClock()}, portfolio.CheckStop(c.Kind, c.Reason)
}

func (e *Engine) stopOfBot(r *Request) (PendingStop, error) {
	if err := CheckRequest(r); err != nil {
		return PendingStop{}, err
	}
	c, is := as[StopBot](r.Command)
	if !is {
		return PendingStop{}, errWrongStream(r.Command)
	}
	p := PendingStop{Caller: r.Caller, Key: r.Key, Kind: kindBot, Bot: c.Bot, Full: c.Full, Reason: c.Reason, At: e.WallClock()}
	if c.Reason != "" {
		if err := domain.CheckReason("reason", c.Reason); err != nil {
			return p, err
		}
	}
	return p, domain.CheckID("bot", c.Bot)
}

// SystemError stops a portfolio in which an inconsistency was found. A repeat
// does nothing while that stop is in force.
func (e *Engine) SystemError(ctx context.Context, id, reason string) {
	e.stopOurselves(ctx, id, domain.StopSystemError, reason)
}

func (e *Engine) stopOurselves(ctx context.Context, id, kind, reason string) {
	if reason = plain(reason); domain.CheckReason("reason", reason) != nil { // a stop must not fail because of its reason
		reason = "something does not add up; the server's log says what"
	}
	if e.stops.standing(ctx, id, kind, reason) {
		return
	}
	l, isNew, err := e.stops.pending.add(e.stops.ours(id, kind, reason), true)
	if err != nil || !isNew {
		return
	}
	e.stops.background(e.stops.saveLater)
	if e.folded(id) {
		e.stops.settle(ctx, l)
		e.stops.background(e.stops.saveLater)
	}
	e.stops.keepTrying(retryStop)
}

// topic is a reason without its numbers: the same finding at a later revision is
// the same topic.
func topic(reason string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, reason)
}

// standing reports whether the server stopped a portfolio for this reason, and
// that stop was not cleared since.
func (s *stops) standing(ctx context.Context, id, kind, reason string) bool {
	s.mu.Lock()
	reported := s.reported[id] == topic(reason)
	s.reported[id] = topic(reason)
	s.mu.Unlock()
	if !s.engine.folded(id) {
		return false
	}
	standing := false
	err := s.engine.AtHead(ctx, id, func(p *portfolio.State) error {
		asBad := p.Stop.Kind == kind || p.Stop.Kind == domain.StopSecurityBreach
		standing = p.Stop.Engaged && (reported && asBad || topic(p.Stop.Reason) == topic(reason))
		return nil
	})
	return err == nil && standing
}

// unsound is called by a writer whose books are inconsistent. From then on no
// command of that portfolio is decided that could let a bot trade.
func (e *Engine) unsound(id, reason string) {
	e.stops.mu.Lock()
	reported := e.stops.reported[id] == topic(reason)
	e.stops.mu.Unlock()
	if !reported { // the writer waits for this: the stop is in force before any answer is given
		_, _, _ = e.stops.pending.add(e.stops.ours(id, domain.StopSystemError, reason), true)
		e.stops.mu.Lock()
		e.stops.reported[id] = topic(reason)
		e.stops.mu.Unlock()
		e.stops.background(e.stops.saveLater)
		e.stops.keepTrying(0)
		return
	}
	e.stops.background(func() { e.SystemError(e.stops.ctx, id, reason) })
}
