package embedded

import (
	"math/bits"

	"pets/eventstore"
)

// tiles are the places of a segment where a frame begins by its index: one bit
// for each 8 bytes.
type tiles []uint64

func (t tiles) has(tile uint64) bool {
	return tile/64 < uint64(len(t)) && t[tile/64]&(1<<(tile%64)) != 0
}

// put reports false for a tile beyond the end, or one that has a frame already.
func (t tiles) put(tile uint64) bool {
	if tile/64 >= uint64(len(t)) || t.has(tile) {
		return false
	}
	t[tile/64] |= 1 << (tile % 64)
	return true
}

// after returns the next tile behind one where a frame begins, or end.
func (t tiles) after(tile, end uint64) uint64 {
	for at := tile + 1; at < end; at = (at/64 + 1) * 64 {
		if rest := t[at/64] >> (at % 64); rest != 0 {
			return min(at+uint64(bits.TrailingZeros64(rest)), end) //nolint:gosec // not negative
		}
	}
	return end
}

// checkTiles checks that the frames of all streams together can be a segment:
// they begin at its first byte and end with its last frame, no two stand at one
// place, each has room for its records, and between two of them there is not more
// than a frame can fill. A frame that is left out where frames are small is not
// seen by this: that is what the check in the background is for.
func (x *sealedIndex) checkTiles(last uint64) error {
	size := (x.end - x.base) / alignment
	t := make(tiles, size/64+1)
	for i := range x.streams {
		for b := x.streams[i].frames; len(b) > 0; b = b[sealedFrameLen:] {
			if !t.put(uint64(le.Uint32(b))) {
				return errNoIndex
			}
		}
	}
	const first = segmentHeaderLen / alignment
	if t.after(0, size) != first || !t.has((last-x.base)/alignment) {
		return errNoIndex
	}
	for b := x.waymarks; len(b) >= 4; b = b[4:] {
		if !t.has(uint64(le.Uint32(b))) {
			return errNoIndex
		}
	}
	for i := range x.streams {
		if !x.streams[i].fits(t, size) {
			return errNoIndex
		}
	}
	return nil
}

// fits reports whether each frame of the stream has as many bytes, up to the next
// frame of any stream, as its records need at least and a frame has at most.
func (s *sealedStream) fits(t tiles, size uint64) bool {
	for b := s.frames; len(b) > 0; b = b[sealedFrameLen:] {
		from, next := uint64(le.Uint32(b[4:])), s.next-s.first
		if len(b) > sealedFrameLen {
			next = uint64(le.Uint32(b[sealedFrameLen+4:]))
		}
		tile, records := uint64(le.Uint32(b)), next-from
		room := (t.after(tile, size) - tile) * alignment
		if records > eventstore.MaxAppendRecords || room > maxFrameLen || room < frameHeaderLen+uint64(len(s.name))+records*recordLen {
			return false
		}
	}
	return true
}
