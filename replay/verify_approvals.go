package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/domain/treasury"
	"pets/eventstore"
)

// systemStream is the stream that holds the approvers' keys; package commands writes it.
const systemStream = "system"

// approverKeys are the approvers' keys of today, and where in the log each begins to
// count at the earliest: at its registration, or at the word for it.
type approverKeys struct {
	approval.Approvers
	from       map[string]eventstore.Position
	registered []eventstore.Record // where, and when by its own record, each was registered
}

// readApprovers folds the approvers' keys of a store; one without a system stream has
// none.
func readApprovers(ctx context.Context, store eventstore.Store) (approverKeys, error) {
	s := system.New()
	keys := approverKeys{from: map[string]eventstore.Position{}}
	err := eventstore.Walk(ctx, store, systemStream, 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		switch e := e.(type) {
		case *domain.ApproverRegistered:
			keys.from[e.Approver] = rec.Position
			keys.registered = append(keys.registered, eventstore.Record{Stream: rec.Stream, Revision: rec.Revision, Position: rec.Position, Time: rec.Time})
		case *domain.ApproverVouched:
			keys.from[e.Approver] = rec.Position
		}
		return err
	})
	var missing *eventstore.NotFound
	if errors.As(err, &missing) {
		err = nil
	}
	keys.Approvers = s.Approvers()
	return keys, err
}

// approved is what an event says of an approval.
type approved struct {
	kind, id, user string
	signature      *domain.ApprovalSignature
	// always: it is signed whatever the portfolio's rule is.
	always bool
	// differs is a field of the event that is not as it was requested, or "".
	differs string
}

// checkSigned computes what was approved from the state before the event, and checks the
// signature over it. An event without a signature is a problem in a portfolio with signed
// approvals.
func (v *verifier) checkSigned(ctx context.Context, rec eventstore.Record, meta domain.Metadata, event domain.Event) {
	var a approved
	switch e := event.(type) {
	case *domain.PortfolioOpened:
		v.checkGate(ctx, rec, meta, e)
		return
	case *domain.TransferApproved:
		a = v.approvedTransfer(e)
	case *domain.EmergencyStopCleared:
		a = approved{kind: approval.KindClear, id: e.Request, user: e.ConfirmedBy, signature: e.Signature}
		if !domain.SameUser(e.RequestedBy, v.state.Stop.Requester) {
			a.differs = "requested_by"
		}
	case *domain.OverrideRecorded:
		a = v.approvedOverride(e)
	default:
		return
	}
	if a.signature == nil && !v.state.SignedApprovals && !a.always {
		return // by API key alone
	}
	what, waits := v.state.ApprovalOf(v.approvers.Ledger, a.kind, a.id)
	switch {
	case !waits:
		v.problem("%s %s is approved, but did not wait for it", a.kind, a.id)
		return
	case !what.Waits(rec.Time):
		v.problem("%s %s is approved after it had expired", a.kind, a.id)
	case a.differs != "":
		v.problem("%s %s is approved with another %s than was requested", a.kind, a.id, a.differs)
	case domain.SameUser(what.RequestedBy, a.user):
		v.problem("%s %s is approved by %s, who requested it", a.kind, a.id, a.user)
	case !domain.SameUser(meta.Actor, a.user):
		v.problem("%s %s is approved by %s, but the command was sent by %s", a.kind, a.id, a.user, meta.Actor)
	}
	at := v.state.SignedAt(rec.Time, meta.ClockBehind)
	if err := v.approvers.CheckRecorded(a.signature, what.Subject, a.user, at, v.follows(rec)); err != nil {
		v.problem("the approval of %s %s by %s: %v", a.kind, a.id, a.user, err)
	}
}

func (v *verifier) approvedTransfer(e *domain.TransferApproved) approved {
	a := approved{kind: approval.KindTransfer, id: e.Transfer, user: e.User, signature: e.Signature}
	t := v.state.Custody.Transfers[e.Transfer]
	switch {
	case t == nil:
		return a
	case t.Status != treasury.Requested && t.Raise != nil: // the approval of a higher fee
		if e.Hash != t.Raise.Hash || t.RaisedHash(v.state.Portfolio, t.Raise.HighestFee) != e.Hash {
			a.differs = "hash"
		}
	case e.Hash != t.Hash || treasury.Hash(v.state.Portfolio, &t.TransferRequested) != t.Hash:
		a.differs = "hash"
	}
	return a
}

