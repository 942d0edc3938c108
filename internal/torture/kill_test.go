package torture

import (
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
)

// loopsPerFolder bounds what each round has to read again.
const loopsPerFolder = 10

// TestKill: "kill -9 of the server under load: 0 acknowledged commands lost,
// state = replay". Half of the workers are killed at any moment of their lives,
// start included, the others while they append.
func TestKill(t *testing.T) {
	loops := rounds(*killLoops, 200, 8, 3)
	random := rand.New(rand.NewPCG(1, uint64(loops)))
	parent, begun := t.TempDir(), time.Now()
	promised := 0
	var acked *ledger
	var folder string
	for i := range loops {
		if i%loopsPerFolder == 0 {
			if acked != nil {
				promised += acked.total()
			}
			acked, folder = newLedger(), filepath.Join(parent, strconv.Itoa(i))
		}
		w := startAs(t, appendRole(i), folder, acked)
		if i%2 == 0 {
			w.waitFor("ack")
		}
		time.Sleep(time.Duration(random.IntN(30_000)) * time.Microsecond)
		if i%10 == 0 { // what any reader has seen must be there too
			acked.requireReadable(t, folder, "beside the writer")
		}
		w.kill()
		if i%10 == 1 && acked.total() > 0 {
			acked.requireReadable(t, folder, "after the writer")
		}
		acked.requireKept(t, folder, "loop "+strconv.Itoa(i))
	}
	promised += acked.total()
	t.Logf("kill -9: %d loops, %d records acknowledged, 0 lost, %s", loops, promised, time.Since(begun).Round(time.Second))
}

// TestStop: "SIGSTOP for 10 s": a writer that sleeps in the middle of its work
// keeps the lock, a reader beside it keeps reading, and nothing is lost when it
// wakes up.
func TestStop(t *testing.T) {
	pause := time.Duration(rounds(int64(*stopFor), int64(10*time.Second), int64(time.Second), int64(300*time.Millisecond)))
	folder, acked := t.TempDir(), newLedger()
	w := start(t, folder, acked)
	w.waitUntil(200)
	beside, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, beside.Close()) })

	w.signal(syscall.SIGSTOP)
	reads := 0
	for until := time.Now().Add(pause); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		require.NoError(t, acked.missing(t.Context(), beside), "beside a stopped writer")
		acked.requireReadable(t, folder, "a new reader beside a stopped writer")
		reads++
	}
	_, err = embedded.Open(folder, embedded.Options{})
	var locked *embedded.LockedError
	require.ErrorAs(t, err, &locked, "a stopped writer still is one")
	require.Equal(t, w.pid, locked.PID)

	before := acked.total()
	w.signal(syscall.SIGCONT)
	w.waitUntil(before + 200)
	w.kill()
	require.NoError(t, acked.missing(t.Context(), beside))
	acked.requireKept(t, folder, "after the stop")
	t.Logf("stopped for %s, %d readings meanwhile, 0 lost of %d", pause, reads, acked.total())
}

// TestSecondWriter: "two processes open one store for writing: the second exits:
// locked by pid …".
func TestSecondWriter(t *testing.T) {
	folder, acked := t.TempDir(), newLedger()
	first := start(t, folder, acked)
	first.waitFor("ack")
	second := start(t, folder, newLedger())
	require.Equal(t, 1, second.wait())
	require.Contains(t, second.stderr.String(), "locked by pid "+strconv.Itoa(first.pid))
	require.False(t, second.hasSaid(sayOpen))
	first.kill()
	third := start(t, folder, acked) // a lock dies with its process
	third.waitFor(sayOpen)
	third.kill()
	acked.requireKept(t, folder, "after the third writer")
}
