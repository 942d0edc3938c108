package replay

import (
	"fmt"
	"slices"

	"pets/domain"
	"pets/domain/keys"
)

// checkKeys returns what is wrong with an event of encryption keys or claims,
// given the earlier events of the stream, or "".
func checkKeys(before *keys.State, revision uint64, event domain.Event) string {
	open, under := before.Open()
	switch e := event.(type) {
	case *domain.WalletClaimed:
		if c, claimed := before.ClaimOf(e.Address); claimed {
			return fmt.Sprintf("%s is claimed by portfolio %s, but was already claimed by %s", e.Address, e.Portfolio, c.Portfolio)
		}
	case *domain.KeyRotationStarted:
		switch {
		case e.Rotation != domain.RotationName(revision):
			return fmt.Sprintf("a rotation named %s is started instead of %s", e.Rotation, domain.RotationName(revision))
		case under && open.To != e.To:
			return fmt.Sprintf("rotation %s to key %s is started while %s to %s is open", e.Rotation, e.To, open.Name, open.To)
		}
	case *domain.KeyReencrypted:
		if !under || open.Name != e.Rotation || open.To != e.To || !slices.Contains(open.Left, e.Wallet) {
			return fmt.Sprintf("wallet %s is re-encrypted to key %s in rotation %s, which was not waiting for it", e.Wallet, e.To, e.Rotation)
		}
	case *domain.KeyRotationCompleted:
		if !under || open.Name != e.Rotation || open.To != e.To || len(open.Left) > 0 {
			return fmt.Sprintf("rotation %s to key %s is completed, but is not open", e.Rotation, e.To)
		}
	default:
		return event.EventType() + " does not belong in the system stream"
	}
	return ""
}
