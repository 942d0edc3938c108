package index

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// simulate adds runs one after another, and merges as planned after each. It
// returns the most runs there were and the entries written for each entry.
func simulate(t *testing.T, most uint64, sizes func(i int) uint64, flushes int) (worst int, amplification float64, classes int) {
	t.Helper()
	var counts []uint64
	added, written := uint64(0), uint64(0)
	for i := range flushes {
		n := sizes(i)
		counts = append(counts, n)
		added, written = added+n, written+n
		for lo, hi, ok := plan(counts, most); ok; lo, hi, ok = plan(counts, most) {
			require.GreaterOrEqual(t, hi-lo, 2)
			sum := uint64(0)
			for _, c := range counts[lo:hi] {
				sum += c
			}
			require.LessOrEqual(t, sum, most, "a merged run stays within its limit")
			counts = slices.Concat(counts[:lo], []uint64{sum}, counts[hi:])
			written += sum
		}
		// Seven runs of each class, and for each complete one itself and one before it.
		classes = 1
		for n := added; n >= smallRun; n /= mergeWidth {
			classes++
		}
		bound := 7*classes + 2*int(2*added/most) + 2
		require.LessOrEqual(t, len(counts), bound, "%d entries in %v", added, counts)
		worst = max(worst, len(counts))
	}
	return worst, float64(written) / float64(added), classes
}

// The number of runs grows with the logarithm of the entries for any sizes, and no
// entry is written often.
func TestTheNumberOfRunsIsLogarithmicForMixedSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	sizes := map[string]func(i int) uint64{
		"one each":             func(int) uint64 { return 1 },
		"always the same":      func(int) uint64 { return 94_000 },
		"random":               func(int) uint64 { return rng.Uint64N(100_000) },
		"any order of size":    func(int) uint64 { return 1 << rng.Uint64N(18) },
		"small between large":  func(i int) uint64 { return []uint64{50_000, 1}[i%2] },
		"seven small, a large": func(i int) uint64 { return []uint64{9, 9, 9, 9, 9, 9, 9, 50_000}[i%8] },
		"growing":              func(i int) uint64 { return uint64(i) * 10 },
		"shrinking":            func(i int) uint64 { return 100_000 / uint64(i+1) },
		"empty, mostly":        func(i int) uint64 { return []uint64{0, 0, 0, 0, 0, 100}[i%6] },
		"more than fits":       func(i int) uint64 { return []uint64{3_000_000, 5, 5}[i%3] },
		"half of what fits":    func(i int) uint64 { return []uint64{2_400_000, 700_000, 1}[i%3] },
	}
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			worst, amplification, classes := simulate(t, maxRun, size, testenv.Rounds(400, 4000, 40_000))
			t.Logf("at most %d runs; an entry is written %.1f times", worst, amplification)
			// Once when it is flushed, up to five times within the smallest class, and once for
			// each class above.
			require.Less(t, amplification, float64(5+classes))
		})
	}
}

// The edges of a class, and of what is complete.
func TestClass(t *testing.T) {
	for count, want := range map[uint64]int{
		0: 0, 63: 0, 64: 1, 511: 1, 512: 2, 4095: 2, 4096: 3, 2_500_000: 6, 2_500_001: complete, 5_000_000: complete,
	} {
		require.Equal(t, want, class(count, maxRun), count)
	}
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		counts []uint64
		lo, hi int
		ok     bool
	}{
		{nil, 0, 0, false},
		{[]uint64{70, 70, 70, 70, 70, 70, 70}, 0, 0, false},
		{[]uint64{70, 70, 70, 70, 70, 70, 70, 70}, 0, 8, true},
		{[]uint64{9000, 70, 70, 70, 70, 70, 70, 70, 70}, 1, 9, true},
		{[]uint64{9000, 70, 5, 90}, 2, 4, true},                        // a small one in front of a larger one joins it
		{[]uint64{600, 3_000_000}, 0, 2, true},                         // also a complete one, if it fits
		{[]uint64{600, 5_000_000}, 0, 0, false},                        // and stays alone if not
		{[]uint64{600, 5, 5_000_000}, 0, 2, true},                      // but not two of them
		{[]uint64{3_000_000, 3_000_000, 70, 5}, 0, 0, false},           // complete runs stay
		{[]uint64{2e6, 2e6, 2e6, 2e6, 2e6, 2e6, 2e6, 2e6}, 0, 2, true}, // as many as fit
	} {
		lo, hi, ok := plan(c.counts, maxRun)
		require.Equal(t, c.ok, ok, "%v", c.counts)
		if ok {
			require.Equal(t, []int{c.lo, c.hi}, []int{lo, hi}, "%v", c.counts)
		}
	}
}
