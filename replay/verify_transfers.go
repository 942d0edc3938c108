package replay

import (
	"context"

	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore"
)

// checkTransfer requires of every step of a transfer, signed or not, that as many people
// have agreed to exactly this transfer as it needs. A server without API keys decides the
// same, so that older streams are checked in the same way.
func (v *verifier) checkTransfer(rec eventstore.Record, event domain.Event) {
	switch e := event.(type) {
	case *domain.TransferRequested:
		t := treasury.Transfer{TransferRequested: *e}
		switch {
		case t.AlwaysApproved() && !t.NeedsApproval():
			v.problem("transfer %s needs another person's approval, but is requested without a reason for one", e.Transfer)
		case treasury.Hash(v.state.Portfolio, e) != e.Hash:
			v.problem("transfer %s is requested with another hash than its own", e.Transfer)
		case v.state.Unfounded(e, rec.Time):
			v.problem("transfer %s is requested as one that needs no other person's approval, but it needs one, or could not be requested at all", e.Transfer)
		}
	case *domain.TransferApproved:
		t := v.state.Custody.Transfers[e.Transfer]
		if t != nil && !v.state.SignedApprovals && domain.SameUser(e.User, asker(t)) { // signed ones are compared with their signatures
			v.problem("transfer %s is approved by %s, who requested it", e.Transfer, e.User)
		}
		if t != nil && t.Status == treasury.Requested && !e.First && t.FirstApprovedBy != "" && domain.SameUser(t.FirstApprovedBy, e.User) {
			v.problem("transfer %s is approved by %s twice: it needs two people", e.Transfer, e.User)
		}
	case *domain.TransferPrepared:
		v.checkAgreed(e.Transfer, "prepared")
	case *domain.TransferRepriced:
		v.checkAgreed(e.Transfer, "repriced")
	case *domain.TransferSigned:
		v.checkAgreed(e.Transfer, "signed")
	case *domain.TransferBroadcast:
		v.checkAgreed(e.Transfer, "sent")
	}
}

// checkEnds requires that one transaction has ended one transfer, and that its fee is booked
// once. Older builds recorded more; the recheck of a server that asks the chain takes the
// later ones back.
func (v *verifier) checkEnds() {
	for _, d := range v.state.Custody.DoubleEnds() {
		v.problem("transfer %s is %s twice over: %s. A server that asks the chain takes this end back by itself", d.Transfer.Transfer, d.Transfer.Status, d.Detail)
	}
}

// asker is the user who asked for what is approved next: the transfer, or its higher fee.
func asker(t *treasury.Transfer) string {
	if t.Status != treasury.Requested && t.Raise != nil {
		return t.Raise.User
	}
	return t.User
}

func (v *verifier) checkAgreed(id, step string) {
	t := v.state.Custody.Transfers[id]
	switch {
	case t == nil:
		v.problem("transfer %s is %s, but was not requested", id, step)
	case t.Status == treasury.Requested || t.ApprovedTimes() < t.ApprovalsNeeded():
		v.problem("transfer %s is %s, but was approved by %d of %d people", id, step, t.ApprovedTimes(), t.ApprovalsNeeded())
	case !t.Intact(v.state.Portfolio):
		v.problem("transfer %s is %s, but is not what was approved", id, step)
	}
}

// checkGate requires that a portfolio with signed approvals was opened on an override
// that is signed too, and that one that opens on such an override, or while an approver's
// key counts, has signed approvals. The override's signature is checked with its own stream.
func (v *verifier) checkGate(ctx context.Context, rec eventstore.Record, meta domain.Metadata, e *domain.PortfolioOpened) {
	if e.Mode != domain.ModeLive {
		return
	}
	at := v.state.SignedAt(rec.Time, meta.ClockBehind)
	if !e.SignedApprovals && v.approvers.CountedAt(at, v.follows(rec)) {
		v.problem("it was opened without signed approvals, while an approver's key counted")
	}
	if e.Gate == nil {
		return
	}
	found, err := v.recordOf(ctx, "portfolio-"+e.Gate.Portfolio, e.Gate.Revision)
	o, is := found.(*domain.OverrideRecorded)
	signed := is && o.Signature != nil
	switch {
	case !e.SignedApprovals && signed:
		v.problem("it was opened without signed approvals, but the override that it was opened on, revision %d of portfolio %s, is signed", e.Gate.Revision, e.Gate.Portfolio)
	case !e.SignedApprovals: // as an older build opened it
	case err != nil:
		v.problem("the override that it was opened on cannot be read: %v", err)
	case !is || o.Kind != domain.OverrideGoLive || o.Portfolio != e.Portfolio:
		v.problem("revision %d of portfolio %s is no override that allows it to open", e.Gate.Revision, e.Gate.Portfolio)
	case !signed:
		v.problem("the override that it was opened on, revision %d of portfolio %s, has no signature", e.Gate.Revision, e.Gate.Portfolio)
	}
}

// follows reports whether a record follows the one from which a key counts.
func (v *verifier) follows(rec eventstore.Record) func(key string) bool {
	return func(key string) bool { return rec.Position.Compare(v.approvers.from[key]) > 0 }
}
