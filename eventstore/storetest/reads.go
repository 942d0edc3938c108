package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

var reads = map[string]func(*testing.T, eventstore.Store){
	// "A stream without records is NotFound"
	"a stream without records is not found": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 1))
		requireAbsent(t, s, "other")
		for _, from := range []uint64{0, 1} {
			records, err := Collect(t, s.ReadStream(t.Context(), "other", from))
			require.Empty(t, records)
			var notFound *eventstore.NotFound
			require.ErrorAs(t, err, &notFound)
			require.Equal(t, "other", notFound.Stream)
		}
	},

	// "from beyond the end yields nothing"; "with revision ≥ from, in order"
	"from": func(t *testing.T, s eventstore.Store) {
		want := interleave(t, s, 3, 40)
		for from := range 40 {
			got := All(t, s.ReadStream(t.Context(), "s1", uint64(from)))
			requireSame(t, "s1", uint64(from), want["s1"][from:], got)
		}
		for _, from := range []uint64{40, 41, 1 << 62} {
			require.Empty(t, All(t, s.ReadStream(t.Context(), "s1", from)))
		}
	},

	// "An empty store yields nothing."
	"an empty store": func(t *testing.T, s eventstore.Store) {
		require.Empty(t, All(t, s.ReadAll(t.Context(), eventstore.Position{})))
		require.Empty(t, All(t, s.ReadAll(t.Context(), eventstore.Position{Commit: 1 << 50, Prepare: 7})))
		names, err := s.Streams(t.Context())
		require.NoError(t, err)
		require.Empty(t, names)
		requireAbsent(t, s, "s")
	},

	// "the records of all streams with a position after the given one, in order of position"
	"all streams in order": func(t *testing.T, s eventstore.Store) {
		want := interleave(t, s, 4, 30)
		all := All(t, s.ReadAll(t.Context(), eventstore.Position{}))
		require.Len(t, all, 120)
		requireOrdered(t, all)
		byStream := map[string][]eventstore.Record{}
		for _, r := range all {
			byStream[r.Stream] = append(byStream[r.Stream], r)
		}
		for name, records := range want {
			requireSame(t, name, 0, records, byStream[name])
			require.Equal(t, byStream[name], All(t, s.ReadStream(t.Context(), name, 0)), "both reads give the same records")
		}
		for i, r := range all {
			require.Equal(t, all[i+1:], append([]eventstore.Record{}, All(t, s.ReadAll(t.Context(), r.Position))...), "positions are exclusive")
		}
	},

	// "comparable and ordered, with gaps": a position between two records is as good as any.
	"a position in a gap": func(t *testing.T, s eventstore.Store) {
		interleave(t, s, 2, 5)
		all := All(t, s.ReadAll(t.Context(), eventstore.Position{}))
		for i, r := range all {
			before := r.Position
			before.Commit--
			got := All(t, s.ReadAll(t.Context(), before))
			require.GreaterOrEqual(t, len(got), len(all)-i)
			require.Equal(t, r, got[len(got)-(len(all)-i)])
		}
		require.Empty(t, All(t, s.ReadAll(t.Context(), eventstore.Position{Commit: 1 << 50})))
	},

	// "Streams returns the names of all streams that have records, sorted."
	"streams are listed sorted": func(t *testing.T, s eventstore.Store) {
		for i, name := range []string{"b", "a", "portfolio-x", "B", "aa"} {
			Must(t, s, name, eventstore.NoStream, Propose(name, i, 1))
		}
		_, err := s.Append(t.Context(), "never", eventstore.At(0), Propose("n", 0, 1))
		require.Error(t, err)
		names, err := s.Streams(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"B", "a", "aa", "b", "portfolio-x"}, names)
	},

	// "the slices belong to the reader that received them"
	"readers own their bytes": func(t *testing.T, s eventstore.Store) {
		want := Propose("a", 0, 5)
		Must(t, s, "s", eventstore.NoStream, want)
		for range 2 {
			got := All(t, s.ReadStream(t.Context(), "s", 0))
			requireSame(t, "s", 0, want, got)
			for i := range got {
				_ = append(got[i].Metadata, "over the next record"...)
				_ = append(got[i].Data, "over the next record"...)
			}
			requireSame(t, "s", 0, want, got)
			for i := range got {
				scribble(got[i].Data)
				scribble(got[i].Metadata)
			}
			for r, err := range s.ReadAll(t.Context(), eventstore.Position{}) {
				require.NoError(t, err)
				scribble(r.Data)
			}
		}
	},

	// A sequence can be abandoned early and read again from its start.
	"a read can be broken off and repeated": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 10))
		for _, seq := range []func() []eventstore.Record{
			func() []eventstore.Record { return Take(t, s.ReadStream(t.Context(), "s", 0), 3) },
			func() []eventstore.Record { return Take(t, s.ReadAll(t.Context(), eventstore.Position{}), 3) },
			func() []eventstore.Record { return Take(t, s.SubscribeStream(t.Context(), "s", 0), 3) },
			func() []eventstore.Record { return Take(t, s.SubscribeAll(t.Context(), eventstore.Position{}), 3) },
		} {
			requireSame(t, "s", 0, Propose("a", 0, 3), seq())
			requireSame(t, "s", 0, Propose("a", 0, 3), seq())
		}
		seq := s.ReadStream(t.Context(), "s", 2)
		require.Equal(t, All(t, seq), All(t, seq), "a sequence starts anew each time")
	},

	// "up to the last that is durable when the read reaches it"
	"a read sees what came while it ran": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 3))
		seen := 0
		for r, err := range s.ReadStream(t.Context(), "s", 0) {
			require.NoError(t, err)
			if seen++; r.Revision < 30 {
				Must(t, s, "s", eventstore.At(r.Revision+2), Propose("a", int(r.Revision)+3, 1))
			}
		}
		require.Equal(t, 33, seen)
	},
}

// interleave appends n records to each of k streams s0…, alternating and in
// appends of different lengths, and returns the expected content of each stream.
func interleave(t testing.TB, s eventstore.Store, k, n int) map[string][]eventstore.Proposed {
	t.Helper()
	want := map[string][]eventstore.Proposed{}
	for turn := 1; len(want[fmt.Sprintf("s%d", k-1)]) < n; turn++ {
		for i := range k {
			name := fmt.Sprintf("s%d", i)
			from := len(want[name])
			records := Propose(name, from, min(turn%5+1, n-from))
			if len(records) == 0 {
				continue
			}
			Must(t, s, name, eventstore.Expected(from-1), records)
			want[name] = append(want[name], records...)
		}
	}
	return want
}
