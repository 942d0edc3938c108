package portfolio

import (
	"pets/domain"
	"pets/domain/treasury"
)

// ConfirmTransfer records that the money has arrived for good. A fact: it is recorded
// whatever is tripped, also of a transaction that was signed here and sent by somebody
// else.
func (d *Decision) ConfirmTransfer(e *domain.TransferConfirmed) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	switch {
	case t.Status == treasury.Confirmed && t.TxHash == e.TxHash:
		d.Note(domain.NotedUnchanged, "the transfer was confirmed before")
		return nil
	case t.Status != treasury.Broadcast && t.Status != treasury.Signed:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, not on its way", d.statusOf(t))
	case !t.HasHash(e.TxHash):
		return domain.Invalid("tx_hash", "is not of this transfer")
	case e.Fee.Sign() < 0:
		return domain.Invalid("fee", "must not be negative")
	}
	if !t.Sent() {
		d.emit(&domain.TransferBroadcast{Transfer: t.Transfer, TxHash: e.TxHash})
	}
	d.fact(e)
	d.evaluateEnd()
	return nil
}

// evaluateEnd: gas is performance; what left is a flow, and is evaluated only where it
// leaves equity below 0.
func (d *Decision) evaluateEnd() {
	if d.s.Effects().Performed || d.s.Equity().Sign() < 0 {
		d.evaluate(nil)
	}
}

// FailTransfer records that the money will not move any more: before anything was
// sent, or because the chain has settled it.
func (d *Decision) FailTransfer(e *domain.TransferFailed) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	if t.Status == treasury.Failed {
		d.Note(domain.NotedUnchanged, "the transfer failed before")
		return nil
	}
	if err := checkFailure(e); err != nil {
		return err
	}
	if err := d.mayFail(t, e); err != nil {
		return err
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
	paid := false // of this transfer, on the chain
	switch e.Code {
	case domain.FailedReverted, domain.FailedNotMoved:
		paid = true
	case domain.FailedReplaced, domain.FailedRefused:
	default:
		return domain.Invalid("code", "must be reverted, replaced, refused or not_moved")
	}
	if e.Fee.Sign() < 0 || !paid && !e.Fee.IsZero() {
		return domain.Invalid("fee", "must not be negative, and is 0 for what is not on the chain")
	}
	return nil
}

// mayFail: what was not sent can be given up, what may have been only the chain can end.
func (d *Decision) mayFail(t *treasury.Transfer, e *domain.TransferFailed) error {
	if e.Code == domain.FailedRefused {
		if t.Lapsed(d.now) || !t.Withdrawable() {
			return domain.Errorf(domain.CodeConflict, "the transfer is %s, and cannot be given up; of what may be on its way only the chain can say that it failed", d.statusOf(t))
		}
		return nil
	}
	switch own := t.HasHash(e.TxHash); {
	case t.Status != treasury.Broadcast && t.Status != treasury.Signed:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, not on its way", d.statusOf(t))
	case own && e.Code == domain.FailedReplaced:
		return domain.Invalid("tx_hash", "is of this transfer: it is not what replaced it")
	case !own && e.Code != domain.FailedReplaced:
		return domain.Invalid("tx_hash", "is not of this transfer")
	}
	return nil
}
