package projections

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// EquityPoint is the portfolio's equity after one record.
type EquityPoint struct {
	Revision       uint64         `json:"revision"`
	Time           time.Time      `json:"time"`
	Equity         domain.Decimal `json:"equity"`
	RealisedEquity domain.Decimal `json:"realised_equity"`
	Drawdown       domain.Decimal `json:"drawdown"`
	// Flow is the money that came or went with this record, or, in a thinned
	// series, since the previous point. It is not performance.
	Flow domain.Decimal `json:"flow"`
	// Tripped names the breaker that tripped with this record, the first of several.
	Tripped string `json:"tripped,omitempty"`
}

// pointsPerPiece is how many points a piece has.
const pointsPerPiece = 1024

// Equity is the series of equity over a history, one point for each record that
// changed it or tripped a breaker. Of the older points, which are in pieces, it has only a
// summary of each piece in memory.
type Equity struct {
	past
	per   int // pointsPerPiece, or what a test sets
	sums  []equitySum
	young []EquityPoint
}

// equitySum sums up a piece.
type equitySum struct {
	at              Piece
	low, high, last equityAt // the first lowest and highest point, and the last one
	trips           int      // points with a trip
}

// equityAt is a point, and its place in the series.
type equityAt struct {
	EquityPoint
	index   int
	through domain.Decimal // the flows of the series up to it
}

// NewEquity returns an empty series. What is old is written to pieces, nil for memory.
func NewEquity(p Pieces) *Equity { return &Equity{past: pastIn(p), per: pointsPerPiece} }

// Apply implements Projection.
func (q *Equity) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	if q.Err() != nil {
		return
	}
	p := EquityPoint{Revision: rec.Revision, Time: rec.Time.UTC()}
	for _, f := range s.Effects().Flows {
		if f.Bot == "" {
			p.Flow = p.Flow.Add(f.Amount)
		}
	}
	switch e := e.(type) {
	case *domain.BreakerTripped:
		p.Tripped = e.Breaker
	case *domain.BreakersTripped:
		if len(e.Rows) > 0 {
			p.Tripped = e.Rows[0].Breaker
		}
	}
	if !s.Effects().Performed && p.Flow.IsZero() && p.Tripped == "" {
		return
	}
	p.Equity, p.RealisedEquity = s.Equity(), s.RealisedEquity()
	p.Drawdown = s.Refs.Drawdown(p.Equity).Ratio()
	q.add(p)
}

// written is how many points are in pieces, size how many there are.
func (q *Equity) written() int { return len(q.sums) * q.per }
func (q *Equity) size() int    { return q.written() + len(q.young) }

// add adds the next point, and writes a piece when there are enough.
func (q *Equity) add(p EquityPoint) {
	q.young = append(q.young, p)
	if len(q.young) < q.per {
		return
	}
	at, err := q.write(encodePoints(q.young))
	if err != nil {
		return
	}
	s := q.section(q.written(), q.size())
	s.seeAll(q.young, q.written(), s.before)
	q.sums = append(q.sums, equitySum{at, s.low, s.high, s.last, len(s.trips)})
	q.young = q.young[:0]
}

// before returns the flows before a piece.
func (q *Equity) before(n int) domain.Decimal {
	if n == 0 {
		return domain.Zero
	}
	return q.sums[n-1].last.through
}

// piece returns the points of a piece. They may be put into a slice that is not needed any more.
func (q *Equity) piece(n int, into []EquityPoint) ([]EquityPoint, error) {
	b, err := q.read(q.sums[n].at)
	if err != nil {
		return nil, err
	}
	points, err := decodePoints(b, q.per, into)
	if err != nil {
		return nil, q.damaged(q.sums[n].at)
	}
	return points, nil
}
