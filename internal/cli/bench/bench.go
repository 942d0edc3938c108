package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/internal/bench"
	"pets/internal/cli"
)

// goals are the numbers of all goals.
var goals = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}

// goalOptions are the flags of pets bench.
type goalOptions struct {
	dir            string
	rounds, events int
	goals          []int
	numbers        []string // of the goals, as typed
	compare        string
	quick          bool
}

// quickEvents is the length of the history that --quick measures.
const quickEvents = 3000

func (a *app) benchCommand() *cobra.Command {
	var o goalOptions
	c := &cobra.Command{
		Use: "bench", Short: "Measure the store, the API and a long history on this machine, beside what they are compared with", Args: cobra.NoArgs,
		Long: "Measures every goal of docs/performance.md in fresh folders, which are removed afterwards. ^C ends it, prints\n" +
			"what was measured so far, marked as interrupted, and exits with 1.\n" +
			"Contenders are open at once and take turns of 200 ms; a ratio is the median over neighbouring turns, because\n" +
			"absolute figures vary tenfold with other load on a machine. What grows with the history is measured at a tenth,\n" +
			"a third and all of --events, with pets serve in a process of its own.\n\n" +
			"In a checkout, make bench does the same with pebble, SQLite and PostgreSQL beside it (goals 2 and 11).",
		Example: "  pets bench --goals 3,5,6\n  pets bench --json > before.json\n  pets bench --compare before.json\n  pets bench --events 10000000 --goals 12,13,14,15,16",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.quick && !c.Flags().Changed("events") {
				o.events = quickEvents
			}
			return a.bench(c.Context(), o)
		},
	}
	c.AddCommand(a.benchStopsCommand(), a.benchPortfoliosCommand(), a.benchHashesCommand(), a.benchLatencyCommand(), a.benchScaleCommand(), a.benchCurvesCommand(), a.loadCommand())
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "a `folder` on the disk to be measured (the one for temporary files by default)")
	f.IntVar(&o.rounds, "rounds", 15, "how many turns each contender gets")
	f.IntVar(&o.events, "events", 1_000_000, "how many events the longest history has, and the store that is opened")
	f.StringSliceVar(&o.numbers, "goals", texts(goals), "which goals are measured, by their `numbers`")
	f.StringVar(&o.compare, "compare", "", "print the figures beside those of a `file` that pets bench --json has written")
	f.BoolVar(&o.quick, "quick", false, "measure everything at a tiny size, with a history of 3000 events unless --events says otherwise, to see that it works: the figures mean nothing")
	return c
}

func (o *goalOptions) check() error {
	if o.rounds < 1 || o.events < 1000 {
		return cli.Usage(errors.New("--rounds must be at least 1, and --events at least 1000"))
	}
	for _, text := range o.numbers {
		g, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || !slices.Contains(goals, g) {
			return cli.Usage(fmt.Errorf("--goals has something that is not the number of a goal: give numbers from %d to %d with commas between them, such as --goals 3,5,6", goals[0], goals[len(goals)-1]))
		}
		o.goals = append(o.goals, g)
	}
	return nil
}

