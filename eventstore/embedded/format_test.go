package embedded

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/eventstore"
)

var goldenID = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")

// TestGolden pins the bytes on disk: a store that was written once is read for
// ever. Never change what is expected here; add a version.
func TestGolden(t *testing.T) {
	require.Equal(t, unhex(`
		504554535345470a 01000000 00000000
		00112233445566778899aabbccddeeff
		0001000000000000 15cd5b0700000000
		000000000000000000000000 0ff3d78a`),
		hex.EncodeToString(segmentHeader{store: goldenID, base: 256}.encode(time.Unix(0, 123456789))))
	require.Equal(t, unhex(`
		504554534d524b0a 01000000 00000000
		00112233445566778899aabbccddeeff
		0001000000000000 00000000 a839bb3f`),
		hex.EncodeToString(encodeMark(goldenID, 256)))

	frame := encodeFrame(nil, "s1", eventstore.At(4), []eventstore.Proposed{
		{ID: goldenID, Type: "a.v1", Time: time.Unix(0, 1), Metadata: []byte("{}"), Data: []byte("data")},
		{ID: goldenID, Type: "b", Time: time.Unix(0, 1<<63-2)},
	})
	seal(frame, 320, 256, 64)
	require.Equal(t, unhex(`
		5046524d 88000000 4001000000000000 0001000000000000
		0500000000000000 02000000 0200 0000 572ccfd2 f64df171
		7331
		00112233445566778899aabbccddeeff 0100000000000000
		04000000 02000000 04000000 612e7631 7b7d 64617461
		00112233445566778899aabbccddeeff feffffffffffff7f
		01000000 00000000 00000000 62
		000000`), hex.EncodeToString(frame))
}

func unhex(text string) string { return strings.Join(strings.Fields(text), "") }

// TestFrameRoundTrip: what goes in comes out, wherever it stands.
func TestFrameRoundTrip(t *testing.T) {
	bytes := rapid.SliceOfN(rapid.Byte(), 0, 1500)
	record := rapid.Custom(func(t *rapid.T) eventstore.Proposed {
		return eventstore.Proposed{
			ID:       uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			Type:     rapid.StringN(1, 40, 200).Draw(t, "type"),
			Time:     time.Unix(0, rapid.Int64Min(0).Draw(t, "time")),
			Metadata: bytes.Draw(t, "metadata"),
			Data:     bytes.Draw(t, "data"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(record, 1, 5).Draw(t, "records")
		stream := rapid.StringN(1, 40, 200).Draw(t, "stream")
		position := rapid.Uint64Range(8, 1<<40).Draw(t, "position") * 8
		frame := encodeFrame(nil, stream, 6, records)
		seal(frame, position, position-8, position)
		require.Zero(t, len(frame)%alignment)

		h, err := decodeFrameHeader(frame, position)
		require.NoError(t, err)
		require.Equal(t, h.body, checksum(frame[frameHeaderLen:]))
		require.Equal(t, uint64(len(frame)), h.length)
		require.Equal(t, []uint64{position, position - 8, 7, uint64(len(records))}, []uint64{h.position, h.group, h.first, h.records})
		require.Equal(t, stream, string(nameOf(frame, &h)))
		require.Equal(t, h.blanks, blankSectors(frame, position))
		at := uint64(0)
		err = decodeRecords(frame[frameHeaderLen+h.nameLen:], &h, func(i uint64, r *rawRecord) {
			want := records[i]
			require.Greater(t, r.offset, at)
			at = r.offset
			require.Equal(t, []any{want.ID, want.Type, want.Time.UnixNano(), string(want.Metadata), string(want.Data)},
				[]any{r.id, string(r.typ), r.nanos, string(r.metadata), string(r.data)})
		})
		require.NoError(t, err)
	})
}

// FuzzDecode: a frame that a foreign hand wrote, with checksums that are right,
// is decoded or refused, but never crashes the reader.
func FuzzDecode(f *testing.F) {
	frame := encodeFrame(nil, "stream", eventstore.NoStream, []eventstore.Proposed{{ID: goldenID, Type: "t", Data: []byte("data")}})
	f.Add(frame)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < frameHeaderLen {
			return
		}
		copy(b, frameMagic)
		binary.LittleEndian.PutUint32(b[44:], crc32.Checksum(b[:44], castagnoli))
		h, err := decodeFrameHeader(b, le.Uint64(b[8:]))
		if err != nil || h.length > uint64(len(b)) {
			return
		}
		b = b[:h.length]
		_ = decodeRecords(b[frameHeaderLen+h.nameLen:], &h, func(_ uint64, r *rawRecord) {
			if r.offset+recordLen+uint64(len(r.typ)+len(r.metadata)+len(r.data)) > h.length {
				t.Error("a record reaches beyond its frame")
			}
		})
		examineTail(b, h.position, h.position%sectorLen)
	})
}
