package portfolio

import (
	"pets/domain"
	"pets/domain/treasury"
)

// ConfirmTransfer records that the money has arrived and the block is final. It
// is a fact: it is recorded even while breakers are tripped, and even if another
// program sent the transaction that was signed here.
func (d *Decision) ConfirmTransfer(e *domain.TransferConfirmed) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	switch {
	case t.Status == treasury.Confirmed && t.TxHash == e.TxHash:
		d.Note(domain.NotedUnchanged, "the transfer is already confirmed")
		return nil
	case t.Status != treasury.Broadcast && t.Status != treasury.Signed:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, not on its way", d.statusOf(t))
	case !t.HasHash(e.TxHash):
		return domain.Invalid("tx_hash", "is not a transaction of this transfer")
	case t.Cancels(e.TxHash):
		return domain.Invalid("tx_hash", "is the transaction that cancels it")
	case e.Fee.Sign() < 0:
		return domain.Invalid("fee", "must not be negative")
	}
	if owner := d.s.Custody.ownedElsewhere(t, e.TxHash); owner != nil {
		return sameTransaction(owner, "this one has failed, because its nonce is used")
	}
	if d.s.Custody.feeBooked(t, e.TxHash) != nil {
		e.Fee = domain.Zero
	}
	if !t.Moved() {
		d.emit(&domain.TransferBroadcast{Transfer: t.Transfer, TxHash: e.TxHash})
	}
	d.fact(e)
	d.evaluateEnd()
	return nil
}

// evaluateEnd evaluates the end of a transfer. Gas is performance. What left the
// portfolio is a flow, and is evaluated only if it leaves equity below 0.
func (d *Decision) evaluateEnd() {
	if d.s.Effects().Performed || d.s.Equity().Sign() < 0 {
		d.evaluate(nil)
	}
}

// FailTransfer records that the money will not move any more: nothing was sent,
// or the chain has decided it.
func (d *Decision) FailTransfer(e *domain.TransferFailed) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	if t.Status == treasury.Failed {
		d.Note(domain.NotedUnchanged, "the transfer has already failed")
		return nil
	}
	if err := checkFailure(e); err != nil {
		return err
	}
	if err := d.mayFail(t, e); err != nil {
		return err
	}
	if d.s.Custody.feeBooked(t, e.TxHash) != nil {
		e.Fee = domain.Zero
	}
	d.fact(e)
	d.evaluateEnd()
	return nil
}

func checkFailure(e *domain.TransferFailed) error {
	if err := domain.CheckOptionalText("detail", e.Detail); err != nil {
		return err
	}
	if err := domain.CheckOptionalText("tx_hash", e.TxHash); err != nil {
		return err
	}
	paid := false // the failed transaction belongs to this transfer and is on the chain
	switch e.Code {
	case domain.FailedReverted, domain.FailedNotMoved, domain.FailedCancel:
		paid = true
	case domain.FailedReplaced, domain.FailedRefused:
	default:
		return domain.Invalid("code", "must be reverted, replaced, refused, cancelled or not_moved")
	}
	if e.Fee.Sign() < 0 || !paid && !e.Fee.IsZero() {
		return domain.Invalid("fee", "must not be negative, and must be 0 for a transaction that is not on the chain")
	}
	return nil
}

// mayFail reports whether a transfer may fail with a code. A transfer that was
// not sent can be abandoned; one that may have been sent can be ended only by the
// chain.
func (d *Decision) mayFail(t *treasury.Transfer, e *domain.TransferFailed) error {
	if e.Code == domain.FailedRefused {
		if t.Lapsed(d.now) || !t.Withdrawable() {
			return domain.Errorf(domain.CodeConflict, "the transfer is %s and cannot be abandoned; once it may have been sent, only the chain can decide that it failed", d.statusOf(t))
		}
		return nil
	}
	owner := d.s.Custody.ownedElsewhere(t, e.TxHash)
	switch own := owner == nil && t.HasHash(e.TxHash); {
	case e.Code == domain.FailedReplaced && owner != nil && owner == d.s.Custody.NonceTaken(t):
		return nil // perhaps signed where the key is, and never on the chain
	case t.Status != treasury.Broadcast && t.Status != treasury.Signed:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, not on its way", d.statusOf(t))
	case own && e.Code == domain.FailedReplaced:
		return domain.Invalid("tx_hash", "is a transaction of this transfer, so it did not replace it")
	case owner != nil && e.Code != domain.FailedReplaced:
		return sameTransaction(owner, "this one has failed as replaced")
	case !own && e.Code != domain.FailedReplaced:
		return domain.Invalid("tx_hash", "is not a transaction of this transfer")
	case e.Code == domain.FailedCancel && !t.Cancels(e.TxHash):
		return domain.Invalid("tx_hash", "is not the transaction that cancels it")
	}
	return nil
}
