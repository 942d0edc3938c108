package embedded

import "fmt"

// scan goes over the bytes of one segment to be salvaged.
type scan struct {
	salvage *salvage
	file    *sourceFile
	b       []byte
	holes   []unreadable // rising
	next    uint64       // position of the segment after it
	last    bool         // there is none: the log may end in a torn tail
	judged  bool         // that its tail is not torn
}

// step deals with what stands at an offset and returns where to go on.
//
// Nothing but a header whose checksum is right, and which says that it stands
// where it stands, is taken for a frame; and what such a frame covers is its own:
// no frame is looked for in the records of another.
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

// unsound deals with bytes that no frame begins with, up to where the next one
// does. Zeros behind the last frame are the end of the log and nothing to report.
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

// end leaves out of a stretch what was never written to: zeros ahead of the end
// of the log, or behind the part of it that this segment has.
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

// lost reports a frame whose header is right and whose content is not.
func (s *scan) lost(at uint64, h *frameHeader, n uint64, reason error) {
	p := Place{File: s.file.path, Offset: at, Bytes: n, Revision: h.first, Records: h.records, Reason: reason.Error()}
	if rest := s.b[at:]; frameHeaderLen+h.nameLen <= uint64(len(rest)) {
		p.Stream = string(nameOf(rest, h)) // as far as it can be trusted: it is under the checksum that is wrong
	}
	if hole := s.unreadable(at, at+n); hole != nil {
		p.Reason = fmt.Sprintf("bytes %d to %d cannot be read: %v", hole.from, hole.to, hole.err)
	}
	s.salvage.place(p)
	s.salvage.covered = max(s.salvage.covered, s.file.base+at+n)
}

// tornAt judges the end of the log as recovery does: what is torn there was
// never acknowledged. It can be so only at the first place of the last segment
// that is not sound, behind the mark, in bytes that could be read.
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
