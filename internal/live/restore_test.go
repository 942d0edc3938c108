package live_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore/memory"
	"pets/internal/live"
	"pets/internal/views"
	"pets/projections"
)

// A start goes on from the last checkpoint: its readers see only what came since, and are what a
// fold from the first record makes of them. So are the checkpoints after it.
func TestAStartGoesOnFromACheckpoint(t *testing.T) {
	y := newYears(t, "a", "b")
	y.start()
	for range 23 {
		y.deposit("a", "1")
	}
	y.deposit("b", "2")
	y.requireAll("a", "b")
	y.stop()
	y.deposit("a", "3")
	y.start()
	y.requireAll("a", "b")
	y.requireSeen("a", 1)
	y.requireSeen("b", 0)
	for range 11 {
		y.deposit("a", "1")
		y.requireAll("a")
	}
	y.stop()
	y.requireFold("a", y.shelf.of("a"))
	require.NotNil(t, y.shelf.of("a")[len(y.shelf.of("a"))-1].views)
	y.start()
	y.requireSeen("a", 0)
	y.requireAll("a", "b")
	require.NotContains(t, string(y.said.bytes()), "cannot go on from a checkpoint")
}

// A server that was killed leaves files with more than its checkpoints know.
func TestAFileThatIsLongerIsCut(t *testing.T) {
	y := newYears(t, "a")
	y.start()
	for range 12 {
		y.deposit("a", "1")
	}
	y.stop()
	y.every = 1_000_000
	y.start()
	before, err := os.Stat(y.files("a")[0])
	require.NoError(t, err)
	for range 2000 {
		y.deposit("a", "1")
	}
	y.requireAll("a")
	y.kill()
	after, err := os.Stat(y.files("a")[0])
	require.NoError(t, err)
	require.Greater(t, after.Size(), before.Size())
	y.start()
	y.requireSeen("a", 2000)
	y.requireAll("a")
	y.stop()
	y.start()
	y.requireSeen("a", 0)
	y.requireAll("a")
}

// both deposits something in two portfolios, n times.
func (y *years) both(n int) {
	for range n {
		y.deposit("a", "1")
		y.deposit("b", "2")
	}
}

// Whatever does not fit, the history is folded from its first record, and that is logged.
func TestWhatDoesNotFitIsFoldedFromTheFirstRecord(t *testing.T) {
	for name, c := range map[string]struct {
		between func(y *years)
		says    string
	}{
		"the folder is gone": {func(y *years) { require.NoError(y.t, os.RemoveAll(y.dir)) }, "no such file"},
		"a file is gone":     {func(y *years) { require.NoError(y.t, os.Remove(y.files("a")[0])) }, "no such file"},
		"a file is shorter":  {func(y *years) { require.NoError(y.t, os.Truncate(y.files("a")[1], 150)) }, "shorter than what was written"},
		"a file of another portfolio": {func(y *years) {
			mine, other := y.files("a")[0], y.files("b")[0]
			require.NoError(y.t, os.Rename(other, mine))
		}, "it belongs to another store"},
		"a newer reader": {func(y *years) { y.readers = append(y.readers, "the new one") }, "other readers"},
		"another reader": {func(y *years) { y.readers = []string{"the trades", "the new one"} }, "other readers"},
		"another order":  {func(y *years) { slices.Reverse(y.readers) }, "other readers"},
		"a reader fewer": {func(y *years) { y.readers = y.readers[:1] }, "other readers"},
		"a reader that refuses": {func(y *years) {
			y.restores = func(string, string) error { return errors.New("of another version") }
		}, "the trades: of another version"},
		"a reader that panics": {func(y *years) {
			y.restores = func(_, reader string) error {
				if reader == "the curve" {
					panic("too many")
				}
				return nil
			}
		}, "the curve: it failed: too many"},
		"another version":  {func(y *years) { y.shelf.change("a", func(c *onShelf) { c.views[0]++ }) }, "a build with another version"},
		"no state with it": {func(y *years) { y.shelf.change("a", func(c *onShelf) { c.state = nil }) }, "no usable checkpoint of its state"},
		"another state": {func(y *years) {
			opened, err := portfolio.New().Snapshot()
			require.NoError(y.t, err)
			y.shelf.change("a", func(c *onShelf) { c.state = opened })
		}, "the state is that after"},
		"another size": {func(y *years) {
			y.start()
			y.deposit("a", "1")
			y.stop()
			kept := y.shelf.of("a")
			last := kept[len(kept)-1]
			last.views = kept[len(kept)-2].views
			y.shelf.kept[prefix+"a"] = []onShelf{last}
		}, "another number of records"},
		"half of it": {func(y *years) { y.shelf.change("a", func(c *onShelf) { c.views = c.views[:len(c.views)-1] }) }, "not what was written"},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYears(t, "a", "b")
			y.both(20)
			y.start() // so that there are pieces before the first checkpoint
			y.both(10)
			y.requireAll("a", "b")
			y.stop()
			c.between(y)
			y.start()
			y.requireAll("a", "b")
			y.requireSeen("a", len(y.want("a")))
			require.Contains(t, string(y.said.bytes()), c.says)
			require.Contains(t, string(y.said.bytes()), "cannot go on from a checkpoint")
			y.restores = nil
			y.stop()
			y.start()
			y.requireSeen("a", 0)
			y.requireAll("a", "b")
			require.Len(t, y.files("a"), len(y.readers), "files that no checkpoint means are gone")
		})
	}
}

