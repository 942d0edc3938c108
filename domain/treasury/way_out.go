package treasury

import (
	"time"

	"pets/domain"
)

// Raise is a request for a higher fee that waits for a second person.
type Raise struct {
	HighestFee domain.Decimal `json:"highest_fee"`
	Hash       string         `json:"hash"` // what the approval is bound to
	User       string         `json:"user"`
	Reason     string         `json:"reason"`
	// ExpiresAt is when it lapses unless it was approved, and something was signed under
	// it, before.
	ExpiresAt time.Time `json:"expires_at"`
	// Former is the highest fee at the time of the request.
	Former domain.Decimal `json:"former,omitzero"`
	// Revision is the record of the request.
	Revision uint64 `json:"revision,omitempty"`
}

// Raised is an approved raise.
type Raised struct {
	Raise
	// Signed: something was signed under it in time, so that it lasts.
	Signed bool `json:"signed,omitempty"`
	// Ended: a stop, or the retirement of a wallet, came before anything was signed.
	Ended bool `json:"ended,omitempty"`
	// Else is the highest fee if it does not last: the last one under which something was
	// signed, or that of the transfer's own approval.
	Else domain.Decimal `json:"else"`
}

// Approval is what was approved before the highest fee was first raised, and the last who
// did. Its signature is still verified before anything is signed, and the machine of a cold
// wallet asks for those of both approvers after a raise, too.
type Approval struct {
	HighestFee domain.Decimal            `json:"highest_fee"`
	Hash       string                    `json:"hash"`
	User       string                    `json:"user"`
	Signature  *domain.ApprovalSignature `json:"signature,omitempty"`
	// SignedAt is when the key of Signature had to count.
	SignedAt time.Time `json:"signed_at,omitzero"`
}

// lapsed reports whether nothing was signed under an approved raise in time.
func (r *Raised) lapsed(now time.Time) bool {
	return r != nil && !r.Signed && (r.Ended || !now.Before(r.ExpiresAt))
}

// FeeAt is the most that a transaction of the transfer may cost now. An approval of a
// higher fee under which nothing was signed in time does not count.
func (t *Transfer) FeeAt(now time.Time) domain.Decimal {
	if t.Raised.lapsed(now) {
		return t.Raised.Else
	}
	return t.HighestFee
}

// RaiseLapsed reports whether the latest transaction was made under a higher fee whose
// approval has lapsed since: it is not signed any more.
func (t *Transfer) RaiseLapsed(now time.Time) bool {
	last := t.Last()
	if last == nil || last.Cancel || last.Raise == 0 {
		return false
	}
	return last.Raise == t.Raises && t.Raised.lapsed(now) || t.FeeAt(now).Less(last.MadeUnder)
}

// RaiseReplaced reports whether the latest transaction is such a one, and another higher fee
// is in force, under which it can be made again.
func (t *Transfer) RaiseReplaced(now time.Time) bool {
	return t.Unsigned() && t.RaiseLapsed(now) && !t.Raised.lapsed(now)
}

// Made folds a transaction.
func (t *Transfer) Made(a Attempt, now time.Time) {
	if !a.Cancel && !t.Raised.lapsed(now) {
		a.Raise = t.Raises
	}
	t.Attempts = append(t.Attempts, a)
}

// ApproveRaise folds the approval of a higher fee. What is approved from now on is the
// transfer with that fee. at is when the key that signed it had to count.
func (t *Transfer) ApproveRaise(e *domain.TransferApproved, at time.Time) {
	if t.Raised == nil && (t.Signature != nil || t.Approvals >= approvalsToNew) {
		t.BeforeRaises = &Approval{t.HighestFee, t.TransferRequested.Hash, t.ApprovedBy, t.Signature, t.SignedAt}
	}
	if t.Raised == nil {
		t.OwnEarlier = t.Earlier
	}
	if e.Signature == nil {
		at = time.Time{}
	}
	t.supersede()
	t.Raised = &Raised{Raise: *t.Raise, Else: t.lasting()}
	t.HighestFee, t.TransferRequested.Hash = t.Raise.HighestFee, e.Hash
	t.approve(e, at)
	t.Raise = nil
	t.Raises++
}

// lasting is the highest fee that no lapse takes back.
func (t *Transfer) lasting() domain.Decimal {
	if t.Raised == nil || t.Raised.Signed {
		return t.HighestFee
	}
	return t.Raised.Else
}

