package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

var appends = map[string]func(*testing.T, eventstore.Store){
	// "Append adds records to the end of the stream"
	"append adds to the end": func(t *testing.T, s eventstore.Store) {
		all := Propose("a", 0, 6)
		first := Must(t, s, "s", eventstore.NoStream, all[:1])
		require.Equal(t, uint64(0), first.First)
		require.Equal(t, uint64(0), first.Last)
		require.False(t, first.Idempotent)
		require.Positive(t, first.Position.Compare(eventstore.Position{}))
		second := Must(t, s, "s", eventstore.At(0), all[1:5])
		require.Equal(t, uint64(1), second.First)
		require.Equal(t, uint64(4), second.Last)
		Must(t, s, "s", eventstore.At(4), all[5:])

		got := All(t, s.ReadStream(t.Context(), "s", 0))
		requireSame(t, "s", 0, all, got)
		require.Equal(t, first.Position, got[0].Position)
		require.Equal(t, second.Position, got[1].Position, "the position is that of the first record")
	},

	// "whose last revision must be the expected one"; "Nothing was written."
	"a wrong expectation is a conflict": func(t *testing.T, s eventstore.Store) {
		_, err := s.Append(t.Context(), "s", eventstore.At(0), Propose("b", 0, 1))
		requireConflict(t, err, "s", eventstore.At(0), eventstore.NoStream)
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 3))
		for _, expected := range []eventstore.Expected{eventstore.NoStream, 0, 1, 3, 4, 1 << 40} {
			_, err := s.Append(t.Context(), "s", expected, Propose("b", 0, 1))
			requireConflict(t, err, "s", expected, eventstore.At(2))
		}
		requireSame(t, "s", 0, Propose("a", 0, 3), All(t, s.ReadStream(t.Context(), "s", 0)))
		require.Len(t, All(t, s.ReadAll(t.Context(), eventstore.Position{})), 3)
	},

	"streams are independent": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "x", eventstore.NoStream, Propose("x", 0, 2))
		Must(t, s, "y", eventstore.NoStream, Propose("y", 0, 1))
		Must(t, s, "x", eventstore.At(1), Propose("x", 2, 1))
		_, err := s.Append(t.Context(), "z", eventstore.At(2), Propose("z", 0, 1))
		requireConflict(t, err, "z", eventstore.At(2), eventstore.NoStream)
		requireSame(t, "x", 0, Propose("x", 0, 3), All(t, s.ReadStream(t.Context(), "x", 0)))
		requireSame(t, "y", 0, Propose("y", 0, 1), All(t, s.ReadStream(t.Context(), "y", 0)))
	},

	// "Append returns without error only after all its records are visible"
	"what is acknowledged is visible": func(t *testing.T, s eventstore.Store) {
		expected := eventstore.NoStream
		for n := range 20 {
			got := Must(t, s, "s", expected, Propose("a", n*3, 3))
			expected = eventstore.At(got.Last)
			head, err := s.Head(t.Context(), "s")
			require.NoError(t, err)
			require.Equal(t, got.Last, head)
			require.Len(t, All(t, s.ReadStream(t.Context(), "s", got.First)), 3)
			require.Len(t, All(t, s.ReadAll(t.Context(), eventstore.Position{})), n*3+3)
		}
	},

	// "its zone is dropped"; "UTC, nanoseconds"
	"time keeps its nanoseconds and loses its zone": func(t *testing.T, s eventstore.Store) {
		times := []time.Time{
			time.Unix(0, 0),
			time.Unix(0, 1).In(time.FixedZone("far", 14*3600)),
			start.In(time.FixedZone("west", -9*3600-1800)),
			time.Now(), // carries a monotonic clock, which must not survive
			time.Unix(0, 1<<63-2),
		}
		records := Propose("a", 0, len(times))
		for i := range records {
			records[i].Time = times[i]
		}
		Must(t, s, "s", eventstore.NoStream, records)
		for i, got := range All(t, s.ReadStream(t.Context(), "s", 0)) {
			require.Equal(t, times[i].UnixNano(), got.Time.UnixNano())
			require.Equal(t, time.Unix(0, times[i].UnixNano()).UTC(), got.Time)
		}
	},

	// "Its bytes are never changed or re-encoded"
	"bytes are kept as they are": func(t *testing.T, s eventstore.Store) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		records := Propose("a", 0, 5)
		records[0].Data, records[0].Metadata = nil, nil
		records[1].Data, records[1].Metadata = []byte{}, every
		records[2].Data, records[2].Metadata = make([]byte, 5000), []byte(" { \"a\" : 1 } \n")
		records[3].Data, records[3].Type = every, "typ\u00e9\x00\xff.v1"
		records[4].Data = []byte("\xff\xfe not UTF-8")
		Must(t, s, "a stream/with \u00e9 and \x00", eventstore.NoStream, records)
		requireSame(t, "a stream/with \u00e9 and \x00", 0, records, All(t, s.ReadAll(t.Context(), eventstore.Position{})))
	},

	"the appender keeps its slices": func(t *testing.T, s eventstore.Store) {
		records, want := Propose("a", 0, 3), Propose("a", 0, 3)
		Must(t, s, "s", eventstore.NoStream, records)
		for i := range records {
			scribble(records[i].Data)
			scribble(records[i].Metadata)
			records[i].ID = uuid.Max
		}
		requireSame(t, "s", 0, want, All(t, s.ReadStream(t.Context(), "s", 0)))
	},
}

