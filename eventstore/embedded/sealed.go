package embedded

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// # The index of a segment
//
// A segment that others follow is sealed: no byte of it changes any more. Nor does
// what was flushed of the last one. Beside a segment may stand <position>.idx,
// which says where its frames are, up to one, so that opening a store need not
// read the segment up to there. It is disposable: one that is missing, damaged or
// of another segment is made anew from the segment. Header, 64 bytes:
//
//	 0  8  magic "PETSIDX\n"
//	 8  4  format version
//	12  4  number of streams
//	16 16  store uuid
//	32  8  position of the first byte of the segment
//	40  8  position after the last frame that it knows
//	48  4  checksum in the header of that frame
//	52  4  checksum of all that follows byte 64
//	56  4  offset of that frame in the segment, divided by 8
//	60  4  checksum of bytes 0 to 60
//
// then the number of waymarks (4) and their offsets divided by 8 (4 each): frames
// some 64 KiB apart. Then for each stream: length of the name (4), number of
// frames (4), revision of its first record here (8), revision that comes after
// its last (8), the name, and for each frame its offset divided by 8 (4) and the
// revision of its first record, counted from that of the first (4).
const (
	sealedMagic     = "PETSIDX\n"
	sealedHeaderLen = 64
	sealedSuffix    = ".idx"
	sealedStreamLen = 24
	sealedFrameLen  = 8
)

var errNoIndex = errors.New("the index of the segment is unusable")

func sealedName(base uint64) string {
	return strings.TrimSuffix(segmentName(base), segmentSuffix) + sealedSuffix
}

// sealedStream is the part of one stream in a sealed segment.
type sealedStream struct {
	name        string
	first, next uint64
	frames      []byte // 8 bytes each
}

// sealedIndex is the content of an index file.
type sealedIndex struct {
	base, end uint64
	waymarks  []byte // 4 bytes each
	streams   []sealedStream
}

