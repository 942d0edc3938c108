package chart

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"pets/domain"
	"pets/projections"
)

// The geometry of what is drawn below equity, in pixels.
const (
	whyTitle, whyRow  = 30, 38
	whyFoot           = 58
	whyMostMarkets    = 8
	whyNameCharacters = 11
	whyApart          = 46 // between two labels of a row
)

// whyStyle turns the picture dark where its reader wants that. The colours are those of the
// attributes that the chart of equity draws with.
const whyStyle = `<style>@media (prefers-color-scheme:dark){rect[fill="#fff"]{fill:#14171c}text[fill="#222"]{fill:#e8eaed}text[fill="#666"],text[fill="#4a5563"]{fill:#a8b0ba}line[stroke="#e5e5e5"],line[stroke="#eee"]{stroke:#2b3138}line[stroke="#5f6b7a"]{stroke:#9aa4b0}path[stroke="#1a6fb5"]{stroke:#6cb2f0}path[fill="#1a6fb5"]{fill:#3d7fb8}text[fill="#c62828"]{fill:#ff8a80}path[stroke="#c62828"],line[stroke="#c62828"]{stroke:#ff8a80}text[fill="#7f0000"]{fill:#ffb4ab}line[stroke="#7f0000"]{stroke:#ffb4ab}.ink{stroke:#e8eaed;fill:#e8eaed}.hollow{stroke:#e8eaed;fill:#14171c}}</style>
<defs><pattern id="halted" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="8" stroke="#c62828" stroke-width="1" stroke-opacity="0.35"/></pattern></defs>
`

// whyChart is a chart of equity with what explains it.
type whyChart struct {
	*equityChart
	why     *Why
	markets []string
	hidden  int // markets that have no row
}

// NewWhySVG lays out a picture of equity with the limits of the portfolio, and below it what was
// open in each market and who said which price. It refuses more records than can be seen.
func NewWhySVG(title string, points []projections.EquityPoint, marks []Mark, why *Why) (*whyChart, error) {
	if why.more {
		return nil, domain.Errorf(domain.CodeInvalid, "there are more records than a picture with what was open can show; choose a shorter time with --from and --to")
	}
	c := &whyChart{why: why, markets: why.markets()}
	if len(c.markets) > whyMostMarkets {
		c.hidden, c.markets = len(c.markets)-whyMostMarkets, c.markets[:whyMostMarkets]
	}
	c.equityChart = newChart(title, points, marks, why.nearest())
	if len(points) > 0 {
		c.below = 2*whyTitle + 2*whyRow*len(c.markets)
	}
	return c, nil
}