// "Appending the same ids again at the same expectation answers with the first
// position (Idempotent) and writes nothing; a partial match is a Conflict."
var idempotence = map[string]func(*testing.T, eventstore.Store){
	"the same append again is answered the same": func(t *testing.T, s eventstore.Store) {
		records := Propose("a", 0, 4)
		first := Must(t, s, "s", eventstore.NoStream, records[:2])
		second := Must(t, s, "s", eventstore.At(1), records[2:])
		first.Idempotent, second.Idempotent = true, true
		for range 3 {
			require.Equal(t, first, Must(t, s, "s", eventstore.NoStream, records[:2]))
			require.Equal(t, second, Must(t, s, "s", eventstore.At(1), records[2:]))
		}
		require.Len(t, All(t, s.ReadAll(t.Context(), eventstore.Position{})), 4)
	},

	"only ids count": func(t *testing.T, s eventstore.Store) {
		records := Propose("a", 0, 2)
		Must(t, s, "s", eventstore.NoStream, records)
		other := Propose("b", 0, 2)
		other[0].ID, other[1].ID = records[0].ID, records[1].ID
		require.True(t, Must(t, s, "s", eventstore.NoStream, other).Idempotent)
		requireSame(t, "s", 0, records, All(t, s.ReadStream(t.Context(), "s", 0)))
	},

	"a match across and within other appends": func(t *testing.T, s eventstore.Store) {
		records := Propose("a", 0, 6)
		Must(t, s, "s", eventstore.NoStream, records[:3])
		Must(t, s, "s", eventstore.At(2), records[3:])
		stored := All(t, s.ReadStream(t.Context(), "s", 0))
		for from := range 6 {
			for to := from + 1; to <= 6; to++ {
				if to == 6 && from == 6 {
					continue
				}
				got := Must(t, s, "s", eventstore.Expected(from-1), records[from:to])
				require.Equal(t, eventstore.Appended{
					First: stored[from].Revision, Last: stored[to-1].Revision, Position: stored[from].Position, Idempotent: true,
				}, got)
			}
		}
	},

	"a partial match is a conflict": func(t *testing.T, s eventstore.Store) {
		records := Propose("a", 0, 4)
		Must(t, s, "s", eventstore.NoStream, records)
		for wrong := range records {
			retry := Propose("a", 0, 4)
			retry[wrong].ID = ID("b", wrong)
			_, err := s.Append(t.Context(), "s", eventstore.NoStream, retry)
			requireConflict(t, err, "s", eventstore.NoStream, eventstore.At(3))
		}
		swapped := Propose("a", 0, 4)
		swapped[1], swapped[2] = swapped[2], swapped[1]
		_, err := s.Append(t.Context(), "s", eventstore.NoStream, swapped)
		requireConflict(t, err, "s", eventstore.NoStream, eventstore.At(3))
	},

	"a longer retry is a conflict": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 3))
		_, err := s.Append(t.Context(), "s", eventstore.NoStream, Propose("a", 0, 4))
		requireConflict(t, err, "s", eventstore.NoStream, eventstore.At(2))
		_, err = s.Append(t.Context(), "s", eventstore.At(1), Propose("a", 2, 2))
		requireConflict(t, err, "s", eventstore.At(1), eventstore.At(2))
	},

	"the same ids at another expectation": func(t *testing.T, s eventstore.Store) {
		Must(t, s, "s", eventstore.NoStream, Propose("a", 0, 4))
		for _, expected := range []eventstore.Expected{0, 1, 2, 4, 9} {
			_, err := s.Append(t.Context(), "s", expected, Propose("a", 0, 2))
			requireConflict(t, err, "s", expected, eventstore.At(3))
		}
		_, err := s.Append(t.Context(), "t", eventstore.At(0), Propose("a", 0, 2))
		requireConflict(t, err, "t", eventstore.At(0), eventstore.NoStream)
		// At the current revision nothing is looked up: the same ids are new records.
		require.False(t, Must(t, s, "s", eventstore.At(3), Propose("a", 0, 4)).Idempotent)
		require.Len(t, All(t, s.ReadStream(t.Context(), "s", 0)), 8)
	},
}

