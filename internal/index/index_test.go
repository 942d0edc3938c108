package index

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/internal/testenv"
)

var ctx = context.Background()

// A map as the oracle: whatever is added, flushed, merged and opened again, in any
// order, every key and range has the answer of the map.
func TestAnyOperationsAgainstAMap(t *testing.T) {
	for seed := range uint64(testenv.Rounds(2, 6, 200)) {
		h := newHistory(seed, 400)
		d := newMemFolder()
		x := openMem(t, d)
		x.most = 200 // so that runs become complete
		rng := rand.New(rand.NewPCG(seed, 9))
		for rest := h.log; len(rest) > 0; {
			n := min(len(rest), rng.IntN(12))
			add(t, x, rest[:n])
			rest = rest[n:]
			switch rng.IntN(8) {
			case 0, 1, 2, 3:
				require.NoError(t, x.Flush(ctx))
			case 4:
				require.NoError(t, x.mergeAll(ctx))
			case 5:
				require.Zero(t, check(t, x, h))
			case 6:
				d = d.restart()
				x = openMem(t, d)
				x.most = 200
				rest = h.from(x.Position())
			}
		}
		require.Zero(t, check(t, x, h))
		require.Equal(t, h.end(), x.Position())
		require.NoError(t, x.Flush(ctx))
		require.NoError(t, x.mergeAll(ctx))
		require.Zero(t, check(t, x, h))
		d = d.restart()
		x = openMem(t, d)
		require.Equal(t, h.end(), x.Position(), "all of it was flushed")
		require.Zero(t, check(t, x, h))
		require.Empty(t, x.Dropped())
	}
}

// Ranges have both their bounds, in both directions, over runs and memory.
func TestRange(t *testing.T) {
	h := newHistory(7, 600)
	x := openMem(t, newMemFolder())
	add(t, x, h.log[:200])
	require.NoError(t, x.Flush(ctx))
	add(t, x, h.log[200:400])
	require.NoError(t, x.Flush(ctx))
	add(t, x, h.log[400:])
	rng := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		table := []Table{Closed, Equity, Live}[rng.IntN(3)]
		p := h.keys[table][rng.IntN(len(h.keys[table]))].Prefix()
		a, b := h.keys[table][rng.IntN(len(h.keys[table]))].N(), rng.Uint64N(700)
		require.Zero(t, checkRange(t, x, h, table, p, min(a, b), max(a, b), rng.IntN(2) == 0, 1+rng.IntN(20)))
	}
	got, _, err := x.Range(Closed, PrefixOf("main", "bot0"), 10, 9, false, 5)
	require.NoError(t, err)
	require.Empty(t, got)
	_, _, err = x.Range(IDs, Prefix{}, 0, 9, false, 5)
	require.ErrorContains(t, err, "no range of 5 entries of ids can be read")
	_, _, err = x.Range(Closed, Prefix{}, 0, 9, false, 0)
	require.ErrorContains(t, err, "no range of 0 entries")
	_, _, err = x.Range(tables, Prefix{}, 0, 9, false, 1)
	require.ErrorContains(t, err, "there is no table 4")
}

func TestGet(t *testing.T) {
	x := openMem(t, newMemFolder())
	key, value := IDKey("fill", "main", "7"), make([]byte, IDs.ValueLen())
	value[0] = 1
	require.NoError(t, x.Add(5, Entry{IDs, key, value}))
	value[0] = 9 // the index has its own copy
	got, asOf, found, err := x.Get(IDs, key)
	require.NoError(t, err)
	require.True(t, found)
	require.EqualValues(t, 6, asOf)
	require.EqualValues(t, 1, got[0])
	got[0] = 9 // and so has the caller
	got, _, _, err = x.Get(IDs, key)
	require.NoError(t, err)
	require.EqualValues(t, 1, got[0])
	for _, other := range []Key{IDKey("fill", "main7", ""), IDKey("fil", "lmain", "7"), IDKey("fill", "other", "7"), IDKey("trade", "main", "7")} {
		_, asOf, found, err = x.Get(IDs, other)
		require.NoError(t, err)
		require.False(t, found)
		require.EqualValues(t, 6, asOf)
	}
	_, _, _, err = x.Get(tables, key)
	require.Error(t, err)
	_, err = x.GetMany(IDs, []Key{key}, nil)
	require.Error(t, err)
}

