package petstest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownSeat is a terminal with a process of its own at it.
type ownSeat struct {
	*Seat
	pid int
}

// InMemory looks through all that the process can write to.
func (s *ownSeat) InMemory(needles ...[]byte) bool {
	s.t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", s.pid))
	require.NoError(s.t, err)
	defer maps.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", s.pid))
	require.NoError(s.t, err)
	defer memory.Close()
	found := false
	for lines := bufio.NewScanner(maps); lines.Scan() && !found; {
		var from, to uint64
		var mode string
		_, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode)
		require.NoError(s.t, err)
		if !strings.HasPrefix(mode, "rw") || to-from > 1<<30 {
			continue
		}
		b := make([]byte, to-from)
		n, _ := memory.ReadAt(b, int64(from)) // parts of it may not be there
		for _, needle := range needles {
			found = found || bytes.Contains(b[:n], needle)
		}
	}
	return found
}

func (s *ownSeat) NoEcho(words []string) {
	s.t.Helper()
	NotEchoed(s.t, s.Output(), strings.Join(words[2:4], " "))
}

// NoPairs says that no two words stand in memory beside each other.
func (s *ownSeat) NoPairs(words []string, between string) {
	s.t.Helper()
	var pairs [][]byte
	for i := 1; i < len(words); i++ {
		pairs = append(pairs, []byte(words[i-1]+between+words[i]))
	}
	require.False(s.t, s.InMemory(pairs...))
}

// AtSeat runs a command at a terminal, in a process of its own.
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
