package embedded

import "math/bits"

// tiles marks where the frames of a segment begin according to its index: one bit
// for each 8 bytes.
type tiles []uint64

func (t tiles) has(tile uint64) bool {
	return tile/64 < uint64(len(t)) && t[tile/64]&(1<<(tile%64)) != 0
}

// put returns false for a tile beyond the end, or one that already has a frame.
func (t tiles) put(tile uint64) bool {
	if tile/64 >= uint64(len(t)) || t.has(tile) {
		return false
	}
	t[tile/64] |= 1 << (tile % 64)
	return true
}

// widest returns the first tile with a frame, and the largest distance from one
// frame to the next one, or to the end.
func (t tiles) widest(end uint64) (first, most uint64) {
	last := end
	for i, word := range t {
		for ; word != 0; word &= word - 1 {
			at := uint64(i*64 + bits.TrailingZeros64(word)) //nolint:gosec // not negative
			if last == end {
				first = at
			} else {
				most = max(most, at-last)
			}
			last = at
		}
	}
	return first, max(most, end-last)
}

// checkTiles checks that the frames of all streams together can form a segment:
// they begin at its first byte and end with its last frame, no two have the same
// position, the waymarks are among them, and no gap is wider than one frame can
// be. It cannot detect a missing small frame; the background check does. It runs
// at every start and must not take longer than the index saves.
func (x *sealedIndex) checkTiles(last uint64) error {
	size := (x.end - x.base) / alignment
	t := make(tiles, size/64+1)
	for i := range x.streams {
		for b := x.streams[i].frames; len(b) >= sealedFrameLen; b = b[sealedFrameLen:] {
			if !t.put(uint64(le.Uint32(b))) {
				return errNoIndex
			}
		}
	}
	if first, most := t.widest(size); first != segmentHeaderLen/alignment || most > maxFrameLen/alignment {
		return errNoIndex
	}
	if !t.has((last - x.base) / alignment) {
		return errNoIndex
	}
	for b := x.waymarks; len(b) >= 4; b = b[4:] {
		if !t.has(uint64(le.Uint32(b))) {
			return errNoIndex
		}
	}
	return nil
}