// What cannot be added is refused whole.
func TestAddRefuses(t *testing.T) {
	x := openMem(t, newMemFolder())
	good := Entry{Closed, PrefixOf("main", "bot").At(3), []byte{}}
	require.NoError(t, x.Add(10))
	require.ErrorContains(t, x.Add(10, good), "was added after the one before 11")
	require.ErrorContains(t, x.Add(11, good, Entry{IDs, Key{}, []byte{1}}), "entry 1 of the record at 11 is none of ids: its value has 1 bytes")
	require.ErrorContains(t, x.Add(11, good, Entry{tables, Key{}, nil}), "table 4")
	require.ErrorContains(t, x.Add(1<<64-1, good), "no position after")
	require.EqualValues(t, 11, x.Position())
	_, _, found, err := x.Get(Closed, good.Key)
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, x.Close())
	require.NoError(t, x.Close())
	require.ErrorIs(t, x.Add(11, good), ErrClosed)
	require.ErrorIs(t, x.Flush(ctx), ErrClosed)
	_, _, _, err = x.Get(Closed, good.Key)
	require.ErrorIs(t, err, ErrClosed)
	_, _, err = x.Range(Closed, Prefix{}, 0, 1, false, 1)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, x.Rebuild(ctx, newHistory(1, 1).all(), nil), ErrClosed)
}

// Tables at different positions: the index is at the least of them, and what is
// added again to the others changes nothing.
func TestTablesAtDifferentPositions(t *testing.T) {
	h := newHistory(3, 300)
	d := newMemFolder()
	x := openMem(t, d)
	add(t, x, h.log[:100])
	require.NoError(t, x.Flush(ctx))
	first := x.Position()
	add(t, x, h.log[100:200])
	for _, table := range []Table{Closed, Equity} { // then the program is killed
		require.NoError(t, x.flush(ctx, table))
	}
	x = openMem(t, d.restart())
	require.Equal(t, first, x.Position())
	_, ids, _, err := x.Get(IDs, Key{})
	require.NoError(t, err)
	require.Equal(t, first, ids)
	_, closed, _, err := x.Get(Closed, Key{})
	require.NoError(t, err)
	require.Equal(t, h.log[199].At+1, closed)
	require.Zero(t, check(t, x, h))
	for _, a := range h.from(first) {
		require.NoError(t, x.Add(a.At, a.Entries...))
		if a.At%7 == 0 {
			require.Zero(t, check(t, x, h))
		}
		if a.At%11 == 0 {
			require.NoError(t, x.Flush(ctx))
		}
	}
	require.NoError(t, x.Flush(ctx))
	require.Zero(t, check(t, x, h))
	for _, table := range x.Stats().Tables {
		require.Equal(t, h.end(), table.Flushed)
	}
}

// A flush that fails loses nothing, also of what was added meanwhile.
func TestAFailedFlushKeepsEverythingInMemory(t *testing.T) {
	h := newHistory(4, 120)
	d := newMemFolder()
	x := openMem(t, d)
	add(t, x, h.log[:60])
	n := 0
	root := x.root
	x.root = func(p Position) (eventstore.Hash, error) { // Add goes on while the root is looked up
		if n++; n == 1 {
			add(t, x, h.log[60:])
			return eventstore.Hash{}, errInjected
		}
		return root(p)
	}
	require.ErrorIs(t, x.Flush(ctx), errInjected)
	require.Zero(t, check(t, x, h))
	require.NoError(t, x.Flush(ctx))
	require.Zero(t, check(t, x, h))
	x = openMem(t, d.restart())
	require.Equal(t, h.end(), x.Position())
	require.Zero(t, check(t, x, h))

	ended, cancel := context.WithCancel(ctx)
	cancel()
	x = openMem(t, newMemFolder())
	add(t, x, h.log)
	require.ErrorIs(t, x.Flush(ended), context.Canceled)
	require.Zero(t, x.Stats().Flushed)
	require.Zero(t, check(t, x, h))
}

