package bench

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"math"
	"os"
	"slices"
	"strings"
)

// curves is a picture of some series over the same axis, both axes by their logarithm: a
// straight line that climbs by a decade in each decade is one that grows with what it is
// drawn over.
type curves struct {
	title, xTitle, yTitle string
	curves                []curve
}

type curve struct {
	name   string
	points []point
}

// point has coordinates above 0.
type point struct{ x, y float64 }

// The geometry of the picture, in pixels.
const (
	curvesWidth, curvesHeight = 900, 420
	curvesLeft, curvesRight   = 84, 120
	curvesTop, curvesBottom   = 46, 60
)

// curveColours are told apart by eyes that see no difference between red and green.
var curveColours = []string{"#1a6fb5", "#d98200", "#7a3d9a", "#2a9d4a", "#b5261a"}

// save draws the picture into a file.
func (c *curves) save(file string) error { return saveStacked(file, c) }

// saveStacked draws pictures into one file, one below the other.
func saveStacked(file string, all ...*curves) error {
	text, err := stacked(all...)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // a picture for everybody
}

// stacked draws pictures one below the other.
func stacked(all ...*curves) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="12">`+"\n", curvesWidth, curvesHeight*len(all))
	for i, c := range all {
		if i > 0 {
			fmt.Fprintf(&b, `<g transform="translate(0 %d)">`+"\n", i*curvesHeight)
		}
		if err := c.draw(&b); err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteString("</g>\n")
		}
	}
	b.WriteString("</svg>\n")
	return b.String(), nil
}

// frame maps values to pixels.
type frame struct{ left, right, low, high float64 } // logarithms

func (c *curves) draw(b *strings.Builder) error {
	f := frame{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for _, one := range c.curves {
		for _, p := range one.points {
			f.left, f.right = min(f.left, math.Log10(p.x)), max(f.right, math.Log10(p.x))
			f.low, f.high = min(f.low, math.Log10(p.y)), max(f.high, math.Log10(p.y))
		}
	}
	if f.left > f.right {
		return errors.New("there is nothing to draw")
	}
	f.left, f.low = math.Floor(f.left), math.Floor(f.low)
	f.right, f.high = max(f.left+1, math.Ceil(f.right-1e-9)), max(f.low+1, math.Ceil(f.high-1e-9))
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", curvesWidth, curvesHeight)
	fmt.Fprintf(b, `<text x="%d" y="24" font-size="15" fill="#222">%s</text>`+"\n", curvesLeft, html.EscapeString(c.title))
	f.grid(b)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#666">%s</text>`+"\n", curvesWidth-curvesRight, curvesHeight-14, html.EscapeString(c.xTitle))
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#666">%s</text>`+"\n", 8, curvesTop-8, html.EscapeString(c.yTitle))
	labels := f.labels(c.curves)
	for i, one := range c.curves {
		f.line(b, one, curveColours[i%len(curveColours)], labels[i])
	}
	return nil
}

func (f *frame) x(v float64) float64 {
	return curvesLeft + (curvesWidth-curvesLeft-curvesRight)*(math.Log10(v)-f.left)/(f.right-f.left)
}

func (f *frame) y(v float64) float64 {
	return curvesTop + (curvesHeight-curvesTop-curvesBottom)*(f.high-math.Log10(v))/(f.high-f.low)
}

// grid draws a line at each power of ten.
func (f *frame) grid(b *strings.Builder) {
	for n := f.low; n <= f.high; n++ {
		y := f.y(math.Pow(10, n))
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e5e5e5"/>`+"\n", curvesLeft, y, curvesWidth-curvesRight, y)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#666">%s</text>`+"\n", curvesLeft-8, y+4, powerOfTen(n))
	}
	for n := f.left; n <= f.right; n++ {
		x := f.x(math.Pow(10, n))
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#eee"/>`+"\n", x, curvesTop, x, curvesHeight-curvesBottom)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#666">%s</text>`+"\n", x, curvesHeight-curvesBottom+18, powerOfTen(n))
	}
}

func powerOfTen(n float64) string {
	if n < 0 {
		return fmt.Sprintf("%.*f", int(-n), math.Pow(10, n))
	}
	digits := fmt.Sprintf("%.0f", math.Pow(10, n))
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// labelHeight keeps the names of two curves apart, in pixels.
const labelHeight = 14

// labels returns the heights of the curves' names: at their ends, unless two are too close.
func (f *frame) labels(all []curve) []float64 {
	heights, order := make([]float64, len(all)), []int{}
	for i, c := range all {
		if len(c.points) > 0 {
			heights[i] = f.y(c.points[len(c.points)-1].y) + 4
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(heights[a], heights[b]) })
	for n := 1; n < len(order); n++ {
		heights[order[n]] = max(heights[order[n]], heights[order[n-1]]+labelHeight)
	}
	return heights
}

// line draws a curve, with its name at its end.
func (f *frame) line(b *strings.Builder, c curve, colour string, label float64) {
	if len(c.points) == 0 {
		return
	}
	fmt.Fprintf(b, `<path fill="none" stroke="%s" stroke-width="1.8" d="`, colour)
	for i, p := range c.points {
		fmt.Fprintf(b, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], f.x(p.x), f.y(p.y))
	}
	b.WriteString(`"/>` + "\n")
	last := c.points[len(c.points)-1]
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", f.x(last.x)+6, label, colour, html.EscapeString(c.name))
}
