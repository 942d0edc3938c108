package torture

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long anything may take that is not the test itself.
const patience = time.Minute

// worker is a running one, perhaps under strace.
type worker struct {
	t      *testing.T
	cmd    *exec.Cmd
	pid    int // of the worker itself
	acked  *ledger
	stdin  io.WriteCloser
	stderr output

	mu    sync.Mutex
	said  map[string]bool
	heard chan struct{} // gets an element when something was said
	ended chan struct{} // closed when all was read
}

// output is what a process says, to be looked at while it goes on speaking.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs a worker in a folder, by itself or as the argument of a command.
// What it acknowledges goes to the ledger until it is dead.
func start(t *testing.T, folder string, acked *ledger, under ...string) *worker {
	t.Helper()
	return startAs(t, "append", folder, acked, under...)
}

func startAs(t *testing.T, role, folder string, acked *ledger, under ...string) *worker {
	t.Helper()
	args := append(under, os.Args[0])
	w := &worker{t: t, cmd: exec.Command(args[0], args[1:]...), acked: acked, said: map[string]bool{}, heard: make(chan struct{}, 1), ended: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), roleEnv+"="+role, folderEnv+"="+folder)
	w.cmd.Stderr = &w.stderr
	out, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	w.stdin, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, w.cmd.Start())
	go w.listen(bufio.NewScanner(out))
	t.Cleanup(w.kill)
	w.waitFor(sayPID)
	return w
}

func (w *worker) listen(lines *bufio.Scanner) {
	defer close(w.ended)
	for lines.Scan() {
		var word string
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &word, &n); err != nil {
			continue
		}
		if word == sayPID {
			w.pid = n // before it is said
		}
		if word[0] == 's' {
			w.acked.atLeast(word, n)
			word = "ack"
		}
		w.mu.Lock()
		w.said[word] = true
		w.mu.Unlock()
		select {
		case w.heard <- struct{}{}:
		default:
		}
	}
}

func (w *worker) hasSaid(word string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said[word]
}

// waitFor returns when the worker has said a word.
func (w *worker) waitFor(word string) {
	w.t.Helper()
	timeout := time.After(patience)
	for !w.hasSaid(word) {
		select {
		case <-w.heard:
		case <-w.ended:
			if !w.hasSaid(word) {
				require.FailNow(w.t, "the worker ended without saying "+word, w.stderr.String())
			}
		case <-timeout:
			require.FailNow(w.t, "the worker has not said "+word, w.stderr.String())
		}
	}
}

// waitUntil returns when so many records were acknowledged.
func (w *worker) waitUntil(total int) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); w.acked.total() < total; time.Sleep(time.Millisecond) {
		require.True(w.t, time.Now().Before(deadline), "the worker does not get on")
	}
}

func (w *worker) signal(s syscall.Signal) {
	w.t.Helper()
	require.NoError(w.t, syscall.Kill(w.pid, s))
}

// kill ends the worker without a chance to finish anything, and takes what it
// had still said. Killing a dead one does nothing.
func (w *worker) kill() {
	if w.cmd.ProcessState != nil {
		return
	}
	if w.pid != 0 {
		_ = syscall.Kill(w.pid, syscall.SIGKILL)
	} else {
		_ = w.cmd.Process.Kill()
	}
	w.wait()
}

// wait returns the exit status of the worker.
func (w *worker) wait() int {
	select {
	case <-w.ended:
	case <-time.After(patience):
		_ = w.cmd.Process.Kill()
		<-w.ended
		w.t.Error("the worker did not end")
	}
	_ = w.cmd.Wait() // its status says it all
	return w.cmd.ProcessState.ExitCode()
}
