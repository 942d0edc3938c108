package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/treasury"
)

// firstCounts reports whether the first of two approvals counts now: that of a person who
// lost an API key since, with a signing key that was revoked since, or an approval without a signature where approvals are signed, is none. The second
// approver then is the first once more.
func (d *Decision) firstCounts(t *treasury.Transfer) bool {
	switch {
	case t.FirstApprovedBy == "":
		return false
	case d.requireLiving(t.FirstApprovedBy, t.FirstRevision) != nil:
		return false
	case !d.approversKnown:
		return true
	case t.FirstSignature == nil:
		return !d.s.SignedApprovals
	}
	a, waits := d.s.ApprovalOf(d.approvers.Ledger, approval.KindTransfer, t.Transfer)
	return waits && d.approvers.Check(t.FirstSignature, a.Subject, t.FirstApprovedBy, d.s.SignedAt(d.now, domain.Duration(d.still.Behind))) == nil
}

// word is one approval of a transfer: whose it is, who asked for it, and what was signed.
type word struct {
	by, asked string
	signature *domain.ApprovalSignature
	at        time.Time
	lines     []string
	// earlier: it was given before approvals were signed.
	earlier bool
}

// agreed reports whether a transfer is what was approved, by people whose signatures verify
// with the keys that counted then. The ledger's own records are not believed: whoever can
// write to the store can write an approval, but cannot sign it.
func (d *Decision) agreed(t *treasury.Transfer) error {
	if err := d.intact(t); err != nil {
		return err
	}
	if t.Unfounded {
		return tampered("approval_for")
	}
	if !d.approversKnown || !d.s.SignedApprovals || t.Status == treasury.Requested {
		return nil
	}
	for _, w := range words(d.s.Portfolio, t) {
		if w.signature == nil && w.earlier {
			continue
		}
		if domain.SameUser(w.by, w.asked) {
			return unsound("is of the user who asked for it")
		}
		subject := approval.Subject{Ledger: d.approvers.Ledger, Portfolio: d.s.Portfolio, Kind: approval.KindTransfer, Lines: w.lines}
		if err := d.approvers.CheckSince(w.signature, subject, w.by, w.at); err != nil {
			return unsound("of the approval does not verify: " + err.Error())
		}
	}
	return nil
}

// agreedUnless is agreed for a transaction that pays. One that only cancels moves no money,
// and is a way out of a transfer whose approval is not sound.
func (d *Decision) agreedUnless(cancels bool, t *treasury.Transfer) error {
	if cancels {
		return d.intact(t)
	}
	return d.agreed(t)
}

func unsound(what string) error {
	return &domain.Error{Code: domain.CodeDenied, Field: "signature", Message: what, Cause: ErrTampered}
}

// words returns the approvals that a transfer needed: those of the transfer itself, and
// that of the higher fee.
func words(portfolio string, t *treasury.Transfer) []word {
	var all []word
	if n := t.ApprovalsNeeded(); n > 0 {
		asked := t.TransferRequested
		last := word{by: t.ApprovedBy, signature: t.Signature, at: t.SignedAt, earlier: t.Earlier}
		if t.Raised != nil { // t has the higher fee, and the signature is that for it
			last = word{earlier: t.OwnEarlier}
			if b := t.BeforeRaises; b != nil {
				last.by, last.signature, last.at = b.User, b.Signature, b.SignedAt
				asked.HighestFee, asked.Hash = b.HighestFee, t.RaisedHash(portfolio, b.HighestFee) // the hash is computed: what is recorded is not believed
			}
		}
		last.asked, last.lines = asked.User, TransferLines(&asked)
		if n > 1 {
			all = append(all, word{by: t.FirstApprovedBy, asked: asked.User, signature: t.FirstSignature, at: t.FirstSignedAt, lines: last.lines, earlier: t.FirstEarlier})
		}
		all = append(all, last)
	}
	if r := t.Raised; r != nil {
		all = append(all, word{by: t.ApprovedBy, asked: r.User, signature: t.Signature, at: t.SignedAt, lines: raised(t, &r.Raise), earlier: t.Earlier})
	}
	return all
}

// approvedEarlier marks each approval that was given by API key alone, before approvals were
// signed. The mark is that of one approval: what follows on it without a signature is forged.
func (s *State) approvedEarlier() {
	for _, t := range s.Custody.Transfers {
		t.ApprovedEarlier()
	}
}
