// Package chart draws equity over a history, in the terminal and as SVG.
//
// It owns scales, ticks, marks and their labels. It uses floats for drawing only, and refuses to
// compute with money.
package chart

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"pets/internal/cli"
	"pets/projections"
)

// The size of the chart in the terminal, in characters. It is as wide as the terminal, less the
// labels on the left.
const (
	chartLeft    = 14
	chartWidest  = 106
	chartHeight  = 12
	chartLeftPad = chartLeft - 2
)

// Draw draws equity over a history, with a letter under each column in which something was
// stopped, reset or cleared.
func Draw(a *cli.App, points []projections.EquityPoint, marks []Mark) error {
	p := a.Printer()
	if len(points) == 0 {
		p.Line("no equity yet")
		return p.Err
	}
	columns := chartColumns(points, max(min(a.Width()-chartLeft, chartWidest), 10))
	low, high := slices.Min(columns), slices.Max(columns)
	for row := chartHeight; row >= 0; row-- {
		level := low + (high-low)*float64(row)/chartHeight
		label := ""
		if row%4 == 0 {
			label = fmt.Sprintf("%.2f", level)
		}
		p.Whole(fmt.Sprintf("%*s │%s", chartLeftPad, label, chartRow(columns, low, high, row)))
	}
	p.Whole(fmt.Sprintf("%*s └%s", chartLeftPad, "", strings.Repeat("─", len(columns))))
	under, legend := chartMarkRow(points, marks, len(columns))
	if under != "" {
		p.Whole(fmt.Sprintf("%*s  %s", chartLeftPad, "", under))
	}
	p.Whole(fmt.Sprintf("%*s  %s … %s UTC", chartLeftPad, "", cli.Clock(points[0].Time), cli.Clock(points[len(points)-1].Time)))
	p.Say(chartLeft, "%d points%s", len(points), legend)
	return p.Err
}

// chartColumns spreads the points over at most width columns; each column shows its last point.
func chartColumns(points []projections.EquityPoint, width int) []float64 {
	n := min(width, len(points))
	columns := make([]float64, n)
	for i, pt := range points {
		columns[i*n/len(points)] = pt.Equity.Float()
	}
	return columns
}

// chartMarkRow returns the row of letters under the columns, and its legend.
func chartMarkRow(points []projections.EquityPoint, marks []Mark, columns int) (under, legend string) {
	row := []byte(strings.Repeat(" ", columns))
	kinds := make([]markKind, columns)
	seen := make([]bool, len(markKinds))
	for _, m := range marks {
		after := sort.Search(len(points), func(i int) bool { return points[i].Revision > m.revision })
		c := max(after-1, 0) * columns / len(points)
		if row[c] == ' ' || m.kind > kinds[c] {
			row[c], kinds[c] = markKinds[m.kind].symbol, m.kind
		}
	}
	for c, symbol := range row {
		if symbol != ' ' {
			seen[kinds[c]] = true
		}
	}
	for kind := len(markKinds) - 1; kind >= 0; kind-- {
		if seen[kind] {
			legend += fmt.Sprintf("; %c %s", markKinds[kind].symbol, markKinds[kind].what)
		}
	}
	return strings.TrimRight(string(row), " "), legend
}

func chartRow(columns []float64, low, high float64, row int) string {
	var b strings.Builder
	for _, y := range columns {
		height := chartHeight
		if high > low {
			height = int(math.Round((y - low) / (high - low) * chartHeight))
		}
		switch {
		case height == row:
			b.WriteString("█")
		case height > row:
			b.WriteString("░")
		default:
			b.WriteString(" ")
		}
	}
	return strings.TrimRight(b.String(), " ")
}
