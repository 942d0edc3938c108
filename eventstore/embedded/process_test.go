package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// childFolder in the environment makes the test binary a writer that appends
// until it is killed, telling on its standard output what was acknowledged.
const childFolder = "PETS_TEST_WRITER_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		if err := appendForEver(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const childStreams = 8

func appendForEver(folder string) error {
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 64 << 10})
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	failed := make(chan error, childStreams)
	for w := range childStreams {
		group.Go(func() { failed <- appendTo(s, fmt.Sprintf("s%d", w)) })
	}
	group.Wait()
	return <-failed
}

func appendTo(s *embedded.Store, name string) error {
	n := 0
	head, err := s.Head(context.Background(), name)
	var notFound *eventstore.NotFound
	switch {
	case err == nil:
		n = int(head) + 1
	case !errors.As(err, &notFound):
		return err
	}
	for {
		k := n%3 + 1
		if _, err := s.Append(context.Background(), name, eventstore.Expected(n-1), storetest.Propose(name, n, k)); err != nil {
			return err
		}
		n += k
		if _, err := fmt.Printf("%s %d\n", name, n); err != nil { // one write: never half a line of another
			return err
		}
	}
}

// writer is a running child.
type writer struct {
	command *exec.Cmd
	lines   *bufio.Scanner
	acked   map[string]int
}

func startWriter(t *testing.T, folder string, acked map[string]int) *writer {
	t.Helper()
	return startWriterAs(t, os.Args[0], folder, acked, nil)
}

func startWriterAs(t *testing.T, binary, folder string, acked map[string]int, as *syscall.SysProcAttr) *writer {
	t.Helper()
	c := exec.Command(binary)
	c.SysProcAttr = as
	c.Env = append(os.Environ(), childFolder+"="+folder)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	return &writer{command: c, lines: bufio.NewScanner(out), acked: acked}
}

// read takes n acknowledgements, or all that are left.
func (w *writer) read(n int) {
	for ; n != 0 && w.lines.Scan(); n-- {
		var name string
		var count int
		if _, err := fmt.Sscanf(w.lines.Text(), "%s %d", &name, &count); err == nil {
			w.acked[name] = max(w.acked[name], count)
		}
	}
}

// kill ends the child without a chance to finish anything, and takes what it
// had still said.
func (w *writer) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, w.command.Process.Kill())
	w.read(-1)
	var exit *exec.ExitError
	require.ErrorAs(t, w.command.Wait(), &exit)
}

// TestKilledWriter: "kill -9 of the server under load: 0 acknowledged lost",
// beside a reader in another process that follows all the time.
func TestKilledWriter(t *testing.T) {
	loops := 4
	if testing.Short() {
		loops = 1
	}
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	reader, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()

	acked := map[string]int{}
	for loop := range loops {
		w := startWriter(t, folder, acked)
		w.read(200 + loop*150)
		require.NotEmpty(t, acked)
		requireKept(t, reader, acked)

		beside, err := embedded.OpenReadOnly(folder, embedded.Options{})
		require.NoError(t, err)
		requireKept(t, beside, acked)
		require.NoError(t, beside.Close())

		_, err = embedded.Open(folder, embedded.Options{})
		var locked *embedded.LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, w.command.Process.Pid, locked.PID)

		w.kill(t)
		alone, err := embedded.OpenReadOnly(folder, embedded.Options{})
		require.NoError(t, err)
		requireKept(t, alone, acked)
		require.NoError(t, alone.Close())
		s, err := embedded.Open(folder, embedded.Options{})
		require.NoError(t, err)
		requireKept(t, s, acked)
		_, err = s.Verify(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	requireKept(t, reader, acked)
}
