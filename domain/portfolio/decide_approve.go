package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/treasury"
)

// ApproveTransfer records another person's approval of exactly this hash. A transfer to a new
// address takes two of them, two different users.
// "Approver ≠ requester by user; one use; expires."
func (d *Decision) ApproveTransfer(id, hash string) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	if t.Raise != nil && hash == t.Raise.Hash {
		return d.approveRaise(t)
	}
	first := d.firstCounts(t)
	switch {
	case domain.SameUser(t.User, d.caller.User):
		return domain.Errorf(domain.CodeDenied, "the user who requested a transfer cannot approve it; it takes two people")
	case domain.SameUser(t.User, domain.ServerUser) && domain.SameUser(d.s.registrar(t), d.caller.User):
		return domain.Errorf(domain.CodeDenied, "the user who registered the wallet that receives it cannot approve what the server proposes; it takes two people")
	case t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer has expired: it waited too long for its approval")
	case treasury.Hash(d.s.Portfolio, &t.TransferRequested) != t.Hash:
		return tampered("hash")
	case hash != t.Hash:
		return &domain.Error{Code: domain.CodeConflict, Field: "hash", Message: "is not the hash of the transfer: check what is requested, and approve its hash"}
	case t.Status != treasury.Requested && approvedBy(t, d.caller.User) && t.ApprovedHash == hash && (t.Open() || t.Status == treasury.Confirmed):
		d.Note(domain.NotedUnchanged, "the transfer is already approved")
		return nil
	case t.Status != treasury.Requested:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s; an approval is used once", t.Status)
	case first && domain.SameUser(t.FirstApprovedBy, d.caller.User):
		d.Note(domain.NotedUnchanged, "you have approved it already; it needs the approval of another user, too")
		return nil
	}
	if err := d.requireLiving(t.User, domain.RevisionOf(t.Transfer)); err != nil {
		return err
	}
	if err := d.checkApproval(approval.KindTransfer, id); err != nil {
		return err
	}
	d.emit(&domain.TransferApproved{
		Transfer: id, Hash: hash, User: d.caller.User, Signature: d.signature, First: t.FirstApprovedBy != "" && !first,
	})
	return nil
}

func approvedBy(t *treasury.Transfer, user string) bool {
	return domain.SameUser(t.ApprovedBy, user) || t.FirstApprovedBy != "" && domain.SameUser(t.FirstApprovedBy, user)
}

// registrar returns the user who registered the recipient of a transfer as one of
// our wallets, or "" if it is none. For a transfer proposed by the server this
// user counts as the first of the two people, because nobody else chose where the
// money goes.
func (s *State) registrar(t *treasury.Transfer) string {
	if w := s.ownAddress(t.Chain, t.To); w != nil {
		return w.User
	}
	return ""
}

// RejectTransfer ends a transfer of which nothing can have been sent: nothing was
// signed, or the signed transaction never left this server. A signed transfer
// that must not go any more would otherwise block the wallet's other transfers
// permanently. Anyone who may request or approve a transfer may reject it.
//
// The prepared transaction of a cold wallet may have been signed elsewhere: see
// RejectUnsigned.
func (d *Decision) RejectTransfer(id, reason string) error { return d.reject(id, reason, false) }

// RejectUnsigned rejects a transfer, and records that the caller says that the prepared
// transaction of a cold wallet was never signed. A signed one could be sent by anyone who
// has it, after the wallet's next transfer had been given its nonce.
func (d *Decision) RejectUnsigned(id, reason string) error { return d.reject(id, reason, true) }

func (d *Decision) reject(id, reason string, notSigned bool) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	switch {
	case t.Status == treasury.Rejected:
		d.Note(domain.NotedUnchanged, "the transfer is already rejected")
		return nil
	case !t.Waiting() && !t.Withdrawable() || t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, and cannot be rejected", d.statusOf(t))
	}
	elsewhere := t.UnderWay() && t.FromPlace == domain.WalletCold
	if elsewhere && !notSigned {
		return &domain.Error{Code: domain.CodeConflict, Field: "signed", Message: "must say whether the prepared transaction was signed on the machine with the key. If it was not, say signed: false. If it was, it can still be sent by whoever has it: bring it, or cancel the transfer"}
	}
	d.emit(&domain.TransferRejected{Transfer: id, User: d.caller.User, Reason: reason, NotSigned: elsewhere})
	return nil
}

func (d *Decision) statusOf(t *treasury.Transfer) treasury.Status {
	if t.Lapsed(d.now) {
		return treasury.Expired
	}
	return t.Status
}

// expireTransfers ends the transfers whose time is over.
func (d *Decision) expireTransfers() {
	if len(d.s.Custody.Transfers) == 0 {
		return
	}
	for _, t := range d.s.Custody.OpenTransfers() {
		if t.Lapsed(d.now) {
			d.add(&domain.TransferExpired{Transfer: t.Transfer})
		}
	}
}

// ExpireTransfers records the expired transfers when no other command does.
func (d *Decision) ExpireTransfers() error {
	if err := d.requireLive(); err != nil {
		return err
	}
	if d.due(); len(d.events) == 0 {
		d.Note(domain.NotedNothing, "no transfer is overdue")
	}
	return nil
}

// TransfersOverdue reports whether a transfer has expired without a record of it.
func (s *State) TransfersOverdue(now time.Time) bool {
	for _, t := range s.Custody.Transfers {
		if t.Lapsed(now) {
			return true
		}
	}
	return false
}
