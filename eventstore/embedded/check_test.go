package embedded_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// waitForCheck returns the health of a store when the check that follows opening
// has ended.
func waitForCheck(t testing.TB, s *embedded.Store) eventstore.Health {
	t.Helper()
	waitFor(t, func() bool { h := s.Health(); return h.Checked || h.Damaged != nil })
	return s.Health()
}

// longer is indexed, with more frames in each segment.
func longer(t testing.TB) (*faultFS, []eventstore.Record) {
	t.Helper()
	f := newFaultFS(t, 1)
	s, err := f.open(2500)
	require.NoError(t, err)
	for range 3 {
		work(t, s, 5)
	}
	waitFor(t, func() bool { return len(f.indexes()) >= len(f.segmentNames())-1 })
	require.NoError(t, s.Close())
	f = f.restart()
	return f, records(t, f)
}

// TestIndexLeavesOut: "an index file that leaves records out is caught … at open,
// and frame by frame in the background after ready". Every frame of every index is
// left out in turn, and every stream, with all checksums right.
func TestIndexLeavesOut(t *testing.T) {
	f, all := longer(t)
	atOpen, after := 0, 0
	try := func(name, content, when string) {
		t.Helper()
		if requireCaught(t, f.with(name, content), all, name, when) {
			atOpen++
			return
		}
		after++
	}
	for _, name := range slices.Sorted(maps.Keys(f.indexes())) {
		content := f.indexes()[name]
		for stream, frames := range embedded.IndexedFrames(content) {
			for frame := range frames {
				try(name, embedded.WithoutFrames(content, stream, frame, frame+1), label("%s: frame %d of stream %d", name, frame, stream))
			}
			if len(embedded.IndexedFrames(content)) > 1 {
				try(name, embedded.WithoutFrames(content, stream, 0, frames), label("%s: stream %d", name, stream))
			}
		}
	}
	require.Positive(t, after)
	extra := 0
	for _, name := range slices.Sorted(maps.Keys(f.indexes())) {
		for stream := range embedded.IndexedFrames(f.indexes()[name]) {
			if content := embedded.WithExtraFrame(f.indexes()[name], stream); content != "" {
				try(name, content, label("%s: a frame too many of stream %d", name, stream))
				extra++
			}
		}
	}
	require.Positive(t, extra)
	t.Logf("%d caught at open, %d after it", atOpen, after)
	require.Positive(t, atOpen)
}

// "An index that knows a frame too many is noticed": also where nothing comes after that frame
// in its stream, so that the indexes fit each other, and only the count of frames is wrong.
func TestIndexKnowsTooMany(t *testing.T) {
	f := newFaultFS(t, 1)
	s, err := f.open(2500)
	require.NoError(t, err)
	storetest.Must(t, s, "a-ends-here", eventstore.NoStream, storetest.Propose("a", 0, 1))
	storetest.Must(t, s, "a-ends-here", eventstore.At(0), storetest.Propose("a", 1, 1))
	for i := range 30 {
		storetest.Must(t, s, "b", eventstore.Expected(i-1), storetest.Propose("b", i, 1))
	}
	waitFor(t, func() bool { return len(f.indexes()) >= len(f.segmentNames())-1 })
	require.NoError(t, s.Close())
	f = f.restart()
	name := slices.Sorted(maps.Keys(f.indexes()))[0]
	require.Equal(t, 2, embedded.IndexedFrames(f.indexes()[name])[0], "the stream that ends there")
	content := embedded.WithExtraFrame(f.indexes()[name], 0)
	require.NotEmpty(t, content)
	require.False(t, requireCaught(t, f.with(name, content), records(t, f), name, "too many"), "the start believes it")
}

