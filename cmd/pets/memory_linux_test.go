package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tyler-smith/go-bip39"

	"pets/internal/testenv"
)

// "no private key can be … copied out of memory", as far as words on the command line go:
// once they were shown, or typed and looked at, no two of them stand beside each other in
// the memory of the process. It is read by root, who alone can.
func TestMemoryHoldsNoWords(t *testing.T) {
	if testenv.Race {
		t.Skip("the race detector's own memory is too much to look through")
	}
	if os.Geteuid() != 0 {
		testenv.Lacks(t, "only root can look into a hardened process")
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

// ownSeat is a terminal with a process of its own at it.
type ownSeat struct {
	*seat
	pid int
}

func (s *shell) atSeat(t *testing.T, args ...string) *ownSeat {
	t.Helper()
	seat := newSeat(t)
	c := s.process(args...)
	c.Stdin, c.Stdout, c.Stderr = seat.slave, seat.slave, seat.slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	go func() { _ = c.Wait(); seat.ended <- c.ProcessState.ExitCode() }()
	return &ownSeat{seat, c.Process.Pid}
}

func (s *ownSeat) noEcho(words []string) {
	s.t.Helper()
	notEchoed(s.t, s.output(), strings.Join(words[2:4], " "))
}

// noPairs says that no two words stand in memory beside each other.
func (s *ownSeat) noPairs(words []string, between string) {
	s.t.Helper()
	var pairs [][]byte
	for i := 1; i < len(words); i++ {
		pairs = append(pairs, []byte(words[i-1]+between+words[i]))
	}
	require.False(s.t, s.inMemory(pairs...))
}

// inMemory looks through all that the process can write to.
func (s *ownSeat) inMemory(needles ...[]byte) bool {
	s.t.Helper()
	all := map[string][]byte{}
	for i, needle := range needles {
		all[strconv.Itoa(i)] = needle
	}
	found, err := testenv.InMemory(s.pid, "rw", all)
	require.NoError(s.t, err)
	return len(found) > 0
}
