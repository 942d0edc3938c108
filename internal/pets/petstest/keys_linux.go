package petstest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/vault"
)

// KeyID is what an encryption key is called.
func KeyID(t testing.TB, key string) string {
	t.Helper()
	ring, err := vault.ParseKeyring(key, "")
	require.NoError(t, err)
	return ring.Current()
}

// Recovered puts the key of words into the keystore, at a terminal.
func (s *Shell) Recovered(name, words, address string) {
	s.T.Helper()
	s.Sit("wallet", "recover", name, "--address", address).WaitFor("not shown: ").Types(words + "\r").Ends(0)
}