// supersede notes in the unsigned transactions of an approved raise which fee they were made
// under: once another raise has taken its place, nothing else says so.
func (t *Transfer) supersede() {
	if t.Raised == nil || t.Raised.Signed {
		return
	}
	for i := range t.Attempts {
		if a := &t.Attempts[i]; a.TxHash == "" && a.Raise > 0 && a.Raise == t.Raises {
			a.MadeUnder = t.HighestFee
		}
	}
}

// UseRaise folds a first signature under an approved raise. One under a former raise lasts
// as well: that is the fee then if the latest raise does not.
func (t *Transfer) UseRaise(a *Attempt) {
	if t.Raised == nil || a.Raise == 0 {
		return
	}
	used := *t.Raised
	if a.Raise == t.Raises {
		used.Signed = true
	} else {
		used.Else = used.Else.Max(a.MadeUnder)
	}
	t.Raised = &used
}

// EndRaise ends the request for a higher fee, and an approval of one under which nothing
// was signed yet.
func (t *Transfer) EndRaise() {
	t.Raise = nil
	if t.Raised != nil && !t.Raised.Signed {
		ended := *t.Raised
		ended.Ended = true
		t.Raised = &ended
	}
}

// Cancel is a request to use the nonce of a transfer for nothing.
type Cancel struct {
	// Payment is what the cancelling transaction does: it pays 0 coins from the wallet to
	// itself, for at most this fee.
	Payment domain.Payment `json:"payment"`
	Hash    string         `json:"hash"`
	User    string         `json:"user"`
	Reason  string         `json:"reason"`
	At      time.Time      `json:"at"`
	Times   int            `json:"times"` // how often it was asked for
}

// CancelPayment is the payment of a transaction that cancels the transfer.
func (t *Transfer) CancelPayment(coin string, fee domain.Decimal) domain.Payment {
	return domain.Payment{Chain: t.Chain, AssetID: coin, From: t.From, To: t.From, Amount: domain.Zero, HighestFee: fee}
}

// RaisedHash is the hash of a transfer with another highest fee.
func (t *Transfer) RaisedHash(portfolio string, fee domain.Decimal) string {
	raised := t.TransferRequested
	raised.HighestFee = fee
	return Hash(portfolio, &raised)
}

// WaitingRaise returns the request for a higher fee that can be approved now, or nil. One of a
// transfer that has lapsed cannot, although its end is not recorded yet.
func (t *Transfer) WaitingRaise(now time.Time) *Raise {
	if t.Raise == nil || !t.Open() || t.Lapsed(now) || t.Cancel != nil || !now.Before(t.Raise.ExpiresAt) {
		return nil
	}
	return t.Raise
}

// Pending returns what a second person could approve now: the transfer, with the fee that
// was asked for. It is nil if nothing waits for an approval.
func (t *Transfer) Pending(now time.Time) *domain.TransferRequested {
	raise := t.WaitingRaise(now)
	switch {
	case t.Status == Requested && !t.Lapsed(now):
		return &t.TransferRequested
	case raise == nil || t.Status == Requested:
		return nil
	}
	pending := t.TransferRequested
	pending.HighestFee, pending.Hash, pending.User, pending.Reason, pending.ExpiresAt = raise.HighestFee, raise.Hash, raise.User, raise.Reason, raise.ExpiresAt
	return &pending
}

// Differs compares what the bytes of a transaction say with what it is for: the approved
// payment, or the cancellation. It returns the first field that differs, or "".
func (t *Transfer) Differs(cancel bool, says domain.Payment) string {
	switch {
	case !cancel:
		return t.Matches(says)
	case t.Cancel == nil:
		return "cancel"
	}
	asked := Transfer{TransferRequested: domain.TransferRequested{Payment: t.Cancel.Payment}}
	return asked.Matches(says)
}

// Unsigned reports whether its latest transaction has no signature yet.
func (t *Transfer) Unsigned() bool {
	last := t.Last()
	return last != nil && last.TxHash == ""
}

// Cancels reports whether a transaction is one that cancels the transfer.
func (t *Transfer) Cancels(hash string) bool {
	for i := range t.Attempts {
		if t.Attempts[i].TxHash == hash && hash != "" {
			return t.Attempts[i].Cancel
		}
	}
	return false
}