func (v *verifier) approvedOverride(e *domain.OverrideRecorded) approved {
	a := approved{kind: approval.KindOverride, id: e.Override, user: e.ConfirmedBy, signature: e.Signature, always: e.Kind == domain.OverrideSigned}
	o := v.state.Overrides[e.Override]
	if o == nil {
		return a
	}
	switch {
	case e.Kind != o.Kind:
		a.differs = "kind"
	case e.Portfolio != o.Portfolio:
		a.differs = "portfolio"
	case !bytes.Equal(e.Limits, o.Limits):
		a.differs = "limits"
	case e.Reason != o.Reason:
		a.differs = "reason"
	case !domain.SameUser(e.RequestedBy, o.User):
		a.differs = "requested_by"
	case !portfolio.ClockOverrideFits(o.Offset, e.Offset):
		a.differs = "offset"
	}
	return a
}

func (v *verifier) recordOf(ctx context.Context, stream string, revision uint64) (domain.Event, error) {
	for rec, err := range v.store.ReadStream(ctx, stream, revision) {
		if err != nil {
			return nil, err
		}
		return domain.Decode(rec.Type, rec.Data)
	}
	return nil, errors.New("there is no such record")
}

// checkApprovers returns what is wrong with an event of approvers' keys, given the earlier
// events of the stream, or "".
func checkApprovers(s *system.State, rec eventstore.Record, event domain.Event) string {
	revision, recorded := rec.Revision, rec.Time
	known := s.Approvers()
	switch e := event.(type) {
	case *domain.ApproverRegistered:
		// The time of the record, also where that is ahead of the wall clock: what a record
		// says of the wall clock is no better than what its writer says.
		counts := recorded
		if len(known.Keys) > 0 {
			counts = recorded.Add(approval.Wait)
		}
		_, err := approval.ParsePublicKey("public_key", e.PublicKey)
		_, again := known.WithKey(e.PublicKey)
		switch {
		case e.Approver != domain.ApproverName(revision):
			return fmt.Sprintf("an approver's key named %s is registered instead of %s", e.Approver, domain.ApproverName(revision))
		case err != nil:
			return fmt.Sprintf("approver's key %s: %v", e.Approver, err)
		case again:
			return fmt.Sprintf("approver's key %s was registered before", e.Approver)
		case domain.ReservedUser(e.User):
			return fmt.Sprintf("approver's key %s belongs to %s, who is no person", e.Approver, e.User)
		case !e.RegisteredAt.IsZero() && !e.RegisteredAt.Equal(recorded):
			return fmt.Sprintf("approver's key %s was registered at %s by its record, which is of %s", e.Approver, e.RegisteredAt.Format(time.RFC3339Nano), recorded.Format(time.RFC3339Nano))
		case !e.CountsFrom.Equal(counts):
			return fmt.Sprintf("approver's key %s counts from %s, but should from %s", e.Approver, e.CountsFrom.Format(time.RFC3339Nano), counts.Format(time.RFC3339Nano))
		}
	case *domain.ApproverVouched:
		return checkWord(s, rec, e)
	case *domain.ApproverRevoked:
		for _, k := range known.Keys {
			if k.ID == e.Approver && k.RevokedAt == nil {
				return ""
			}
		}
		return fmt.Sprintf("approver's key %s is revoked, but is not registered", e.Approver)
	}
	return ""
}

// wallOf is what the wall clock showed when a record was decided.
func wallOf(rec eventstore.Record) time.Time {
	meta, _ := domain.DecodeMetadata(rec.Metadata) // without it the clock was right
	return rec.Time.Add(-time.Duration(meta.ClockBehind))
}

func checkWord(s *system.State, rec eventstore.Record, e *domain.ApproverVouched) string {
	known := s.Approvers()
	word, waits := s.Word(e.Approver)
	if !waits {
		return fmt.Sprintf("%s gives a word for approver's key %s, which did not wait for one", e.By, e.Approver)
	}
	for _, k := range known.Keys {
		if k.ID == e.Approver && (domain.SameUser(k.User, e.By) || domain.SameUser(k.By, e.By)) {
			return fmt.Sprintf("%s gives a word for approver's key %s, but is its user or registered it", e.By, e.Approver)
		}
	}
	if err := known.Check(&e.Signature, word, e.By, wallOf(rec)); err != nil {
		return fmt.Sprintf("the word of %s for approver's key %s: %v", e.By, e.Approver, err)
	}
	return ""
}
