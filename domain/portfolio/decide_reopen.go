package portfolio

import (
	"pets/domain"
)

// ReopenTransfer takes back a recorded end that the chain does not have. It is a fact,
// recorded whatever is tripped: the ledger says then what the chain says. The transfer is
// on its way again, and ends as the chain decides.
func (d *Decision) ReopenTransfer(e *domain.TransferReopened) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	switch {
	case t.Open():
		d.Note(domain.NotedUnchanged, "the transfer is open already")
		return nil
	case !t.EndedOnChain():
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, and nothing of it was on the chain", d.statusOf(t))
	case e.Code != domain.ReopenedUnused && e.Code != domain.ReopenedOtherwise:
		return domain.Invalid("code", "must be nonce_unused or other_outcome")
	}
	if err := domain.CheckOptionalText("detail", e.Detail); err != nil {
		return err
	}
	d.fact(e)
	d.evaluateEnd()
	return nil
}
