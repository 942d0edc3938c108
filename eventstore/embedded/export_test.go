package embedded

import "slices"

// Waiting returns how many appends wait for the group commit.
func (s *Store) Waiting() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.waiting)
}

// OS is the file system of the machine.
var OS FS = osFS{}

// SpareReady reports whether the next segment is filled.
func (s *Store) SpareReady() bool { return s.filler.hasReady() }

// IndexedFrames returns how many frames the index of a segment knows of each
// stream, in the order of the file.
func IndexedFrames(content string) []int {
	var out []int
	x := mustDecode([]byte(content))
	for i := range x.streams {
		out = append(out, len(x.streams[i].frames)/sealedFrameLen)
	}
	return out
}

// WithoutFrames is the index of a segment without the frames from one to another
// of a stream, by its place in the file, and with every checksum right.
func WithoutFrames(content string, stream, from, to int) string {
	old := []byte(content)
	x := mustDecode(old)
	s := &x.streams[stream]
	gone := map[uint32]bool{}
	var kept []byte
	for i := 0; i*sealedFrameLen < len(s.frames); i++ {
		b := s.frames[i*sealedFrameLen:][:sealedFrameLen]
		switch {
		case i >= from && i < to:
			gone[le.Uint32(b)] = true
		default:
			kept = append(kept, b...)
		}
	}
	if to*sealedFrameLen == len(s.frames) && from > 0 {
		s.next = s.first + uint64(le.Uint32(s.frames[from*sealedFrameLen+4:]))
	}
	if s.frames = kept; len(kept) == 0 {
		x.streams = slices.Delete(x.streams, stream, stream+1)
	}
	var waymarks []byte
	for b := x.waymarks; len(b) > 0; b = b[4:] {
		if !gone[le.Uint32(b)] {
			waymarks = append(waymarks, b[:4]...)
		}
	}
	return encodeAgain(old, &x, waymarks)
}

// WithExtraFrame is the index of a segment in which a stream has one frame more,
// at its end and inside of another frame, with every checksum right; "" where
// there is no place for one that looks as if it could be there.
func WithExtraFrame(content string, stream int) string {
	for tile := uint32(segmentHeaderLen / alignment); ; tile++ {
		x := mustDecode([]byte(content))
		if uint64(tile)*alignment >= x.end-x.base {
			return ""
		}
		s := &x.streams[stream]
		s.frames = le.AppendUint32(slices.Clone(s.frames), tile)
		s.frames = le.AppendUint32(s.frames, uint32(s.next-s.first))
		s.next++
		again := encodeAgain([]byte(content), &x, x.waymarks)
		if _, err := tryDecode([]byte(again)); err == nil {
			return again
		}
	}
}

func encodeAgain(old []byte, x *sealedIndex, waymarks []byte) string {
	b := slices.Clone(old[:sealedHeaderLen])
	b = le.AppendUint32(b, uint32(len(waymarks)/4))
	b = append(b, waymarks...)
	for i := range x.streams {
		b = x.streams[i].encode(b)
	}
	le.PutUint32(b[12:], uint32(len(x.streams)))
	le.PutUint32(b[52:], checksum(b[sealedHeaderLen:]))
	le.PutUint32(b[60:], checksum(b[:60]))
	return string(b)
}

func tryDecode(b []byte) (sealedIndex, error) {
	base := le.Uint64(b[32:])
	return decodeSealed(b, base, le.Uint64(b[40:]), base+uint64(le.Uint32(b[56:]))*alignment)
}

func mustDecode(b []byte) sealedIndex {
	x, err := tryDecode(b)
	if err != nil {
		panic(err)
	}
	return x
}
