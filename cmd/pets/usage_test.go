package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// "Exit status: 0 fine, 1 failed, 2 usage", for every command: what was typed wrongly is
// never a failure of the work.
func TestWrongFlagsAndArgumentsAreUsageErrors(t *testing.T) {
	s := newShell(t)
	for _, r := range reached {
		words := strings.Fields(r.command)
		s.fails(2, []string{"unknown flag", "--help"}, append(words, "--no-such-flag")...)
		if r.command == "import" {
			continue // it takes any number of files
		}
		ran := s.run(append(words, "a", "b", "c", "d")...)
		require.Equal(t, 2, ran.code, "pets %s: %s%s", r.command, ran.out, ran.err)
	}
	for _, group := range []string{"keys", "wallet", "cold", "apikey", "address-book", "treasury"} {
		ran := s.run(group, "no-such-command")
		require.Equal(t, 2, ran.code, "pets %s: %s%s", group, ran.out, ran.err)
	}
}
