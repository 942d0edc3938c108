package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pets/internal/bench"
	"pets/internal/cli"
)

// printReport prints a run: the machine, a table of all goals, and the details of each.
func (a *app) printReport(r *bench.Report) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	p := a.Messages()
	for _, line := range r.Machine.Lines() {
		p.Line("%s", line)
	}
	if r.Quick {
		p.Line("--quick: everything was tiny, and the figures mean nothing")
	}
	if r.Interrupted {
		p.Line("INTERRUPTED: only what was measured before is here")
	}
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	if err := a.Table(reportRows(r.Results)); err != nil {
		return err
	}
	p.Line("")
	for _, m := range r.Results {
		p.Line("%s", goalText(m.Goal)+m.Details())
	}
	if p.Err != nil || r.Compared == nil {
		return p.Err
	}
	return a.printComparison(r.Compared)
}

func goalText(goal int) string {
	if goal == 0 {
		return ""
	}
	return fmt.Sprintf("goal %d, ", goal)
}

func reportRows(results []bench.Measured) [][]string {
	rows := [][]string{{"GOAL", "WHAT", "MEASURED", "WANTED", "RESULT"}}
	for _, m := range results {
		rows = append(rows, []string{fmt.Sprint(m.Goal), m.Name, m.Figure(), m.Want, m.Result()})
	}
	return rows
}

func (a *app) printComparison(c *bench.Comparison) error {
	p := a.Messages()
	p.Line("")
	p.Line("beside %s:", c.With)
	for _, w := range c.Warnings {
		p.Line("warning: not the same: %s", w)
	}
	if p.Err != nil || len(c.Rows) == 0 {
		return p.Err
	}
	rows := [][]string{{"GOAL", "WHAT", "THEN", "NOW", "NOW ÷ THEN"}}
	for _, r := range c.Rows {
		rows = append(rows, []string{fmt.Sprint(r.Goal), r.Name, figureIn(r.Then, r.Unit), figureIn(r.Now, r.Unit), bench.Figure(r.Ratio)})
	}
	return a.Table(rows)
}

func figureIn(x float64, unit string) string {
	if unit == "" {
		return bench.Figure(x)
	}
	return bench.Figure(x) + " " + unit
}

// printMeasured prints figures without a table.
func (a *app) printMeasured(results []bench.Measured) error {
	if a.JSON {
		return a.PrintJSON(results)
	}
	p := a.Messages()
	for _, m := range results {
		p.Line("%s", m.Figure()+" "+m.Details())
	}
	return p.Err
}

// pictures are the files that pets bench curves draws. Each curve has its name in a report, and a
// label that fits beside it.
var pictures = []struct {
	file, title, unit string
	curves            []labelled
}{
	{"history-memory.svg", "Memory of pets serve over the length of the history", "MB", []labelled{{"resident memory", "resident memory"}}},
	{"history-start.svg", "Starts over the length of the history", "seconds", []labelled{
		{"start after kill -9", "after kill -9"}, {"start after a graceful end", "after a close"}, {"replay of everything", "replay, CPU time"},
	}},
	{"history-at.svg", "A look at a past moment over the length of the history", "ms", []labelled{
		{"state?at= over HTTP, slowest", "HTTP, slowest"}, {"state --at on the folder, slowest", "folder, slowest"},
	}},
}

type labelled struct{ name, label string }

func (a *app) benchCurvesCommand() *cobra.Command {
	var into string
	c := &cobra.Command{
		Use: "curves FILE", Short: "Draw memory, starts and looks at the past over the length of the history", Args: cobra.ExactArgs(1),
		Long: "Draws pictures (SVG) of what pets bench --json has measured for goals 12 to 16. Both axes are logarithms:\n" +
			"a cost that grows with the history climbs by a decade in each decade, a constant one is level.",
		Example: "  pets bench --goals 12,13,15,16 --json > run.json\n  pets bench curves run.json --into docs/img",
		RunE:    func(_ *cobra.Command, args []string) error { return a.benchCurves(args[0], into) },
	}
	c.Flags().StringVar(&into, "into", ".", "the `folder` for the pictures")
	return c
}

func (a *app) benchCurves(file, into string) error {
	r, err := bench.ReadReport(file)
	if err != nil {
		return cli.Usage(err)
	}
	return a.drawCurves(r, into)
}

func (a *app) drawCurves(r *bench.Report, into string) error {
	drawn := 0
	for _, picture := range pictures {
		c := curves{title: picture.title, xTitle: "events", yTitle: picture.unit}
		for _, l := range picture.curves {
			one := curve{name: l.label}
			for _, p := range r.Curves[l.name] {
				if p.X > 0 && p.Y > 0 {
					one.points = append(one.points, point{p.X, p.Y})
				}
			}
			if len(one.points) > 0 {
				c.curves = append(c.curves, one)
			}
		}
		if len(c.curves) == 0 {
			continue
		}
		if err := os.MkdirAll(into, 0o755); err != nil { //nolint:gosec // pictures for everybody
			return err
		}
		name := filepath.Join(into, picture.file)
		if err := c.save(name); err != nil {
			return err
		}
		a.Tell("drawn: %s", name)
		drawn++
	}
	if drawn == 0 {
		return errors.New("the run has no curves: it has to measure one of goals 12, 13, 15, 16")
	}
	return nil
}
