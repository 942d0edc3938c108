package chart

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/projections"
)

// series returns equity over a span, in a hundred steps.
func series(start time.Time, span time.Duration) []projections.EquityPoint {
	points := make([]projections.EquityPoint, 101)
	for i := range points {
		points[i] = projections.EquityPoint{Revision: uint64(i), Time: start.Add(span / 100 * time.Duration(i)), Equity: domain.FromInt(int64(1000 + i%7))}
	}
	return points
}

// drawn holds the texts of a picture, and what was found of each.
type drawn struct {
	Texts []struct {
		X      float64 `xml:"x,attr"`
		Y      float64 `xml:"y,attr"`
		Anchor string  `xml:"text-anchor,attr"`
		Length float64 `xml:"textLength,attr"`
		Text   string  `xml:",chardata"`
	} `xml:"text"`
	Lines []struct {
		Stroke string `xml:"stroke,attr"`
	} `xml:"line"`
}

func draw(t *testing.T, c *equityChart) drawn {
	t.Helper()
	var b strings.Builder
	require.NoError(t, c.Write(&b))
	var d drawn
	require.NoError(t, xml.Unmarshal([]byte(b.String()), &d))
	return d
}

// "labels that do not overlap": trips, stops and resets at one moment and close together,
// at the beginning and at the end.
func TestChartLabelsDoNotOverlap(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 17, 13, 0, time.UTC)
	points := series(start, 5*time.Hour)
	marks := &Marks{}
	said := []string{}
	for i, minute := range []int{0, 60, 60, 60, 61, 63, 150, 151, 298, 300} {
		at := start.Add(time.Duration(minute) * time.Minute)
		bot := fmt.Sprintf("bot%d", i)
		marks.Add(1, at, &domain.BreakerTripped{Breaker: domain.ConsecutiveLosses, Bot: bot})
		marks.Add(2, at, &domain.DayOpened{})
		said = append(said, domain.ConsecutiveLosses+" of "+bot+" tripped")
	}
	marks.Add(3, start.Add(62*time.Minute), &domain.EmergencyStopEngaged{Kind: domain.StopManual})
	marks.Add(4, start.Add(200*time.Minute), &domain.BreakerReset{Breaker: domain.DailyLoss})
	marks.Add(5, start.Add(201*time.Minute), &domain.EmergencyStopCleared{})
	said = append(said, "EMERGENCY STOP manual", "daily_loss reset", "emergency stop cleared")

	d := draw(t, NewSVG("x", points, marks.All))
	texts := []string{}
	for i, a := range d.Texts {
		texts = append(texts, a.Text)
		if a.Length == 0 {
			continue
		}
		require.GreaterOrEqual(t, a.X, 0.0, a.Text)
		require.LessOrEqual(t, a.X+a.Length, float64(svgWidth), a.Text)
		for _, b := range d.Texts[i+1:] {
			beside := a.X+a.Length < b.X || b.X+b.Length < a.X
			require.True(t, b.Length == 0 || a.Y != b.Y || beside, "%s over %s", a.Text, b.Text)
		}
	}
	require.Subset(t, texts, said)
	for kind, strokes := range map[string]int{"#c62828": 10, "#7f0000": 1, "#5f6b7a": 2} {
		found := 0
		for _, l := range d.Lines {
			if l.Stroke == kind {
				found++
			}
		}
		require.Equal(t, strokes, found, kind)
	}
}

// With more marks than lanes, each mark keeps its line, and the picture says how many labels are
// missing; marks with the same text at one moment share a label.
func TestChartWithTooManyMarks(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	marks := &Marks{}
	for i := range 40 {
		marks.Add(1, start.Add(time.Hour), &domain.BreakerTripped{Breaker: domain.BotDrawdown, Bot: fmt.Sprintf("bot%02d", i)})
	}
	marks.Add(1, start.Add(4*time.Hour), &domain.BreakerTripped{Breaker: domain.DailyLoss})
	marks.Add(2, start.Add(4*time.Hour), &domain.BreakerTripped{Breaker: domain.DailyLoss})
	texts := []string{}
	for _, text := range draw(t, NewSVG("x", series(start, 5*time.Hour), marks.All)).Texts {
		texts = append(texts, text.Text)
	}
	require.Contains(t, texts, "lines without words: 28 more")
	require.Contains(t, texts, "daily_loss tripped ×2")
}

// "a time axis with sensible ticks for minutes to years"
func TestTimeTicks(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 17, 13, 0, time.UTC)
	for span, want := range map[time.Duration]string{
		0:                    "09:17:13",
		40 * time.Second:     "09:17:20 09:17:30",
		25 * time.Minute:     "09:20 09:25",
		5 * time.Hour:        "10:00 11:00",
		30 * time.Hour:       "12:00 18:00",
		6 * 24 * time.Hour:   "Mar 3 Mar 4",
		45 * 24 * time.Hour:  "Mar 9 Mar 16",
		200 * 24 * time.Hour: "Apr May",
		700 * 24 * time.Hour: "Apr Jul",
		12 * 365 * oneDay:    "2028 2030",
		60 * 365 * oneDay:    "2030 2040",
		250 * 365 * oneDay:   "2050 2100",
		9 * time.Hour:        "10:00 12:00",
	} {
		ticks, style := timeTicks(start, start.Add(span))
		require.NotEmpty(t, ticks, span)
		require.LessOrEqual(t, len(ticks), svgTicks, span)
		require.True(t, slices.IsSortedFunc(ticks, time.Time.Compare))
		said := []string{}
		for _, tick := range ticks[:min(2, len(ticks))] {
			said = append(said, tick.Format(style.tick))
		}
		require.Equal(t, want, strings.Join(said, " "), span)
	}
}

