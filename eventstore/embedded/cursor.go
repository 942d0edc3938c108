package embedded

import (
	"errors"
	"fmt"
	"io"
)

// The window of a cursor starts small, for the read of one record, and doubles
// while reads stay sequential. A sealed segment is read from memory until this
// many sequential frames; from then on, large reads are cheaper.
const (
	minWindow  = 16 << 10
	maxWindow  = 1 << 20
	sequential = 16
)

// cursor reads frames through a read-ahead window on the file. It belongs to one
// goroutine.
type cursor struct {
	segs   segments
	file   File   // whose bytes are in buf
	buf    []byte // the window
	start  uint64 // position of buf[0]
	window uint64
	after  uint64 // position behind the last frame
	row    int    // number of sequential frames read
}

// enter skips the header of a segment if a position is at it.
func (c *cursor) enter(position uint64) uint64 {
	return max(position, c.segs[c.segs.at(position)].firstFrame())
}

// frame returns the frame at a position, of which nothing may lie beyond limit,
// with both its checksums verified. The bytes are valid until the next call.
// Invalid content is a *[DamageError]; any other error is a read error.
func (c *cursor) frame(position, limit uint64) (frameHeader, []byte, error) {
	i := c.segs.at(position)
	seg := &c.segs[i]
	if i+1 < len(c.segs) {
		limit = min(limit, c.segs[i+1].base)
	}
	if c.row++; position != c.after {
		c.row = 0
	}
	if limit < position+frameHeaderLen {
		return frameHeader{}, nil, seg.damage(position, errCutShort.Error())
	}
	b, err := c.bytes(seg, position, frameHeaderLen, limit)
	if err != nil {
		return frameHeader{}, nil, err
	}
	h, err := decodeFrameHeader(b, position)
	if err != nil {
		return frameHeader{}, nil, seg.damage(position, err.Error())
	}
	if limit < h.end() {
		return frameHeader{}, nil, seg.damage(position, errCutShort.Error())
	}
	if b, err = c.bytes(seg, position, h.length, limit); err != nil {
		return frameHeader{}, nil, err
	}
	if checksum(b[frameHeaderLen:]) != h.body {
		damage := seg.damage(position, errBodySum.Error())
		damage.Stream, damage.Revision = string(nameOf(b, &h)), h.first
		return frameHeader{}, nil, damage
	}
	c.after = h.end()
	return h, b, nil
}

func nameOf(frame []byte, h *frameHeader) []byte {
	return frame[frameHeaderLen : frameHeaderLen+h.nameLen]
}

// bytes returns n bytes of a segment, from the window if they are in it. The
// window never holds anything beyond limit, because that may still change.
func (c *cursor) bytes(seg *segment, position, n, limit uint64) ([]byte, error) {
	end := c.start + uint64(len(c.buf))
	inside := c.file == seg.file && position >= c.start && position <= end
	if inside && position+n <= end {
		return c.buf[position-c.start:][:n], nil
	}
	if c.row < sequential && c.fromMemory(seg, position, n) {
		return c.buf, nil
	}
	if inside {
		c.window = min(max(c.window*2, minWindow), maxWindow)
	} else {
		c.window = minWindow
	}
	size := max(n, min(c.window, limit-position))
	if uint64(cap(c.buf)) < size {
		c.buf = make([]byte, size)
	}
	c.file, c.start, c.buf = seg.file, position, c.buf[:size]
	got, err := seg.file.ReadAt(c.buf, int64(position-seg.base)) //nolint:gosec // an offset in a file
	c.buf = c.buf[:got]
	if uint64(got) >= n { //nolint:gosec // not negative
		return c.buf[:n], nil // the caller does not need the bytes read ahead
	}
	c.file = nil // after a failed read the window is unknown
	if errors.Is(err, io.EOF) {
		return nil, seg.damage(position, errCutShort.Error())
	}
	return nil, fmt.Errorf("read %s at %d: %w", seg.path, position-seg.base, err)
}

// fromMemory fills the window with n bytes of a sealed segment, without a system
// call, if the segment is mapped.
func (c *cursor) fromMemory(seg *segment, position, n uint64) bool {
	i := c.segs.at(seg.base)
	if i+1 >= len(c.segs) {
		return false // it is still written to
	}
	if uint64(cap(c.buf)) < n {
		c.buf = make([]byte, n, max(n, minWindow))
	}
	c.file, c.start, c.buf = seg.file, position, c.buf[:n]
	if !seg.mem.copyOut(c.buf, seg.file, c.segs[i+1].base-seg.base, position-seg.base) {
		c.file, c.buf = nil, c.buf[:0]
		return false
	}
	return true
}
