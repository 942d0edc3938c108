package torture

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestDiskGone: the disk goes away under a writer and a reader that live on.
// Both get errors, neither crashes, and nothing acknowledged is lost.
func TestDiskGone(t *testing.T) {
	d := newDisk(t, "ext4", 64<<20)
	folder, acked := filepath.Join(d.point, "store"), newLedger()
	w := start(t, folder, acked)
	w.waitUntil(3000)
	r := startAs(t, "read", folder, newLedger())
	r.waitFor(sayOpen)
	forgetPages(t, folder)
	d.cut()
	require.Contains(t, []int{1, 3}, w.wait(), "the writer: %s", w.stderr.String())
	_, err := r.stdin.Write([]byte("go\n"))
	require.NoError(t, err)
	require.Contains(t, []int{0, 1}, r.wait(), "the reader: %s", r.stderr.String())
	require.Equal(t, r.hasSaid(sayReadable), r.stderr.String() == "", "all or an error")
	t.Logf("reader: %s", r.stderr.String())
	d.restore()
	acked.requireKept(t, folder, "when the disk is back")
}

// forgetPages makes the kernel drop what it remembers of the segments and can
// read again.
func forgetPages(t *testing.T, folder string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(folder, "*.seg"))
	require.NoError(t, err)
	require.Greater(t, len(segments), 2)
	for _, path := range segments {
		f, err := os.Open(path)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
		require.NoError(t, f.Close())
	}
}

// TestShortened: somebody empties a sealed segment under a reader. That is
// damage, and no reason to crash.
func TestShortened(t *testing.T) {
	for _, quarters := range []int64{0, 1, 2, 3} {
		folder, acked := t.TempDir(), newLedger()
		w := start(t, folder, acked)
		w.waitUntil(1500)
		w.kill()
		r := startAs(t, "read", folder, newLedger())
		r.waitFor(sayOpen)
		segments, err := filepath.Glob(filepath.Join(folder, "*.seg"))
		require.NoError(t, err)
		require.Greater(t, len(segments), 2)
		size := (baseOf(t, segments[2]) - baseOf(t, segments[1])) / 4 * quarters // of what the log has in it
		require.NoError(t, os.Truncate(segments[1], size))
		_, err = r.stdin.Write([]byte("go\n"))
		require.NoError(t, err)
		require.Equal(t, 1, r.wait(), "cut to %d: %s", size, r.stderr.String())
		require.Contains(t, r.stderr.String(), filepath.Base(segments[1]), "cut to %d", size)
	}
}

func baseOf(t *testing.T, segment string) int64 {
	t.Helper()
	base, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(segment), ".seg"), 10, 64)
	require.NoError(t, err)
	return base
}
