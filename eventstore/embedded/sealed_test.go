package embedded_test

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// indexed returns a store of several segments, each sealed one with its index,
// and all its records.
func indexed(t testing.TB) (*faultFS, []eventstore.Record) {
	t.Helper()
	f, _ := small(t, 700)
	all := records(t, f)
	return f.reindexed(), all
}

// reindexed opens the store for writing until every sealed segment has an index.
func (f *faultFS) reindexed() *faultFS {
	f.t.Helper()
	s, err := f.open(700)
	require.NoError(f.t, err)
	waitFor(f.t, func() bool { return len(f.indexes()) == len(f.segmentNames())-1 })
	require.NoError(f.t, s.Close())
	return f.restart()
}

func (f *faultFS) indexes() map[string]string {
	out := f.contents()
	maps.DeleteFunc(out, func(name, _ string) bool { return !strings.HasSuffix(name, ".idx") })
	return out
}

// requireSound checks that a store shows all these records and no others, by
// every way there is to them.
func requireSound(t testing.TB, s *embedded.Store, all []eventstore.Record, when string) {
	t.Helper()
	require.Equal(t, all, storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})), when)
	byStream := map[string][]eventstore.Record{}
	for i, r := range all {
		byStream[r.Stream] = append(byStream[r.Stream], r)
		if i%5 == 0 {
			require.Equal(t, all[i+1:], append([]eventstore.Record{}, storetest.All(t, s.ReadAll(t.Context(), r.Position))...), when)
		}
	}
	for name, want := range byStream {
		head, err := s.Head(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, uint64(len(want)-1), head, when)
		require.Equal(t, want[1:], storetest.All(t, s.ReadStream(t.Context(), name, 1)), when)
	}
	names, err := s.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, slices.Sorted(maps.Keys(byStream)), names)
	report, err := s.Verify(t.Context(), nil)
	require.NoError(t, err, when)
	require.Equal(t, len(all), int(report.Records))
}

// TestIndexSaysTheSame: a store opened by its indexes is the one that was read
// from its first byte to its last.
func TestIndexSaysTheSame(t *testing.T) {
	f, all := indexed(t)
	for _, disk := range []*faultFS{f, f.withoutIndexes()} {
		r, err := disk.openReadOnly()
		require.NoError(t, err)
		requireSound(t, r, all, "reader")
		require.NoError(t, r.Close())
		s, err := disk.open(0)
		require.NoError(t, err)
		requireSound(t, s, all, "writer")
		require.NoError(t, s.Close())
	}
	// It is read: with it, damage in the middle is noticed only by who looks there.
	name := f.segmentNames()[1]
	flipped := f.with(name, flip(f.contents()[name], 130))
	r, err := flipped.openReadOnly()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	_, err = r.Verify(t.Context(), nil)
	requireDamage(t, err, "verify")
	_, err = storetest.Collect(t, r.ReadAll(t.Context(), eventstore.Position{}))
	requireDamage(t, err, "read")
	requireRefused(t, flipped.withoutIndexes(), "without it")
}

// TestIndexIsDisposable: an index that is missing, damaged, or of another
// segment or store, changes nothing, and is made anew.
func TestIndexIsDisposable(t *testing.T) {
	f, all := indexed(t)
	other, _ := small(t, 700)
	other = other.reindexed()
	good := f.indexes()
	names := slices.Sorted(maps.Keys(good))
	check := func(bad *faultFS, when string) {
		t.Helper()
		r, err := bad.openReadOnly()
		require.NoError(t, err, when)
		requireSound(t, r, all, when)
		require.NoError(t, r.Close())
		again := bad.restart()
		s, err := again.open(0)
		require.NoError(t, err, when)
		requireSound(t, s, all, when)
		waitFor(t, func() bool { return maps.Equal(again.indexes(), good) })
		require.NoError(t, s.Close())
	}
	for i, name := range names {
		check(f.without(name), "missing")
		check(f.with(name, ""), "empty")
		check(f.with(name, garbage(300)), "garbage")
		check(f.with(name, good[names[(i+1)%len(names)]]), "another segment's")
		check(f.with(name, other.indexes()[name]), "another store's")
		check(f.with(name, good[name]+"\x00"), "longer")
	}
	check(f.with(names[1], shifted(good[names[1]])), "revisions that do not follow, and good checksums")
	content := good[names[1]]
	for at := range len(content) {
		if at < 64 || at%testenv.Rounds(7, 7, 1) == 0 {
			check(f.with(names[1], flip(content, at)), label("byte %d", at))
			check(f.with(names[1], content[:at]), label("cut at %d", at))
		}
	}
}

