package petstest

import (
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// ownSeat is a terminal with a separate process at it.
type ownSeat struct {
	*Seat
	pid int
}

// InMemory reports whether a needle is in the writable memory of the process.
func (s *ownSeat) InMemory(needles ...[]byte) bool {
	s.t.Helper()
	all := map[string][]byte{}
	for i, needle := range needles {
		all[strconv.Itoa(i)] = needle
	}
	found, err := testenv.InMemory(s.pid, "rw", all)
	require.NoError(s.t, err)
	return len(found) > 0
}

// HangUp sends the process what it gets when its terminal is gone.
func (s *ownSeat) HangUp() {
	s.t.Helper()
	require.NoError(s.t, syscall.Kill(s.pid, syscall.SIGHUP))
}

// NoEcho fails if two successive words appeared on the terminal. One of random words, like
// "first", may stand in a question.
func (s *ownSeat) NoEcho(words []string) {
	s.t.Helper()
	output := s.Output()
	for i := 1; i < len(words); i++ {
		require.NotContains(s.t, output, words[i-1]+" "+words[i])
	}
}

// NoPairs fails if two successive words are next to each other in memory.
func (s *ownSeat) NoPairs(words []string, between string) {
	s.t.Helper()
	var pairs [][]byte
	for i := 1; i < len(words); i++ {
		pairs = append(pairs, []byte(words[i-1]+between+words[i]))
	}
	require.False(s.t, s.InMemory(pairs...))
}

// AtSeat runs a command at a terminal, in a separate process.
func (s *Shell) AtSeat(t *testing.T, args ...string) *ownSeat {
	t.Helper()
	seat := NewSeat(t)
	c := s.Process(args...)
	c.Stdin, c.Stdout, c.Stderr = seat.Slave, seat.Slave, seat.Slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	go func() { _ = c.Wait(); seat.Ended <- c.ProcessState.ExitCode() }()
	return &ownSeat{seat, c.Process.Pid}
}