// nearest returns, for each step, the limit that would be reached first: the scale shows it.
func (w *Why) nearest() []float64 {
	var out []float64
	for _, step := range w.steps {
		if len(step.limits) > 0 {
			out = append(out, slices.MaxFunc(step.limits, func(a, b whyLimit) int { return int(sign(a.equity - b.equity)) }).equity)
		}
	}
	return out
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// Write draws the picture.
func (c *whyChart) Write(w io.Writer) error {
	var b strings.Builder
	c.begin(&b, whyFoot+svgBottom-34, whyStyle)
	if len(c.points) > 0 {
		c.grid(&b)
		c.times(&b)
		c.halts(&b)
		c.flows(&b)
		c.limits(&b)
		c.line(&b)
		c.last(&b)
		c.marks(&b)
		c.open(&b)
		c.prices(&b)
		c.legend(&b)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// halts hatches the time in which something was halted.
func (c *whyChart) halts(b *strings.Builder) {
	for i := 0; i < len(c.why.steps); i++ {
		from := c.why.steps[i]
		if from.halted == "" {
			continue
		}
		for i+1 < len(c.why.steps) && c.why.steps[i+1].halted == from.halted {
			i++
		}
		to := c.end
		if i+1 < len(c.why.steps) {
			to = c.why.steps[i+1].at
		}
		x, width := c.x(from.at), c.x(to)-c.x(from.at)
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="url(#halted)"/>`+"\n", x, c.top(), width, c.axis()-c.top())
		text := from.halted
		if float64(utf8.RuneCountInString(text))*svgCharacter > width {
			text, _, _ = strings.Cut(text, ":")
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="#c62828">%s</text>`+"\n", x+5, c.top()+16, html.EscapeString(text))
	}
}

// limits draws the equity at which each breaker trips, or says that it is below the scale.
func (c *whyChart) limits(b *strings.Builder) {
	var names []string
	for _, step := range c.why.steps {
		for _, l := range step.limits {
			if !slices.Contains(names, l.name) {
				names = append(names, l.name)
			}
		}
	}
	below := 0
	for _, name := range names {
		last, drawn := 0.0, false
		var path strings.Builder
		for i := 0; i < len(c.why.steps); i++ {
			v, ok := c.why.steps[i].limit(name)
			if !ok {
				continue
			}
			from, to := c.why.steps[i].at, c.end
			for i+1 < len(c.why.steps) && c.why.steps[i+1].trips(name, v) {
				i++
			}
			if i+1 < len(c.why.steps) {
				to = c.why.steps[i+1].at
			}
			if last = v; v < c.low || v > c.high {
				continue
			}
			fmt.Fprintf(&path, "M%.1f %.1fH%.1f", c.x(from), c.y(v), c.x(to))
			if !drawn {
				fmt.Fprintf(b, `<text x="%.1f" y="%.1f" fill="#c62828">%s trips at %s</text>`+"\n", c.x(from)+5, c.y(v)-5, name, money(v))
				drawn = true
			}
		}
		if drawn {
			fmt.Fprintf(b, `<path fill="none" stroke="#c62828" stroke-width="1.3" stroke-dasharray="7 4" d="%s"/>`+"\n", path.String())
		} else {
			below++
			fmt.Fprintf(b, `<text x="%d" y="%d" fill="#c62828">↓ %s trips at %s, below this scale</text>`+"\n", svgLeft+5, c.bottom()+2-14*below, name, money(last))
		}
	}
}

// limit returns the equity at which a breaker trips.
func (s *whyStep) limit(name string) (equity float64, ok bool) {
	n := slices.IndexFunc(s.limits, func(l whyLimit) bool { return l.name == name })
	if n < 0 {
		return 0, false
	}
	return s.limits[n].equity, true
}

// trips reports that a breaker trips at just this equity.
func (s *whyStep) trips(name string, equity float64) bool {
	v, ok := s.limit(name)
	return ok && v == equity
}

// last writes the last equity at the end of its line.
func (c *whyChart) last(b *strings.Builder) {
	equity := c.points[len(c.points)-1].Equity.Float()
	fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#222">%s</text>`+"\n", svgWidth-svgRight, c.y(equity)-6, money(equity))
}

// money writes an amount for people, with thousands and at most two decimals.
func money(v float64) string {
	text := fmt.Sprintf("%.2f", v)
	whole, cents, _ := strings.Cut(text, ".")
	for n := len(whole) - 3; n > 0 && whole[n-1] != '-'; n -= 3 {
		whole = whole[:n] + "," + whole[n:]
	}
	if cents == "00" {
		return whole
	}
	return whole + "." + cents
}

// open draws a row for each market: the most that can still be lost there.
func (c *whyChart) open(b *strings.Builder) {
	most := 0.0
	for _, step := range c.why.steps {
		for _, exposure := range step.open {
			most = max(most, exposure)
		}
	}
	y := c.bottom() + whyTitle
	c.heading(b, y, "What was open: the most that can still be lost in each market"+c.untold())
	for n, market := range c.markets {
		base := y + whyRow*(n+1)
		c.rowName(b, base, market)
		if most > 0 {
			c.exposure(b, market, base, most)
		}
	}
}

func (c *whyChart) untold() string {
	if c.hidden == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d markets more are not drawn)", c.hidden)
}

func (c *whyChart) heading(b *strings.Builder, y int, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#222">%s</text>`+"\n", svgLeft, y-4, html.EscapeString(text))
}

// rowName writes the name of a market left of its row, shortened in its middle.
func (c *whyChart) rowName(b *strings.Builder, base int, market string) {
	name := []rune(market)
	if len(name) > whyNameCharacters {
		name = slices.Concat(name[:6], []rune("…"), name[len(name)-4:])
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#666">%s</text>`+"\n", svgLeft-8, base-8, html.EscapeString(string(name)))
	fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#e5e5e5"/>`+"\n", svgLeft, base, svgWidth-svgRight, base)
}

// exposure draws what was open in one market as a step area, with its amounts.
func (c *whyChart) exposure(b *strings.Builder, market string, base int, most float64) {
	labelled, ever := -1e9, false
	var labels strings.Builder
	steps := c.why.steps
	for i := 0; i < len(steps); i++ {
		v, from := steps[i].open[market], c.x(steps[i].at)
		for i+1 < len(steps) && steps[i+1].open[market] == v {
			i++
		}
		to := c.x(c.end)
		if i+1 < len(steps) {
			to = c.x(steps[i+1].at)
		}
		height := v / most * (whyRow - 16)
		if v > 0 && to > from {
			ever = true
			fmt.Fprintf(b, `<path fill="#1a6fb5" fill-opacity="0.55" d="M%.1f %dV%.1fH%.1fV%dZ"/>`+"\n", from, base, float64(base)-height, to, base)
		}
		if ever && to-from > 1 && from-labelled >= whyApart {
			fmt.Fprintf(&labels, `<text x="%.1f" y="%.1f" font-size="11" fill="#222">%s</text>`+"\n", from+2, float64(base)-height-3, money(v))
			labelled = from
		}
	}
	if !ever {
		fmt.Fprintf(b, `<text x="%d" y="%d" font-size="11" fill="#666">nothing</text>`+"\n", svgLeft+2, base-3)
	}
	b.WriteString(labels.String())
}

// prices draws a row for each market: who said which price of one of its outcomes.
func (c *whyChart) prices(b *strings.Builder) {
	y := c.bottom() + whyTitle + whyRow*len(c.markets) + whyTitle
	c.heading(b, y, "Who said which price"+c.untold())
	for n, market := range c.markets {
		base := y + whyRow*(n+1)
		outcome := c.why.outcome(market)
		c.rowName(b, base, market+" "+outcome)
		c.saidOf(b, domain.Instrument{Market: market, Outcome: outcome}, base)
	}
}

// saidOf draws the prices of one outcome. Of several of one kind on one spot the last one is drawn.
func (c *whyChart) saidOf(b *strings.Builder, i domain.Instrument, base int) {
	var all []whySaid
	for _, said := range c.why.said {
		if said.i != i {
			continue
		}
		if n := len(all) - 1; n >= 0 && all[n].by == said.by && c.x(said.at)-c.x(all[n].at) < 4 {
			all[n] = said
			continue
		}
		all = append(all, said)
	}
	spot, above, under := -1e9, -1e9, -1e9
	for _, said := range all {
		x := max(c.x(said.at), spot+10)
		spot = x
		c.symbol(b, said.by, x, float64(base)-14)
		ends, y := &above, base-22
		if said.by == saidWaits || said.by == saidBot {
			ends, y = &under, base-1
		}
		text := said.price.String()
		if said.by == saidWaits {
			text += " waits"
		}
		if x-5 >= *ends {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" font-size="11" fill="#222">%s</text>`+"\n", x-5, y, text)
			*ends = x - 5 + svgCharacter*float64(len(text)) + 4
		}
	}
}

// symbol draws who said a price, by its shape.
func (c *whyChart) symbol(b *strings.Builder, by saidBy, x, y float64) {
	switch by {
	case saidMarket:
		fmt.Fprintf(b, `<circle class="ink" cx="%.1f" cy="%.1f" r="3.5" fill="#222"/>`+"\n", x, y)
	case saidBot:
		fmt.Fprintf(b, `<path class="hollow" d="M%.1f %.1fl4.5 4.5l-4.5 4.5l-4.5 -4.5z" fill="#fff" stroke="#222"/>`+"\n", x, y-4.5)
	case saidWaits:
		fmt.Fprintf(b, `<path class="hollow" d="M%.1f %.1fl4.5 8h-9z" fill="#fff" stroke="#222"/>`+"\n", x, y-4.5)
	case saidPayout:
		fmt.Fprintf(b, `<rect class="ink" x="%.1f" y="%.1f" width="7" height="7" fill="#222"/>`+"\n", x-3.5, y-3.5)
	}
}

// legend explains the symbols below the axis.
func (c *whyChart) legend(b *strings.Builder) {
	x, y := float64(svgLeft), float64(c.axis()+whyFoot)
	for by, text := range []string{
		saidMarket: "a feed or an operator: prices every holding", saidBot: "a bot: prices what it holds", saidWaits: "waits beyond the collar: prices nothing", saidPayout: "a payout",
	} {
		c.symbol(b, saidBy(by), x+4, y-4)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="11" fill="#666">%s</text>`+"\n", x+13, y, text)
		x += 13 + 5.9*float64(len(text)) + 18
	}
}
