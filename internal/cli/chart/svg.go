package chart

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"pets/projections"
)

// The geometry of the picture, in pixels. Above the plot is a lane for each row of labels.
const (
	svgWidth, svgPlot   = 900, 250
	svgLeft, svgRight   = 84, 34
	svgTitle, svgBottom = 46, 50
	svgLane             = 16
	svgMostLanes        = 12
	svgCharacter        = 6.4 // the width of a label's character
	SVGMostPoints       = 1500
	svgGridLines        = 5 // approximately
	svgTicks            = 8 // at most
)

// equityChart is a chart of a series. It uses floats for drawing only.
type equityChart struct {
	title      string
	points     []projections.EquityPoint
	labels     []svgLabel
	lanes      int
	low, high  float64
	start, end time.Time
	below      int // the height of what is drawn between the plot and the time axis
}

// svgLabel is a vertical line at a time with its text, in a lane where it overlaps no other text.
type svgLabel struct {
	kind markKind
	x    float64
	text string
	left float64 // the left edge of the text
	lane int     // counted from the plot; -1 means no text
}

// NewSVG lays out a picture.
func NewSVG(title string, points []projections.EquityPoint, marks []Mark) *equityChart {
	return newChart(title, points, marks, nil)
}

// newChart lays out a picture whose scale reaches the levels, too.
func newChart(title string, points []projections.EquityPoint, marks []Mark, levels []float64) *equityChart {
	c := &equityChart{title: title, points: points, low: math.Inf(1), high: math.Inf(-1)}
	for _, y := range levels {
		c.low, c.high = min(c.low, y), max(c.high, y)
	}
	for _, p := range points {
		y := p.Equity.Float()
		c.low, c.high = min(c.low, y), max(c.high, y)
	}
	if len(points) == 0 {
		return c
	}
	c.start, c.end = points[0].Time, points[len(points)-1].Time
	for _, m := range marks {
		if m.time.Before(c.start) {
			c.start = m.time
		}
		if m.time.After(c.end) {
			c.end = m.time
		}
	}
	if pad := (c.high - c.low) * 0.06; pad > 0 {
		c.low, c.high = c.low-pad, c.high+pad
	} else {
		c.low, c.high = c.low-1, c.high+1
	}
	c.place(marks)
	return c
}

// place gives every mark the lowest lane in which its label overlaps no other. Successive marks
// with the same text on the same pixel share a label.
func (c *equityChart) place(marks []Mark) {
	var ends [svgMostLanes][]svgLabel
	for i := 0; i < len(marks); {
		l := svgLabel{kind: marks[i].kind, x: c.x(marks[i].time), text: marks[i].label, lane: -1}
		next := i + 1
		for next < len(marks) && marks[next].label == l.text && c.x(marks[next].time)-l.x < 1.5 {
			next++
		}
		if n := next - i; n > 1 {
			l.text = fmt.Sprintf("%s ×%d", l.text, n)
		}
		i = next
		width := svgCharacter*float64(utf8.RuneCountInString(l.text)) + 8
		l.left = l.x + 4
		if l.left+width > svgWidth {
			l.left = l.x - 4 - width
		}
		for lane := range ends {
			free := !slices.ContainsFunc(ends[lane], func(o svgLabel) bool {
				return l.left < o.left+svgCharacter*float64(utf8.RuneCountInString(o.text))+8 && o.left < l.left+width
			})
			if free {
				l.lane, ends[lane] = lane, append(ends[lane], l)
				c.lanes = max(c.lanes, lane+1)
				break
			}
		}
		c.labels = append(c.labels, l)
	}
}

func (c *equityChart) top() int    { return svgTitle + svgLane*c.lanes }
func (c *equityChart) bottom() int { return c.top() + svgPlot }
func (c *equityChart) axis() int   { return c.bottom() + c.below }

func (c *equityChart) x(t time.Time) float64 {
	span := c.end.Sub(c.start)
	if span <= 0 {
		return svgLeft
	}
	return svgLeft + float64(svgWidth-svgLeft-svgRight)*float64(t.Sub(c.start))/float64(span)
}

func (c *equityChart) y(v float64) float64 {
	return float64(c.top()) + svgPlot*(c.high-v)/(c.high-c.low)
}

