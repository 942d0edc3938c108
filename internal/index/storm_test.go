package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// story is what happens to an index in the tests that stop it anywhere: it is
// opened, filled, flushed and merged, and at the end made anew.
func story(d *memFolder, h *history) error {
	x, err := open(d, testStore, rootAt, byHand)
	if err != nil {
		return err
	}
	defer x.Close()
	x.unpaced.Store(true)
	x.most = 40
	for chunk := range slices.Chunk(h.from(x.Position()), 4) {
		for _, a := range chunk {
			if err := x.Add(a.At, a.Entries...); err != nil {
				return err
			}
		}
		if err := x.Flush(ctx); err != nil {
			return err
		}
		if err := x.mergeAll(ctx); err != nil {
			return err
		}
	}
	x.step = 20
	return x.Rebuild(ctx, h.all(), nil)
}

// stride is how many steps lie between two that are stopped: 1 in a long test. The
// race detector is ten times slower, and has little to find in what one goroutine does.
func stride() int { return testenv.Rounds(11, 7, 1) }

// Killed at any write, rename, removal or read, also half-way: what is there after
// the next start is right, and it goes on to the end.
func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	h := newHistory(20, 80)
	for step := 1; ; step += stride() {
		d := newMemFolder()
		d.killAt = step
		err := story(d, h)
		killed := d.dead
		if !killed {
			require.NoError(t, err)
			require.Greater(t, step, 500)
			return
		}
		d = d.restart()
		x := openMem(t, d)
		require.Zero(t, check(t, x, h), "step %d", step)
		d.mu.Lock()
		for name := range d.files {
			require.True(t, slices.ContainsFunc(x.runs(), func(r *run) bool { return r.name.String() == name }), "step %d leaves %s", step, name)
		}
		d.mu.Unlock()
		add(t, x, h.from(x.Position()))
		require.NoError(t, x.Flush(ctx))
		require.NoError(t, x.mergeAll(ctx))
		require.Zero(t, check(t, x, h), "step %d", step)
		require.Equal(t, h.end(), x.Position())
		require.NoError(t, x.Close())
	}
}

// runs are those of all tables.
func (x *Index) runs() []*run {
	var out []*run
	for t := range x.tables {
		out = append(out, x.tables[t].list.runs...)
	}
	return out
}

// An I/O error at any step: no answer is wrong, nothing is lost, and it goes on.
func TestAnErrorAtAnyStep(t *testing.T) {
	h := newHistory(21, 60)
	for step := 1; ; step += stride() {
		d := newMemFolder()
		d.failAt = step
		x, err := open(d, testStore, rootAt, byHand)
		if err != nil {
			require.ErrorIs(t, err, errInjected)
			x = openMem(t, d)
		}
		x.unpaced.Store(true)
		x.most = 40
		for chunk := range slices.Chunk(h.from(x.Position()), 5) {
			add(t, x, chunk)
			_ = x.Flush(ctx) // the next one tries again
			_ = x.mergeAll(ctx)
			for _, a := range chunk[:1] {
				for _, e := range a.Entries {
					got, asOf, _, err := x.Get(e.Table, e.Key)
					if err != nil {
						require.ErrorIs(t, err, ErrRebuild)
						continue
					}
					require.Equal(t, h.value(e.Table, e.Key, asOf), got)
				}
			}
		}
		if x.Err() != nil {
			require.ErrorIs(t, x.Err(), errInjected)
			require.NoError(t, x.Rebuild(ctx, h.all(), nil))
		}
		require.NoError(t, x.Flush(ctx))
		if check(t, x, h) > 0 { // the error was in this very look
			require.ErrorIs(t, x.Err(), errInjected)
			require.Zero(t, check(t, x, h), "step %d", step)
		}
		over := d.ops < step
		require.NoError(t, x.Close())
		again := openMem(t, d.restart())
		require.Equal(t, h.end(), again.Position(), "step %d", step)
		require.Zero(t, check(t, again, h), "step %d", step)
		require.NoError(t, again.Close())
		if over {
			require.Greater(t, step, 300)
			return
		}
	}
}