// shifted is an index whose first stream begins a revision too late.
func shifted(content string) string {
	b := []byte(content)
	at := 68 + 4*binary.LittleEndian.Uint32(b[64:])
	b[at+8]++
	b[at+16]++
	binary.LittleEndian.PutUint32(b[52:], crc32.Checksum(b[64:], crc32.MakeTable(crc32.Castagnoli)))
	resum(b[:64])
	return string(b)
}

// TestIndexOfAnotherEnd: the index must not hide that its segment is cut short or
// that its last frame is not the one it was made of.
func TestIndexOfAnotherEnd(t *testing.T) {
	f, _ := indexed(t)
	for i, name := range f.segmentNames()[:len(f.indexes())] {
		content := f.contents()[name]
		base, _ := bounds(f, i)
		next, _ := bounds(f, i+1)
		used := int(next - base)
		requireRefused(t, f.with(name, content[:used-1]), "cut")
		requireRefused(t, f.with(name, content[:used-100]), "cut")
		last := strings.LastIndex(content, "PFRM")
		requireRefused(t, f.with(name, flip(content, last+20)), "the header of its last frame")
		requireRefused(t, f.with(name, flip(content, 20)), "segment header")
	}
}

// TestIndexerFails: a store that cannot write indexes is none the worse.
func TestIndexerFails(t *testing.T) {
	for _, failing := range []string{"open", "write", "sync", "rename"} {
		f := newFaultFS(t, 1)
		disk := onDirs{f, func(d embedded.Dir) embedded.Dir { return noIndexes{d, failing} }}
		s, err := embedded.Open(dir, embedded.Options{FS: disk, SegmentBytes: 700})
		require.NoError(t, err)
		acked := fill(t, s)
		require.NoError(t, s.Close())
		require.Empty(t, f.indexes(), failing)
		requireKept(t, f.restart().mustOpen(), acked)
	}
}

type noIndexes struct {
	embedded.Dir
	failing string
}

func (n noIndexes) fails(op, path string) error {
	if op == n.failing && strings.HasSuffix(path, ".idx.tmp") {
		return errInjected
	}
	return nil
}

func (n noIndexes) Open(path string, mode embedded.Mode) (embedded.File, error) {
	if err := n.fails("open", path); err != nil {
		return nil, err
	}
	file, err := n.Dir.Open(path, mode)
	return noIndexesFile{file, n, path}, err
}

func (n noIndexes) Rename(from, to string) error {
	if err := n.fails("rename", from); err != nil {
		return err
	}
	return n.Dir.Rename(from, to)
}

type noIndexesFile struct {
	embedded.File
	disk noIndexes
	path string
}

func (n noIndexesFile) WriteAt(p []byte, off int64) (int, error) {
	if err := n.disk.fails("write", n.path); err != nil {
		return 0, err
	}
	return n.File.WriteAt(p, off)
}

func (n noIndexesFile) Sync() error {
	if err := n.disk.fails("sync", n.path); err != nil {
		return err
	}
	return n.File.Sync()
}

// TestReaderMeetsEndOfWriter: a reader that has followed into a segment, which a
// writer then fills, seals and leaves before the reader can look for it, misses
// nothing in between.
func TestReaderMeetsEndOfWriter(t *testing.T) {
	f, acked := small(t, 0)
	var once bool
	f.before = func(op, path string) {
		if op != "lock" || once {
			return
		}
		once = true
		s, err := f.open(3000)
		require.NoError(t, err)
		for name, n := range work(t, s, 12) {
			acked[name] = n
		}
		require.NoError(t, s.Close())
	}
	r, err := f.openReadOnly()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	require.Greater(t, len(f.segmentNames()), 2)
	requireKept(t, r, acked)
	_, err = r.Verify(t.Context(), nil)
	require.NoError(t, err)
}
