package projections

import (
	"slices"
	"sort"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// oracleEquity is the series of equity over a history, one point for each record that
// changed it or tripped a breaker.
type oracleEquity struct {
	per    int // points of a piece
	points []EquityPoint
	blocks []oracleBlock // of each whole block of oracleBlockPoints points
	trips  []int         // indexes of points with a trip
}

// oracleBlockPoints is how many points are summed up at once for thinning.
const oracleBlockPoints = 128

// oracleBlock sums up a block of points: the indexes of the first lowest and highest one, and
// the flows before the block.
type oracleBlock struct {
	low, high int
	flow      domain.Decimal
}

// Apply implements Projection.
func (q *oracleEquity) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
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
	q.add(p)
}

func (q *oracleEquity) add(p EquityPoint) {
	if p.Tripped != "" {
		q.trips = append(q.trips, len(q.points))
	}
	q.points = append(q.points, p)
	n := len(q.points)
	if n%oracleBlockPoints != 0 {
		return
	}
	b := oracleBlock{flow: q.flowBefore(n - oracleBlockPoints)}
	b.low, b.high = q.extremes(n-oracleBlockPoints, n)
	q.blocks = append(q.blocks, b)
}

// flowBefore sums the flows of the points before one.
func (q *oracleEquity) flowBefore(n int) domain.Decimal {
	from, sum := 0, domain.Zero
	if b := min(n/oracleBlockPoints, len(q.blocks)-1); b >= 0 {
		from, sum = b*oracleBlockPoints, q.blocks[b].flow
	}
	for i := from; i < n; i++ {
		if flow := &q.points[i].Flow; !flow.IsZero() {
			sum = sum.Add(*flow)
		}
	}
	return sum
}

// extremes returns the first lowest and the first highest of some points.
func (q *oracleEquity) extremes(from, to int) (low, high int) {
	low, high = from, from
	see := func(l, h int) {
		if q.points[l].Equity.Less(q.points[low].Equity) {
			low = l
		}
		if q.points[high].Equity.Less(q.points[h].Equity) {
			high = h
		}
	}
	for i := from; i < to; {
		if b := i / oracleBlockPoints; i%oracleBlockPoints == 0 && i+oracleBlockPoints <= to && b < len(q.blocks) {
			see(q.blocks[b].low, q.blocks[b].high)
			i += oracleBlockPoints
			continue
		}
		see(i, i)
		i++
	}
	return low, high
}

// Points returns the series between two times (zero: unbounded), thinned to at
// most most points (0: all; otherwise at least [LeastPoints]) plus all trips. Of
// every section, thinning keeps the lowest and the highest equity, its trips and
// the last point, so that no drawdown disappears from a chart. The flows of
// dropped points are added to the next point kept, so that deposits and
// withdrawals never look like performance.
func (q *oracleEquity) Points(from, to time.Time, most int) []EquityPoint {
	first, end := q.between(from, to)
	n := end - first
	if most <= 0 || n <= most {
		return append([]EquityPoint{}, q.points[first:end]...)
	}
	stretches := max(most/LeastPoints, 1)
	out := make([]EquityPoint, 0, most)
	for i := range stretches {
		out = q.thin(out, sectionStart(first, n, i, stretches, q.per), sectionStart(first, n, i+1, stretches, q.per))
	}
	return out
}

// between finds the points of a period. Times in the series never decrease.
func (q *oracleEquity) between(from, to time.Time) (first, end int) {
	end = len(q.points)
	if !from.IsZero() {
		first = sort.Search(end, func(i int) bool { return !q.points[i].Time.Before(from) })
	}
	if !to.IsZero() {
		end = first + sort.Search(end-first, func(i int) bool { return q.points[first+i].Time.After(to) })
	}
	return first, end
}

// thin appends what is kept of a stretch.
func (q *oracleEquity) thin(out []EquityPoint, from, to int) []EquityPoint {
	low, high := q.extremes(from, to)
	kept := []int{low, high, to - 1}
	for n, _ := slices.BinarySearch(q.trips, from); n < len(q.trips) && q.trips[n] < to; n++ {
		kept = append(kept, q.trips[n])
	}
	slices.Sort(kept)
	before := q.flowBefore(from)
	for _, i := range slices.Compact(kept) {
		p := q.points[i]
		flow := q.flowBefore(i + 1)
		p.Flow, before = flow.Sub(before), flow
		out = append(out, p)
	}
	return out
}
