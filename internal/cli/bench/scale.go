package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pets/internal/cli"
	"pets/internal/scale"
)

// scaleOptions are the flags of pets bench scale.
type scaleOptions struct {
	scale.Options
	svg string
}

// What a node does, as measured: docs/scale.md says when and how.
const (
	measuredFold  = 50_000   // events a second of one core, at a start
	measuredOpen  = 0.000_25 // seconds of a core for each stream, at a start
	measuredCores = 2
)

// forecastPortfolios are the numbers of portfolios whose days and years are computed.
var forecastPortfolios = []int{10, 1000, 100_000}

func (a *app) benchScaleCommand() *cobra.Command {
	o := scaleOptions{Options: scale.Options{Rates: scale.Rates{Open: measuredOpen}}}
	c := &cobra.Command{
		Use: "scale", Short: "Compute what many portfolios on several servers would cost, and simulate the loss of one", Args: cobra.NoArgs,
		Long: "Plays a day of one portfolio and one bot in memory and counts its events and bytes by type. From that it computes\n" +
			"what 10, 1,000 and 100,000 portfolios write. Then it places portfolios, a few of which are hot, on servers by their\n" +
			"ids, takes away each server in turn, and simulates how long the others need to catch up.\n\n" +
			"Nothing is timed: the same flags give the same bytes. A server of today has its own folder and all of its portfolios:\n" +
			"the servers are simulated, to plan with. docs/scale.md says what is measured, what is simulated, and what breaks first.",
		Example: "  pets bench scale\n  pets bench scale --nodes 8,9 --portfolios 20000 --days 30 --svg scale.svg",
		RunE:    func(c *cobra.Command, _ []string) error { return a.benchScale(c.Context(), o) },
	}
	f := c.Flags()
	f.IntVar(&o.Portfolios, "portfolios", 100_000, "how many portfolios there are")
	f.IntSliceVar(&o.Nodes, "nodes", []int{4, 8, 16, 32, 64}, "on how many servers they are placed, one run for each `number`")
	f.Uint64Var(&o.Seed, "seed", 1, "what the loads of the portfolios are drawn from")
	f.IntVar(&o.Days, "days", 365, "how old every portfolio is")
	f.IntVar(&o.Rates.Cores, "cores", measuredCores, "how many cores of a server fold streams")
	f.Float64Var(&o.Rates.Fold, "fold", measuredFold, "how many events a core folds in a second")
	f.StringVar(&o.svg, "svg", "", "draw loads and catch-up times into a `file`")
	return c
}

// scaled is what pets bench scale prints.
type scaled struct {
	*scale.Run
	Day       *measuredDay     `json:"day"`
	Forecasts []scale.Forecast `json:"forecasts"`
	Streams   []scale.Stream   `json:"streams"`
}

func (a *app) benchScale(ctx context.Context, o scaleOptions) error {
	if err := o.Check(); err != nil {
		return cli.Usage(err)
	}
	day, err := measureDay(ctx)
	if err != nil {
		return err
	}
	s := &scaled{Day: day, Streams: scale.Streams(day.Total, o.Rates)}
	o.Day = day.Total
	if s.Run, err = scale.Simulate(o.Options); err != nil {
		return err
	}
	for _, n := range forecastPortfolios {
		s.Forecasts = append(s.Forecasts, scale.Foresee(n, day.Total, o.Rates))
	}
	if o.svg != "" {
		if err := saveStacked(o.svg, s.pictures()...); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.PrintJSON(s)
	}
	for i, t := range s.tables() {
		if i > 0 {
			a.Messages().Line("")
		}
		a.Messages().Line("%s", t.title)
		if err := a.Table(t.rows); err != nil {
			return err
		}
	}
	return nil
}

// scaleTable is one of the tables, in the terminal and in docs/scale.md.
type scaleTable struct {
	name, title string
	rows        [][]string
}

func (s *scaled) tables() []scaleTable {
	return []scaleTable{
		{"day", "a day of a portfolio, and of each of its bots", s.dayRows()},
		{"forecast", fmt.Sprintf("what portfolios write, with %.3g bots each on average", scale.MeanBots()), s.forecastRows()},
		{"streams", "a stream after a year", s.streamRows()},
		{"servers", fmt.Sprintf("%d portfolios, %d bots, %.0f events/s on servers (simulated, seed %d, %d days old)",
			s.Options.Portfolios, s.Bots, s.Events, s.Options.Seed, s.Options.Days), s.serverRows()},
		{"catch-up", "until the portfolios of a lost server can be used again (simulated)", s.catchUpRows()},
	}
}

func (s *scaled) dayRows() [][]string {
	rows := [][]string{{"EVENT", "WRITTEN FOR", "EVENTS", "BYTES EACH", "BYTES"}}
	for _, r := range s.Day.Rows {
		who := "the portfolio"
		if r.Bot {
			who = "each bot"
		}
		rows = append(rows, []string{r.Type, who, grouped(float64(r.Events)), grouped(float64(r.Bytes / r.Events)), grouped(float64(r.Bytes))})
	}
	for _, sum := range []struct {
		who string
		of  scale.Volume
	}{{"the portfolio", s.Day.Total.Portfolio}, {"each bot", s.Day.Total.Bot}} {
		rows = append(rows, []string{"all", sum.who, grouped(sum.of.Events), grouped(sum.of.Bytes / sum.of.Events), grouped(sum.of.Bytes)})
	}
	return rows
}

