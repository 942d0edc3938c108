package commands

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/system"
)

// AcceptRollback records that a person goes on with a store of which something is
// missing that was there once. No route offers it: it is a flag of the start.
type AcceptRollback struct {
	Reason  string              `json:"reason"`
	Witness string              `json:"witness,omitempty"`
	Streams []domain.RolledBack `json:"streams,omitempty"`
	More    int                 `json:"more,omitempty"`
}

func (AcceptRollback) spec() *Spec { return acceptRollback }

// DecideSystem implements SystemCommand.
func (c AcceptRollback) DecideSystem(d *system.Decision) error {
	return d.AcceptRollback(&domain.RollbackAccepted{Reason: c.Reason, Witness: c.Witness, Streams: c.Streams, More: c.More})
}

// Rollback is what is accepted.
type Rollback struct {
	// Reason is the person's, Witness what was wrong with the witness, if anything.
	Reason, Witness string
	// Streams are those that differ.
	Streams []domain.RolledBack
}

// AcceptRollback records a rollback that a person accepts, and then stops, as
// system_error, every portfolio that it touches: a breaker may have tripped in what is
// missing, an order may rest at the exchange that the books do not know. If the system
// stream is touched, or nobody knows what was, that is all of them: a key that was
// revoked may work again. Each stays stopped until two people clear it.
func (e *Engine) AcceptRollback(ctx context.Context, by domain.Caller, r Rollback) error {
	c := AcceptRollback{Reason: r.Reason, Witness: r.Witness, Streams: r.Streams}
	if len(c.Streams) > system.MaxRolledBack {
		c.Streams, c.More = c.Streams[:system.MaxRolledBack], len(c.Streams)-system.MaxRolledBack
	}
	if _, err := e.System(ctx, Request{Caller: by, Key: uuid.NewString(), Command: c}); err != nil {
		return err
	}
	ids, err := e.Portfolios(ctx)
	if err != nil {
		return err
	}
	all := r.Witness != "" || slices.ContainsFunc(r.Streams, func(b domain.RolledBack) bool { return b.Stream == SystemStream })
	touched := slices.DeleteFunc(ids, func(id string) bool {
		return !all && !slices.ContainsFunc(r.Streams, func(b domain.RolledBack) bool { return b.Stream == Stream(id) })
	})
	if len(touched) > 0 {
		e.SystemErrorAll(ctx, touched, "the store was rolled back, and that was accepted: "+r.Reason)
	}
	return nil
}

// WitnessedAtOnce says which events the witness has to hear of at once: what stops
// something must not be undone by putting an older copy of the store back.
func WitnessedAtOnce(eventType string) bool {
	switch domain.CurrentType(eventType) {
	case domain.EmergencyStopEngagedType, domain.BreakerTrippedType, domain.BotStoppedType, domain.APIKeyRevokedType,
		domain.TransferRejectedType, domain.RollbackAcceptedType:
		return true
	}
	return false
}
