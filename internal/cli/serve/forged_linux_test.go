package serve_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/pets/petstest"
)

// "A paced background fold from revision 0 must meet … the live roots; differs →
// system_error stop": a deposit in the middle of the log was edited, with every checksum
// right, and the snapshots are gone. The last record is the one that was witnessed, so the
// start is not refused; the root is another.
func TestAForgedHistoryIsStopped(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	require.True(t, d.allowed())
	d.stop()
	require.NoError(t, os.RemoveAll(filepath.Join(d.folder, "snapshots")))
	forge(t, d.folder, "deposit.recorded.v1", `"amount":"1000"`, `"amount":"9000"`)
	d.start()
	require.Eventually(t, func() bool { allowed, err := d.ask(); return err == nil && !allowed }, 20*time.Second, 20*time.Millisecond)
	require.Contains(t, d.server.Errs.String(), "the hash tree of its history")
	// The stop holds at once, and is recorded a moment later.
	require.Eventually(t, func() bool {
		r := d.server.Pets(d.folder, petstest.AdminKey, "events", "-p", "main", "--json")
		return strings.Contains(r.Out, `"kind":"system_error"`)
	}, 20*time.Second, 100*time.Millisecond)
}

// forge replaces text in the first record of a type and corrects the checksums of its frame;
// docs/log-format.md describes the format.
func forge(t *testing.T, folder, eventType, from, to string) {
	t.Helper()
	require.Len(t, to, len(from))
	store, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	at := uint64(0)
	for rec, err := range store.ReadAll(t.Context(), eventstore.Position{}) {
		require.NoError(t, err)
		if rec.Type == eventType {
			at = rec.Position.Commit
			break
		}
	}
	require.NoError(t, store.Close())
	require.NotZero(t, at)
	path := filepath.Join(folder, "00000000000000000000.seg")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	start := bytes.LastIndex(b[:at], []byte("PFRM"))
	frame := b[start:]
	frame = frame[:binary.LittleEndian.Uint32(frame[4:])]
	i := bytes.Index(frame, []byte(from))
	require.Positive(t, i)
	copy(frame[i:], to)
	sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	binary.LittleEndian.PutUint32(frame[40:], sum(frame[48:]))
	binary.LittleEndian.PutUint32(frame[44:], sum(frame[:44]))
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// "Crash between log flush and witness write → start fine": a server that trades, trips
// and is killed starts again each time, and knows what it had answered.
func TestAKilledServerIsNotRefused(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	d.trip()
	for range 6 {
		for range 5 {
			require.False(t, d.allowed())
		}
		require.NoError(t, d.server.Cmd.Process.Kill())
		_ = d.server.Cmd.Wait()
		d.start()
	}
	require.False(t, d.allowed())
}