func texts(numbers []int) (all []string) {
	for _, n := range numbers {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

// wants reports whether one of the goals is to be measured.
func (o *goalOptions) wants(some ...int) bool {
	return slices.ContainsFunc(some, func(g int) bool { return slices.Contains(o.goals, g) })
}

// suite is one run of pets bench.
type suite struct {
	*app
	o      goalOptions
	sizes  sizes
	report bench.Report
	bars   map[string]*cli.Bar
}

func (a *app) bench(ctx context.Context, o goalOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	var then *bench.Report
	if o.compare != "" { // before minutes of work
		var err error
		if then, err = bench.ReadReport(o.compare); err != nil {
			return cli.Usage(err)
		}
	}
	b, err := a.measureGoals(ctx, o)
	if err != nil && (ctx.Err() == nil || len(b.report.Results) == 0) {
		return err
	}
	b.report.Interrupted = err != nil
	if then != nil {
		b.report.Compared = b.report.Compare(o.compare, then)
	}
	if printed := a.printReport(&b.report); printed != nil {
		return printed
	}
	if err != nil { // whatever it broke, the interruption is the reason
		return context.Cause(ctx)
	}
	return nil
}

// measureGoals measures what is wanted, one goal after the other. With an error it returns what was
// measured before.
func (a *app) measureGoals(ctx context.Context, o goalOptions) (*suite, error) {
	b := &suite{app: a, o: o, sizes: sizesOf(o), bars: map[string]*cli.Bar{}}
	defer b.finishBars()
	defer func() {
		slices.SortStableFunc(b.report.Results, func(x, y bench.Measured) int { return x.Goal - y.Goal })
	}()
	dir := o.dir
	if dir == "" {
		dir = os.TempDir()
	}
	b.report = bench.Report{
		Machine: bench.Describe(dir), Began: time.Now().UTC().Truncate(time.Second), Rounds: o.rounds, Events: o.events, Quick: o.quick,
		Results: []bench.Measured{}, Curves: map[string][]bench.Point{},
	}
	b.report.Machine.Build = strings.TrimSpace(a.VersionText() + " " + b.report.Machine.Build)
	for _, part := range []struct {
		goals   []int
		title   string
		measure func(context.Context) error
	}{
		{[]int{1, 2, 4, 10}, "goals 1, 2, 4, 10: the store", b.storeGoals},
		{[]int{3, 5, 6}, "goals 3, 5, 6: commands in process and over HTTP", b.commandGoals},
		{[]int{7, 8}, "goals 7, 8: replay", b.replayGoals},
		{[]int{9}, "", b.sweepGoal},
		{[]int{11}, "goal 11: another ledger", b.ledgerGoal},
		{[]int{12, 13, 14, 15, 16}, "goals 12 to 16: over the length of the history", b.lengthGoals},
		{[]int{13}, "goal 13: many portfolios, bots and permits", b.slopeGoals},
		{[]int{17}, "goal 17: emergency stops under load", b.stopGoals},
	} {
		if !o.wants(part.goals...) {
			continue
		}
		if part.title != "" {
			a.Tell("%s", part.title)
		}
		if err := part.measure(ctx); err != nil {
			return b, fmt.Errorf("%s: %w", part.title, err)
		}
		if err := ctx.Err(); err != nil {
			return b, err
		}
	}
	return b, nil
}

// add keeps the figures of the goals that are wanted.
func (b *suite) add(all ...bench.Measured) {
	for _, m := range all {
		if m.Goal == 0 || b.o.wants(m.Goal) {
			b.report.Results = append(b.report.Results, m)
		}
	}
}

// progress shows how far something is.
func (b *suite) progress(what string, done, total int64) {
	if b.bars[what] == nil {
		b.bars[what] = b.Progress(what, total)
	}
	b.bars[what].To(done, total)
}

func (b *suite) finishBars() {
	for _, bar := range b.bars {
		bar.Finish()
	}
}

// inFolder calls work with a fresh folder, and removes it.
func (b *suite) inFolder(work func(dir string) error) (err error) {
	dir, err := os.MkdirTemp(b.o.dir, "pets-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return work(dir)
}

// turns is bench.Turns with the series by the names of the contenders.
func (b *suite) turns(ctx context.Context, all []bench.Contender) (map[string][]float64, error) {
	figures, err := bench.Turns(ctx, b.o.rounds, all, b.progress)
	if err != nil {
		return nil, err
	}
	series := map[string][]float64{}
	for i, c := range all {
		series[c.Name] = figures[i]
	}
	return series, nil
}

// inMakeBench says where the goals with rivals are measured.
const inMakeBench = "needs a module of its own: make bench, in a checkout, measures it"

func (b *suite) storeGoals(ctx context.Context) error {
	results, err := bench.Run(ctx, bench.Options{
		Dir: b.o.dir, Rounds: b.o.rounds, Events: b.o.events, Rivals: b.rivals.Stores, Progress: b.progress, Wants: func(goal int) bool { return b.o.wants(goal) },
	})
	if err != nil {
		return err
	}
	b.add(results...)
	if len(b.rivals.Stores) == 0 {
		b.add(bench.Skip(2, "durable events ÷ pebble, SQLite", inMakeBench))
	}
	return nil
}

func (b *suite) sweepGoal(context.Context) error {
	b.add(bench.Skip(9, "sweep of 100 configurations", "there is no sweep yet; it comes with what-if replays"))
	return nil
}
