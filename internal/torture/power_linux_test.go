package torture

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// blind runs a worker whose flushes never reach the kernel and claim success:
// the product without its fsync, without changing a line of it.
var blind = []string{
	"strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null",
	"-e", "trace=fdatasync,fsync,sync_file_range,msync",
	"-e", "inject=fdatasync,fsync,sync_file_range,msync:retval=0",
}

var powerCuts = []struct {
	kind string
	size int64
}{{"ext4", 128 << 20}, {"xfs", 320 << 20}}

// TestPowerCut: "power cut, ext4 and XFS, 0 lost": the file system is shut down
// under a writer that was frozen first, so that nothing it says can be later
// than the cut; then it is mounted again and everything acknowledged is looked
// for.
func TestPowerCut(t *testing.T) {
	for _, fs := range powerCuts {
		t.Run(fs.kind, func(t *testing.T) {
			d := newDisk(t, fs.kind, fs.size)
			cuts, promised, begun := rounds(*cutLoops, 10, 3, 1), 0, time.Now()
			random := rand.New(rand.NewPCG(2, uint64(cuts)))
			acked, folder := newLedger(), ""
			for i := range cuts {
				if i%2 == 0 { // every other cut hits a store that has recovered from one
					acked, folder = newLedger(), d.emptyFolder(i)
				}
				before := acked.total()
				w := startAs(t, appendRole(i), folder, acked)
				if i%5 > 0 { // the fifth is cut at any moment of its start
					w.waitFor("ack")
				}
				time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond)
				if i%3 == 0 && w.hasSaid("ack") { // what any reader has seen must be there too
					acked.requireReadable(t, folder, "before cut "+strconv.Itoa(i))
				}
				d.cutUnder(w)
				if acked.total() > 0 {
					acked.requireReadable(t, folder, "cut "+strconv.Itoa(i))
				}
				if i%4 < 2 { // the others are found by the next writer as the cut left them
					acked.requireKept(t, folder, "cut "+strconv.Itoa(i))
				}
				promised += acked.total() - before
			}
			acked.requireKept(t, folder, "the last cut")
			t.Logf("power cut on %s: %d cuts, %d records acknowledged, 0 lost, %s", fs.kind, cuts, promised, time.Since(begun).Round(time.Second))
		})
	}
}

// emptyFolder returns the name of a folder that is not there, on a disk without
// those of earlier rounds.
func (d *disk) emptyFolder(round int) string {
	d.t.Helper()
	old, err := filepath.Glob(filepath.Join(d.point, "store-*"))
	require.NoError(d.t, err)
	for _, folder := range old {
		require.NoError(d.t, os.RemoveAll(folder))
	}
	return filepath.Join(d.point, "store-"+strconv.Itoa(round))
}

// cutUnder freezes the writer, cuts the power, buries the writer and restores
// the power.
func (d *disk) cutUnder(w *worker) {
	d.t.Helper()
	w.signal(syscall.SIGSTOP)
	w.waitStopped()
	d.cut()
	w.kill()
	d.restore()
}

// TestPowerCutControl: "the control must fail": without its flushes the same
// store loses what it acknowledged, so that TestPowerCut can see a missing one.
func TestPowerCutControl(t *testing.T) {
	testenv.Need(t, "strace")
	for _, fs := range powerCuts {
		t.Run(fs.kind, func(t *testing.T) {
			d := newDisk(t, fs.kind, fs.size)
			cuts, lost := rounds(min(*cutLoops, 20), 5, 2, 1), 0
			for i := range cuts {
				acked := newLedger()
				folder := d.emptyFolder(i)
				w := start(t, folder, acked, blind...)
				w.waitUntil(100)
				d.cutUnder(w)
				if err := acked.lost(t.Context(), folder); err != nil {
					lost++
					if i == 0 {
						t.Log(err)
					}
				}
			}
			t.Logf("power cut on %s without flushes: loss in %d of %d", fs.kind, lost, cuts)
			require.Equal(t, cuts, lost, "a missing flush goes unnoticed")
		})
	}
}

// TestKillControl shows what TestKill cannot see: the kernel keeps what a killed
// process has written, so that a missing flush loses nothing.
func TestKillControl(t *testing.T) {
	testenv.Need(t, "strace")
	folder, acked := t.TempDir(), newLedger()
	w := start(t, folder, acked, blind...)
	w.waitUntil(100)
	w.kill()
	acked.requireKept(t, folder, "killed without flushes")
}
