package migrate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

// Every record is the same in every engine, and the tree heads with them. A second run copies
// nothing. Moved on to a third store, and back to the first engine, it is still the same.
func TestMove(t *testing.T) {
	for from, source := range engines {
		for to, target := range engines {
			t.Run(from+" to "+to, func(t *testing.T) {
				first, second, third := source(t), target(t), source(t)
				grow(t, first, 0, 12)
				heads, copied := move(t, first, second, 16)
				requireCopy(t, first, second, heads)
				require.Len(t, order(t, first), int(copied))
				again, copied := move(t, first, second, 16)
				require.Zero(t, copied)
				require.Equal(t, heads, again)
				back, _ := move(t, second, third, windowRecords)
				requireCopy(t, first, third, back)
			})
		}
	}
}

// The order over all streams is that of the source from one window to the next.
func TestOrderOverAllStreams(t *testing.T) {
	source := memory.New()
	grow(t, source, 0, 20)
	want := order(t, source)
	for _, window := range []int{1, 7, 1000} {
		target := memory.New()
		move(t, source, target, window)
		got := order(t, target)
		require.Len(t, got, len(want))
		for i := 0; i < len(want); i += window {
			end := min(i+window, len(want))
			require.ElementsMatch(t, want[i:end], got[i:end], "window %d from %d", window, i)
		}
	}
}

// A run that is killed between any two appends, before or after one was written, is gone on
// with by the next run, however often that happens.
func TestKilledBetweenAnyTwoAppends(t *testing.T) {
	source := memory.New()
	grow(t, source, 0, 10)
	for name, target := range engines {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, written %v", name, after), func(t *testing.T) {
				for lives := 0; ; lives++ {
					if name != "memory" && lives > 2 && lives%5 != 0 {
						continue
					}
					store := target(t)
					d := &dying{Store: store, lives: lives, after: after}
					m := New(source, d)
					m.window = 8
					_, err := m.Begin(t.Context())
					require.NoError(t, err)
					_, err = m.Copy(t.Context())
					heads, copied := move(t, source, store, 8)
					requireCopy(t, source, store, heads)
					if err == nil { // it outlived the copy
						require.False(t, d.killed)
						require.Zero(t, copied)
						require.Greater(t, lives, 20)
						return
					}
					require.ErrorIs(t, err, errKilled)
				}
			})
		}
	}
	t.Run("again and again", func(t *testing.T) {
		store, deaths := memory.New(), 0
		for {
			m := New(source, &dying{Store: store, lives: 2, after: deaths%2 == 0})
			m.window = 8
			_, err := m.Begin(t.Context())
			require.NoError(t, err)
			if _, err = m.Copy(t.Context()); err == nil {
				break
			}
			deaths++
		}
		require.Greater(t, deaths, 5)
		heads, copied := move(t, source, store, 8)
		require.Zero(t, copied)
		requireCopy(t, source, store, heads)
	})
}

// A target that is no copy is refused, with the first record that differs, and is not touched.
func TestDifferingTarget(t *testing.T) {
	source := memory.New()
	grow(t, source, 0, 5)
	for name, c := range map[string]struct {
		change func(records []eventstore.Proposed) []eventstore.Proposed
		says   string
	}{
		"id":   {func(r []eventstore.Proposed) []eventstore.Proposed { r[2].ID = storetest.ID("x", 1); return r }, "stream portfolio-a, revision 2: its id"},
		"type": {func(r []eventstore.Proposed) []eventstore.Proposed { r[1].Type += "x"; return r }, "stream portfolio-a, revision 1: its type"},
		"time": {func(r []eventstore.Proposed) []eventstore.Proposed {
			r[0].Time = r[0].Time.Add(time.Nanosecond)
			return r
		}, "stream portfolio-a, revision 0: its time"},
		"metadata": {func(r []eventstore.Proposed) []eventstore.Proposed { r[2].Metadata = []byte("other"); return r }, "stream portfolio-a, revision 2: its metadata"},
		"data":     {func(r []eventstore.Proposed) []eventstore.Proposed { r[2].Data = []byte("{} "); return r }, "stream portfolio-a, revision 2: its data"},
		"longer": {func(r []eventstore.Proposed) []eventstore.Proposed {
			return append(r, storetest.Propose("more", 0, 1)...)
		}, "the source has no such record"},
	} {
		t.Run(name, func(t *testing.T) {
			var records []eventstore.Proposed
			for _, rec := range storetest.All(t, source.ReadStream(t.Context(), "portfolio-a", 0)) {
				records = append(records, eventstore.Proposed{ID: rec.ID, Type: rec.Type, Time: rec.Time, Metadata: rec.Metadata, Data: rec.Data})
			}
			target := memory.New()
			storetest.Must(t, target, "portfolio-a", eventstore.NoStream, c.change(records))
			requireRefused(t, source, target, c.says)
		})
	}
	t.Run("stream", func(t *testing.T) {
		target := memory.New()
		storetest.Must(t, target, "another", eventstore.NoStream, storetest.Propose("another", 0, 1))
		requireRefused(t, source, target, "stream another, revision 0: the source has no such record")
	})
}

func requireRefused(t *testing.T, source, target eventstore.Store, says string) {
	t.Helper()
	before := order(t, target)
	_, err := New(source, target).Begin(t.Context())
	var different *DifferentError
	require.ErrorAs(t, err, &different)
	require.ErrorContains(t, err, says)
	require.Equal(t, before, order(t, target))
}

