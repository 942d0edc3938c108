package torture

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBackup: a copy of a folder that is being written to, the mark first and
// then the segments as one listing names them, holds everything that was
// acknowledged before it began, and is a store.
func TestBackup(t *testing.T) {
	parent, copied := t.TempDir(), 0
	copies := rounds(0, 60, 8, 3)
	var w *worker
	var folder string
	var acked *ledger
	for i := range copies {
		if i%5 == 0 { // a new one, or the store grows faster than it can be copied
			if w != nil {
				w.kill()
			}
			folder, acked = filepath.Join(parent, "store"+strconv.Itoa(i)), newLedger()
			w = start(t, folder, acked)
		}
		w.waitUntil(acked.total() + 40)
		promised := newLedger()
		for name, n := range acked.copy() {
			promised.atLeast(name, n)
		}
		to := filepath.Join(parent, strconv.Itoa(i))
		backup(t, folder, to)
		w.signal(syscall.SIGSTOP) // or the store outgrows those who check it
		promised.requireReadable(t, to, "copy "+strconv.Itoa(i))
		promised.requireKept(t, to, "copy "+strconv.Itoa(i))
		require.NoError(t, os.RemoveAll(to))
		copied += promised.total()
		w.signal(syscall.SIGCONT)
	}
	w.kill()
	t.Logf("%d copies under load, of %d records: 0 lost", copies, copied)
}

func backup(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.Mkdir(to, 0o700))
	copyFile(t, filepath.Join(from, "durable"), filepath.Join(to, "durable"))
	segments, err := filepath.Glob(filepath.Join(from, "*.seg"))
	require.NoError(t, err)
	for _, path := range segments {
		copyFile(t, path, filepath.Join(to, filepath.Base(path)))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.Create(to)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}
