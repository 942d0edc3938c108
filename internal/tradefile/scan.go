package tradefile

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// scanner splits data into rows and cells by RFC 4180. encoding/csv is not used
// because the identity of a row is the hash of its raw bytes, and because an
// unclosed quote must not silently swallow the rest of a file.
type scanner struct {
	data   []byte
	limits limits
	at     spot // where the next cell begins

	// The current row.
	raw   []byte // without the line end
	start spot   // its first byte
	cells []cell // at most limits.cells
	count int    // how many it has
	fault *fault
}

// spot is an offset into the data and its line. Columns are counted only when an
// error needs one: counting them for every cell would be quadratic.
type spot struct {
	offset int
	line   int // from 1
	bol    int // offset of the line's first byte
}

// cell is one value. Its text points into the data, unless doubled quotes had to
// be replaced.
type cell struct {
	text []byte
	at   spot
}

// fault is an error in the form of a row. After a fatal one it would be a guess
// where the next row begins.
type fault struct {
	at     spot
	cell   int // -1 if it is about the whole row
	reason string
	fatal  bool
}

func newScanner(data []byte, l limits) *scanner {
	return &scanner{data: data, limits: l, at: spot{line: 1}}
}

// next reads one row, skipping blank lines, and reports whether there was one.
func (s *scanner) next() bool {
	s.skipBlankLines()
	start := s.at
	if start.offset >= len(s.data) {
		return false
	}
	s.start, s.cells, s.count, s.fault = start, s.cells[:0], 0, nil
	for more := true; more; {
		if s.byteIs(s.at.offset, '"') {
			more = s.quoted()
		} else {
			more = s.bare()
		}
	}
	s.raw = trimLineEnd(s.data[start.offset:s.at.offset])
	if len(s.raw) > s.limits.row {
		s.refuse(fault{start, -1, fmt.Sprintf("the row has over %d bytes; a line end or a quote is missing", s.limits.row), true})
	}
	s.checkText(start)
	return true
}

// seek moves to the beginning of a row, which begins a line.
func (s *scanner) seek(at place) {
	s.at = spot{int(at.offset), int(at.line), int(at.offset)}
}

func (s *scanner) skipBlankLines() {
	for s.at.offset < len(s.data) {
		n := lineEnd(s.data[s.at.offset:])
		if n == 0 {
			return
		}
		s.newLine(s.at.offset + n)
	}
}

func (s *scanner) newLine(offset int) { s.at = spot{offset, s.at.line + 1, offset} }

func (s *scanner) byteIs(offset int, c byte) bool {
	return offset < len(s.data) && s.data[offset] == c
}

// lineEnd returns the length of the line end at the beginning of b, or 0. A
// carriage return counts before a line feed and at the end of the data.
func lineEnd(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '\n', len(b) == 1 && b[0] == '\r':
		return 1
	case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
		return 2
	default:
		return 0
	}
}

func trimLineEnd(row []byte) []byte {
	row = bytes.TrimSuffix(row, []byte{'\n'})
	return bytes.TrimSuffix(row, []byte{'\r'})
}

// bare reads a cell without quotes and reports whether another one follows.
func (s *scanner) bare() bool {
	start, i := s.at, s.at.offset
	for ; i < len(s.data); i++ {
		c := s.data[i]
		if c == ',' || c == '\n' || (c == '\r' && lineEnd(s.data[i:]) > 0) {
			break
		}
		switch c {
		case '\r':
			s.refuseCell(i, "a carriage return is not followed by a line feed")
		case '"':
			s.refuseCell(i, "a quote inside a cell that does not begin with one")
		}
	}
	s.addCell(s.data[start.offset:i], start)
	return s.terminate(i)
}

// quoted reads a cell in quotes and reports whether another one follows.
func (s *scanner) quoted() bool {
	start := s.at
	var unescaped []byte
	from := start.offset + 1
	for i := from; i < len(s.data); i++ {
		switch {
		case s.data[i] == '\n':
			s.newLine(i + 1)
		case s.data[i] == '"' && s.byteIs(i+1, '"'):
			unescaped = append(unescaped, s.data[from:i+1]...)
			i++
			from = i + 1
		case s.data[i] == '"':
			text := s.data[from:i]
			if unescaped != nil {
				text = append(unescaped, text...)
			}
			s.addCell(text, start)
			return s.afterQuote(i+1, start)
		}
		if s.at.line > start.line && i-start.offset > s.limits.cell {
			return s.neverClosed(start, i+1)
		}
	}
	return s.neverClosed(start, len(s.data))
}

// neverClosed fails at a quoted cell that continues over line ends without a
// closing quote.
func (s *scanner) neverClosed(start spot, offset int) bool {
	s.refuse(fault{start, s.count, "the quote that opens here is not closed", true})
	s.at.offset = offset
	return false
}

// afterQuote ends a cell whose closing quote is just before offset.
func (s *scanner) afterQuote(offset int, start spot) bool {
	if offset == len(s.data) || s.data[offset] == ',' || lineEnd(s.data[offset:]) > 0 {
		return s.terminate(offset)
	}
	s.count-- // the cell was added, and is the faulty one
	if s.at.line > start.line {
		// Most likely the opening quote of a later cell was read as the closing
		// one of this cell.
		return s.neverClosed(start, offset)
	}
	s.refuseCell(offset, "text follows a closing quote (a quote inside quotes is written twice)")
	end := bytes.IndexByte(s.data[offset:], '\n')
	if end < 0 {
		end = len(s.data) - offset
	}
	return s.terminate(offset + end)
}

// terminate moves behind the terminator of a cell and reports whether it was a
// comma.
func (s *scanner) terminate(offset int) bool {
	if s.byteIs(offset, ',') {
		s.at.offset = offset + 1
		return true
	}
	s.at.offset = offset
	if n := lineEnd(s.data[offset:]); n > 0 {
		s.newLine(offset + n)
	}
	return false
}

func (s *scanner) addCell(text []byte, start spot) {
	if len(text) > s.limits.cell {
		s.refuse(fault{start, s.count, fmt.Sprintf("has %d bytes; the most is %d", len(text), s.limits.cell), false})
	}
	if s.count < s.limits.cells {
		s.cells = append(s.cells, cell{text, start})
	}
	s.count++
}

// refuseCell notes a fault in the current cell, at an offset in this line.
func (s *scanner) refuseCell(offset int, reason string) {
	s.refuse(fault{spot{offset, s.at.line, s.at.bol}, s.count, reason, false})
}

// refuse keeps the first fault of a row, except that a fatal one replaces it.
func (s *scanner) refuse(f fault) {
	if s.fault == nil || (f.fatal && !s.fault.fatal) {
		s.fault = &f
	}
}

// checkText refuses bytes that are not text, wherever they are.
func (s *scanner) checkText(start spot) {
	if s.fault != nil || isText(s.raw) {
		return
	}
	for i, c := range s.cells {
		if !isText(c.text) {
			s.refuse(fault{c.at, i, "is not UTF-8 text, or holds a NUL byte", false})
			return
		}
	}
	s.refuse(fault{start, -1, "the row is not UTF-8 text, or holds a NUL byte", false})
}

func isText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

// columnOf returns the position of a spot in its line as editors show it, from 1.
func (s *scanner) columnOf(at spot) int {
	return utf8.RuneCount(s.data[at.bol:at.offset]) + 1
}
