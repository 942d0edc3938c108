package projections

import (
	"sort"
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

// Equity is the series of equity over a history, one point for each record that
// changed it or tripped a breaker.
type Equity struct {
	points []EquityPoint
}

// NewEquity returns an empty series.
func NewEquity() *Equity { return &Equity{} }

// Apply implements Projection.
func (q *Equity) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	p := EquityPoint{Revision: rec.Revision, Time: rec.Time}
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
	q.points = append(q.points, p)
}

// LeastPoints is the smallest number of points a series can be thinned to: a
// low, a high and the last.
const LeastPoints = 3

// Points returns the series between two times (zero: unbounded), thinned to at
// most most points (0: all; otherwise at least [LeastPoints]) plus all trips. Of
// every section, thinning keeps the lowest and the highest equity, its trips and
// the last point, so that no drawdown disappears from a chart. The flows of
// dropped points are added to the next point kept, so that deposits and
// withdrawals never look like performance.
func (q *Equity) Points(from, to time.Time, most int) []EquityPoint {
	in := q.between(from, to)
	if most <= 0 || len(in) <= most {
		return append([]EquityPoint{}, in...)
	}
	stretches := max(most/LeastPoints, 1)
	out := make([]EquityPoint, 0, most)
	for n := range stretches {
		out = append(out, thin(in[n*len(in)/stretches:(n+1)*len(in)/stretches])...)
	}
	return out
}

// between finds the points of a period without copying the series, which may be
// as long as the history. Times in it never decrease.
func (q *Equity) between(from, to time.Time) []EquityPoint {
	in := q.points
	if !from.IsZero() {
		in = in[sort.Search(len(in), func(i int) bool { return !in[i].Time.Before(from) }):]
	}
	if !to.IsZero() {
		in = in[:sort.Search(len(in), func(i int) bool { return in[i].Time.After(to) })]
	}
	return in
}

func thin(stretch []EquityPoint) []EquityPoint {
	low, high := 0, 0
	for i, p := range stretch {
		if p.Equity.Less(stretch[low].Equity) {
			low = i
		}
		if stretch[high].Equity.Less(p.Equity) {
			high = i
		}
	}
	out := make([]EquityPoint, 0, LeastPoints)
	flow := domain.Zero
	for i, p := range stretch {
		flow = flow.Add(p.Flow)
		if i == low || i == high || i == len(stretch)-1 || p.Tripped != "" {
			p.Flow, flow = flow, domain.Zero
			out = append(out, p)
		}
	}
	return out
}