// A source that grows while it is read is copied up to some moment, and then further.
func TestGrowingSource(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			store, target := engine(t), memory.New()
			grow(t, store, 0, 6)
			round := 6
			source := &growing{Store: store, every: 9, grow: func() {
				if round < 30 {
					grow(t, store, round, 1)
					round++
				}
			}}
			m := New(source, target)
			m.window = 5
			_, err := m.Begin(t.Context())
			require.NoError(t, err)
			first, err := m.Copy(t.Context())
			require.NoError(t, err)
			_, err = m.Verify(t.Context())
			require.NoError(t, err)
			grow(t, store, 40, 3)
			behind, err := m.Behind(t.Context())
			require.NoError(t, err)
			require.Positive(t, behind)
			second, err := m.Copy(t.Context())
			require.NoError(t, err)
			require.GreaterOrEqual(t, second, behind) // reading may let it grow, too
			heads, err := m.Verify(t.Context())
			require.NoError(t, err)
			require.Len(t, order(t, target), int(first+second))
			rest, copied := move(t, store, target, 5)
			if copied == 0 {
				require.Equal(t, heads, rest)
			}
			requireCopy(t, store, target, rest)
		})
	}
}

// A new stream, and one that went on, are found by the next run, wherever the target ends.
func TestGoesOnWhereTheTargetEnds(t *testing.T) {
	source, target := memory.New(), memory.New()
	for round := range 8 {
		grow(t, source, 2*round, 2)
		grow(t, source, 100+round, 1)
		storetest.Must(t, source, fmt.Sprint("new-", round), eventstore.NoStream, storetest.Propose("new", round*10, 2))
		heads, copied := move(t, source, target, 3)
		require.Positive(t, copied)
		requireCopy(t, source, target, heads)
	}
}

// Something else that appends to the target meanwhile is found out, before or after the copy.
func TestTargetWrittenByAnother(t *testing.T) {
	var different *DifferentError
	begun := func() (*Move, *memory.Store) {
		source, target := memory.New(), memory.New()
		grow(t, source, 0, 6)
		m := New(source, target)
		_, err := m.Begin(t.Context())
		require.NoError(t, err)
		return m, target
	}
	m, target := begun()
	storetest.Must(t, target, "system", eventstore.NoStream, storetest.Propose("another", 0, 1))
	_, err := m.Copy(t.Context())
	require.ErrorAs(t, err, &different)
	require.ErrorContains(t, err, "stream system, revision 0: something else appended")

	m, target = begun()
	_, err = m.Copy(t.Context())
	require.NoError(t, err)
	head, err := target.Head(t.Context(), "system")
	require.NoError(t, err)
	storetest.Must(t, target, "system", eventstore.At(head), storetest.Propose("another", 0, 1))
	_, err = m.Verify(t.Context())
	require.ErrorAs(t, err, &different)
	require.Equal(t, head+1, different.Revision)

	m, target = begun()
	_, err = m.Copy(t.Context())
	require.NoError(t, err)
	storetest.Must(t, target, "another", eventstore.NoStream, storetest.Propose("another", 0, 1))
	_, err = m.Verify(t.Context())
	require.ErrorAs(t, err, &different)
	require.Equal(t, "another", different.Stream)
}

// Appends keep within the limits of the target: records that the source took in one append go
// in several, also where the target counts more than their size. One record that is too large
// is refused with its place.
func TestLimitsOfTheTarget(t *testing.T) {
	source := memory.New()
	var records []eventstore.Proposed
	for n := range 12 {
		records = append(records, long("large", n, 300<<10)...)
	}
	for n := range 6000 { // of which the type weighs most
		p := storetest.Propose("types", n, 1)
		p[0].Type, p[0].Data = strings.Repeat("t", eventstore.MaxTypeName), nil
		records = append(records, p...)
	}
	storetest.Must(t, source, "portfolio-a", eventstore.NoStream, records)
	target := engines["wire"](t)
	heads, copied := move(t, source, target, windowRecords)
	require.Len(t, records, int(copied))
	requireCopy(t, source, target, heads)

	storetest.Must(t, source, "portfolio-b", eventstore.NoStream, storetest.Propose("b", 0, 2))
	storetest.Must(t, source, "portfolio-b", 1, long("b", 2, 2<<20))
	m := New(source, target)
	_, err := m.Begin(t.Context())
	require.NoError(t, err)
	_, err = m.Copy(t.Context())
	var large *eventstore.TooLarge
	require.ErrorAs(t, err, &large)
	require.ErrorContains(t, err, "stream portfolio-b, from revision 2")
}

// A run that is interrupted says so, and the next one goes on.
func TestInterrupted(t *testing.T) {
	store, target := memory.New(), memory.New()
	grow(t, store, 0, 10)
	ctx, stop := context.WithCancel(t.Context())
	m := New(&growing{Store: store, every: 15, grow: stop}, target)
	m.window = 4
	_, err := m.Begin(ctx)
	require.NoError(t, err)
	_, err = m.Copy(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NotEmpty(t, order(t, target))
	heads, _ := move(t, store, target, 4)
	requireCopy(t, store, target, heads)
}