// requireCaught opens a store with an index that leaves something out. If that was
// not believed, all is there, and it returns true. Else the check poisons the
// store, and the next start has everything.
func requireCaught(t *testing.T, f *faultFS, all []eventstore.Record, name, when string) (atOpen bool) {
	t.Helper()
	told := make(chan error, 2)
	s, err := embedded.Open(dir, embedded.Options{FS: f, NoFill: true, CheckAfter: 1, Trouble: func(err error) { told <- err }})
	require.NoError(t, err, when)
	defer func() { require.NoError(t, s.Close()) }()
	health := waitForCheck(t, s)
	if health.Checked {
		require.NoError(t, health.Damaged, when)
		require.NoError(t, health.Poisoned, when)
		requireSound(t, s, all, when)
		return true
	}
	damage := requireDamage(t, health.Damaged, when)
	require.Equal(t, filepath.Join(dir, name), damage.File, when)
	requireDamage(t, <-told, when)
	waitFor(t, func() bool { return s.Health().Poisoned != nil })
	_, err = s.Append(t.Context(), "another", eventstore.NoStream, storetest.Propose("x", 0, 1))
	requirePoisoned(t, err)
	require.Contains(t, f.contents(), "refused-"+strings.TrimSuffix(name, ".idx")+"-1.idx", when)

	again, err := embedded.Open(dir, embedded.Options{FS: f.restart(), NoFill: true, CheckAfter: 1})
	require.NoError(t, err, when)
	require.True(t, waitForCheck(t, again).Checked, when)
	requireSound(t, again, all, when)
	require.NoError(t, again.Close())
	return false
}

// TestVerifyComparesIndexes: a reader does not check in the background, but verify
// does not take the word of an index either.
func TestVerifyComparesIndexes(t *testing.T) {
	f, _ := longer(t)
	name := slices.Sorted(maps.Keys(f.indexes()))[0]
	content := f.indexes()[name]
	caught := 0
	for stream, frames := range embedded.IndexedFrames(content) {
		for frame := range frames {
			bad := f.with(name, embedded.WithoutFrames(content, stream, frame, frame+1))
			before := bad.contents()
			r, err := bad.openReadOnly()
			require.NoError(t, err)
			if _, err := r.Verify(t.Context(), nil); err != nil {
				requireDamage(t, err, "verify")
				caught++
			}
			require.NoError(t, r.Close())
			require.Equal(t, before, bad.contents(), "a reader changes nothing")
		}
	}
	require.Positive(t, caught)
}

// TestCheckFindsFlip: a bit that is flipped in a segment whose index spares a start
// the reading is found after it, and ends all writing.
func TestCheckFindsFlip(t *testing.T) {
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	big(t, s, 0, 3)
	require.NoError(t, s.Close())
	segment := strings.TrimSuffix(indexes(t, folder)[0], ".idx") + ".seg"
	b, err := os.ReadFile(segment)
	require.NoError(t, err)
	b[500] ^= 1
	require.NoError(t, os.WriteFile(segment, b, 0o600))

	s, err = embedded.Open(folder, embedded.Options{CheckAfter: 1})
	require.NoError(t, err)
	damage := requireDamage(t, waitForCheck(t, s).Damaged, "flip")
	require.Equal(t, segment, damage.File)
	require.Equal(t, uint64(64), damage.Offset)
	waitFor(t, func() bool { return s.Health().Poisoned != nil })
	require.NoError(t, s.Close())
}

// TestCheckOfDiskThatDoesNotAnswer: that is not damage: it is reported, and writing
// goes on.
func TestCheckOfDiskThatDoesNotAnswer(t *testing.T) {
	f, _ := longer(t)
	name := f.segmentNames()[0]
	disk := onDirs{f, func(d embedded.Dir) embedded.Dir { return badSector{Dir: d, name: name, from: 800} }}
	s, err := embedded.Open(dir, embedded.Options{FS: disk, NoFill: true, CheckAfter: 1})
	require.NoError(t, err)
	health := waitForCheck(t, s)
	require.Error(t, health.Damaged)
	require.NoError(t, health.Poisoned)
	storetest.Must(t, s, "another", eventstore.NoStream, storetest.Propose("x", 0, 1))
	require.NoError(t, s.Close())
}
