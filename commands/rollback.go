package commands

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/system"
)

// AcceptRollback records that a person continues with a store that lost records. No route
// offers it: it is a flag at the start of the server.
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

// Rollback describes a rollback that a person accepts.
type Rollback struct {
	// Reason is the person's reason. Witness says what was wrong with the witness, or is "".
	Reason, Witness string
	// Streams are the streams that differ.
	Streams []domain.RolledBack
}

// AcceptRollback records a rollback that a person accepts, and then engages the
// system_error stop of every portfolio that it affects: a breaker may have tripped in the
// lost records, or an order may rest at the exchange that the books do not know. If it
// affects the system stream, or it is unknown what it affects, that is every portfolio,
// because a revoked key may work again. Each stays stopped until two people clear it.
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

// WitnessedAtOnce reports whether the witness must be told of an event at once. Restoring
// an older copy of the store must not undo a stop.
func WitnessedAtOnce(eventType string) bool {
	switch domain.CurrentType(eventType) {
	case domain.EmergencyStopEngagedType, domain.BreakerTrippedType, domain.BreakersTrippedType, domain.BotStoppedType, domain.APIKeyRevokedType,
		domain.TransferRejectedType, domain.WalletRetiredType, domain.RollbackAcceptedType,
		domain.ApproverRegisteredType, domain.ApproverVouchedType, domain.ApproverRevokedType:
		return true
	}
	return false
}
