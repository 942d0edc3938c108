package projections

import (
	"encoding/binary"

	"pets/domain"
)

// search looks for the rows of trades by their names, of which nothing is held in memory.
type search struct {
	l      *rowLog
	hashes map[uint32]bool
	wanted map[string]string // trade → bot, of those that are not found yet
	since  uint64            // no record before it has one of them
	found  map[string]int
	gone   map[string]int // the latest row of each that was found and does not stand
}

// find returns the latest rows of trades, as far as there are any. It reads pieces from both
// ends: from the youngest back, and from the record on that opened the first of the trades,
// which its name tells. So it is fast if a trade has closed soon after it opened, or only just.
func (l *rowLog) find(revised []*domain.TradeRevised) (map[string]int, error) {
	s := &search{l: l, hashes: map[uint32]bool{}, wanted: map[string]string{}, since: maxNumber, found: map[string]int{}, gone: map[string]int{}}
	for _, e := range revised {
		opened, ok := numbered('t', e.Trade)
		if !ok {
			opened = 0
		}
		s.since = min(s.since, opened)
		s.hashes[nameHash(e.Trade)], s.wanted[e.Trade] = true, e.Bot
	}
	s.back(l.written(), l.young)
	for from, to := l.from(s.since), len(l.sums)-1; from <= to && len(s.wanted) > 0; from, to = from+1, to-1 {
		if err := s.look(to, s.back); err != nil {
			return nil, err
		}
		if from == to {
			break
		}
		if err := s.look(from, s.forth); err != nil {
			return nil, err
		}
	}
	for trade := range s.wanted {
		if at, gone := s.gone[trade]; gone {
			s.found[trade] = at
		}
	}
	return s.found, nil
}

// look looks into a piece that may have one of the trades.
func (s *search) look(n int, in func(first int, rows []row)) error {
	if !s.mayHave(n) {
		return nil
	}
	b, err := s.l.read(s.l.sums[n].at)
	if err != nil || !s.hashed(b) {
		return err
	}
	rows, err := s.l.decoded(n, b, nil)
	if err == nil {
		in(n*s.l.per, rows)
	}
	return err
}

func (s *search) mayHave(n int) bool {
	for _, bot := range s.wanted {
		if s.l.sums[n].bots.mayHave(bot) {
			return true
		}
	}
	return false
}

// hashed reports whether a piece has a name with the hash of one of the trades. One that is
// too short for hashes does not decode either.
func (s *search) hashed(b []byte) bool {
	for range s.l.per {
		if len(b) < hashSize || s.hashes[binary.LittleEndian.Uint32(b)] {
			return true
		}
		b = b[hashSize:]
	}
	return false
}

// back looks at rows after which all were looked at: the last of a trade is its latest.
func (s *search) back(first int, rows []row) {
	for i := len(rows) - 1; i >= 0 && len(s.wanted) > 0; i-- {
		s.take(first+i, &rows[i])
	}
}

// forth looks at rows before which all were looked at. A trade closes again only after it was
// reopened, so one that stands is its latest.
func (s *search) forth(first int, rows []row) {
	for i := range rows {
		r := &rows[i]
		if _, wanted := s.wanted[r.Trade.Trade]; !wanted || r.flow {
			continue
		}
		if r.gone {
			s.gone[r.Trade.Trade] = first + i
			continue
		}
		s.take(first+i, r)
	}
}

func (s *search) take(i int, r *row) {
	if _, wanted := s.wanted[r.Trade.Trade]; wanted && !r.flow {
		s.found[r.Trade.Trade] = i
		delete(s.wanted, r.Trade.Trade)
	}
}