func (s *scaled) forecastRows() [][]string {
	rows := [][]string{{"PORTFOLIOS", "BOTS", "EVENTS A DAY", "EVENTS/S", "A DAY", "A YEAR", "FOLLOWING ALL", "FOLDING A YEAR"}}
	for _, f := range s.Forecasts {
		rows = append(rows, []string{
			grouped(float64(f.Portfolios)), grouped(f.Bots), grouped(f.Day.Events), few(f.Second), size(f.Day.Bytes), size(f.Year.Bytes),
			fmt.Sprintf("%.2g %% of a core", 100*f.Folded), lasting(f.FromFirst),
		})
	}
	return rows
}

func (s *scaled) streamRows() [][]string {
	rows := [][]string{{"BOTS", "EVENTS A DAY", "A DAY", "EVENTS A YEAR", "A YEAR", "FOLDING A YEAR"}}
	for _, one := range s.Streams {
		rows = append(rows, []string{
			grouped(float64(one.Bots)), grouped(one.Day.Events), size(one.Day.Bytes), grouped(one.Year.Events), size(one.Year.Bytes), lasting(one.FromFirst),
		})
	}
	return rows
}

func (s *scaled) serverRows() [][]string {
	rows := [][]string{{"SERVERS", "PORTFOLIOS, MAX ÷ MEAN", "LOAD, MAX ÷ MEAN", "LOAD, MIN ÷ MEAN", "MOVED BY A LOSS", "LOAD AFTER A LOSS, MAX ÷ MEAN"}}
	for _, c := range s.Results {
		rows = append(rows, []string{
			fmt.Sprint(c.Nodes), fmt.Sprintf("%.3f", c.Portfolios), fmt.Sprintf("%.3f", c.Load), fmt.Sprintf("%.3f", c.Least), fmt.Sprintf("%.2f %%", 100*c.Moved),
			fmt.Sprintf("%.3f", c.LoadAfter),
		})
	}
	return rows
}

func (s *scaled) catchUpRows() [][]string {
	rows := [][]string{{"SERVERS", "FROM CHECKPOINTS, HALF", "FROM CHECKPOINTS, WORST", "FROM FIRST RECORDS, HALF", "FROM FIRST RECORDS, WORST"}}
	for _, c := range s.Results {
		rows = append(rows, []string{fmt.Sprint(c.Nodes), lasting(c.Checkpoint.Median), lasting(c.Checkpoint.Worst), lasting(c.First.Median), lasting(c.First.Worst)})
	}
	return rows
}

// grouped writes a whole number with commas between its thousands.
func grouped(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// few writes a number that may be below 1.
func few(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2g", x)
	}
	return grouped(x)
}

// size writes a number of bytes.
func size(bytes float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if bytes < 1000 {
			return fmt.Sprintf("%.3g %s", bytes, unit)
		}
		bytes /= 1000
	}
	return fmt.Sprintf("%.3g PB", bytes)
}

// lasting writes a duration, and "never" for one that does not end.
func lasting(seconds float64) string {
	switch {
	case seconds < 0:
		return "never"
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	case seconds < 120:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 120*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.1f h", seconds/3600)
	}
	return fmt.Sprintf("%.1f days", seconds/86_400)
}

// pictures are what --svg draws: how evenly the servers are loaded, and how long the others need
// to catch up.
func (s *scaled) pictures() []*curves {
	of := func(name string, y func(*scale.Cluster) float64) curve {
		one := curve{name: name}
		for i := range s.Results {
			c := &s.Results[i]
			if v := y(c); v > 0 {
				one.points = append(one.points, point{float64(c.Nodes), v})
			}
		}
		return one
	}
	above := func(ratio float64) float64 { return 100 * (ratio - 1) }
	return []*curves{
		{
			title:  fmt.Sprintf("The fullest server above the mean, %s portfolios, simulated", grouped(float64(s.Options.Portfolios))),
			xTitle: "servers", yTitle: "%",
			curves: []curve{
				of("load, one lost", func(c *scale.Cluster) float64 { return above(c.LoadAfter) }), of("load", func(c *scale.Cluster) float64 { return above(c.Load) }),
				of("portfolios", func(c *scale.Cluster) float64 { return above(c.Portfolios) }),
			},
		},
		{
			title:  fmt.Sprintf("Worst catch-up time after the loss of a server, streams %d days old, simulated", s.Options.Days),
			xTitle: "servers", yTitle: "seconds",
			curves: []curve{
				of("first records", func(c *scale.Cluster) float64 { return c.First.Worst }), of("checkpoints", func(c *scale.Cluster) float64 { return c.Checkpoint.Worst }),
			},
		},
	}
}

// markdown is the table as a page has it.
func (t *scaleTable) markdown() []string {
	var lines []string
	for i, row := range t.rows {
		if i == 0 {
			lines = append(lines, "| "+strings.ToLower(strings.Join(row, " | "))+" |", strings.Repeat("|---", len(row))+"|")
			continue
		}
		lines = append(lines, "| "+strings.Join(row, " | ")+" |")
	}
	return lines
}
