package embedded_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// crashSegment makes segments so small that a workload fills several.
const crashSegment = 2000

// TestErrorAtEveryOperation: "I/O error at operation #i, every i: poisoned,
// nothing acknowledged lost, clean restart." The fault FS fails the test if
// anything is written after the error.
func TestErrorAtEveryOperation(t *testing.T) {
	for i, step := 1, testenv.Rounds(7, 3, 1); ; i += step {
		f := newFaultFS(t, uint64(i))
		f.failAt = i
		acked := map[string]int{}
		s, err := f.open(crashSegment)
		if err == nil {
			acked = work(t, s, 12)
			if f.isSpoiled() {
				_, err := s.Append(t.Context(), "another", eventstore.NoStream, storetest.Propose("x", 0, 1))
				requirePoisoned(t, err)
			}
			if f.done() >= i {
				requireKept(t, s, acked) // reads of what was durable go on
			}
			if err := s.Close(); err != nil { // the flush of the mark may be the one that fails
				require.ErrorIs(t, err, errInjected)
			}
		} else {
			require.ErrorIs(t, err, errInjected, label("operation %d", i))
		}
		requireRestart(t, f, acked, label("error at operation %d", i))
		if t.Failed() || f.ops < i {
			require.Greater(t, i, 70, "the workload has too few operations to mean anything")
			return
		}
	}
}

// TestCrashAtEveryOperation: the program is killed, or the power fails, in the
// middle of every operation.
func TestCrashAtEveryOperation(t *testing.T) {
	for i, step := 1, testenv.Rounds(7, 3, 1); ; i += step {
		f := newFaultFS(t, uint64(i))
		f.killAt = i
		acked := map[string]int{}
		s, err := f.open(crashSegment)
		if err == nil {
			acked = work(t, s, 12)
			_ = s.Close() // a dead program writes nothing any more
		}
		requireRestart(t, f, acked, label("killed at operation %d", i))
		if t.Failed() || !f.dead {
			return
		}
	}
}

// requireRestart opens the store after a kill, and after power cuts before and
// after that, and checks that nothing acknowledged is missing and that work can
// go on.
func requireRestart(t *testing.T, f *faultFS, acked map[string]int, when string) {
	t.Helper()
	killed := f.restart()
	reopen := func(f *faultFS, what string) *embedded.Store {
		t.Helper()
		s, err := f.open(crashSegment)
		require.NoError(t, err, "%s, %s", when, what)
		requireKept(t, s, acked)
		return s
	}
	for range 3 {
		cut := f.powerCut()
		require.NoError(t, reopen(cut, "power cut").Close())
	}
	s := reopen(killed, "killed")
	seen := work(t, s, 1)
	report, err := s.Verify(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, report.Records, uint64(len(storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})))))

	// What a start has shown, it must not lose either: not even if it found it
	// only in the cache of a program whose flush had failed.
	acked = seen
	require.NoError(t, reopen(killed.powerCut(), "power cut after the start").Close())
	require.NoError(t, s.Close())
}

var crashSeeds = flag.Uint64("crash.seeds", 0, "how many seeds TestCrashSeeds tries")

// TestCrashSeeds: crashes at random operations of a longer load.
func TestCrashSeeds(t *testing.T) {
	seeds := uint64(testenv.Rounds(20, 20, 150))
	if *crashSeeds > 0 {
		seeds = *crashSeeds
	}
	for seed := range seeds {
		f := newFaultFS(t, seed)
		f.killAt = 40 + f.rng.IntN(250)
		acked := map[string]int{}
		if s, err := f.open(crashSegment * 2); err == nil {
			acked = work(t, s, 30)
			_ = s.Close() // a dead program writes nothing any more
		}
		for range 3 { // a start can crash as well
			f = f.powerCut()
			f.killAt = f.rng.IntN(40)
			if s, err := f.open(crashSegment); err == nil {
				for name, n := range work(t, s, 2) {
					acked[name] = max(acked[name], n)
				}
				_ = s.Close() // see above
			}
		}
		requireRestart(t, f, acked, label("seed %d", seed))
		if t.Failed() {
			return
		}
	}
}
