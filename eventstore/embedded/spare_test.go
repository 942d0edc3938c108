package embedded_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// sizes returns the sizes of the files of a folder by name.
func sizes(t testing.TB, folder string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, name := range list(t, folder) {
		info, err := os.Stat(filepath.Join(folder, name))
		require.NoError(t, err)
		out[name] = info.Size()
	}
	return out
}

// appendKilobytes appends records of some 64 KiB each, from the head on.
func appendKilobytes(t testing.TB, s *embedded.Store, n int) {
	t.Helper()
	for range n / 64 {
		records := sample(1)
		records[0].Data = []byte(strings.Repeat("x", 64<<10))
		head, err := s.Head(t.Context(), "s")
		expected := eventstore.At(head)
		if err != nil {
			expected = eventstore.NoStream
		}
		storetest.Must(t, s, "s", expected, records)
	}
}

const firstSegment = "00000000000000000000.seg"

// TestFilledAhead: "a commit's flush changes no metadata": it does not change the
// size of a file. A small store takes a megabyte, and a start goes on in the same
// zeros.
func TestFilledAhead(t *testing.T) {
	folder := t.TempDir()
	for range 3 {
		s, err := embedded.Open(folder, embedded.Options{})
		require.NoError(t, err)
		appendKilobytes(t, s, 64)
		require.NoError(t, s.Close())
		require.Equal(t, map[string]int64{firstSegment: 1 << 20, "durable": 1024, "LOCK": sizes(t, folder)["LOCK"]}, sizes(t, folder))
	}
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	appendKilobytes(t, s, 128)
	waitFor(t, s.SpareReady)
	require.Equal(t, int64(2<<20), sizes(t, folder)["spare.tmp"])
	appendKilobytes(t, s, 1536)
	waitFor(t, s.SpareReady)
	appendKilobytes(t, s, 2560)
	waitFor(t, s.SpareReady)
	got := sizes(t, folder)
	require.Equal(t, int64(1<<20), got[firstSegment])
	require.Positive(t, got["spare.tmp"])
	var total int64
	for name, size := range got {
		if strings.HasSuffix(name, ".seg") {
			total += size
		}
	}
	require.Equal(t, int64(7<<20), total)
	_, err = s.Verify(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Zero(t, sizes(t, folder)["spare.tmp"], "Close gives its space back")
	r, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	require.Len(t, storetest.All(t, r.ReadStream(t.Context(), "s", 0)), 3+(128+1536+2560)/64)
	require.NoError(t, r.Close())
}

func onSpare(write func() error) embedded.FS {
	return onDirs{embedded.OS, func(d embedded.Dir) embedded.Dir { return spareFS{d, write} }}
}

// spareFS is a folder of the real disk, but for what is done to the spare.
type spareFS struct {
	embedded.Dir
	write func() error // before each write to the spare
}

type spareFile struct {
	embedded.File
	write func() error
}

func (f spareFS) Open(name string, mode embedded.Mode) (embedded.File, error) {
	file, err := f.Dir.Open(name, mode)
	if err != nil || name != spareName {
		return file, err
	}
	return spareFile{file, f.write}, nil
}

func (f spareFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.write(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

// TestFillerFails: an error while filling ends the filling, gives the space back,
// and does nothing to a store that can still append.
func TestFillerFails(t *testing.T) {
	for _, after := range []int32{0, 1} {
		folder := t.TempDir()
		var writes atomic.Int32
		disk := onSpare(func() error {
			if writes.Add(1) > after {
				return syscall.ENOSPC
			}
			return nil
		})
		s, err := embedded.Open(folder, embedded.Options{FS: disk})
		require.NoError(t, err)
		appendKilobytes(t, s, 3<<10)
		require.NoError(t, s.Close())
		require.Equal(t, after+1, writes.Load(), "nothing is tried again")
		got := sizes(t, folder)
		require.Zero(t, got["spare.tmp"])
		require.Greater(t, got[firstSegment], int64(3<<20), "the segment grows: %v", got)
		requireLength(t, folder, 3<<10/64)
	}
}

func requireLength(t *testing.T, folder string, n int) {
	t.Helper()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	require.Len(t, storetest.All(t, s.ReadStream(t.Context(), "s", 0)), n)
	require.NoError(t, s.Close())
}

// TestFillerLeavesReserve: "below a reserve only stops and facts are taken, before
// ENOSPC poisons": nothing that is only a convenience eats the reserve, and appends
// go on in a segment that grows.
func TestFillerLeavesReserve(t *testing.T) {
	for _, room := range []uint64{0, 64 << 20, 64<<20 + 1<<20, 1 << 40} {
		f := newFaultFS(t, 1)
		f.room = room
		s, err := embedded.Open(dir, embedded.Options{FS: f, Reserve: 64 << 20})
		require.NoError(t, err)
		free, err := s.Free()
		require.NoError(t, err)
		require.Equal(t, room, free)
		appendKilobytes(t, s, 3<<10)
		if room == 1<<40 {
			waitFor(t, func() bool { return len(f.segmentNames()) > 1 })
		} else {
			require.Len(t, f.segmentNames(), 1, "it grows")
			require.NotContains(t, f.contents(), spareName)
		}
		require.NoError(t, s.Health().Poisoned)
		require.NoError(t, s.Close())
		require.Equal(t, room > 64<<20, len(f.indexes()) > 0, "an index is a convenience too")
	}
}

// TestFree: what the machine says, cheaply.
func TestFree(t *testing.T) {
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	var disk syscall.Statfs_t
	require.NoError(t, syscall.Statfs(folder, &disk))
	free, err := s.Free()
	require.NoError(t, err)
	require.InDelta(t, float64(disk.Bavail)*float64(disk.Bsize), float64(free), 4<<30, "others write to it, too")
	require.NoError(t, s.Close())
}

// TestFillerIsLate: nobody waits for it; the segment grows until the next one is
// ready, and no spare is begun over one that is not yet in place.
func TestFillerIsLate(t *testing.T) {
	folder := t.TempDir()
	hold := make(chan struct{})
	disk := onSpare(func() error {
		<-hold
		return nil
	})
	s, err := embedded.Open(folder, embedded.Options{FS: disk})
	require.NoError(t, err)
	appendKilobytes(t, s, 2<<10)
	require.Greater(t, sizes(t, folder)[firstSegment], int64(2<<20))
	close(hold)
	waitFor(t, s.SpareReady)
	appendKilobytes(t, s, 64)
	segments, err := filepath.Glob(filepath.Join(folder, "*.seg"))
	require.NoError(t, err)
	require.Len(t, segments, 2)
	require.NoError(t, s.Close())
	requireLength(t, folder, (2<<10+64)/64)
}

// TestAdoptFails: what goes wrong when a spare becomes a segment goes wrong with
// the log: the store is poisoned.
func TestAdoptFails(t *testing.T) {
	folder := t.TempDir()
	var failing atomic.Bool
	disk := onSpare(func() error {
		if failing.Load() {
			return syscall.EIO
		}
		return nil
	})
	s, err := embedded.Open(folder, embedded.Options{FS: disk})
	require.NoError(t, err)
	appendKilobytes(t, s, 512)
	waitFor(t, s.SpareReady)
	failing.Store(true)
	for n := 0; ; n++ {
		records := sample(1)
		records[0].Data = []byte(strings.Repeat("x", 64<<10))
		_, err := s.Append(t.Context(), "s", eventstore.Expected(8+n-1), records)
		if err != nil {
			requirePoisoned(t, err)
			require.ErrorIs(t, err, syscall.EIO)
			require.Positive(t, n)
			break
		}
	}
	require.NoError(t, s.Close())
	s, err = embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestTornTailInZeros: in space that was filled ahead a torn frame is one of
// whose sectors some are still zero, and the file is as long as before.
func TestTornTailInZeros(t *testing.T) {
	l := newTail(t)
	fill := strings.Repeat("\x00", 4*sector)
	step := testenv.Rounds(13, 13, 1)
	for at := l.from; at < len(l.whole); at += step {
		zeros := strings.Repeat("\x00", len(l.whole)-at)
		same := strings.Trim(l.whole[at:], "\x00") == ""
		switch zeroed := l.whole[:at] + zeros + fill; {
		case at == l.from || l.sectorLost(at, len(l.whole)):
			requireTorn(t, l, zeroed, at > l.from, label("zeros from %d", at))
		case !same:
			requireRefused(t, l.with(l.name, zeroed), label("zeros from %d", at))
		}
		requireRefused(t, l.with(l.name, l.whole[:at]+garbage(len(l.whole)-at)+fill), label("garbage from %d", at))
		if at%31 == 0 && l.sectorLost(l.from, at) {
			holed := l.whole[:l.from] + strings.Repeat("\x00", at-l.from) + l.whole[at:] + fill
			requireTorn(t, l, holed, strings.Trim(holed[l.from:], "\x00") != "", label("zeros up to %d", at))
		}
	}
	for at := l.from; at < len(l.whole); at += step {
		requireRefused(t, l.with(l.name, flip(l.whole, at)+fill), label("byte %d", at))
	}
	var damage *embedded.DamageError
	s, err := l.with(l.name, l.whole+fill).open(0)
	require.False(t, errors.As(err, &damage))
	require.NoError(t, err)
	require.Zero(t, s.Torn())
	require.NoError(t, s.Close())
}