// Limits: "Invalid or TooLarge", at the limit and one over.
var limits = map[string]func(*testing.T, eventstore.Store){
	"names": func(t *testing.T, s eventstore.Store) {
		longest := strings.Repeat("n", eventstore.MaxStreamName)
		Must(t, s, longest, eventstore.NoStream, Propose("a", 0, 1))
		require.Len(t, All(t, s.ReadStream(t.Context(), longest, 0)), 1)
		requireInvalid(t, s, longest+"n", eventstore.NoStream, Propose("a", 0, 1))
		requireInvalid(t, s, "", eventstore.NoStream, Propose("a", 0, 1))

		records := Propose("a", 0, 2)
		records[1].Type = strings.Repeat("t", eventstore.MaxTypeName)
		Must(t, s, "s", eventstore.NoStream, records)
		requireSame(t, "s", 0, records, All(t, s.ReadStream(t.Context(), "s", 0)))
		records[1].Type += "t"
		requireInvalid(t, s, "u", eventstore.NoStream, records)
		records[1].Type = ""
		requireInvalid(t, s, "u", eventstore.NoStream, records)
	},

	"arguments": func(t *testing.T, s eventstore.Store) {
		requireInvalid(t, s, "u", eventstore.NoStream, nil)
		requireInvalid(t, s, "u", eventstore.NoStream-1, Propose("a", 0, 1))
		records := Propose("a", 0, 2)
		records[1].ID = uuid.Nil
		requireInvalid(t, s, "u", eventstore.NoStream, records)
		for _, when := range []time.Time{{}, time.Unix(0, -1), time.Unix(0, 1<<63-1).Add(1)} {
			records := Propose("a", 0, 2)
			records[0].Time = when
			requireInvalid(t, s, "u", eventstore.NoStream, records)
		}
	},

	"records": func(t *testing.T, s eventstore.Store) {
		most := eventstore.LimitsOf(s).Records
		many := make([]eventstore.Proposed, most+1)
		for i := range many {
			many[i] = eventstore.Proposed{ID: ID("m", i), Type: "t", Time: start}
		}
		Must(t, s, "s", eventstore.NoStream, many[:most])
		require.Len(t, All(t, s.ReadStream(t.Context(), "s", 0)), most)
		requireTooLarge(t, s, many, "records", most+1, most)
	},

	"bytes": func(t *testing.T, s eventstore.Store) {
		records := Propose("a", 0, 2)
		most := eventstore.LimitsOf(s).Bytes
		rest := most - records[0].Size() - records[1].Size()
		records[1].Data = append(records[1].Data, make([]byte, rest)...)
		Must(t, s, strings.Repeat("n", eventstore.MaxStreamName), eventstore.NoStream, records)
		requireSame(t, strings.Repeat("n", eventstore.MaxStreamName), 0, records, All(t, s.ReadAll(t.Context(), eventstore.Position{})))
		records[0].Metadata = append(records[0].Metadata, 'x')
		requireTooLarge(t, s, records, "bytes", most+1, most)
	},
}

func requireInvalid(t testing.TB, s eventstore.Store, stream string, expected eventstore.Expected, records []eventstore.Proposed) {
	t.Helper()
	_, err := s.Append(t.Context(), stream, expected, records)
	var invalid *eventstore.Invalid
	require.ErrorAs(t, err, &invalid)
	requireAbsent(t, s, "u")
}

func requireTooLarge(t testing.TB, s eventstore.Store, records []eventstore.Proposed, what string, size, limit int) {
	t.Helper()
	_, err := s.Append(t.Context(), "u", eventstore.NoStream, records)
	var tooLarge *eventstore.TooLarge
	require.ErrorAs(t, err, &tooLarge)
	require.Equal(t, eventstore.TooLarge{What: what, Size: size, Limit: limit}, *tooLarge)
	requireAbsent(t, s, "u")
}

func requireAbsent(t testing.TB, s eventstore.Store, stream string) {
	t.Helper()
	_, err := s.Head(t.Context(), stream)
	var notFound *eventstore.NotFound
	require.ErrorAs(t, err, &notFound)
	require.Equal(t, stream, notFound.Stream)
}

func scribble(b []byte) {
	for i := range b {
		b[i] = '!'
	}
}
