package money_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tyler-smith/go-bip39"

	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// "no private key can be … copied out of memory", as far as words on the command line go:
// once they were shown, or typed and looked at, no two of them stand beside each other in
// the memory of the process. It is read by root, who alone can.
func TestMemoryHoldsNoWords(t *testing.T) {
	t.Parallel()
	if testenv.Race {
		t.Skip("the race detector's own memory is too much to look through")
	}
	if os.Geteuid() != 0 {
		testenv.Lacks(t, "only root can look into a hardened process")
	}
	s := brokenHome(t)
	entropy := bytes.Repeat([]byte{0xa5, 0x3c, byte(os.Getpid()), byte(os.Getpid() >> 8)}, 8)
	text, err := bip39.NewMnemonic(entropy) // random words, so they are in no binary
	require.NoError(t, err)
	typed := strings.Fields(text)
	for i := 1; bip39.IsMnemonicValid(strings.Join(typed, " ")); i++ { // valid words, but not a valid mnemonic: one swap in 256 is one
		typed[0], typed[i] = typed[i], typed[0]
	}

	seat := s.AtSeat(t, "cold", "sign", s.Carry("x12.cold.json", unsignedTransfer(t, petstest.OtherFirst)))
	seat.WaitFor("first 8 digits").Types("8ba1f109\r").WaitFor("last 8 digits").Types("d64dba72\r").WaitFor("not shown: ").Types(strings.Join(typed, " ") + "\r").WaitFor("Try again").WaitFor("not shown: ")
	require.False(t, seat.InMemory([]byte("the last letters of the page")))
	require.True(t, seat.InMemory([]byte(coldTo)), "it can be looked into")
	seat.NoPairs(typed, " ")
	seat.Types(strings.Join(typed[:12], " ") + "\r").WaitFor("12 of 24 words")
	require.True(t, seat.InMemory([]byte(typed[4]+" "+typed[5])), "they are found while they are waited for")
	seat.Types("\x03").Ends(1)
	seat.NoEcho(typed)

	s.Env, s.Dir = []string{"TERM=xterm"}, t.TempDir()
	seat = s.AtSeat(t, "wallet", "create", "vault", "--place", "cold")
	words := seat.ReadWords()
	seat.Types("\r").WaitFor("(not shown): ").Types(words[0] + "\r").WaitFor("(not shown): ")
	var shown []string
	for i, w := range words {
		shown = append(shown, fmt.Sprintf("%d. %s", i+1, w))
	}
	seat.NoPairs(words, " ")
	seat.NoPairs(shown, "\n")
	seat.Types("\x03").Ends(1)
}
