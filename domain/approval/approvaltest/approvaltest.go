// Package approvaltest has an approver's key for every user of a test. It owns nothing
// else, and refuses to be of use outside of tests: anybody can make its keys.
package approvaltest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
)

// Key returns the key of a user; the same name always gives the same key.
func Key(user string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("a test's approver " + user))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Public returns the public half, as it is registered.
func Public(user string) string {
	return approval.PublicKey(Key(user)[ed25519.SeedSize:]).String()
}

// Sign signs a subject with the key of a user.
func Sign(t testing.TB, s approval.Subject, user string) *domain.ApprovalSignature {
	t.Helper()
	g, err := approval.Sign(s, Key(user))
	require.NoError(t, err)
	return &g
}
