package witness

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// "An index file that leaves records out is caught the same way at open": the index of a
// sealed segment, every checksum in it right, does not know the last record of a stream.
// The log has it; whoever asks the index for the head of the stream is told of less.
func TestAnIndexThatLeavesRecordsOutIsRefused(t *testing.T) {
	r := newRig(t)
	folder := t.TempDir()
	open := func() Options {
		store, err := embedded.Open(folder, embedded.Options{SegmentBytes: 8 << 10})
		require.NoError(t, err)
		r.store = store
		o := r.options()
		o.ID = store.UUID()
		return o
	}
	o := open()
	k, _, err := Open(t.Context(), o, false)
	require.NoError(t, err)
	k.Start()
	for range 5 {
		r.grow("portfolio-a", 1)
	}
	for range 200 {
		r.grow("portfolio-b", 1)
	}
	r.close(k)
	require.NoError(t, r.store.Close())
	leaveOut(t, filepath.Join(folder, "00000000000000000000.idx"), "portfolio-a")

	o = open()
	defer r.store.Close()
	head, err := r.store.Head(t.Context(), "portfolio-a")
	require.NoError(t, err)
	if head == 4 {
		return // the engine has seen through it by itself
	}
	_, _, err = Open(t.Context(), o, false)
	var back *RolledBackError
	require.ErrorAs(t, err, &back)
	require.Equal(t, []Difference{{"portfolio-a", 5, 4}}, back.Differences)

	// The log itself still has all of it: read frame by frame it shows.
	records, err := storetest.Collect(t, r.store.ReadAll(t.Context(), eventstore.Position{}))
	require.NoError(t, err)
	require.Len(t, records, 205)
}

// leaveOut takes the last frame of a stream out of an index file and makes its checksums
// right; docs/log-format.md and eventstore/embedded describe the format.
func leaveOut(t *testing.T, path, stream string) {
	t.Helper()
	le := binary.LittleEndian
	sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	at := 64 + 4 + 4*int(le.Uint32(b[64:]))
	for range le.Uint32(b[12:]) {
		name, frames := int(le.Uint32(b[at:])), int(le.Uint32(b[at+4:]))
		end := at + 24 + name + 8*frames
		if string(b[at+24:at+24+name]) == stream {
			last := b[end-8:]
			le.PutUint64(b[at+16:], le.Uint64(b[at+8:])+uint64(le.Uint32(last[4:])))
			le.PutUint32(b[at+4:], uint32(frames-1))
			b = append(b[:end-8], b[end:]...)
			le.PutUint32(b[52:], sum(b[64:]))
			le.PutUint32(b[60:], sum(b[:60]))
			require.NoError(t, os.WriteFile(path, b, 0o600))
			return
		}
		at = end
	}
	t.Fatalf("%s does not know %s", path, stream)
}
