package projections

// encodePoints returns the bytes of a piece.
func encodePoints(points []EquityPoint) []byte {
	e := newEncoder(make([]byte, 0, len(points)*40))
	for i := range points {
		e.point(&points[i])
	}
	return e.b
}

// decodePoints reads the n points of a piece.
func decodePoints(b []byte, n int, into []EquityPoint) ([]EquityPoint, error) {
	if cap(into) < n {
		into = make([]EquityPoint, n)
	}
	d, points := newDecoder(b), into[:n]
	for i := range points {
		d.point(&points[i])
	}
	return points, d.end()
}

func (e *encoder) point(p *EquityPoint) {
	e.moment(p.Revision)
	e.time(p.Time)
	e.decimal(p.Equity)
	e.decimal(p.RealisedEquity)
	e.decimal(p.Drawdown)
	e.decimal(p.Flow)
	e.name(p.Tripped)
}

func (d *decoder) point(p *EquityPoint) {
	p.Revision, p.Time = d.moment(), d.time()
	p.Equity, p.RealisedEquity, p.Drawdown, p.Flow = d.decimal(), d.decimal(), d.decimal(), d.decimal()
	p.Tripped = d.name()
}

// equityVersion changes with the bytes of Keep, and of pieces.
const equityVersion = 1

// Keep implements [Kept]: the summaries of the pieces, and the young points.
func (q *Equity) Keep() ([]byte, error) {
	if err := q.Err(); err != nil {
		return nil, err
	}
	e := newEncoder(nil)
	e.uint(equityVersion)
	e.uint(uint64(q.per)) //nolint:gosec // a small positive number
	e.uint(uint64(len(q.sums)))
	for i := range q.sums {
		s := &q.sums[i]
		e.place(s.at)
		e.uint(uint64(s.trips)) //nolint:gosec // at most per
		for _, p := range []*equityAt{&s.low, &s.high, &s.last} {
			e.point(&p.EquityPoint)
			e.uint(uint64(p.index % q.per)) //nolint:gosec // places are not negative
			e.decimal(p.through)
		}
	}
	e.uint(uint64(len(q.young)))
	for i := range q.young {
		e.point(&q.young[i])
	}
	return e.b, nil
}

// Restore implements [Kept].
func (q *Equity) Restore(data []byte) error {
	d := newDecoder(data)
	if d.uint() != equityVersion || d.uint() != uint64(q.per) { //nolint:gosec // a small positive number
		return errKept
	}
	for range d.count(len(d.b)) { // a summary has more than a byte
		s := equitySum{at: d.place(), trips: d.count(q.per)}
		for _, p := range []*equityAt{&s.low, &s.high, &s.last} {
			d.point(&p.EquityPoint)
			p.index = q.written() + d.count(q.per-1)
			p.through = d.decimal()
		}
		if d.bad || s.last.index != q.written()+q.per-1 {
			return errKept
		}
		q.sums = append(q.sums, s)
	}
	for range d.count(min(q.per-1, len(d.b))) {
		var p EquityPoint
		d.point(&p)
		q.young = append(q.young, p)
	}
	return restored(d, data, q)
}
