package embedded_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

const dir = "/store"

// markPosition reads a durable mark as format.go describes it.
func markPosition(b []byte) (int, bool) {
	if len(b) != 48 || string(b[:8]) != "PETSMRK\n" {
		return 0, false
	}
	return int(binary.LittleEndian.Uint64(b[32:])), true
}

// contents returns all files of the store but the lock, by name.
func (f *faultFS) contents() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string]string{}
	for path, n := range f.live {
		if name := filepath.Base(path); filepath.Dir(path) == dir && name != "LOCK" {
			files[name] = string(n.cache)
		}
	}
	return files
}

// with returns a copy of the disk on which one file has this content.
func (f *faultFS) with(name, content string) *faultFS {
	next := f.restart()
	n := &inode{cache: []byte(content), disk: []byte(content), dirty: map[int]bool{}}
	next.live[filepath.Join(dir, name)], next.safe[filepath.Join(dir, name)] = n, n
	return next
}

// without returns a copy of the disk on which one file is missing.
func (f *faultFS) without(name string) *faultFS {
	next := f.restart()
	delete(next.live, filepath.Join(dir, name))
	delete(next.safe, filepath.Join(dir, name))
	return next
}

// segmentNames returns the names of the segments, in order.
func (f *faultFS) segmentNames() []string {
	var names []string
	for name := range f.contents() {
		if strings.HasSuffix(name, ".seg") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lastSegment returns the name and content of the last segment.
func (f *faultFS) lastSegment() (name, content string) {
	names := f.segmentNames()
	name = names[len(names)-1]
	return name, f.contents()[name]
}

// open opens for writing, with segments of this size that are made ahead, or for
// 0 with large ones that grow: a megabyte of zeros makes every test slow.
func (f *faultFS) open(segmentBytes uint64) (*embedded.Store, error) {
	return embedded.Open(dir, embedded.Options{FS: f, SegmentBytes: segmentBytes, NoFill: segmentBytes == 0})
}

func (f *faultFS) openReadOnly() (*embedded.Store, error) {
	return embedded.OpenReadOnly(dir, embedded.Options{FS: f})
}

// onDirs is a file system whose folders are wrapped.
type onDirs struct {
	embedded.FS
	wrap func(embedded.Dir) embedded.Dir
}

func (o onDirs) OpenDir(dir string) (embedded.Dir, error) {
	d, err := o.FS.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	return o.wrap(d), nil
}

// mustOpen opens for writing and closes at the end of the test.
func (f *faultFS) mustOpen() *embedded.Store {
	f.t.Helper()
	s, err := f.open(0)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = s.Close() })
	return s
}

// streamNames are those of a workload.
var streamNames = []string{"portfolio-a", "portfolio-b", "system"}

// ledger is what a workload knows: how many records of each stream were
// acknowledged. A record's content follows from its stream and revision.
type ledger struct {
	mu    sync.Mutex
	acked map[string]int
}

// work appends to three streams at once, appends of one, two and three records,
// until done or until the store is poisoned, and returns what was acknowledged.
func work(t testing.TB, s *embedded.Store, appends int) map[string]int {
	l := ledger{acked: map[string]int{}}
	var group sync.WaitGroup
	for _, name := range streamNames {
		group.Go(func() {
			n := 0
			if head, err := s.Head(t.Context(), name); err == nil {
				n = int(head) + 1
			}
			for i := range appends {
				got, err := s.Append(t.Context(), name, eventstore.Expected(n-1), storetest.Propose(name, n, i%3+1))
				if err != nil {
					requirePoisoned(t, err)
					return
				}
				n = int(got.Last) + 1
				l.mu.Lock()
				l.acked[name] = n
				l.mu.Unlock()
			}
		})
	}
	group.Wait()
	return l.acked
}

func requirePoisoned(t testing.TB, err error) {
	t.Helper()
	var unavailable *eventstore.Unavailable
	if !errors.As(err, &unavailable) || !unavailable.Poisoned {
		t.Errorf("not poisoned: %v", err)
	}
}

// requireKept fails unless all acknowledged records are in the store, exactly as
// they were proposed, and whatever else is there is the untouched continuation.
func requireKept(t testing.TB, s eventstore.Store, acked map[string]int) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(acked)) {
		got := storetest.All(t, s.ReadStream(t.Context(), name, 0))
		require.GreaterOrEqual(t, len(got), acked[name], "acknowledged records of %s", name)
		for i, want := range storetest.Propose(name, 0, len(got)) {
			require.Equal(t, want.ID, got[i].ID)
			require.Equal(t, string(want.Data), string(got[i].Data))
		}
	}
}

// requireDamage fails unless err is a DamageError, and returns it.
func requireDamage(t testing.TB, err error, about string) *embedded.DamageError {
	t.Helper()
	var damage *embedded.DamageError
	require.ErrorAs(t, err, &damage, about)
	return damage
}

// fill appends a few records to each stream and returns how many each has.
func fill(t testing.TB, s *embedded.Store) map[string]int {
	t.Helper()
	acked := map[string]int{}
	for i := range 9 {
		name := streamNames[i%3]
		n := acked[name]
		storetest.Must(t, s, name, eventstore.Expected(n-1), storetest.Propose(name, n, i%2+1))
		acked[name] += i%2 + 1
	}
	return acked
}

// small makes a small store and returns its disk, closed, and what is in it. There
// are no indexes, so that opening it reads all of it.
func small(t testing.TB, segmentBytes uint64) (*faultFS, map[string]int) {
	t.Helper()
	f := newFaultFS(t, 1)
	s, err := f.open(segmentBytes)
	require.NoError(t, err)
	acked := fill(t, s)
	require.NoError(t, s.Close())
	return f.restart().withoutIndexes(), acked
}

func (f *faultFS) withoutIndexes() *faultFS {
	for name := range f.contents() {
		if strings.HasSuffix(name, ".idx") {
			f = f.without(name)
		}
	}
	return f
}

// gate holds up an operation of the disk.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{} // nil while open
	inside chan struct{}
}

func newGate() *gate { return &gate{inside: make(chan struct{})} }

// at returns a hook for the gate to stand at one kind of operation.
func (g *gate) at(operation, suffix string) func(op, path string) {
	return func(op, path string) {
		if op != operation || !strings.HasSuffix(path, suffix) {
			return
		}
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut != nil {
			g.inside <- struct{}{}
			<-shut
		}
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

// reached returns when somebody stands before the gate.
func (g *gate) reached() { <-g.inside }

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

// waitFor returns when ok does; what never happens hangs the test.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for !ok() {
		time.Sleep(time.Millisecond)
	}
}

// label names a case in a failure.
func label(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// resum makes the checksum in the last four bytes right.
func resum(b []byte) {
	n := len(b) - 4
	binary.LittleEndian.PutUint32(b[n:], crc32.Checksum(b[:n], crc32.MakeTable(crc32.Castagnoli)))
}
