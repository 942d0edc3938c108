package petstest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/vault"
)

// KeyID returns the id of an encryption key.
func KeyID(t testing.TB, key string) string {
	t.Helper()
	ring, err := vault.ParseKeyring(key, "")
	require.NoError(t, err)
	return ring.Current()
}

// Recovered recovers a wallet from its words, at a terminal.
func (s *Shell) Recovered(name, words, address string) {
	s.T.Helper()
	s.Sit("wallet", "recover", name, "--address", address).WaitFor("not shown: ").Types(words + "\r").Ends(0)
}