// small is an index with one small run of each table.
func small(t testing.TB) (*history, *memFolder) {
	h := newHistory(22, 8)
	for table := range Table(tables) { // of each something
		e := Entry{table, PrefixOf("main", "bot1").At(7), make([]byte, table.ValueLen())}
		h.log[7].Entries = append(h.log[7].Entries, e)
		if h.what[table][e.Key] == nil {
			h.keys[table] = append(h.keys[table], e.Key)
		}
		h.what[table][e.Key] = append(h.what[table][e.Key], version{h.log[7].At, e.Value})
	}
	d := newMemFolder()
	x := openMem(t, d)
	add(t, x, h.log)
	require.NoError(t, x.Flush(ctx))
	require.NoError(t, x.Close())
	return h, d
}

// Every byte of a small run is flipped, while it is closed and while it is open:
// never a wrong answer, never a wrong "not there".
func TestEveryFlippedByteOfASmallRun(t *testing.T) {
	h, clean := small(t)
	failed, dropped := 0, 0
	for name, f := range clean.files {
		run, _ := parseName(name)
		opened := openMem(t, clean.restart())
		live := opened.dir.(*memFolder).files[name].content
		for i := 0; i < len(f.content); i += testenv.Rounds(23, 1, 1) {
			bit := byte(1) << (i % 8)
			d := clean.restart()
			d.files[name].content[i] ^= bit
			x, err := open(d, testStore, rootAt, byHand)
			require.NoError(t, err)
			failed += checkTable(t, x, h, run.table)
			dropped += len(x.Dropped())
			require.NoError(t, x.Close())

			live[i] ^= bit
			if checkTable(t, opened, h, run.table) > 0 {
				require.ErrorIs(t, opened.Err(), ErrDamaged)
			}
			live[i] ^= bit
			opened.fault.Store(nil)
		}
		require.Zero(t, check(t, opened, h))
	}
	require.Greater(t, failed, 4*4000/testenv.Rounds(23, 1, 1), "flips in blocks are errors")
	require.Greater(t, dropped, 4*160/testenv.Rounds(23, 1, 1), "flips in fences, filter and footer make the table end before the run")
}

// The same for bits all over a larger index with many runs, merged ones among them.
func TestFlippedBitsOfALargerIndex(t *testing.T) {
	h := newHistory(23, 3000)
	clean := newMemFolder()
	x := openMem(t, clean)
	for chunk := range slices.Chunk(h.log, 130) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	require.NoError(t, x.mergeAll(ctx))
	require.NoError(t, x.Close())
	names, _ := clean.list()
	rng := rand.New(rand.NewPCG(23, 23))
	failed, dropped := 0, 0
	for range testenv.Rounds(10, 60, 3000) {
		d := clean.restart()
		f := d.files[names[rng.IntN(len(names))]]
		at := rng.IntN(len(f.content))
		if rng.IntN(2) == 0 { // fences, filter and footer are the smaller part
			at = len(f.content) - 1 - rng.IntN(min(len(f.content), 1500))
		}
		f.content[at] ^= 1 << rng.IntN(8)
		x := openMem(t, d)
		failed += check(t, x, h)
		dropped += len(x.Dropped())
		// What was lost is added again, or the index is made anew.
		if x.Err() != nil {
			require.NoError(t, x.Rebuild(ctx, h.all(), nil))
		} else {
			add(t, x, h.from(x.Position()))
		}
		require.Zero(t, check(t, x, h))
		require.NoError(t, x.Close())
	}
	require.NotZero(t, failed)
	require.NotZero(t, dropped)
}