// encodeSealed builds the index of a segment up to end by reading it from disk,
// so that the index holds only frames with valid checksums.
func encodeSealed(store uuid.UUID, segs segments, i int, end uint64) ([]byte, error) {
	seg := &segs[i]
	if end-seg.base >= 1<<32 { // so that every offset and revision below fits
		return nil, errNoIndex
	}
	c := cursor{segs: segs}
	at := map[string]int{}
	var streams []sealedStream
	var waymarks []byte
	var last frameHeader
	var lastSum []byte
	mark := uint64(0)
	for position := seg.firstFrame(); position < end; position = last.end() {
		h, b, err := c.frame(position, end)
		if err != nil {
			return nil, err
		}
		offset := uint32((position - seg.base) / alignment) //nolint:gosec // see above
		if mark == 0 || position-mark >= sparseBytes {
			waymarks, mark = le.AppendUint32(waymarks, offset), position
		}
		n, known := at[string(nameOf(b, &h))]
		if !known {
			n = len(streams)
			at[string(nameOf(b, &h))] = n
			streams = append(streams, sealedStream{name: string(nameOf(b, &h)), first: h.first})
		}
		s := &streams[n]
		s.frames = le.AppendUint32(s.frames, offset)
		s.frames = le.AppendUint32(s.frames, uint32(h.first-s.first)) //nolint:gosec // fewer records than bytes
		s.next, last, lastSum = h.first+h.records, h, append(lastSum[:0], b[44:48]...)
	}
	if len(streams) == 0 {
		return nil, errNoIndex
	}
	b := make([]byte, sealedHeaderLen)
	b = le.AppendUint32(b, uint32(len(waymarks)/4)) //nolint:gosec // see above
	b = append(b, waymarks...)
	for i := range streams {
		b = streams[i].encode(b)
	}
	copy(b, sealedMagic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint32(b[12:], uint32(len(streams))) //nolint:gosec // see above
	copy(b[16:], store[:])
	le.PutUint64(b[32:], seg.base)
	le.PutUint64(b[40:], end)
	copy(b[48:], lastSum)
	le.PutUint32(b[52:], checksum(b[sealedHeaderLen:]))
	le.PutUint32(b[56:], uint32((last.position-seg.base)/alignment)) //nolint:gosec // see above
	le.PutUint32(b[60:], checksum(b[:60]))
	return b, nil
}

func (s *sealedStream) encode(b []byte) []byte {
	b = le.AppendUint32(b, uint32(len(s.name)))                  //nolint:gosec // bounded by Check
	b = le.AppendUint32(b, uint32(len(s.frames)/sealedFrameLen)) //nolint:gosec // fewer frames than bytes
	b = le.AppendUint64(b, s.first)
	b = le.AppendUint64(b, s.next)
	b = append(b, s.name...)
	return append(b, s.frames...)
}

// readSealed returns the index of a segment that ends at limit, if there is a
// valid one that belongs to this segment. Any other problem with the index is
// ignored, because the segment itself can be read.
func readSealed(folder Dir, store uuid.UUID, seg *segment, limit uint64) (sealedIndex, error) {
	file, err := folder.Open(sealedName(seg.base), Read)
	if err != nil {
		return sealedIndex{}, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	size, err := sizeOf(file)
	if err != nil || size < sealedHeaderLen {
		return sealedIndex{}, errors.Join(errNoIndex, err)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		return sealedIndex{}, err
	}
	if err := checkPreamble(b[:sealedHeaderLen], sealedMagic, "index"); err != nil {
		return sealedIndex{}, err
	}
	end := le.Uint64(b[40:])
	if uuid.UUID(b[16:32]) != store || le.Uint64(b[32:]) != seg.base || end <= seg.firstFrame() || end > limit ||
		checksum(b[sealedHeaderLen:]) != le.Uint32(b[52:]) {
		return sealedIndex{}, errNoIndex
	}
	last := seg.base + uint64(le.Uint32(b[56:]))*alignment
	if err := endsWith(seg, end, last, le.Uint32(b[48:])); err != nil {
		return sealedIndex{}, err
	}
	return decodeSealed(b, seg.base, end, last)
}

// endsWith checks that the last frame of a segment is the one that the index
// names. Then the index belongs to this segment, and the segment is not cut
// short.
func endsWith(seg *segment, end, position uint64, sum uint32) error {
	size, err := sizeOf(seg.file)
	if err != nil || seg.base+size < end || position < seg.firstFrame() || position+frameHeaderLen > end {
		return errors.Join(errNoIndex, err)
	}
	b := make([]byte, frameHeaderLen)
	if _, err := seg.file.ReadAt(b, int64(position-seg.base)); err != nil { //nolint:gosec // an offset in a file
		return err
	}
	h, err := decodeFrameHeader(b, position)
	if err != nil || h.end() != end || le.Uint32(b[44:]) != sum {
		return errors.Join(errNoIndex, err)
	}
	return nil
}

// decodeSealed checks every length, although the checksum is right. last is the
// position of the last frame.
func decodeSealed(b []byte, base, end, last uint64) (sealedIndex, error) {
	x := sealedIndex{base: base, end: end}
	streams := le.Uint32(b[12:])
	b = b[sealedHeaderLen:]
	if len(b) < 4 {
		return sealedIndex{}, errNoIndex
	}
	n := 4 * int(le.Uint32(b))
	if len(b)-4 < n {
		return sealedIndex{}, errNoIndex
	}
	x.waymarks, b = b[4:4+n], b[4+n:]
	for range streams {
		if len(b) < sealedStreamLen {
			return sealedIndex{}, errNoIndex
		}
		name, frames := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))*sealedFrameLen
		s := sealedStream{first: le.Uint64(b[8:]), next: le.Uint64(b[16:])}
		b = b[sealedStreamLen:]
		if uint64(len(b)) < name+frames {
			return sealedIndex{}, errNoIndex
		}
		s.name, s.frames, b = string(b[:name]), b[name:name+frames], b[name+frames:]
		if err := s.check(end - base); err != nil {
			return sealedIndex{}, err
		}
		x.streams = append(x.streams, s)
	}
	if len(b) > 0 {
		return sealedIndex{}, errNoIndex
	}
	return x, x.checkTiles(last)
}

// check requires that frames and revisions increase, from the first on.
func (s *sealedStream) check(size uint64) error {
	after, revision := uint64(0), uint64(0)
	for at := 0; at < len(s.frames); at += sealedFrameLen {
		offset, delta := uint64(le.Uint32(s.frames[at:]))*alignment, uint64(le.Uint32(s.frames[at+4:]))
		if offset <= after || offset >= size || at == 0 && delta != 0 || at > 0 && delta <= revision {
			return errNoIndex
		}
		after, revision = offset, delta
	}
	if len(s.frames) == 0 || s.next <= s.first+revision {
		return errNoIndex
	}
	return nil
}