// Write draws the picture: equity as steps, and lines where money came or went and where
// something was stopped, reset or cleared.
func (c *equityChart) Write(w io.Writer) error {
	var b strings.Builder
	c.begin(&b, svgBottom, "")
	if len(c.points) > 0 {
		c.grid(&b)
		c.times(&b)
		c.flows(&b)
		c.line(&b)
		c.marks(&b)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// begin writes the ground and the title; foot is the height below the axis.
func (c *equityChart) begin(b *strings.Builder, foot int, style string) {
	height := c.axis() + foot
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="12">`+"\n", svgWidth, height)
	b.WriteString(style)
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", svgWidth, height)
	fmt.Fprintf(b, `<text x="%d" y="24" font-size="15" fill="#222">%s</text>`+"\n", svgLeft, html.EscapeString(c.title))
}

// grid draws horizontal lines at round amounts.
func (c *equityChart) grid(b *strings.Builder) {
	step, decimals := roundStep((c.high - c.low) / svgGridLines)
	for n := math.Ceil(c.low / step); n*step <= c.high; n++ {
		y := c.y(n * step)
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e5e5e5"/>`+"\n", svgLeft, y, svgWidth-svgRight, y)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#666">%.*f</text>`+"\n", svgLeft-8, y+4, decimals, n*step)
	}
}

// roundStep returns the least number of the form 1, 2 or 5 times a power of ten that is not below
// least, and its number of decimals.
func roundStep(least float64) (step float64, decimals int) {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	step = 10 * power
	for _, m := range []float64{1, 2, 5} {
		if m*power >= least {
			step = m * power
			break
		}
	}
	return step, max(0, -int(math.Floor(math.Log10(step)+1e-9)))
}

// times draws the time axis. Under each tick is its time; under the first tick, and where it
// changes, is the day or year as well.
func (c *equityChart) times(b *strings.Builder) {
	ticks, style := timeTicks(c.start, c.end)
	before := ""
	for _, t := range ticks {
		x := c.x(t)
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#eee"/>`+"\n", x, c.top(), x, c.axis())
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#666">%s</text>`+"\n", x, c.axis()+18, t.Format(style.tick))
		if of := t.Format(style.of); of != before {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#666">%s</text>`+"\n", x, c.axis()+34, of)
			before = of
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#666">UTC</text>`+"\n", svgWidth-svgRight, c.axis()+34)
}

// flows marks deposits and withdrawals after the beginning, because they are not performance.
func (c *equityChart) flows(b *strings.Builder) {
	some := false
	for i, p := range c.points {
		if i == 0 || p.Flow.IsZero() {
			continue
		}
		some = true
		x := c.x(p.Time)
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#2a9d4a" stroke-dasharray="2 3"/>`+"\n", x, c.top(), x, c.axis())
	}
	if some {
		fmt.Fprintf(b, `<text x="%d" y="24" text-anchor="end" fill="#2a9d4a">┊ money came or went</text>`+"\n", svgWidth-svgRight)
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
	if last := c.points[len(c.points)-1]; last.Time.Before(c.end) {
		fmt.Fprintf(b, "H%.1f", c.x(c.end))
	}
	b.WriteString(`"/>` + "\n")
}

// marks draws the lines first and the labels over them, on white, so that no line crosses a
// label.
func (c *equityChart) marks(b *strings.Builder) {
	y := func(lane int) int { return c.top() - svgLane*lane - 5 }
	untold := 0
	for _, l := range c.labels {
		top := c.top()
		if l.lane >= 0 {
			top = y(l.lane) - 9
		}
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" %s/>`+"\n", l.x, top, l.x, c.axis(), markKinds[l.kind].stroke)
	}
	for _, l := range c.labels {
		if l.lane < 0 {
			untold++
			continue
		}
		width := svgCharacter * float64(utf8.RuneCountInString(l.text))
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="14" fill="#fff"/>`+"\n", l.left, y(l.lane)-10, width+4)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s">%s</text>`+"\n",
			l.left+2, y(l.lane), width, markKinds[l.kind].ink, html.EscapeString(l.text))
	}
	if untold > 0 {
		fmt.Fprintf(b, `<text x="%d" y="40" text-anchor="end" fill="#666">lines without words: %d more</text>`+"\n", svgWidth-svgRight, untold)
	}
}
