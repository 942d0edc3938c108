package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/vault"
)

func keyID(t testing.TB, key string) string {
	t.Helper()
	ring, err := vault.ParseKeyring(key, "")
	require.NoError(t, err)
	return ring.Current()
}

// recovered puts the key of words into the keystore, at a terminal.
func (s *shell) recovered(name, words, address string) {
	s.t.Helper()
	s.sit("wallet", "recover", name, "--address", address).waitFor("not shown: ").types(words + "\r").ends(0)
}
