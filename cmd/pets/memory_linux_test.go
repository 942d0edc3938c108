package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tyler-smith/go-bip39"
)

// "no private key can be … copied out of memory", as far as words on the command line go:
// once they were shown, or typed and looked at, no two of them stand beside each other in
// the memory of the process. It is read by root, who alone can.
func TestMemoryHoldsNoWords(t *testing.T) {
	if underRace {
		t.Skip("the race detector's own memory is too much to look through")
	}
	if os.Geteuid() != 0 {
		missingTool(t, "only root can look into a hardened process")
	}
	s := brokenHome(t)
	entropy := bytes.Repeat([]byte{0xa5, 0x3c, byte(os.Getpid()), byte(os.Getpid() >> 8)}, 8)
	text, err := bip39.NewMnemonic(entropy) // in no binary
	require.NoError(t, err)
	typed := strings.Fields(text)
	typed[0], typed[1] = typed[1], typed[0] // in the list, and not of one sentence

	seat := s.atSeat(t, "cold", "sign", s.carry("x12.cold.json", unsignedTransfer(t, otherFirst)))
	seat.waitFor("characters: ").types("ba72\r").waitFor("not shown: ").types(strings.Join(typed, " ") + "\r").waitFor("Try again").waitFor("not shown: ")
	require.False(t, seat.inMemory([]byte("the last letters of the page")))
	require.True(t, seat.inMemory([]byte(coldTo)), "it can be looked into")
	seat.noPairs(typed, " ")
	seat.types(strings.Join(typed[:12], " ") + "\r").waitFor("12 of 24 words")
	require.True(t, seat.inMemory([]byte(typed[4]+" "+typed[5])), "they are found while they are waited for")
	seat.types("\x03").ends(1)
	seat.noEcho(typed)

	s.env, s.dir = []string{"TERM=xterm"}, t.TempDir()
	seat = s.atSeat(t, "wallet", "create", "vault", "--place", "cold")
	words := seat.readWords()
	seat.types("\r").waitFor("(not shown): ").types(words[0] + "\r").waitFor("(not shown): ")
	var shown []string
	for i, w := range words {
		shown = append(shown, fmt.Sprintf("%d. %s", i+1, w))
	}
	seat.noPairs(words, " ")
	seat.noPairs(shown, "\n")
	seat.types("\x03").ends(1)
}
