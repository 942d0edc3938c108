package bench

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"pets/internal/bench"
	"pets/internal/cli"
)

func (a *app) benchCommand() *cobra.Command {
	var o bench.Options
	c := &cobra.Command{
		Use: "bench", Short: "Measure the store, the API and a replay on this machine, as ratios to what disk and network can do", Args: cobra.NoArgs,
		Long: "Measures the store in a fresh folder, which is removed afterwards, against plain writes and\n" +
			"flushes on the same disk, a server on loopback against a route that does nothing, and a replay against the same\n" +
			"without generated code. All contenders are open at once and take turns of 200 ms; each ratio\n" +
			"is the median over neighbouring turns. Absolute figures mean little.\n\n" +
			"In a checkout, make bench does the same with pebble and SQLite beside it.",
		RunE: func(c *cobra.Command, _ []string) error { return a.bench(c.Context(), o) },
	}
	c.AddCommand(a.benchStopsCommand(), a.benchPortfoliosCommand(), a.benchHashesCommand(), a.benchLatencyCommand(), a.loadCommand())
	c.Flags().StringVar(&o.Dir, "dir", "", "a `folder` on the disk to be measured (the one for temporary files by default)")
	c.Flags().IntVar(&o.Rounds, "rounds", 15, "how many turns each contender gets")
	c.Flags().IntVar(&o.Events, "events", 500_000, "how many events the store has that is opened")
	return c
}

func (a *app) bench(ctx context.Context, o bench.Options) error {
	if o.Rounds < 1 || o.Events < 1 {
		return cli.Usage(errors.New("--rounds and --events must be at least 1"))
	}
	bars := map[string]*cli.Bar{}
	o.Progress = func(what string, done, total int64) {
		if bars[what] == nil {
			bars[what] = a.Progress(what, total)
		}
		bars[what].To(done, total)
	}
	results, err := bench.Run(ctx, o)
	if err == nil {
		var api []bench.Measured
		api, err = a.goals56(ctx, o)
		results = append(results, api...)
	}
	if err == nil {
		var replay bench.Measured
		replay, err = a.goal7(ctx, o)
		results = append(results, replay)
	}
	for _, b := range bars {
		b.Finish()
	}
	if err != nil {
		return err
	}
	return a.printMeasured(results)
}

func (a *app) printMeasured(results []bench.Measured) error {
	if a.JSON {
		return a.PrintJSON(results)
	}
	p := a.Messages()
	for _, m := range results {
		for _, line := range m.Lines() {
			p.Line("%s", line)
		}
	}
	return p.Err
}
