package index

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// killed is the history that the process of TestKilledProcess adds.
func killed() *history { return newHistory(60, 3000) }

// TestWritingProcess is the other process of TestKilledProcess: it adds, flushes and
// merges until it is killed, and says a byte after each flush.
func TestWritingProcess(t *testing.T) {
	dir := os.Getenv("PETS_TEST_INDEX_WRITER")
	if dir == "" {
		t.Skip("started by TestKilledProcess")
	}
	h := killed()
	x, err := Open(dir, testStore, rootAt)
	require.NoError(t, err)
	x.unpaced.Store(true)
	for {
		for chunk := range slices.Chunk(h.from(x.Position()), 11) {
			add(t, x, chunk)
			require.NoError(t, x.Flush(ctx))
			fmt.Print(".")
		}
		require.NoError(t, x.Rebuild(ctx, func(func(Addition, error) bool) {}, nil))
	}
}

// kill -9 of a process that writes: what is there is right each time, and nothing
// that was flushed is missing.
func TestKilledProcess(t *testing.T) {
	h := killed()
	dir := filepath.Join(t.TempDir(), "index")
	for round := range testenv.Rounds(3, 6, 300) {
		before := Position(0)
		if round > 0 {
			x, err := Open(dir, testStore, rootAt)
			require.NoError(t, err)
			require.Empty(t, x.Dropped(), "a kill damages nothing")
			require.Zero(t, check(t, x, h))
			before = x.Position()
			require.NoError(t, x.Close())
		}
		flushes := 1 + round*7%20
		other := exec.Command(os.Args[0], "-test.run", "^TestWritingProcess$")
		other.Env = append(os.Environ(), "PETS_TEST_INDEX_WRITER="+dir)
		said, err := other.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, other.Start())
		_, err = io.ReadFull(said, make([]byte, flushes))
		require.NoError(t, err)
		require.NoError(t, other.Process.Kill())
		_, _ = io.Copy(io.Discard, said)
		require.Error(t, other.Wait())

		r, err := OpenReader(dir, testStore, rootAt)
		require.NoError(t, err)
		require.Zero(t, check(t, r, h))
		rest := h.from(before)
		if len(rest) > 400 { // it did not come round to its rebuild
			require.Greater(t, r.Position(), rest[11*flushes-1].At)
		}
		require.NoError(t, r.Close())
	}
}