// If the newest checkpoint does not fit, the one before it may.
func TestAnOlderCheckpointIsTried(t *testing.T) {
	y := newYears(t, "a")
	y.start()
	for range 20 {
		y.deposit("a", "1")
	}
	y.stop()
	y.start()
	y.deposit("a", "1")
	y.stop()
	kept := y.shelf.of("a")
	require.Greater(t, kept[len(kept)-1].size, kept[len(kept)-2].size)
	y.shelf.mu.Lock()
	y.shelf.kept[prefix+"a"][len(kept)-1].views[0]++
	y.shelf.mu.Unlock()
	y.start()
	y.requireSeen("a", int(22-kept[len(kept)-2].size))
	y.requireAll("a")
}

// Random histories, stops at random moments, and whatever happens to the files between: the
// readers are always those of a fold from the first record.
func TestRestoredIsFoldedFromTheFirstRecord(t *testing.T) {
	ids := []string{"a", "b"}
	restored, refolded := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		y := newYears(t, ids...)
		y.every = uint64(rapid.IntRange(1, 12).Draw(rt, "every"))
		y.start()
		for range rapid.IntRange(1, 6).Draw(rt, "starts") {
			for range rapid.IntRange(0, 60).Draw(rt, "events") {
				y.deposit(rapid.SampledFrom(ids).Draw(rt, "of"), rapid.SampledFrom([]string{"1", "2.5"}).Draw(rt, "amount"))
			}
			if rapid.Bool().Draw(rt, "looked") {
				y.requireAll(ids...)
			}
			if rapid.Bool().Draw(rt, "killed") {
				y.kill()
			} else {
				y.stop()
			}
			damage(rt, y)
			y.start()
			y.requireAll(ids...)
			for _, id := range ids {
				if _, seen, err := y.read(id, "the trades"); err == nil && seen < len(y.want(id)) {
					restored++
				} else {
					refolded++
				}
			}
		}
		y.stop()
		for _, id := range ids {
			y.requireFold(id, y.shelf.of(id))
		}
	})
	require.NotZero(t, restored, "nothing was ever restored")
	require.NotZero(t, refolded, "nothing was ever folded from its first record")
}

