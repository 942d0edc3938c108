package projections

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/eventstore"
)

// Every record of a wanted type is in a span, as in a scan, and what is in none has no such
// record: before and after a restart, for any types, from any revision, also where the stream has
// records that were not seen here, and where there are more types than bits.
func TestSpansHaveAllRecordsOfTheTypes(t *testing.T) {
	t.Parallel()
	left := 0
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SampledFrom([]int{3, 20, 300}).Draw(t, "types")
		per := uint64(rapid.IntRange(1, 8).Draw(t, "records of a stretch")) //nolint:gosec // small
		types := NewTypes()
		types.per = per
		var log []string
		for range rapid.IntRange(0, 400).Draw(t, "records") {
			log = append(log, fmt.Sprint("t", rapid.IntRange(0, all-1).Draw(t, "type")))
		}
		seen := rapid.IntRange(0, len(log)).Draw(t, "seen")
		for n, name := range log[:seen] {
			types.Apply(eventstore.Record{Revision: uint64(n), Type: name}, nil, nil)
			if rapid.IntRange(0, 50).Draw(t, "restart") == 0 {
				kept, err := types.Keep()
				require.NoError(t, err)
				types = NewTypes()
				types.per = per
				require.NoError(t, types.Restore(kept))
			}
		}
		prefix := fmt.Sprint("t", rapid.IntRange(0, all).Draw(t, "prefix"))
		wants := func(name string) bool { return strings.HasPrefix(name, prefix) }
		from, most := rapid.Uint64Range(0, 410).Draw(t, "from"), rapid.Uint64Range(0, 100).Draw(t, "most")
		spans := types.Spans(from, wants, most)
		within := func(revision uint64) bool {
			for _, s := range spans {
				if s.From <= revision && revision < s.To {
					return true
				}
			}
			return false
		}
		for n, name := range log {
			revision := uint64(n)
			switch {
			case revision < from:
				require.False(t, within(revision))
			case wants(name) || n >= seen:
				require.True(t, within(revision), "revision %d", n)
			case !within(revision):
				left++
			}
		}
		for i, s := range spans {
			require.Less(t, s.From, s.To)
			require.True(t, i == 0 || spans[i-1].To < s.From)
		}
		require.Equal(t, uint64(EndOfStream), spans[len(spans)-1].To)
	})
	require.NotZero(t, left, "nothing was ever left out")
}

func TestTypesRefuseOtherBytes(t *testing.T) {
	t.Parallel()
	types := NewTypes()
	for n := range uint64(5000) {
		types.Apply(eventstore.Record{Revision: n, Type: fmt.Sprint("t", n%7+n/1024)}, nil, nil)
	}
	kept, err := types.Keep()
	require.NoError(t, err)
	require.NoError(t, NewTypes().Restore(kept))
	require.Less(t, len(kept), 200, "some bytes for each 1,024 records")
	for n := range kept {
		require.Error(t, NewTypes().Restore(kept[:n]), "%d bytes", n)
	}
	require.Error(t, NewTypes().Restore(append(kept, 0)))
	other := NewTypes()
	other.per = 512
	require.Error(t, other.Restore(kept))
}

func FuzzTypes(f *testing.F) {
	types := NewTypes()
	for n := range uint64(3000) {
		types.Apply(eventstore.Record{Revision: n, Type: fmt.Sprint("t", n%7)}, nil, nil)
	}
	kept, err := types.Keep()
	require.NoError(f, err)
	f.Add(kept)
	f.Fuzz(func(t *testing.T, b []byte) {
		types := NewTypes()
		if types.Restore(b) == nil {
			again, err := types.Keep()
			require.NoError(t, err)
			require.Equal(t, b, again)
			types.Spans(0, func(string) bool { return true }, 10)
		}
	})
}
