package system

import "pets/domain"

// MaxRolledBack limits how many streams one record of an accepted rollback names.
const MaxRolledBack = 1_000

// AcceptRollback records that a person continued with a store from which records
// are missing.
func (d *Decision) AcceptRollback(e *domain.RollbackAccepted) error {
	if err := domain.CheckReason("reason", e.Reason); err != nil {
		return err
	}
	switch {
	case len(e.Streams) > MaxRolledBack:
		return domain.Invalid("streams", "may hold at most %d", MaxRolledBack)
	case len(e.Streams) == 0 && e.Witness == "":
		return domain.Invalid("streams", "is empty, and the witness was usable: there is nothing to accept")
	}
	d.emit(e)
	return nil
}
