package embedded

import "fmt"

// scan reads the bytes of one segment to be salvaged.
type scan struct {
	salvage *salvage
	file    *sourceFile
	b       []byte
	holes   []unreadable // rising
	next    uint64       // position of the segment after it
	last    bool         // no segment follows: the log may end in a torn tail
	judged  bool         // its tail is known not to be torn
}

// step handles the bytes at an offset and returns the next offset.
//
// Only a header with a correct checksum that names its own position counts as a
// frame. The bytes that such a frame covers belong to it: no frame is searched
// for inside the records of another.
func (s *scan) step(at uint64) (uint64, error) {
	rest := s.b[at:]
	h, err := s.header(at)
	if err != nil {
		return s.unsound(at), nil
	}
	if h.length > uint64(len(rest)) {
		if s.tornAt(at) {
			return uint64(len(s.b)), nil
		}
		s.lost(at, &h, uint64(len(rest)), errCutShort)
		return uint64(len(s.b)), nil
	}
	frame := rest[:h.length]
	if checksum(frame[frameHeaderLen:]) != h.body {
		if s.tornAt(at) {
			return uint64(len(s.b)), nil
		}
		s.lost(at, &h, h.length, errBodySum)
		return at + h.length, nil
	}
	if err := decodeRecords(frame[frameHeaderLen+h.nameLen:], &h, func(uint64, *rawRecord) {}); err != nil {
		s.lost(at, &h, h.length, err)
		return at + h.length, nil
	}
	if at+h.length+s.file.base > s.salvage.covered {
		s.salvage.covered = at + h.length + s.file.base
	}
	return at + h.length, s.salvage.copyInto.frame(s.file, &h, frame)
}

func (s *scan) header(at uint64) (frameHeader, error) {
	if at+frameHeaderLen > uint64(len(s.b)) {
		return frameHeader{}, errCutShort
	}
	return decodeFrameHeader(s.b[at:], s.file.base+at)
}

// unsound handles bytes that do not begin a frame, up to the next frame. Zeros
// behind the last frame are the end of the log and are not reported.
func (s *scan) unsound(at uint64) uint64 {
	if s.tornAt(at) {
		return uint64(len(s.b))
	}
	to := at + alignment
	for ; to < uint64(len(s.b)); to += alignment {
		if s.b[to] != frameMagic[0] {
			continue
		}
		if _, err := s.header(to); err == nil {
			break
		}
	}
	to = min(to, uint64(len(s.b)))
	hole := s.unreadable(at, to)
	blank := allZero(s.b[at:to])
	if blank && hole == nil && to == uint64(len(s.b)) {
		return to
	}
	reason := "no valid frame stands here"
	switch {
	case hole != nil:
		reason = fmt.Sprintf("bytes %d to %d cannot be read: %v", hole.from, hole.to, hole.err)
	case blank:
		reason = "zeros stand here, and frames behind them"
	}
	s.salvage.place(Place{File: s.file.path, Offset: at, Bytes: s.end(at, to) - at, Reason: reason})
	s.salvage.covered = max(s.salvage.covered, s.file.base+s.end(at, to))
	return to
}

// end removes from a stretch what was never written: zeros ahead of the end of
// the log, or behind the part of it that is in this segment.
func (s *scan) end(at, to uint64) uint64 {
	if to < uint64(len(s.b)) {
		return to
	}
	if own := s.next - s.file.base; !s.last && at < own && own < to && allZero(s.b[own:to]) {
		return own
	}
	for s.last && to >= at+2*alignment && s.file.base+to >= s.salvage.mark+alignment && allZero(s.b[to-alignment:to]) {
		to -= alignment
	}
	return to
}

// lost reports a frame with a valid header and invalid content.
func (s *scan) lost(at uint64, h *frameHeader, n uint64, reason error) {
	p := Place{File: s.file.path, Offset: at, Bytes: n, Revision: h.first, Records: h.records, Reason: reason.Error()}
	if rest := s.b[at:]; frameHeaderLen+h.nameLen <= uint64(len(rest)) {
		p.Stream = string(nameOf(rest, h)) // to be read with care: the wrong checksum covers it
	}
	if hole := s.unreadable(at, at+n); hole != nil {
		p.Reason = fmt.Sprintf("bytes %d to %d cannot be read: %v", hole.from, hole.to, hole.err)
	}
	s.salvage.place(p)
	s.salvage.covered = max(s.salvage.covered, s.file.base+at+n)
}

// tornAt examines the end of the log as recovery does: a torn tail was never
// acknowledged. Only the first damaged place of the last segment can be torn,
// behind the mark, in bytes that could be read.
func (s *scan) tornAt(at uint64) bool {
	if s.judged || !s.last || s.file.base+at < s.salvage.mark || s.unreadable(at, uint64(len(s.b))) != nil {
		return false
	}
	s.judged = true
	if verdict, _ := examineTail(s.b[at:], s.file.base+at, at); verdict != torn {
		return false
	}
	s.salvage.report.TornBytes = uint64(len(s.b)) - at
	return true
}

func (s *scan) unreadable(from, to uint64) *unreadable {
	for i := range s.holes {
		if s.holes[i].from < to && from < s.holes[i].to {
			return &s.holes[i]
		}
	}
	return nil
}
