package projections

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"pets/domain"
)

// LeastPoints is the smallest number of points a series can be thinned to: a
// low, a high and the last.
const LeastPoints = 3

// Points returns the series between two times (zero: unbounded), thinned to at
// most most points (0: all; otherwise at least [LeastPoints]) plus all trips. Of
// every section, thinning keeps the lowest and the highest equity, its trips and
// the last point, so that no drawdown disappears from a chart. The flows of
// dropped points are added to the next point kept, so that deposits and
// withdrawals never look like performance. Sections have about the same number of points.
func (q *Equity) Points(from, to time.Time, most int) ([]EquityPoint, error) {
	r := equityReader{q: q, n: -1}
	first, end, err := r.between(from, to)
	if err != nil {
		return nil, err
	}
	n := end - first
	if most <= 0 || n <= most {
		return r.all(first, end)
	}
	sections := max(most/LeastPoints, 1)
	out := make([]EquityPoint, 0, most)
	for i := range sections {
		if out, err = r.thin(out, q.bound(first, n, i, sections), q.bound(first, n, i+1, sections)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// bound returns where one of the sections of n points begins. If a section has at least two
// pieces, the sections begin with a piece, so that of most pieces the summary is enough.
func (q *Equity) bound(first, n, i, sections int) int {
	at := first + i*n/sections
	if i > 0 && i < sections && n/sections >= 2*q.per {
		at -= at % q.per
	}
	return at
}

// equityReader reads a series. It holds the piece that was read last, because one section ends
// and the next one begins in it.
type equityReader struct {
	q      *Equity
	n      int
	points []EquityPoint
}

// piece returns the points of a piece, or after the last one those in memory.
func (r *equityReader) piece(n int) (points []EquityPoint, err error) {
	if n == len(r.q.sums) {
		return r.q.young, r.q.Err()
	}
	if n != r.n {
		if points, err = r.q.piece(n, r.points); err != nil {
			return nil, err
		}
		r.n, r.points = n, points // what they were is overwritten
	}
	return r.points, nil
}

// between finds the points of a period.
func (r *equityReader) between(from, to time.Time) (first, end int, err error) {
	if end, err = r.q.size(), r.q.Err(); err != nil {
		return 0, 0, err
	}
	if !from.IsZero() {
		if first, err = r.find(func(p *EquityPoint) bool { return !p.Time.Before(from) }); err != nil {
			return 0, 0, err
		}
	}
	if !to.IsZero() {
		end, err = r.find(func(p *EquityPoint) bool { return p.Time.After(to) })
	}
	return first, max(first, end), err
}

// find returns the place of the first point for which reached is true. Times in the series
// never decrease.
func (r *equityReader) find(reached func(*EquityPoint) bool) (int, error) {
	q := r.q
	n := sort.Search(len(q.sums), func(n int) bool { return reached(&q.sums[n].last.EquityPoint) })
	points, err := r.piece(n)
	if err != nil {
		return 0, err
	}
	return n*q.per + sort.Search(len(points), func(i int) bool { return reached(&points[i]) }), nil
}

// all returns all points between two places.
func (r *equityReader) all(from, to int) ([]EquityPoint, error) {
	out := make([]EquityPoint, 0, to-from)
	for n := from / r.q.per; n*r.q.per < to; n++ {
		points, err := r.piece(n)
		if err != nil {
			return nil, err
		}
		first := n * r.q.per
		out = append(out, points[max(from-first, 0):min(to-first, len(points))]...)
	}
	return out, r.q.Err()
}

// thin appends what is kept of a section.
func (r *equityReader) thin(out []EquityPoint, from, to int) ([]EquityPoint, error) {
	q, s := r.q, r.q.section(from, to)
	for n := from / q.per; n*q.per < to; n++ {
		first := n * q.per
		if n < len(q.sums) && first >= from && first+q.per <= to && q.sums[n].trips == 0 {
			s.seeSum(&q.sums[n])
			continue
		}
		points, err := r.piece(n)
		if err != nil {
			return nil, err
		}
		s.seeAll(points, first, q.before(n))
	}
	return s.appendTo(out), nil
}

// section is what thinning keeps of the points between two places.
type section struct {
	from, to        int
	before          domain.Decimal // the flows before it
	low, high, last equityAt
	trips           []equityAt
}

func (q *Equity) section(from, to int) section {
	return section{from: from, to: to, before: q.before(from / q.per), low: equityAt{index: -1}, high: equityAt{index: -1}}
}

// seeAll sees points of which the first has a place in the series, and flows before it. Those
// outside the section only count as flows.
func (s *section) seeAll(points []EquityPoint, first int, before domain.Decimal) {
	p := equityAt{through: before}
	for i := range points {
		p.EquityPoint, p.index = points[i], first+i
		if p.index >= s.to {
			return
		}
		if !p.Flow.IsZero() {
			p.through = p.through.Add(p.Flow)
		}
		if p.index < s.from {
			s.before = p.through
			continue
		}
		s.extremes(&p, &p)
		if p.Tripped != "" {
			s.trips = append(s.trips, p)
		}
		if p.index == s.to-1 {
			s.last = p
		}
	}
}

// seeSum sees a whole piece without a trip.
func (s *section) seeSum(of *equitySum) {
	s.extremes(&of.low, &of.high)
	s.last = of.last
}

// extremes notes the first lowest and the first highest point.
func (s *section) extremes(low, high *equityAt) {
	if s.low.index < 0 || low.Equity.Less(s.low.Equity) {
		s.low = *low
	}
	if s.high.index < 0 || s.high.Equity.Less(high.Equity) {
		s.high = *high
	}
}

// appendTo appends the points of the section, each with the flows since the one before.
func (s *section) appendTo(out []EquityPoint) []EquityPoint {
	kept := append(s.trips, s.low, s.high, s.last)
	slices.SortFunc(kept, func(a, b equityAt) int { return cmp.Compare(a.index, b.index) })
	kept = slices.CompactFunc(kept, func(a, b equityAt) bool { return a.index == b.index })
	before := s.before
	for i := range kept {
		p := kept[i].EquityPoint
		p.Flow, before = kept[i].through.Sub(before), kept[i].through
		out = append(out, p)
	}
	return out
}
