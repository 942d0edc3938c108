package main

import (
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) equityCommand() *cobra.Command {
	var moment, from, to string
	var points int
	c := &cobra.Command{
		Use: "equity", Short: "Equity over time, drawn in the terminal or as JSON points", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			first, err := parseTime("--from", from)
			if err != nil {
				return errUsage{err}
			}
			last, err := parseTime("--to", to)
			if err != nil {
				return errUsage{err}
			}
			if points < 0 {
				return errUsage{domain.Invalid("--points", "must not be negative")}
			}
			series := projections.NewEquity()
			return a.look(c.Context(), moment, []projections.Projection{series}, func(*portfolio.State) error {
				v := series.Points(first, last, points)
				if a.json {
					return a.printJSON(v)
				}
				return a.drawEquity(v)
			})
		},
	}
	at(c, &moment)
	c.Flags().StringVar(&from, "from", "", "from this RFC 3339 time")
	c.Flags().StringVar(&to, "to", "", "to this RFC 3339 time")
	c.Flags().IntVar(&points, "points", 0, "at most this many points, keeping lows, highs and trips (0: all)")
	return c
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