// Merging writes no more than its rate, and yields to the end of the index.
func TestMergingIsPaced(t *testing.T) {
	h := newHistory(5, 80)
	x := openMem(t, newMemFolder())
	for chunk := range slices.Chunk(h.log, 10) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	before := x.Stats().Total()
	x.unpaced.Store(false)
	var waited time.Duration
	x.pause = func(_ context.Context, d time.Duration) error {
		waited += d
		return nil
	}
	require.NoError(t, x.mergeAll(ctx))
	after := x.Stats().Total()
	require.Less(t, after.Runs, before.Runs)
	written := after.Bytes // all runs were merged
	require.InDelta(t, float64(written)/mergeRate, waited.Seconds(), 0.001)

	x.pause = func(context.Context, time.Duration) error { return context.Canceled }
	for range 8 {
		require.NoError(t, x.Add(x.Position()))
		require.NoError(t, x.Flush(ctx))
	}
	require.ErrorIs(t, x.mergeAll(ctx), context.Canceled)
	require.Zero(t, check(t, x, h))
	require.NoError(t, x.Err(), "a merge that was given up is no damage")
}

// Runs are merged in the background, and a merge that failed is tried again.
func TestMergesInTheBackground(t *testing.T) {
	h := newHistory(6, 400)
	d := newMemFolder()
	set := byHand
	set.foreground = false
	x, err := open(d, testStore, rootAt, set)
	require.NoError(t, err)
	x.unpaced.Store(true)
	for chunk := range slices.Chunk(h.log, 10) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	for x.Stats().Total().Runs > 4*14 { // until the last flush was seen
		require.NoError(t, x.MergeErr())
		x.wakeMerger()
		time.Sleep(time.Millisecond)
	}
	require.Zero(t, check(t, x, h))
	require.NoError(t, x.Close())
	names, err := d.list()
	require.NoError(t, err)
	for _, name := range names {
		require.NotContains(t, name, tempSuffix)
	}
}

// Stats count what is there.
func TestStats(t *testing.T) {
	h := newHistory(8, 200)
	d := newMemFolder()
	x := openMem(t, d)
	require.Zero(t, x.Stats().Total().Amplification())
	add(t, x, h.log[:100])
	require.NoError(t, x.Flush(ctx))
	add(t, x, h.log[100:])
	s := x.Stats()
	require.Equal(t, h.end(), s.Position)
	require.Equal(t, h.log[99].At+1, s.Flushed)
	total := s.Total()
	require.Equal(t, 4, total.Runs)
	bytes := 0
	for _, f := range d.files {
		bytes += len(f.content)
	}
	require.EqualValues(t, bytes, total.Bytes)
	require.Equal(t, total.Bytes, total.Written, "nothing was merged")
	require.NoError(t, x.Flush(ctx))
	s = x.Stats()
	ids := 0
	for _, versions := range h.what[IDs] {
		ids += len(versions)
	}
	require.EqualValues(t, ids, s.Tables[IDs].Entries)
	require.Zero(t, s.Total().InMemory)
	require.Greater(t, s.Total().Amplification(), 1.0)
	before := s.Total().Written
	for range 8 * 8 {
		require.NoError(t, x.Add(x.Position()))
		require.NoError(t, x.Flush(ctx))
	}
	require.NoError(t, x.mergeAll(ctx))
	s = x.Stats()
	require.Less(t, s.Total().Runs, 4*8, "of 65 each")
	require.Greater(t, s.Total().Written, before+s.Total().Bytes-1, "what was merged counts twice")
	again := openMem(t, d.restart())
	require.Equal(t, s.Total().Written, again.Stats().Total().Written, "and still does after a restart")
}

