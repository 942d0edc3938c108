package replay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// Each event of encryption keys and claims, as an operator reads it.
func TestDescribeKeys(t *testing.T) {
	const address = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
	for want, e := range map[string]domain.Event{
		address + " is wallet hot-1 of portfolio main, and of no other":                            &domain.WalletClaimed{Address: address, Wallet: "hot-1", Portfolio: "main"},
		"key rotation r9 to 8b1a9953 started, to re-encrypt cold-1, hot-1: scheduled":              &domain.KeyRotationStarted{Rotation: "r9", To: "8b1a9953", Wallets: []string{"cold-1", "hot-1"}, Reason: "scheduled"},
		"key rotation r9 to 8b1a9953 started, to re-encrypt 4 wallets":                             &domain.KeyRotationStarted{Rotation: "r9", To: "8b1a9953", Wallets: []string{"a", "b", "c", "d"}},
		"key rotation r9 to 8b1a9953 started, with no wallet to re-encrypt":                        &domain.KeyRotationStarted{Rotation: "r9", To: "8b1a9953"},
		"wallet hot-1 (" + address + ") re-encrypted from key unknown to 8b1a9953, in rotation r9": &domain.KeyReencrypted{Rotation: "r9", Wallet: "hot-1", Address: address, From: "unknown", To: "8b1a9953"},
		"key rotation r9 completed: no wallet is left under another key than 8b1a9953":             &domain.KeyRotationCompleted{Rotation: "r9", To: "8b1a9953"},
		"of.another": other{},
	} {
		require.Equal(t, want, Describe(e))
	}
}

type other struct{}

func (other) EventType() string { return "of.another" }
