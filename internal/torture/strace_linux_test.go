package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// waitStopped returns when all threads of the worker stand still: a signal is
// only a wish.
func (w *worker) waitStopped() {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", w.pid))
		require.NoError(w.t, err)
		standing := 0
		for _, task := range tasks {
			b, _ := os.ReadFile(task)
			_, state, _ := strings.Cut(string(b), ") ")
			if strings.HasPrefix(state, "T") || strings.HasPrefix(state, "t") {
				standing++
			}
		}
		if standing == len(tasks) {
			return
		}
		require.True(w.t, time.Now().Before(deadline), "the worker does not stop")
	}
}

// TestSystemCallErrors: "EIO and ENOSPC by strace": the n-th call of a kind
// fails, on the real thing. The store is poisoned, reads go on, nothing
// acknowledged is lost, and the next start is clean.
func TestSystemCallErrors(t *testing.T) {
	testenv.Need(t, "strace")
	calls := []int{1, 2, 3, 4, 6, 10, 20, 30}
	step := rounds(0, 1, 7, 7)
	outcomes := map[string]int{}
	for _, call := range []string{"fdatasync", "fsync", "pwrite64", "renameat"} {
		for _, errno := range []string{"EIO", "ENOSPC"} {
			for i := 0; i < len(calls); i += step {
				outcomes[failCall(t, call, errno, calls[i])]++
			}
		}
	}
	t.Log(outcomes)
	require.Positive(t, outcomes["poisoned"])
	require.Positive(t, outcomes["refused to open"])
}

// failCall lets the n-th call of a kind, counted for each thread, and all after it
// fail, and says what became of the worker. All after it, because strace misses one
// now and then, of a thread that it has just come to; a disk that has failed goes on
// failing as well.
func failCall(t *testing.T, call, errno string, n int) string {
	t.Helper()
	when := fmt.Sprintf("%s: %s, call %d", call, errno, n)
	parent, acked := t.TempDir(), newLedger()
	folder, trace := filepath.Join(parent, "store"), filepath.Join(parent, "trace")
	w := start(t, folder, acked, "strace", "-f", "-qq", "--seccomp-bpf", "-o", trace,
		"-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:error=%s:when=%d+", call, errno, n))
	status := w.wait()
	log, err := os.ReadFile(trace)
	require.NoError(t, err)
	require.Contains(t, string(log), "(INJECTED)", when)
	require.Contains(t, w.stderr.String(), map[string]string{"EIO": "input/output error", "ENOSPC": "no space left"}[errno], when)

	acked.requireKept(t, folder, when)
	if !w.hasSaid(sayOpen) {
		require.Equal(t, 1, status, when)
		return "refused to open"
	}
	require.Equal(t, 3, status, "%s: %s", when, w.stderr.String())
	require.True(t, w.hasSaid(sayPoisoned) && w.hasSaid(sayReadable), when)
	return "poisoned"
}

// TestInterruptedCalls: a call that a signal interrupted did not fail: it is
// made again, and nobody hears of it.
func TestInterruptedCalls(t *testing.T) {
	testenv.Need(t, "strace")
	folder, acked := t.TempDir(), newLedger()
	w := start(t, folder, acked, "strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null",
		"-e", "trace=fdatasync,fsync,pwrite64", "-e", "inject=fdatasync,fsync,pwrite64:error=EINTR:when=2+2")
	w.waitUntil(500)
	require.False(t, w.hasSaid(sayPoisoned), w.stderr.String())
	w.kill()
	acked.requireKept(t, folder, "after interrupted calls")
}