// addSealed adds the frames of a whole segment to the index if they continue it;
// otherwise it changes nothing.
func (x *index) addSealed(sealed *sealedIndex) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range sealed.streams {
		s := &sealed.streams[i]
		next := uint64(0)
		if known := x.streams[s.name]; known != nil {
			next = known.next
		}
		if s.first != next {
			return fmt.Errorf("%w: stream %s continues at %d, not %d", errNoIndex, s.name, s.first, next)
		}
	}
	for i := range sealed.streams {
		x.addStream(sealed.base, &sealed.streams[i])
	}
	for b := sealed.waymarks; len(b) >= 4; b = b[4:] {
		x.sparse = append(x.sparse, sealed.base+uint64(le.Uint32(b))*alignment)
	}
	x.end = sealed.end
	return nil
}

func (x *index) addStream(base uint64, s *sealedStream) {
	stream := x.streams[s.name]
	if stream == nil {
		stream = &streamIndex{name: s.name}
		x.streams[s.name] = stream
	}
	n := len(s.frames) / sealedFrameLen
	refs := append(stream.refs, make([]frameRef, n)...)
	for i := range n {
		b := s.frames[i*sealedFrameLen:][:sealedFrameLen]
		refs[len(stream.refs)+i] = frameRef{base + uint64(le.Uint32(b))*alignment, s.first + uint64(le.Uint32(b[4:]))}
	}
	x.frames += uint64(n)
	x.records += s.next - s.first
	stream.refs, stream.next = refs, s.next
}

// loadSealed adds all segments but the last to the index, from their index files
// or, if there is none that is usable, by reading them. It notes the latter for
// the indexer.
func (s *Store) loadSealed() error {
	segs := s.index.segs
	c := cursor{segs: segs}
	for i := range segs[:len(segs)-1] {
		if s.index.end >= segs[i+1].base {
			continue // a reader that looks again
		}
		s.useIndex(&segs[i], segs[i+1].base)
		if s.index.end == segs[i+1].base {
			continue
		}
		if err := s.scanSealed(&c, i); err != nil {
			return err
		}
		s.unindexed = append(s.unindexed, i)
	}
	return nil
}

// useIndex adds the frames that a segment's index file lists, if the file is
// usable and no frame of the segment is known yet.
func (s *Store) useIndex(seg *segment, limit uint64) {
	if s.distrust || s.index.end > seg.firstFrame() {
		return
	}
	if x, err := readSealed(s.folder, s.uuid, seg, limit); err == nil {
		err = s.index.addSealed(&x) // otherwise it adds nothing, and the segment is read
		s.believed = s.believed || err == nil
	}
}

// load runs the function that reads the log. Damage may come from a trusted index
// file. The log is then read once more, from its first byte, without index files,
// and that result counts.
func (s *Store) load(read func() error) error {
	err := read()
	var damage *DamageError
	if !s.believed || !errors.As(err, &damage) {
		return err
	}
	s.distrust, s.indexed, s.unindexed = true, 0, nil
	s.index.forget()
	return read()
}

// loadFinished adds the finished part of the last segment, as far as its index
// file goes. The file lists only what was flushed, wherever the mark is.
func (s *Store) loadFinished() error {
	seg := s.lastSegment()
	size, err := sizeOf(seg.file)
	if err != nil {
		return fmt.Errorf("size of %s: %w", seg.path, err)
	}
	s.useIndex(seg, seg.base+size)
	s.indexed = s.index.end
	return nil
}

// scanSealed reads the unknown part of a sealed segment, to its last byte.
func (s *Store) scanSealed(c *cursor, i int) error {
	seg, limit := &s.index.segs[i], s.index.segs[i+1].base
	size, err := sizeOf(seg.file)
	if err != nil {
		return fmt.Errorf("size of %s: %w", seg.path, err)
	}
	if _, err := s.loadSegment(c, seg, limit); err != nil {
		return err
	}
	return blankAfter(seg, limit-seg.base, size)
}

// writeSealed writes the index file of a segment for the frames before end. The
// file gets its name once it is durable; the name itself need not be, since
// nothing depends on it.
func (s *Store) writeSealed(segs segments, i int, end uint64) error {
	b, err := encodeSealed(s.uuid, segs, i, end)
	if err != nil {
		return err
	}
	if s.poisoned.Load() != nil {
		return errNotWanted
	}
	if !s.roomFor(uint64(len(b))) {
		return errScarce
	}
	name := sealedName(segs[i].base)
	file, err := writeTmp(s.folder, name, b)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return s.folder.Rename(name+tmpSuffix, name)
}
