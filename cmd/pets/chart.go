package main

import (
	"fmt"
	"math"
	"strings"

	"pets/projections"
)

// Size of the chart in the terminal, in characters.
const (
	chartWidth  = 72
	chartHeight = 12
)

// drawEquity draws equity over the records of a history, with ! under the
// columns in which a breaker tripped. Floats are for the eye only.
func (a *app) drawEquity(points []projections.EquityPoint) error {
	p := &printer{w: a.out}
	if len(points) == 0 {
		p.line("no equity yet")
		return p.err
	}
	columns, trips := chartColumns(points)
	low, high := math.Inf(1), math.Inf(-1)
	for _, y := range columns {
		low, high = min(low, y), max(high, y)
	}
	for row := chartHeight; row >= 0; row-- {
		level := low + (high-low)*float64(row)/chartHeight
		label := ""
		if row%4 == 0 {
			label = fmt.Sprintf("%.2f", level)
		}
		p.line("%12s │%s", label, chartRow(columns, low, high, row))
	}
	p.line("%12s └%s", "", strings.Repeat("─", len(columns)))
	legend := ""
	if trips = strings.TrimRight(trips, " "); trips != "" {
		p.line("%12s  %s", "", trips)
		legend = "; ! a breaker tripped"
	}
	p.line("%12s  %s … %s UTC, %d points%s", "", clock(points[0].Time), clock(points[len(points)-1].Time), len(points), legend)
	return p.err
}

// chartColumns spreads the points over the width; each column shows its last.
func chartColumns(points []projections.EquityPoint) (columns []float64, trips string) {
	n := min(chartWidth, len(points))
	columns = make([]float64, n)
	marks := []byte(strings.Repeat(" ", n))
	for i, pt := range points {
		c := i * n / len(points)
		columns[c] = pt.Equity.Float()
		if pt.Tripped != "" {
			marks[c] = '!'
		}
	}
	return columns, string(marks)
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
