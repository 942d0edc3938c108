package embedded_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

var tortureSeeds = flag.Uint64("torture.seeds", 0, "how many seeds TestTortureCrash tries")

// TestTortureCrash: "crash of an in-memory file system with byte-level tearing":
// worse than any disk, a power cut may also leave part of a sector written and
// the rest of it as it was. Names that were not flushed are there or not. A start
// loses nothing; what it refuses as damage, because half a sector is no torn
// tail to it, lies behind everything that was acknowledged, and one cut there
// makes the store whole.
func TestTortureCrash(t *testing.T) {
	seeds := uint64(testenv.Rounds(100, 100, 1000))
	if *tortureSeeds > 0 {
		seeds = *tortureSeeds
	}
	refused := 0
	for seed := range seeds {
		f := newFaultFS(t, seed)
		f.killAt = 10 + f.rng.IntN(280)
		acked := map[string]int{}
		for range 3 { // a start can crash as well
			if s, err := f.open(crashSegment * 2); err == nil {
				for name, n := range work(t, s, 20) {
					acked[name] = max(acked[name], n)
				}
				_ = s.Close() // a dead program writes nothing any more
			}
			var cut bool
			f, cut = requireBootable(t, f, acked, label("seed %d", seed))
			if cut {
				refused++
			}
			f.killAt = f.rng.IntN(60)
		}
		requireRestart(t, f, acked, label("seed %d", seed))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d seeds, %d power cuts: 0 acknowledged records lost; %d starts wanted a cut by hand after half a sector", seeds, 3*seeds, refused)
}

// requireBootable loses power with torn sectors and returns the disk in a state
// from which the store starts. Cut says that it had to be helped.
func requireBootable(t *testing.T, f *faultFS, acked map[string]int, when string) (_ *faultFS, cut bool) {
	t.Helper()
	whole := f.restart()
	torn := f.restart()
	torn.tearBytes()
	torn = torn.powerCut()
	s, err := torn.restart().open(crashSegment)
	if err == nil {
		requireKept(t, s, acked)
		require.NoError(t, s.Close())
		return torn, false
	}
	damage := requireDamage(t, err, when)
	name := filepath.Base(damage.File)
	content := torn.contents()[name]
	if name == "durable" { // both slots were in flight: its older state is as true
		content = string(whole.safe[damage.File].disk)
	} else {
		require.GreaterOrEqual(t, baseOf(t, name)+int(damage.Offset), torn.markedEnd(), when)
		content = content[:damage.Offset]
	}
	helped := torn.with(name, content)
	s, err = helped.restart().open(crashSegment)
	require.NoError(t, err, when)
	requireKept(t, s, acked)
	require.NoError(t, s.Close())
	return helped, true
}

// markedEnd is where the durable mark stands.
func (f *faultFS) markedEnd() int {
	end, content := 0, f.contents()["durable"]
	for slot := 0; slot+48 <= len(content); slot += sector {
		if position, ok := markPosition([]byte(content[slot : slot+48])); ok {
			end = max(end, position)
		}
	}
	return end
}

// tearBytes leaves of some sectors that were not flushed only a first part, and
// of the rest what was on disk before.
func (f *faultFS) tearBytes() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(f.live)) {
		n := f.live[path]
		for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
			from, to := s*sector+f.rng.IntN(sector), min(s*sector+sector, len(n.cache))
			if f.rng.IntN(3) > 0 || from >= to {
				continue
			}
			clear(n.cache[from:to])
			if from < len(n.disk) {
				copy(n.cache[from:to], n.disk[from:])
			}
		}
	}
}

// The negative controls: a store without a flush is built by taking the flush
// out of the disk. If the tests found nothing wrong with it, they would find
// nothing at all.

type noFlush struct{ embedded.Dir }

func (c noFlush) Open(name string, mode embedded.Mode) (embedded.File, error) {
	f, err := c.Dir.Open(name, mode)
	if err != nil {
		return nil, err
	}
	return noFlushFile{f}, nil
}

type noFlushFile struct{ embedded.File }

func (noFlushFile) Sync() error     { return nil }
func (noFlushFile) Datasync() error { return nil }

type noDirFlush struct{ embedded.Dir }

func (noDirFlush) SyncDir() error { return nil }

// witness takes the complaints of a disk with teeth.
type witness struct {
	testing.TB
	complaints int
}

func (w *witness) Errorf(string, ...any) { w.complaints++ }

// TestTortureControls: "negative controls (no fsync, no directory fsync) that
// must fail".
func TestTortureControls(t *testing.T) {
	controls := map[string]func(embedded.Dir) embedded.Dir{
		"no fsync":           func(d embedded.Dir) embedded.Dir { return noFlush{d} },
		"no directory fsync": func(d embedded.Dir) embedded.Dir { return noDirFlush{d} },
		"sound":              func(d embedded.Dir) embedded.Dir { return d },
	}
	const seeds = 40
	for name, spoil := range controls {
		lost, complaints := 0, 0
		for seed := range uint64(seeds) {
			w := &witness{TB: t}
			f := newFaultFS(w, seed)
			s, err := embedded.Open(dir, embedded.Options{FS: onDirs{f, spoil}, SegmentBytes: crashSegment})
			require.NoError(t, err)
			acked := work(t, s, 20)
			cut := f.powerCut()
			require.NoError(t, s.Close())
			if err := lossOf(t.Context(), cut, acked); err != nil {
				lost++
			}
			complaints += w.complaints
		}
		t.Logf("%s: loss in %d of %d power cuts, %d complaints of the disk", name, lost, seeds, complaints)
		if name == "sound" {
			require.Zero(t, lost)
			require.Zero(t, complaints)
			continue
		}
		require.GreaterOrEqual(t, lost, seeds*3/4, "%s goes unnoticed", name)
		require.Positive(t, complaints, "%s goes unnoticed by the disk", name)
	}
}

// lossOf says what of the acknowledged records is not there after a restart.
func lossOf(ctx context.Context, f *faultFS, acked map[string]int) error {
	s, err := f.open(crashSegment)
	if err != nil {
		return err
	}
	for name, want := range acked {
		n := 0
		for r, err := range s.ReadStream(ctx, name, 0) {
			if err != nil {
				return errors.Join(err, s.Close())
			}
			if r.ID != storetest.ID(name, n) {
				return errors.Join(fmt.Errorf("record %d of %s is another", n, name), s.Close())
			}
			n++
		}
		if n < want {
			return errors.Join(fmt.Errorf("%s ends at %d of %d", name, n, want), s.Close())
		}
	}
	return s.Close()
}