// A step is round, and its labels have the decimals that it needs.
func TestRoundStep(t *testing.T) {
	for least, want := range map[float64]string{300: "500", 100: "100", 0.013: "0.02", 7: "10", 0.4: "0.5", 0.06: "0.1"} {
		step, decimals := roundStep(least)
		require.Equal(t, want, fmt.Sprintf("%.*f", decimals, step))
	}
}

// The terminal shows the most serious mark of a column, and explains the letters.
func TestChartInTheTerminal(t *testing.T) {
	var out strings.Builder
	a := &cli.App{Out: &out, Environ: []string{"COLUMNS=80"}}
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	marks := &Marks{From: start, To: start.Add(5 * time.Hour)}
	marks.Add(50, start, &domain.BreakerTripped{Breaker: domain.DailyLoss})
	marks.Add(50, start, &domain.EmergencyStopEngaged{Kind: domain.StopSystemError})
	marks.Add(100, start, &domain.BreakerReset{Breaker: domain.DailyLoss})
	marks.Add(100, start.Add(-time.Second), &domain.EmergencyStopCleared{})
	marks.Add(100, start.Add(6*time.Hour), &domain.EmergencyStopCleared{})
	require.NoError(t, Draw(a, series(start, 5*time.Hour), marks.All))
	clitest.Fits(t, 80, out.String())
	require.Regexp(t, `(?m)^ {46}S {32}R$`, out.String())
	require.Contains(t, out.String(), "101 points; S emergency stop; R breaker reset\n")
}

// A picture of why something tripped refuses more records than it can show, and says how many
// markets have no row.
func TestAPictureOfWhyHasBounds(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	price := &domain.PriceMarked{Source: domain.RoleFeed, Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: domain.MustDecimal("0.5")}}}
	why := &Why{From: start}
	s := portfolio.New()
	for i := range whyMostSteps - 1 {
		why.Apply(eventstore.Record{Time: start.Add(time.Duration(i) * time.Millisecond)}, price, s)
	}
	require.Len(t, why.steps, 1, "nothing changed")
	why.Apply(eventstore.Record{Time: start.Add(-time.Second)}, price, s)
	_, err := NewWhySVG("x", series(start, time.Hour), nil, why)
	require.NoError(t, err)
	why.Apply(eventstore.Record{Time: start.Add(time.Hour)}, price, s)
	_, err = NewWhySVG("x", series(start, time.Hour), nil, why)
	require.ErrorContains(t, err, "choose a shorter time with --from and --to")

	why = &Why{}
	for i := range whyMostMarkets + 2 {
		why.Apply(eventstore.Record{Time: start}, &domain.PriceMarked{Source: domain.RoleFeed, Marks: []domain.Mark{{Market: fmt.Sprintf("market number %02d", i), Outcome: "YES", Price: domain.MustDecimal("0.5")}}}, s)
	}
	c, err := NewWhySVG("x", series(start, time.Hour), nil, why)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, c.Write(&b))
	var d drawn
	require.NoError(t, xml.Unmarshal([]byte(b.String()), &d))
	texts := []string{}
	for _, text := range d.Texts {
		texts = append(texts, text.Text)
	}
	require.Contains(t, texts, "Who said which price (2 markets more are not drawn)")
	require.Contains(t, texts, "market… YES")
}

// The prices of a day keep who said them: "a bot's word, fill or mark, prices only its own holding",
// and a mark beyond the collar prices nothing.
func TestWhoSaidAPrice(t *testing.T) {
	at, price := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), domain.MustDecimal("0.4")
	i := domain.Instrument{Market: "m", Outcome: "YES"}
	for want, events := range map[saidBy][]domain.Event{
		saidMarket: {
			&domain.PriceMarked{Source: domain.RoleOperator, Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: price}}},
			&domain.MarkConfirmed{Instrument: i, Price: price},
		},
		saidBot: {
			&domain.PriceMarked{Source: domain.RoleBot, Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: price}}},
			&domain.FillRecorded{Instrument: i, Mark: &price},
			&domain.FillReinstated{FillRecorded: domain.FillRecorded{Instrument: i, Mark: &price}},
		},
		saidWaits: {&domain.PriceMarked{Source: domain.RoleFeed, Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: price, Waits: true}}}},
		saidPayout: {
			&domain.MarketSettled{Instrument: i, Payout: price},
			&domain.MarketPaidOut{Market: "m", Payouts: map[string]domain.Decimal{"YES": price}},
		},
	} {
		for _, e := range events {
			w := &Why{}
			w.say(at, e)
			require.Equal(t, []whySaid{{at, want, i, price}}, w.said, "%T", e)
		}
	}
	w := &Why{}
	w.say(at, &domain.FillRecorded{Instrument: i})
	w.say(at, &domain.PriceMarked{Source: domain.RoleFeed, Marks: []domain.Mark{{Asset: "ETH", Price: price}}})
	require.Empty(t, w.said, "a fill that marks nothing, and an asset")
}
