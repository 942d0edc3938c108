package snapshot

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// grown makes checkpoints at gaps up to most apart, thinning after each like a Saver does. It
// calls each with what is kept after every one.
func grown(gaps []uint64, pace time.Duration, each func(head item, kept []item)) {
	var kept []item
	size, at := uint64(0), noon
	for _, gap := range gaps {
		size += gap
		at = at.Add(time.Duration(gap) * pace)
		c := item{kind: State, size: size, at: at, bytes: 1}
		kept = thin(append(kept, c), math.MaxInt64)
		each(c, kept)
	}
}

func drawGaps(t *rapid.T) []uint64 {
	return rapid.SliceOfN(rapid.Uint64Range(1, Near), 1, 400).Draw(t, "gaps")
}

// "Any moment is at most 20,000 events from a checkpoint in the last million, 100,000 before",
// however the checkpoints before were thinned.
func TestNoMomentIsFarFromACheckpoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pace := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "pace"))
		grown(drawGaps(t), pace, func(head item, kept []item) {
			before := uint64(0)
			for _, c := range kept {
				if gap := c.size - before; gap > gapLimit(head.size, c.size) {
					t.Fatalf("%d records between %d and %d of %d", gap, before, c.size, head.size)
				}
				before = c.size
			}
			if before != head.size {
				t.Fatalf("the newest one is at %d, not at %d", before, head.size)
			}
		})
	})
}

// Without room for the last hour it is thinned like the rest, so that the past before it keeps some.
func TestTheLastHourHasNoMoreRoom(t *testing.T) {
	var all []item
	for i := range 8 {
		all = append(all, item{kind: State, size: uint64(i+1) * Near, bytes: 100, at: noon.Add(time.Duration(i-7) * 20 * time.Minute)})
	}
	require.Equal(t, all, thin(all, 600))
	require.Equal(t, []item{all[1], all[3], all[5], all[6], all[7]}, thin(all, 599))
}

// No more stay than the distances need, at most twice, but for those of the last hour.
func TestCheckpointsAreAsFewAsTheDistancesAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pace := time.Duration(rapid.Int64Range(1, int64(time.Second)).Draw(t, "pace"))
		grown(drawGaps(t), pace, func(head item, kept []item) {
			old := 0
			for _, c := range kept {
				if head.at.Sub(c.at) > keepsAll {
					old++
				}
			}
			most := 2*(min(head.size, Recent)/Near+1) + 2*(head.size/Far+1) + keepsNewest
			if uint64(old) > most {
				t.Fatalf("%d of %d records", old, head.size)
			}
		})
	})
}

// "All of the last hour": measured from the newest one, in the time of the records.
func TestTheLastHourStays(t *testing.T) {
	var all []item
	for i := range 200 {
		all = append(all, item{kind: State, size: uint64(i + 1), at: noon.Add(time.Duration(i) * time.Minute)})
	}
	kept := thin(all, math.MaxInt64)
	require.Equal(t, all[139:], kept, "61 of the last hour, and none before: they are close together")
	require.Equal(t, all[:1], thin(all[:1], math.MaxInt64))
	require.Empty(t, thin(nil, 0))
}

// States that are larger than the room for them are thinned further; the newest two stay.
func TestTheBytesOfCheckpointsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []item
		for i := range rapid.IntRange(1, 100).Draw(t, "checkpoints") {
			all = append(all, item{kind: State, size: uint64(i+1) * Far, bytes: rapid.Int64Range(1, 100).Draw(t, "bytes"), at: noon.Add(time.Duration(i) * time.Hour)})
		}
		most := rapid.Int64Range(0, 1000).Draw(t, "most")
		kept := thin(all, most)
		newest := min(len(all), keepsNewest)
		if older := bytesOf(kept[:len(kept)-newest]); older > most {
			t.Fatalf("%d bytes of %d", older, most)
		}
		if bytesOf(all) <= most && len(all) > keepsNewest && len(kept) < len(all)/2 {
			t.Fatalf("%d of %d, which have room", len(kept), len(all))
		}
		require.Equal(t, all[len(all)-newest:], kept[len(kept)-newest:])
	})
}

// With what is missing, no moment before the newest checkpoint is far from one; then nothing is
// missing any more, and nothing of it is thinned out.
func TestWhatIsMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var states []item
		size, at := uint64(0), noon
		for _, gap := range rapid.SliceOfN(rapid.Uint64Range(1, 2_000_000), 1, 6).Draw(t, "gaps") {
			size, at = size+gap, at.Add(2*time.Hour)
			states = append(states, item{kind: State, size: size, at: at, bytes: 1})
		}
		head := size
		for _, size := range missing(states, 0, math.MaxInt64) {
			when := noon
			for _, c := range states {
				if c.size < size {
					when = c.at
				}
			}
			added := item{kind: State, size: size, at: when, bytes: 1}
			states, _ = with(states, []item{added}, math.MaxInt64)
		}
		before := uint64(0)
		for _, c := range states {
			if c.size-before > gapLimit(head, c.size) {
				t.Fatalf("%d to %d of %d", before, c.size, head)
			}
			before = c.size
		}
		require.Empty(t, missing(states, 0, math.MaxInt64))
	})
	require.Empty(t, missing(nil, 0, 1))
	large := []item{{kind: State, size: 200_000, bytes: 100}}
	require.Len(t, missing(large, 0, 10_000), 9)
	require.Equal(t, []uint64{80_000, 160_000}, missing(large, 0, 250), "as many as there is room for")
	require.Empty(t, missing(large, 0, 100))
	one := []item{{kind: State, size: 20_000, bytes: 1}}
	require.Empty(t, missing(one, 40_000, math.MaxInt64), "the follower makes the next one")
	require.Equal(t, []uint64{40_000, 60_000, 80_000}, missing(one, 100_000, math.MaxInt64), "a stream that grew without a server")
	require.Equal(t, []uint64{120_000, 140_000}, missing(one, 1_150_000, math.MaxInt64)[:2])
}
