package replay

import (
	"fmt"
	"strings"

	"pets/domain"
)

// describeKeys describes events of encryption keys and the wallets' claims.
func describeKeys(event domain.Event) string {
	switch e := event.(type) {
	case *domain.WalletClaimed:
		return fmt.Sprintf("%s is wallet %s of portfolio %s, and of no other", e.Address, e.Wallet, e.Portfolio)
	case *domain.KeyRotationStarted:
		return strings.TrimSuffix(fmt.Sprintf("key rotation %s to %s started%s: %s", e.Rotation, e.To, toSeal(e.Wallets), e.Reason), ": ")
	case *domain.KeyReencrypted:
		return fmt.Sprintf("wallet %s (%s) re-encrypted from key %s to %s, in rotation %s", e.Wallet, e.Address, e.From, e.To, e.Rotation)
	case *domain.KeyRotationCompleted:
		return fmt.Sprintf("key rotation %s completed: no wallet is left under another key than %s", e.Rotation, e.To)
	default:
		return event.EventType()
	}
}

// toSeal counts wallets, and names them if they are few.
func toSeal(wallets []string) string {
	const most = 3
	switch n := len(wallets); {
	case n == 0:
		return ", with no wallet to re-encrypt"
	case n <= most:
		return ", to re-encrypt " + strings.Join(wallets, ", ")
	default:
		return fmt.Sprintf(", to re-encrypt %d wallets", n)
	}
}
