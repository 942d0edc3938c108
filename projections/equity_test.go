package projections

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// thinned is the rule, read off point by point: "of every section, thinning keeps the lowest
// and the highest equity, its trips and the last point; the flows of dropped points are added
// to the next point kept".
// Sections are of the same size, or of about the same if they are of whole pieces.
func thinned(in []EquityPoint, most, first, per int) []EquityPoint {
	if len(in) <= most {
		return append([]EquityPoint{}, in...)
	}
	stretches := max(most/LeastPoints, 1)
	out := []EquityPoint{}
	for n := range stretches {
		stretch := in[sectionStart(first, len(in), n, stretches, per)-first : sectionStart(first, len(in), n+1, stretches, per)-first]
		low, high := 0, 0
		for i, p := range stretch {
			if p.Equity.Less(stretch[low].Equity) {
				low = i
			}
			if stretch[high].Equity.Less(p.Equity) {
				high = i
			}
		}
		flow := domain.Zero
		for i, p := range stretch {
			flow = flow.Add(p.Flow)
			if i == low || i == high || i == len(stretch)-1 || p.Tripped != "" {
				p.Flow, flow = flow, domain.Zero
				out = append(out, p)
			}
		}
	}
	return out
}

// sectionStart is where a section of equal size begins, or the piece that this is in, if at least
// two pieces fit into a section.
func sectionStart(first, points, section, sections, per int) int {
	start := first + section*points/sections
	if section == 0 || section == sections || points/sections < 2*per {
		return start
	}
	return start / per * per
}

// A series of any length is thinned block by block to what the rule keeps.
func TestThinningByBlocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := NewEquity(nil)
		q.per = rapid.SampledFrom([]int{1, 2, 7, 128, pointsPerPiece}).Draw(t, "points of a piece")
		n := rapid.IntRange(1, 1500).Draw(t, "points")
		seed := rapid.Uint64().Draw(t, "seed")
		for i := range n {
			seed = seed*6364136223846793005 + 1442695040888963407
			p := EquityPoint{Revision: uint64(i), Time: noon.Add(time.Duration(i/3) * time.Minute), Equity: domain.FromInt(int64(seed >> 58))}
			if seed>>40&63 == 0 {
				p.Flow = domain.FromInt(int64(seed>>50&15) - 8)
			}
			if seed>>33&127 == 0 {
				p.Tripped = "daily_loss"
			}
			q.add(p)
		}
		from, to := time.Time{}, time.Time{}
		if rapid.Bool().Draw(t, "period") {
			a, b := rapid.IntRange(0, n/3).Draw(t, "from"), rapid.IntRange(0, n/3).Draw(t, "to")
			from, to = noon.Add(time.Duration(a)*time.Minute), noon.Add(time.Duration(b)*time.Minute)
		}
		all, err := q.Points(time.Time{}, time.Time{}, 0)
		require.NoError(t, err)
		require.Len(t, all, n)
		var in []EquityPoint
		for _, p := range all {
			if (from.IsZero() || !p.Time.Before(from)) && (to.IsZero() || !p.Time.After(to)) {
				in = append(in, p)
			}
		}
		most := rapid.IntRange(LeastPoints, 400).Draw(t, "most")
		got, err := q.Points(from, to, most)
		require.NoError(t, err)
		first := 0
		if len(in) > 0 {
			first = int(in[0].Revision)
		}
		require.Equal(t, thinned(in, most, first, q.per), got)
	})
}

// BenchmarkPoints: 600 points of a long series.
func BenchmarkPoints(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			pieces := &PiecesInMemory{}
			q := NewEquity(pieces)
			pointsOf(q, n)
			for b.Loop() {
				points, err := q.Points(time.Time{}, time.Time{}, 600)
				require.NoError(b, err)
				require.NotEmpty(b, points)
			}
			kept, err := q.Keep()
			require.NoError(b, err)
			b.ReportMetric(float64(len(kept))/float64(n), "B-kept/point")
			b.ReportMetric(float64(len(pieces.bytes))/float64(n), "B-on-disk/point")
		})
	}
}
