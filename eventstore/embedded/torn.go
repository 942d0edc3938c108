package embedded

import (
	"errors"
	"fmt"
)

// tail is the result for the bytes of the last segment in which no frame could be
// read.
type tail int

const (
	blank   tail = iota // nothing, or zeros: the log ends here
	torn                // the remains of one group that was never flushed
	damaged             // anything else
)

// examineTail classifies the bytes b at a position, at offset in the segment
// file, where no valid frame begins.
//
// A power cut during a write leaves of one group any mixture of sectors that were
// written and sectors that are still zero, and perhaps a shorter file. So a tail
// is torn only if
//
//   - its first frame is cut short by the end of the file, or one of the 512-byte
//     sectors of that frame is still all zero (and was not meant to be), and
//   - no frame of a later group is behind it: a group is written only after
//     the one before it was flushed, so a later group proves that these bytes
//     were durable and were damaged afterwards.
//
// Everything else is damage: cutting the log there would destroy history.
func examineTail(b []byte, position, offset uint64) (tail, string) {
	if allZero(b) {
		return blank, ""
	}
	if later, found := laterGroup(b, position); found {
		return damaged, fmt.Sprintf("no valid frame begins here, but one that was written later is at position %d", later)
	}
	h, err := frameHeader{}, errCutShort
	if len(b) >= frameHeaderLen {
		h, err = decodeFrameHeader(b, position)
	}
	switch {
	case errors.Is(err, errCutShort):
		if beginsHeader(b, position) || blankSectors(b, offset) > 0 {
			return torn, "a frame header is cut short"
		}
	case err != nil:
		// The length is unknown, but the header lies in the first one or two sectors.
		first := sectorLen - offset%sectorLen
		if blankSectors(b[:min(uint64(len(b)), first)], offset) > 0 {
			return torn, "the sector with a frame header was not written"
		}
		if rest := b[min(uint64(len(b)), first):]; first < frameHeaderLen && allZero(rest[:min(len(rest), sectorLen)]) {
			return torn, "the sector with the rest of a frame header was not written"
		}
		return damaged, err.Error()
	case h.length > uint64(len(b)):
		return torn, "a frame is cut short"
	case blankSectors(b[:h.length], offset) > h.blanks:
		return torn, "a sector of a frame was not written"
	}
	return damaged, errBodySum.Error()
}

// laterGroup searches b for a frame whose group begins after position. A header
// holds its own position and a checksum, so nothing else can look like one.
func laterGroup(b []byte, position uint64) (uint64, bool) {
	for at := alignment; at+frameHeaderLen <= len(b); at += alignment {
		if b[at] != frameMagic[0] || string(b[at:at+4]) != frameMagic {
			continue
		}
		h, err := decodeFrameHeader(b[at:], position+uint64(at))
		if err == nil && h.group > position {
			return h.position, true
		}
	}
	return 0, false
}

// beginsHeader reports whether b, shorter than a header, is a prefix of the
// header of a frame at a position.
func beginsHeader(b []byte, position uint64) bool {
	if n := min(len(b), len(frameMagic)); string(b[:n]) != frameMagic[:n] {
		return false
	}
	return len(b) < 16 || le.Uint64(b[8:]) == position
}
