package embedded

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
)

// # The log on disk, version 1
//
// All integers are little-endian. All checksums are CRC-32C (Castagnoli).
//
// A store is a folder:
//
//	LOCK                      locked (flock) by the one writer; holds its pid in decimal
//	durable                   the durable mark: a lower bound of what is safe on disk; locked as well
//	<position>.seg            segments; the name is the 20-digit decimal position of their first byte
//	<position>.idx            the index of a sealed segment; disposable (see sealed.go)
//	torn-<position>-<n>.bin   bytes set aside by recovery; never read again
//	refused-<position>-<n>.idx  an index that left out frames; never read again
//	*.tmp                     a file under construction; never read. spare.tmp is the next
//	                          segment, filled ahead; empty after a clean end
//
// The segments, put one after another in order of their names, are one logical
// log. A position is a byte offset in it, headers included. The first segment
// begins at 0, each further one where the frames of the one before it end.
//
// Segment header, 64 bytes; this layout holds for every later version too:
//
//	 0  8  magic "PETSSEG\n"
//	 8  4  format version
//	12  4  zero
//	16 16  store uuid, the same in every segment and in the mark
//	32  8  position of the first byte of the segment
//	40  8  when it was created, nanoseconds since 1970; for people only
//	48 12  zero
//	60  4  checksum of bytes 0 to 60
//
// Then frames, without gaps, each a multiple of 8 bytes long. A frame is one
// append and never crosses into another segment. Frame header, 48 bytes:
//
//	 0  4  magic "PFRM"
//	 4  4  length of the frame, header and padding included
//	 8  8  position of the frame
//	16  8  position of the first frame of its group: the frames that were
//	       written and flushed together
//	24  8  revision of the first record
//	32  4  number of records
//	36  2  length of the stream name
//	38  2  blanks: how many of the frame's 512-byte sectors are all zero by right
//	40  4  checksum of the rest of the frame, from byte 48
//	44  4  checksum of bytes 0 to 44
//
// then the stream name, the records, and zeros up to the next multiple of 8.
// Sectors are counted from the start of the segment file; a frame's part of
// the sector it begins or ends in counts as one of its sectors.
//
// Record, 36 bytes and three byte strings, without padding; its position is
// that of its first byte:
//
//	 0 16  id
//	16  8  time, nanoseconds since 1970
//	24  4  length of the type
//	28  4  length of the metadata
//	32  4  length of the data
//	36     type, metadata, data
//
// A zero where a frame should begin is the end of the log: a reader stops
// there, and everything after it in the segment must be zero too, unless the
// tail is torn (see torn.go). A writer makes segments ahead, full of zeros, the
// first of a megabyte and each further one of twice the size of the one before it
// up to a limit; it may also leave zeros behind the last frame of a segment that
// others follow, and leaves those ahead of the end when it closes. The size of a
// file means nothing. Unknown files of the folder are ignored.
//
// The durable mark has two slots, at 0 and at 512, of which the writer
// overwrites the older one, so that one of them is whole at any time. The larger
// position of those whose checksum is right counts. A slot is 48 bytes:
//
//	 0  8  magic "PETSMRK\n"
//	 8  4  format version
//	12  4  zero
//	16 16  store uuid
//	32  8  position: every frame before it was flushed to disk
//	40  4  zero
//	44  4  checksum of bytes 0 to 44
const (
	formatVersion = 1

	segmentMagic     = "PETSSEG\n"
	segmentHeaderLen = 64

	frameMagic     = "PFRM"
	frameHeaderLen = 48
	recordLen      = 36
	alignment      = 8
	maxFrameLen    = frameHeaderLen + eventstore.MaxStreamName + eventstore.MaxAppendBytes + alignment

	markMagic = "PETSMRK\n"
	markLen   = 48
	markSlots = 2

	sectorLen = 512
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// segmentHeader is the content of the first 64 bytes of a segment.
type segmentHeader struct {
	store uuid.UUID
	base  uint64
}

func (h segmentHeader) encode(created time.Time) []byte {
	b := make([]byte, segmentHeaderLen)
	copy(b, segmentMagic)
	le.PutUint32(b[8:], formatVersion)
	copy(b[16:], h.store[:])
	le.PutUint64(b[32:], h.base)
	le.PutUint64(b[40:], uint64(created.UnixNano()))
	le.PutUint32(b[60:], checksum(b[:60]))
	return b
}

func decodeSegmentHeader(b []byte) (segmentHeader, error) {
	if err := checkPreamble(b, segmentMagic, "segment"); err != nil {
		return segmentHeader{}, err
	}
	return segmentHeader{store: uuid.UUID(b[16:32]), base: le.Uint64(b[32:])}, nil
}

// encodeMark returns one slot of the durable mark of a store.
func encodeMark(store uuid.UUID, position uint64) []byte {
	b := make([]byte, markLen)
	copy(b, markMagic)
	le.PutUint32(b[8:], formatVersion)
	copy(b[16:], store[:])
	le.PutUint64(b[32:], position)
	le.PutUint32(b[44:], checksum(b[:44]))
	return b
}

func decodeMark(b []byte) (store uuid.UUID, position uint64, err error) {
	if err := checkPreamble(b, markMagic, "durable mark"); err != nil {
		return uuid.Nil, 0, err
	}
	return uuid.UUID(b[16:32]), le.Uint64(b[32:]), nil
}

// checkPreamble checks what segment headers and marks have in common: a magic, a
// version, and a checksum in their last four bytes. It checks the checksum before
// the version, so that a flipped bit is reported as damage and not as a newer
// format.
func checkPreamble(b []byte, magic, what string) error {
	n := len(b) - 4
	switch {
	case string(b[:len(magic)]) != magic:
		return fmt.Errorf("not a %s", what)
	case checksum(b[:n]) != le.Uint32(b[n:]):
		return fmt.Errorf("checksum of the %s is wrong", what)
	case le.Uint32(b[8:]) != formatVersion:
		return &VersionError{Found: le.Uint32(b[8:])}
	}
	return nil
}

// frameHeader is the content of the first 48 bytes of a frame.
type frameHeader struct {
	length   uint64
	position uint64
	group    uint64
	first    uint64
	records  uint64
	nameLen  uint64
	blanks   int
	body     uint32
}

func (h *frameHeader) end() uint64 { return h.position + h.length }

// decodeFrameHeader checks the header at position at. No field of a header is
// used unless all checks pass.
func decodeFrameHeader(b []byte, at uint64) (frameHeader, error) {
	if string(b[:4]) != frameMagic {
		return frameHeader{}, errNoFrame
	}
	if checksum(b[:44]) != le.Uint32(b[44:]) {
		return frameHeader{}, errHeaderSum
	}
	h := frameHeader{
		length:   uint64(le.Uint32(b[4:])),
		position: le.Uint64(b[8:]),
		group:    le.Uint64(b[16:]),
		first:    le.Uint64(b[24:]),
		records:  uint64(le.Uint32(b[32:])),
		nameLen:  uint64(le.Uint16(b[36:])),
		blanks:   int(le.Uint16(b[38:])),
		body:     le.Uint32(b[40:]),
	}
	switch {
	case h.position != at:
		return frameHeader{}, fmt.Errorf("frame header names position %d", h.position)
	case h.length%alignment != 0, h.length > maxFrameLen,
		h.nameLen == 0, h.nameLen > eventstore.MaxStreamName,
		h.records == 0, h.records > eventstore.MaxAppendRecords,
		h.group > at, h.length < frameHeaderLen+h.nameLen+h.records*recordLen:
		return frameHeader{}, errImplausible
	}
	return h, nil
}

// encodeFrame appends an append's frame to buf, which must be empty. Its position
// is not known yet; seal fills in the rest of its header.
func encodeFrame(buf []byte, stream string, expected eventstore.Expected, records []eventstore.Proposed) []byte {
	buf = append(buf, make([]byte, frameHeaderLen)...)
	buf = append(buf, stream...)
	for i := range records {
		r := &records[i]
		buf = append(buf, r.ID[:]...)
		buf = le.AppendUint64(buf, uint64(r.Time.UnixNano()))
		buf = le.AppendUint32(buf, uint32(len(r.Type)))     //nolint:gosec // bounded by Check, as below
		buf = le.AppendUint32(buf, uint32(len(r.Metadata))) //nolint:gosec // see above
		buf = le.AppendUint32(buf, uint32(len(r.Data)))     //nolint:gosec // see above
		buf = append(buf, r.Type...)
		buf = append(buf, r.Metadata...)
		buf = append(buf, r.Data...)
	}
	for len(buf)%alignment != 0 {
		buf = append(buf, 0)
	}
	copy(buf, frameMagic)
	le.PutUint32(buf[4:], uint32(len(buf))) //nolint:gosec // bounded by Check, as below
	le.PutUint64(buf[24:], expected.Next())
	le.PutUint32(buf[32:], uint32(len(records))) //nolint:gosec // see above
	le.PutUint16(buf[36:], uint16(len(stream)))  //nolint:gosec // see above
	le.PutUint32(buf[40:], checksum(buf[frameHeaderLen:]))
	return buf
}

// seal gives a frame its position, the position of its group, and its offset in
// the segment file, which determines its sectors.
func seal(frame []byte, position, group, offset uint64) {
	le.PutUint64(frame[8:], position)
	le.PutUint64(frame[16:], group)
	le.PutUint16(frame[38:], 0)
	le.PutUint16(frame[38:], uint16(blankSectors(frame, offset))) //nolint:gosec // a frame has some 2,000 sectors
	le.PutUint32(frame[44:], checksum(frame[:44]))
}

// blankSectors counts the 512-byte sectors, of a file in which b is at offset,
// whose part of b is all zero.
func blankSectors(b []byte, offset uint64) int {
	n := 0
	for len(b) > 0 {
		part := b[:min(uint64(len(b)), sectorLen-offset%sectorLen)]
		if allZero(part) {
			n++
		}
		b, offset = b[len(part):], offset+uint64(len(part))
	}
	return n
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if le.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// rawRecord is one record inside a frame; its slices point into it.
type rawRecord struct {
	offset         uint64 // from the start of the frame
	id             uuid.UUID
	nanos          int64
	typ            []byte
	metadata, data []byte
}

// decodeRecords calls each with the records of a frame, given the bytes after its
// stream name, whose checksum was verified. It still checks every length, so that
// a frame written by another program with valid checksums cannot crash the
// reader.
func decodeRecords(b []byte, h *frameHeader, each func(i uint64, r *rawRecord)) error {
	r := rawRecord{offset: frameHeaderLen + h.nameLen}
	for i := range h.records {
		if len(b) < recordLen {
			return errImplausible
		}
		typ, meta, data := uint64(le.Uint32(b[24:])), uint64(le.Uint32(b[28:])), uint64(le.Uint32(b[32:]))
		size := recordLen + typ + meta + data
		if size > uint64(len(b)) {
			return errImplausible
		}
		r.id, r.nanos = uuid.UUID(b[:16]), int64(le.Uint64(b[16:])) //nolint:gosec // written from an int64
		body := b[recordLen:size:size]
		r.typ, r.metadata, r.data = body[:typ:typ], body[typ:typ+meta:typ+meta], body[typ+meta:]
		each(i, &r)
		b, r.offset = b[size:], r.offset+size
	}
	if len(b) >= alignment || !allZero(b) {
		return errImplausible
	}
	return nil
}