// A reader keeps the files that are merged meanwhile.
func TestReadersKeepMergedRuns(t *testing.T) {
	h := newHistory(9, 80)
	dir := t.TempDir()
	x, err := open(must(openFolder(dir, true)), testStore, rootAt, byHand)
	require.NoError(t, err)
	x.unpaced.Store(true)
	for chunk := range slices.Chunk(h.log, 10) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	v, asOf, err := x.view(IDs, (*tail).sorted)
	require.NoError(t, err)
	require.NoError(t, x.mergeAll(ctx))
	require.Equal(t, 1, x.Stats().Tables[IDs].Runs)
	buf := new([blockLen]byte)
	for _, key := range h.keys[IDs] {
		var values []byte
		for _, r := range v.list.runs {
			values, err = r.all(&key, buf, values)
			require.NoError(t, err)
		}
		require.Equal(t, h.value(IDs, key, asOf), inOrder(values, IDs.ValueLen()))
	}
	old := v.list.runs[0]
	v.list.release()
	require.Error(t, old.file.Close(), "it was closed with the last reference")
	require.NoError(t, x.Close())
}

func must(d folder, err error) folder {
	if err != nil {
		panic(err)
	}
	return d
}

// Rebuild makes it anew, and says how far it is.
func TestRebuild(t *testing.T) {
	h := newHistory(10, 500)
	d := newMemFolder()
	x := openMem(t, d)
	add(t, x, newHistory(11, 100).log) // of something else
	require.NoError(t, x.Flush(ctx))
	x.step = 100
	var at []Position
	last := uint64(0)
	require.NoError(t, x.Rebuild(ctx, h.all(), func(p Position, entries uint64) {
		at = append(at, p)
		require.GreaterOrEqual(t, entries, last)
		last = entries
	}))
	require.Greater(t, len(at), 4)
	require.True(t, slices.IsSorted(at))
	require.Equal(t, h.end(), at[len(at)-1])
	require.Zero(t, check(t, x, h))
	x = openMem(t, d.restart())
	require.Equal(t, h.end(), x.Position())
	require.Zero(t, check(t, x, h))

	// One that is interrupted goes on from where it is.
	boom := errors.New("the log cannot be read")
	err := x.Rebuild(ctx, func(yield func(Addition, error) bool) {
		for _, a := range h.log[:300] {
			if !yield(a, nil) {
				return
			}
		}
		yield(Addition{}, boom)
	}, nil)
	require.ErrorIs(t, err, boom)
	require.Equal(t, h.log[299].At+1, x.Position())
	require.Zero(t, check(t, x, h))
	add(t, x, h.from(x.Position()))
	require.Zero(t, check(t, x, h))
}

// A file that a failed operation left behind is gone after a rebuild: it could
// count again at the next start.
func TestRebuildRemovesWhatWasLeftBehind(t *testing.T) {
	wrong, h := newHistory(12, 100), newHistory(13, 100)
	d := newMemFolder()
	x := openMem(t, d)
	add(t, x, wrong.log)
	require.NoError(t, x.Flush(ctx))
	names, err := d.list()
	require.NoError(t, err)
	for _, name := range names { // of the same content, as if it were longer
		n, ok := parseName(name)
		require.True(t, ok)
		n.to = 1 << 40
		r := x.tables[n.table].list.runs[0]
		foot := r.footer
		foot.to, foot.count, foot.blocks = n.to, 0, 0
		foot.rootTo, _ = rootAt(n.to)
		_, err := writeRun(d, foot, r.count, r.source(Key{}, lastKey, false), func(int) error { return nil })
		require.NoError(t, err)
	}
	require.NoError(t, x.Rebuild(ctx, h.all(), nil))
	x = openMem(t, d.restart())
	require.Equal(t, h.end(), x.Position())
	require.Zero(t, check(t, x, h))
}