// Files that are gone, or shorter, or zeros where a power cut lost what was
// written: the index begins before them.
func TestDeletedAndTruncatedFiles(t *testing.T) {
	h := newHistory(24, 300)
	clean := newMemFolder()
	x := openMem(t, clean)
	for i, chunk := range slices.Collect(slices.Chunk(h.log, 20)) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
		if i == 9 {
			require.NoError(t, x.mergeAll(ctx))
		}
	}
	require.NoError(t, x.Close())
	names, _ := clean.list()
	require.Greater(t, len(names), 20)
	for i := 0; i < len(names); i += testenv.Rounds(13, 1, 1) {
		name := names[i]
		size := len(clean.files[name].content)
		for _, cut := range []int{-1, 0, 1, footerLen - 1, size / 2, size - 4096, size - footerLen, size - 1, size} {
			if cut > size || cut < -1 {
				continue
			}
			d := clean.restart()
			switch {
			case cut < 0:
				delete(d.files, name)
			case cut == size:
				clear(d.files[name].content)
			default:
				d.files[name].content = d.files[name].content[:cut]
			}
			x := openMem(t, d)
			require.Zero(t, check(t, x, h), "%s cut at %d", name, cut)
			add(t, x, h.from(x.Position()))
			require.NoError(t, x.Flush(ctx))
			require.Zero(t, check(t, x, h), "%s cut at %d", name, cut)
			x = openMem(t, d.restart())
			require.Equal(t, h.end(), x.Position())
			require.Zero(t, check(t, x, h), "%s cut at %d", name, cut)
		}
	}
	x = openMem(t, newMemFolder())
	require.Zero(t, x.Position(), "all of them gone")
}

// Readers at all times beside a writer that adds, flushes, merges and rebuilds;
// for the race detector, too.
func TestReadersBesideAWriter(t *testing.T) {
	h := newHistory(25, testenv.Rounds(250, 600, 3000))
	d := newMemFolder()
	x := openMem(t, d)
	x.most = 300
	reader, err := openReader(d, testStore, rootAt)
	require.NoError(t, err)
	done, cancel := context.WithCancel(ctx)
	errs := make(chan error, 4)
	for i := range 4 {
		var from looks = x
		if i%2 == 1 {
			from = reader
		}
		go func() { errs <- ask(done, from, h, uint64(i)) }()
	}
	rng := rand.New(rand.NewPCG(25, 25))
	for round := range 2 {
		for rest := h.log; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(10))
			add(t, x, rest[:n])
			rest = rest[n:]
			require.NoError(t, x.Flush(ctx))
			require.NoError(t, x.mergeAll(ctx))
		}
		if round == 0 {
			x.step = 300
			require.NoError(t, x.Rebuild(ctx, h.all(), nil))
			require.NoError(t, x.empty())
		}
	}
	cancel()
	for range 4 {
		require.NoError(t, <-errs)
	}
	require.NoError(t, reader.Refresh())
	require.Equal(t, h.end(), reader.Position())
	require.Zero(t, check(t, reader, h))
	require.NoError(t, reader.Close())
	require.ErrorIs(t, reader.Refresh(), ErrClosed)
}

// ask looks up one key after another until the context ends.
func ask(done context.Context, from looks, h *history, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	for done.Err() == nil {
		if r, ok := from.(*Reader); ok && rng.IntN(8) == 0 {
			if err := r.Refresh(); err != nil {
				return err
			}
		}
		t := Table(rng.IntN(tables))
		key := h.keys[t][rng.IntN(len(h.keys[t]))]
		if t == IDs || rng.IntN(2) == 0 {
			values := make([][]byte, 1)
			asOf, err := from.GetMany(t, []Key{key}, values)
			if want := h.value(t, key, asOf); err != nil || (want == nil) != (values[0] == nil) || string(want) != string(values[0]) {
				return fmt.Errorf("%s %x as of %d: %x, not %x (%w)", t, key, asOf, values[0], want, err)
			}
			continue
		}
		got, asOf, err := from.Range(t, key.Prefix(), 0, key.N(), true, 4)
		want := h.within(t, key.Prefix(), 0, key.N(), true, 4, asOf)
		if err != nil || !slices.EqualFunc(got, want, func(a, b Entry) bool { return a.Key == b.Key && string(a.Value) == string(b.Value) }) {
			return fmt.Errorf("range of %s before %x as of %d: %v, not %v (%w)", t, key, asOf, got, want, err)
		}
	}
	return nil
}
