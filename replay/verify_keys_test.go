package replay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/keys"
)

// A whole life of claims and rotations has nothing wrong; every event that does not
// fit what was said before it is named.
func TestVerifyKeys(t *testing.T) {
	claim := func(address, portfolio string) domain.Event {
		return &domain.WalletClaimed{Address: address, Wallet: "hot-1", Portfolio: portfolio}
	}
	start := func(rotation, to string, wallets ...string) domain.Event {
		return &domain.KeyRotationStarted{Rotation: rotation, To: to, Wallets: wallets}
	}
	sealed := func(rotation, wallet, to string) domain.Event {
		return &domain.KeyReencrypted{Rotation: rotation, Wallet: wallet, From: keys.Unknown, To: to}
	}
	completed := func(rotation, to string) domain.Event {
		return &domain.KeyRotationCompleted{Rotation: rotation, To: to}
	}
	s := keys.New()
	revision := uint64(0)
	for _, tt := range []struct {
		event domain.Event
		says  string
	}{
		{claim("0xA", "main"), ""},
		{claim("0xa", "other"), "is claimed by portfolio other, but was already claimed by main"},
		{completed("r9", "b"), "is completed, but is not open"},
		{start("r3", "b", "w", "v"), ""},
		{start("r4", "b", "w", "v"), ""}, // with newcomers: it takes the place of the first
		{completed("r4", "b"), "is completed, but is not open"},
		{start("r6", "b", "w"), ""},
		{sealed("r6", "v", "b"), "which was not waiting for it"},
		{sealed("r6", "w", "c"), "which was not waiting for it"},
		{start("r9", "b", "w"), ""},
		{sealed("r9", "w", "b"), ""},
		{sealed("r9", "w", "b"), "which was not waiting for it"},
		{sealed("r4", "w", "b"), "which was not waiting for it"},
		{start("r13", "c"), "while r9 to b is open"},
		{start("r13", "c"), "is started instead of r14"},
		{completed("r13", "b"), "is completed, but is not open"},
		{completed("r13", "c"), "is completed, but is not open"},
		{start("r17", "c"), ""},
		{completed("r17", "c"), ""},
		{&domain.DepositRecorded{}, "deposit.recorded.v1 does not belong in the system stream"},
	} {
		what := checkKeys(s, revision, tt.event)
		if tt.says == "" {
			require.Empty(t, what, "revision %d", revision)
		} else {
			require.Contains(t, what, tt.says, "revision %d", revision)
		}
		s.Apply(domain.Stamp{Revision: revision, Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, tt.event)
		revision++
	}
}