// damage does something to the files of pieces, or nothing.
func damage(t *rapid.T, y *years) {
	all := append(y.files("a"), y.files("b")...)
	if len(all) == 0 {
		return
	}
	path := rapid.SampledFrom(all).Draw(t, "file")
	b, err := os.ReadFile(path)
	require.NoError(y.t, err)
	switch rapid.SampledFrom([]string{"", "", "", "", "flip", "flip", "cut", "longer", "gone", "all gone", "other"}).Draw(t, "damage") {
	case "flip":
		b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= byte(1 << rapid.IntRange(0, 7).Draw(t, "bit"))
	case "cut":
		b = b[:rapid.IntRange(0, len(b)-1).Draw(t, "length")]
	case "longer":
		b = append(b, rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "more")...)
	case "gone":
		require.NoError(y.t, os.Remove(path))
		return
	case "all gone":
		require.NoError(y.t, os.RemoveAll(y.dir))
		return
	case "other":
		other := rapid.SampledFrom(all).Draw(t, "other")
		if b, err = os.ReadFile(other); err != nil {
			y.t.Fatal(err)
		}
	}
	require.NoError(y.t, os.WriteFile(path, b, 0o600))
}

// "State reads and stops must not suffer because a cache is damaged": the state and the other
// readers are shown, the damaged one is folded again once, and what comes meanwhile is in it.
func TestADamagedPieceIsFoldedAgain(t *testing.T) {
	y := newYears(t, "a")
	y.start()
	for range 40 {
		y.deposit("a", "1")
	}
	y.stop()
	file := y.files("a")[0]
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	b[len(b)-1] ^= 1
	require.NoError(t, os.WriteFile(file, b, 0o600))
	y.start()
	require.NotContains(t, string(y.said.bytes()), "cannot go on from a checkpoint")
	failing := 0
	for _, reader := range y.readers {
		if _, _, err := y.read("a", reader); err != nil {
			failing++
			require.NoError(t, y.open("a").Read(func(s *portfolio.State) error {
				require.GreaterOrEqual(t, s.Next, uint64(41))
				return nil
			}))
			require.Empty(t, y.live.Broken())
		}
		y.deposit("a", "1")
	}
	require.Equal(t, 1, failing)
	y.requireAll("a")
	eventually(t, func() bool { return bytes.Contains(y.said.bytes(), []byte("all its reads are answered")) })
	require.Equal(t, 1, bytes.Count(y.said.bytes(), []byte("its portfolio is folded again from the first record")))
	require.Empty(t, y.files("a"), "the files before are gone, and the new ones have nothing yet")
	y.stop()
	require.Len(t, y.files("a"), 2)
	y.start()
	y.requireSeen("a", 0)
	y.requireAll("a")
}

// Each reader is folded again once: that another one was damaged before is no reason to refuse it.
func TestEachReaderIsFoldedAgain(t *testing.T) {
	y := newYears(t, "a")
	y.start()
	for range 40 {
		y.deposit("a", "1")
	}
	y.requireAll("a")
	for _, name := range []string{"the curve", "the trades"} {
		require.NoError(t, y.open("a").Read(func(*portfolio.State) error {
			j, err := y.journals[name].Of(y.open("a"))
			require.NoError(t, err)
			j.mu.Lock()
			defer j.mu.Unlock()
			j.err = errors.New("a piece is damaged")
			return nil
		}))
		y.requireAll("a")
	}
	require.Empty(t, y.live.Refused())
	require.Equal(t, 2, bytes.Count(y.said.bytes(), []byte("all its reads are answered")))
}

// A reader that fails again is not folded for ever. Its reads are refused, and nothing else is.
func TestAReaderThatFailsAgainIsRefused(t *testing.T) {
	y := newYears(t, "a")
	y.start()
	for range 40 {
		y.deposit("a", "1")
	}
	y.requireAll("a")
	for n := range 2 {
		p := y.open("a")
		require.NoError(t, p.Read(func(*portfolio.State) error {
			j, err := y.journals["the curve"].Of(p)
			require.NoError(t, err)
			j.mu.Lock()
			j.err = errors.New("a piece is damaged")
			j.mu.Unlock()
			return nil
		}))
		if n == 0 {
			y.requireAll("a")
		}
	}
	eventually(t, func() bool { return bytes.Contains(y.said.bytes(), []byte("cannot answer again")) })
	_, _, err := y.read("a", "the curve")
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
	require.ErrorContains(t, err, "cannot be followed for this portfolio")
	require.Equal(t, "a", y.live.Refused())
	lines, _, err := y.read("a", "the trades")
	require.NoError(t, err)
	require.Equal(t, y.want("a"), lines)
	y.deposit("a", "1")
	lines, _, err = y.read("a", "the trades")
	require.NoError(t, err)
	require.Equal(t, y.want("a"), lines)
	require.Equal(t, 1, bytes.Count(y.said.bytes(), []byte("its portfolio is folded again")))
	before := len(y.shelf.of("a"))
	for range 9 {
		y.deposit("a", "1")
		require.NoError(t, y.reach(y.open("a")))
	}
	y.stop()
	after := y.shelf.of("a")
	require.Greater(t, len(after), before, "the state is kept without the readers")
	require.Nil(t, after[len(after)-1].views)
}

