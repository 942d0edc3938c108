package look

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/chart"
	"pets/projections"
)

func (a *app) equityCommand() *cobra.Command {
	var moment, from, to, svg string
	var points int
	var why bool
	c := &cobra.Command{
		Use: "equity", Short: "Equity over time, drawn in the terminal or as JSON points", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			first, err := parseTime("--from", from)
			if err != nil {
				return cli.Usage(err)
			}
			last, err := parseTime("--to", to)
			if err != nil {
				return cli.Usage(err)
			}
			if points < 0 || (points > 0 && points < projections.LeastPoints) {
				return cli.Usage(domain.Invalid("--points", "must be 0 (all) or at least %d", projections.LeastPoints))
			}
			if svg != "" && (points == 0 || points > chart.SVGMostPoints) {
				points = chart.SVGMostPoints
			}
			series, marks := projections.NewEquity(nil), &chart.Marks{From: first, To: last}
			if why {
				return a.drawWhy(c.Context(), moment, svg, series, marks, points)
			}
			return a.LookEither(c.Context(), moment, []projections.Projection{series, marks}, func() error {
				v, err := a.askEquity(c.Context(), moment, first, last, points)
				if err == nil && (svg != "" || !a.JSON) {
					err = a.askMarks(c.Context(), moment, marks)
				}
				if err != nil {
					return err
				}
				return a.showEquity(svg, v, marks.All)
			}, func(*portfolio.State) error {
				v, err := series.Points(first, last, points)
				if err != nil {
					return err
				}
				return a.showEquity(svg, v, marks.All)
			})
		},
	}
	cli.AtFlag(c, &moment)
	c.Flags().StringVar(&from, "from", "", "from this RFC 3339 time")
	c.Flags().StringVar(&to, "to", "", "to this RFC 3339 time")
	c.Flags().StringVar(&svg, "svg", "", "draw a picture into this new file (- for standard output)")
	c.Flags().BoolVar(&why, "why", false, "with --svg: draw the limits, too, what was open in each market and who said which price (reads a folder)")
	c.Flags().IntVar(&points, "points", 0, "at most this many points, and every trip besides; lows and highs are kept (0: all)")
	return c
}

func (a *app) showEquity(svg string, v []projections.EquityPoint, marks []chart.Mark) error {
	switch {
	case svg != "":
		return a.saveChart(svg, v, marks)
	case a.JSON:
		return a.PrintJSON(v)
	}
	return chart.Draw(a.App, v, marks)
}

// mostPoints is the most points that a server returns.
const mostPoints = 100_000

// askEquity reads the series from the server, which thins a series longer than mostPoints.
func (a *app) askEquity(ctx context.Context, moment string, from, to time.Time, points int) ([]projections.EquityPoint, error) {
	values := url.Values{"points": {strconv.Itoa(mostPoints)}}
	if points > 0 && points < mostPoints {
		values.Set("points", strconv.Itoa(points))
	}
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			values.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	var v struct{ Points []projections.EquityPoint }
	err := a.View(ctx, moment, "/equity", values, &v)
	if err == nil && points == 0 && len(v.Points) >= mostPoints {
		a.Tell("note: the series is longer than the %d points that a server answers, and thinned: lows, highs and trips are kept. On the folder (--store) it is whole", mostPoints)
	}
	return v.Points, err
}

// saveChart writes the picture. It does not overwrite an existing file.
func (a *app) saveChart(path string, points []projections.EquityPoint, marks []chart.Mark) error {
	return a.savePicture(path, chart.NewSVG(a.pictureTitle(), points, marks))
}

func (a *app) pictureTitle() string { return "Equity of portfolio " + a.Config.Portfolio }

func (a *app) savePicture(path string, picture interface{ Write(w io.Writer) error }) error {
	if path == "-" {
		return picture.Write(a.Out)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a picture to be looked at
	if err != nil {
		return err
	}
	return errors.Join(picture.Write(f), f.Close())
}

// drawWhy draws equity with what explains it. It folds the history itself: no view of a server has
// what was open at each moment.
func (a *app) drawWhy(ctx context.Context, moment, svg string, series *projections.Equity, marks *chart.Marks, points int) error {
	if svg == "" {
		return cli.Usage(domain.Invalid("--why", "is drawn into a file: add --svg FILE"))
	}
	why := &chart.Why{From: marks.From, To: marks.To}
	return a.LookEither(ctx, moment, []projections.Projection{series, marks, why}, func() error {
		return domain.Invalid("--why", "reads the history itself, from a folder: give --store embedded:DIR on the machine of the server; it may be running")
	}, func(*portfolio.State) error {
		v, err := series.Points(marks.From, marks.To, points)
		if err != nil {
			return err
		}
		picture, err := chart.NewWhySVG(a.pictureTitle(), v, marks.All, why)
		if err != nil {
			return err
		}
		return a.savePicture(svg, picture)
	})
}

func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, domain.Invalid(flag, "must be a time such as 2026-01-15T09:00:00Z")
	}
	return t, nil
}

// askMarks reads the marks of the chart from the server.
func (a *app) askMarks(ctx context.Context, moment string, into *chart.Marks) error {
	return a.EachEvent(ctx, cli.EventQuery{At: moment, After: -1, Types: chart.MarkTypes}, func(line cli.EventLine) error {
		e, err := domain.Decode(line.Type, line.Data)
		if err == nil {
			into.Add(line.Revision, line.Time, e)
		}
		return err
	})
}
