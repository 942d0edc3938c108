package commands

import (
	"context"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
)

// This file is what package commands/custody needs of the engine beyond sending
// commands, because it acts on the world outside the store. Package archtest refuses
// these functions to every other package.

// AtHead calls f with the state of a portfolio as it is at the head of its stream: what
// another server has appended is folded first. It changes nothing.
//
// f runs on the goroutine of the portfolio's writer. It must not keep the state or
// anything the state points to, take long, or send a command. When AtHead has returned,
// f has ended or will never run, so what it writes to belongs to the caller again. What
// f saw may be outdated by then: only a command decides. AtHead returns f's error, or
// why the state cannot be read.
func (e *Engine) AtHead(ctx context.Context, id string, f func(*portfolio.State) error) error {
	w, err := e.writer(ctx, id, false)
	if err != nil {
		return err
	}
	return w.look(ctx, f)
}

// CheckPendingStops refuses with [domain.CodeHalted] while a stop holds in a portfolio
// that is not recorded yet: an emergency stop or, where bot is not "", a stop of that
// bot. It may be called within [Engine.AtHead]. The state shows the stops that are
// recorded: a signature is released only after both are checked.
func (e *Engine) CheckPendingStops(id, bot string) error { return e.stops.pending.hold(id, bot) }

// WallClock returns the time by the engine's clock, which is that of its server. Code that acts
// for the engine uses no other clock: otherwise the two could disagree on what is due.
func (e *Engine) WallClock() time.Time {
	if e.options.Now != nil {
		return e.options.Now().UTC()
	}
	return time.Now().UTC()
}

// EngageSecurityBreach engages the emergency stop of kind security_breach in a
// portfolio, in the name of the server. It cannot be refused: the stop holds from this
// call on, and is recorded as soon as the store takes it. Calling it again for the same
// reason while that stop stands does nothing.
func (e *Engine) EngageSecurityBreach(ctx context.Context, id, reason string) {
	e.stopOurselves(ctx, id, domain.StopSecurityBreach, reason)
}

// SystemState folds the system stream as it is stored now. It reads the whole stream, so
// it is for rare questions.
func (e *Engine) SystemState(ctx context.Context) (*system.State, error) {
	s := system.New()
	err := eventstore.Walk(ctx, e.store, SystemStream, 0, func(rec eventstore.Record) error {
		event, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, event)
		}
		return err
	})
	if err != nil {
		return nil, &domain.Error{Code: domain.CodeUnavailable, Message: "the system stream cannot be read", Cause: err}
	}
	return s, nil
}

// CheckRequest refuses a request that would be refused whatever the state is: without a
// command, without a valid key, or from a caller who may not send it. It is for what is
// done before a request is decided, such as opening a key.
func CheckRequest(r *Request) error {
	if r.Command == nil {
		return domain.Invalid("command", "is missing")
	}
	if r.Key == "" || len(r.Key) > MaxKeyBytes {
		return domain.Invalid("Idempotency-Key", "is required and has at most %d bytes; keep one UUID per command", MaxKeyBytes)
	}
	if r.Entitled != nil {
		if err := r.Entitled(); err != nil {
			return err
		}
	}
	return authorise(r)
}

// DerivedKey is the Idempotency-Key of a step that any process may repeat: the same
// parts give the same key.
func DerivedKey(parts ...string) string {
	return sha1ID(namespace, strings.Join(parts, "\x00")).String()
}

// ErrLedgerChanged refuses a [Reconcile] whose readings agreed with the ledger when they
// were compared, and do not agree with the ledger as it is now. Nothing is recorded: the
// readings are outdated.
var ErrLedgerChanged = domain.Errorf(domain.CodeConflict, "the ledger has changed since the chain was read; reconcile again")