// A checkpoint is of one moment, while events arrive and readers look.
func TestCheckpointsWhileEventsArrive(t *testing.T) {
	y := newYears(t, "a", "b")
	y.start()
	var wait sync.WaitGroup
	for _, id := range []string{"a", "b"} {
		wait.Go(func() {
			for range 300 {
				y.deposit(id, "1")
			}
		})
		wait.Go(func() {
			for range 100 {
				_, _, _ = y.read(id, "the trades")
			}
		})
	}
	wait.Wait()
	y.kill()
	for _, c := range y.shelf.of("a") {
		require.NotNil(t, c.views)
	}
	y.requireFold("a", y.shelf.of("a"))
	y.start()
	require.NotContains(t, string(y.said.bytes()), "cannot go on")
	y.requireAll("a", "b")
}

// If the pieces cannot be written, the state is kept without the readers, and they are still answered.
func TestWithoutRoomTheReadersAreNotKept(t *testing.T) {
	y := newYears(t, "a")
	require.NoError(t, os.WriteFile(y.dir, nil, 0o600)) // a file in the way
	for range 40 {
		y.deposit("a", "1")
	}
	y.start() // and there are pieces before the first checkpoint
	y.requireAll("a")
	y.stop()
	kept := y.shelf.of("a")
	require.NotEmpty(t, kept)
	require.Nil(t, kept[len(kept)-1].views)
	require.Contains(t, string(y.said.bytes()), "they stay in memory")
	require.NoError(t, os.Remove(y.dir))
	y.start()
	y.requireSeen("a", 41)
	y.stop()
	y.start()
	y.requireSeen("a", 0)
	y.requireAll("a")
}

// Of thousands of portfolios, only those that are worth a checkpoint have files, and a start
// goes on from these.
func TestManyPortfoliosHaveFewFiles(t *testing.T) {
	ids := make([]string, 2000)
	for i := range ids {
		ids[i] = fmt.Sprint("p", i)
	}
	y := newYears(t, ids...)
	for range 600 {
		y.deposit("p7", "1")
	}
	y.start()
	y.stop()
	entries, err := os.ReadDir(y.dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "those of the only one that is worth a checkpoint")
	y.start()
	y.requireSeen("p7", 0)
	y.requireSeen("p8", 1)
	y.requireAll("p7", "p8", "p1999")
}

// A reader that cannot be kept makes a start fold the history, as before.
func TestAReaderThatCannotBeKept(t *testing.T) {
	store, s := memory.New(), &shelf{}
	w := &world{t: t, store: store}
	w.append("a", &domain.PortfolioOpened{Portfolio: "a", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)})
	for range 2 {
		folder := views.In(filepath.Join(t.TempDir(), "views"), "store", nil)
		w.live = live.New(store, live.Options{Prefix: prefix, Checkpoints: s, CheckpointIdle: never, Views: folder})
		diaries := live.Attach(w.live, "the diary", func(string, projections.Pieces) *diary { return &diary{} })
		w.deposit("a", "1")
		a := w.open("a")
		require.NoError(t, w.reach(a))
		require.NoError(t, a.Read(func(now *portfolio.State) error {
			d, err := diaries.Of(a)
			require.NoError(t, err)
			require.Len(t, d.seen, int(now.Next))
			return nil
		}))
		w.live.Close()
		require.Nil(t, s.of("a")[len(s.of("a"))-1].views)
	}
}
