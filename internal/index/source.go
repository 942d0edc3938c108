package index

import (
	"bytes"
	"fmt"
)

// source yields entries, key and value in one piece, in order of their keys or in
// the reverse order. An entry is valid until the next call; nil is the end.
type source interface {
	next() ([]byte, error)
}

// memorySource yields entries that are in memory, in order.
type memorySource struct {
	entries []byte
	width   int
	reverse bool
}

func (m *memorySource) next() ([]byte, error) {
	if len(m.entries) == 0 {
		return nil, nil
	}
	at := 0
	if m.reverse {
		at = len(m.entries) - m.width
	}
	e := m.entries[at:][:m.width:m.width]
	if m.reverse {
		m.entries = m.entries[:at]
	} else {
		m.entries = m.entries[m.width:]
	}
	return e, nil
}

// runSource yields the entries of a run from one key to another, both included.
type runSource struct {
	run     *run
	lo, hi  Key
	reverse bool
	buf     *[blockLen]byte

	begun   bool
	n       int    // the block
	entries []byte // of the block
	at      int    // offset of the next entry
	last    []byte // what orders the last entry, once seen
	seen    bool
}

// source reads blocks into a buffer of its own, which is put back by close.
func (r *run) source(lo, hi Key, reverse bool) *runSource {
	return &runSource{run: r, lo: lo, hi: hi, reverse: reverse, buf: buffers.Get().(*[blockLen]byte)} //nolint:errcheck // nothing else is in the pool
}

func (s *runSource) close() { buffers.Put(s.buf) }

func (s *runSource) next() ([]byte, error) {
	width := s.run.schema.width()
	if !s.begun {
		s.begun = true
		if err := s.begin(width); err != nil {
			return nil, err
		}
	}
	for s.at < 0 || s.at >= len(s.entries) {
		if more, err := s.turn(width); !more || err != nil {
			return nil, err
		}
	}
	e := s.entries[s.at:][:width:width]
	if s.reverse && bytes.Compare(e[:keyLen], s.lo[:]) < 0 || !s.reverse && bytes.Compare(e[:keyLen], s.hi[:]) > 0 {
		return nil, nil
	}
	if s.reverse {
		s.at -= width
	} else {
		s.at += width
	}
	return e, s.ordered(e)
}

// begin finds the first entry.
func (s *runSource) begin(width int) error {
	from := &s.lo
	if s.reverse {
		from = &s.hi
	}
	if s.n = s.run.blockOf(from); s.n < 0 {
		if s.n = 0; s.reverse {
			return nil
		}
	}
	if s.n >= int(s.run.blocks) {
		return nil
	}
	var err error
	if s.entries, err = s.run.block(s.n, s.buf); err != nil {
		return err
	}
	s.at = lowerBound(s.entries, width, from) * width
	if s.reverse && (s.at == len(s.entries) || Key(s.entries[s.at:][:keyLen]) != *from) {
		s.at -= width
	}
	return nil
}

// turn goes to the next block, if there is one.
func (s *runSource) turn(width int) (bool, error) {
	step := 1
	if s.reverse {
		step = -1
	}
	if s.n += step; s.n < 0 || s.n >= int(s.run.blocks) || s.reverse && s.entries == nil {
		s.n = -1 - int(s.run.blocks) // the end, for good
		return false, nil
	}
	var err error
	if s.entries, err = s.run.block(s.n, s.buf); err != nil {
		return false, err
	}
	if s.at = 0; s.reverse {
		s.at = len(s.entries) - width
	}
	return true, nil
}

// ordered requires what merging and looking up rely on: that keys rise, or fall,
// and that the filter has each.
func (s *runSource) ordered(e []byte) error {
	if key := Key(e[:keyLen]); s.run.schema.filter && !filterHas(s.run.filter, &key) {
		return filterLacks(s.run.name, &key)
	}
	order := s.run.schema.order()
	c := bytes.Compare(e[:order], s.last)
	if s.seen && (c == 0 || (c < 0) != s.reverse) {
		return damaged(s.run.name.String(), fmt.Sprintf("its entries are out of order at %x", e[:keyLen]), nil)
	}
	s.last, s.seen = append(s.last[:0], e[:order]...), true
	return nil
}

// merged yields the entries of several sources. Of entries with the same key, and the same
// revision where a key has several values, it
// yields that of the last source, which is the newest.
type merged struct {
	sources []source
	heads   [][]byte // the next entry of each source; nil at its end
	used    []bool   // the head was yielded, or is older than one that was
	order   int      // bytes that order entries, and tell them apart
	reverse bool
}

func merge(order int, reverse bool, sources ...source) *merged {
	m := &merged{order: order, sources: sources, heads: make([][]byte, len(sources)), used: make([]bool, len(sources)), reverse: reverse}
	for i := range m.used {
		m.used[i] = true
	}
	return m
}

func (m *merged) next() ([]byte, error) {
	best := -1
	for i, s := range m.sources {
		if m.used[i] {
			var err error
			if m.heads[i], err = s.next(); err != nil {
				return nil, err
			}
			m.used[i] = false
		}
		if m.heads[i] != nil && (best < 0 || m.notAfter(m.heads[i], m.heads[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil, nil
	}
	for i, head := range m.heads {
		m.used[i] = i == best || head != nil && bytes.Equal(head[:m.order], m.heads[best][:m.order])
	}
	return m.heads[best], nil
}

func (m *merged) notAfter(a, b []byte) bool {
	c := bytes.Compare(a[:m.order], b[:m.order])
	return c == 0 || (c < 0) != m.reverse
}

// close releases the buffers of the runs.
func (m *merged) close() {
	for _, s := range m.sources {
		if r, ok := s.(*runSource); ok {
			r.close()
		}
	}
}
