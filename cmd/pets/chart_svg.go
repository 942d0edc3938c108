package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"

	"pets/projections"
)

// Geometry of the picture, in pixels.
const (
	svgWidth, svgHeight   = 900, 320
	svgLeft, svgRight     = 76, 16
	svgTop, svgBottom     = 44, 34
	svgMostPoints         = 1500
	svgDays, svgGridLines = 8, 4
)

// equityChart places a series on a picture. Floats are for the eye only.
type equityChart struct {
	title      string
	points     []projections.EquityPoint
	low, high  float64
	start, end time.Time
}

func newEquityChart(title string, points []projections.EquityPoint) *equityChart {
	c := &equityChart{title: title, points: points, low: math.Inf(1), high: math.Inf(-1)}
	for _, p := range points {
		y := p.Equity.Float()
		c.low, c.high = min(c.low, y), max(c.high, y)
	}
	if len(points) > 0 {
		c.start, c.end = points[0].Time, points[len(points)-1].Time
	}
	if pad := (c.high - c.low) * 0.06; pad > 0 {
		c.low, c.high = c.low-pad, c.high+pad
	} else {
		c.low, c.high = c.low-1, c.high+1
	}
	return c
}

func (c *equityChart) x(t time.Time) float64 {
	span := c.end.Sub(c.start)
	if span <= 0 {
		return svgLeft
	}
	return svgLeft + float64(svgWidth-svgLeft-svgRight)*float64(t.Sub(c.start))/float64(span)
}

func (c *equityChart) y(v float64) float64 {
	return svgTop + float64(svgHeight-svgTop-svgBottom)*(c.high-v)/(c.high-c.low)
}

// write draws the picture: equity as steps, flows as green and trips as red
// lines.
func (c *equityChart) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="12">`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15" fill="#222">%s</text>`+"\n", svgLeft, html.EscapeString(c.title))
	if len(c.points) == 0 {
		b.WriteString("</svg>\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
	c.grid(&b)
	c.line(&b)
	c.events(&b)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *equityChart) grid(b *strings.Builder) {
	for i := range svgGridLines + 1 {
		v := c.low + (c.high-c.low)*float64(i)/svgGridLines
		y := c.y(v)
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e5e5e5"/>`+"\n", svgLeft, y, svgWidth-svgRight, y)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#666">%.2f</text>`+"\n", svgLeft-8, y+4, v)
	}
	step := max(24*time.Hour, (c.end.Sub(c.start) / svgDays).Truncate(24*time.Hour))
	for t := c.start.Truncate(24 * time.Hour); !t.After(c.end); t = t.Add(step) {
		if t.Before(c.start) {
			continue
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="#666">%s</text>`+"\n", c.x(t), svgHeight-12, t.Format("Jan 2"))
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#eee"/>`+"\n", c.x(t), svgTop, c.x(t), svgHeight-svgBottom)
	}
}

func (c *equityChart) line(b *strings.Builder) {
	b.WriteString(`<path fill="none" stroke="#1a6fb5" stroke-width="1.8" d="`)
	for i, p := range c.points {
		x, y := c.x(p.Time), c.y(p.Equity.Float())
		if i == 0 {
			fmt.Fprintf(b, "M%.1f %.1f", x, y)
			continue
		}
		fmt.Fprintf(b, "H%.1fV%.1f", x, y)
	}
	b.WriteString(`"/>` + "\n")
}

func (c *equityChart) events(b *strings.Builder) {
	for i, p := range c.points {
		x := c.x(p.Time)
		if i > 0 && !p.Flow.IsZero() {
			fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#2a9d4a" stroke-dasharray="2 3"/>`+"\n", x, svgTop, x, svgHeight-svgBottom)
		}
		if p.Tripped == "" {
			continue
		}
		anchor := "start"
		if x > svgWidth/2 {
			anchor = "end"
		}
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#c62828" stroke-width="1.5" stroke-dasharray="5 3"/>`+"\n", x, svgTop, x, svgHeight-svgBottom)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="%s" fill="#c62828">%s tripped</text>`+"\n", x, svgTop-6, anchor, html.EscapeString(p.Tripped))
	}
}
