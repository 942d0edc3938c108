package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/internal/bench"
	"pets/internal/cli"
)

// stopGoal is the goal for the p99.9 of an emergency stop under load, in milliseconds.
const stopGoal = 50

// stopOptions are the flags of pets bench stops.
type stopOptions struct {
	dir                               string
	stops, own, callers, seconds      int
	permits, batches, size, readers   int
	strangers, halfBodies, historyLen int
	warmUp, perSource                 int
	stages, kinds                     []string
}

// loadPortfolios is the number of portfolios shared by the load and the bots to be stopped.
const loadPortfolios = 8

func (a *app) benchStopsCommand() *cobra.Command {
	o := stopOptions{kinds: stopKinds}
	c := &cobra.Command{
		Use: "stops", Short: "Measure how long a stop takes under load", Args: cobra.NoArgs,
		Long: "Starts pets serve on a folder of its own, which is removed afterwards, and stops portfolios and bots,\n" +
			"each over a connection of its own: on the idle server; beside clients that ask for permits, send\n" +
			"batches of fills and read the past, from another process; beside those and silent connections and\n" +
			"half bodies; and in the very portfolios, and of the very bots, that send the batches. With a key\n" +
			"over TCP, and over the stop socket where the server has one. A stop that fails counts with the time\n" +
			"after which it failed. Beside stops it asks for /livez in the same way, and a server that\n" +
			"does nothing, to tell what the machine takes.",
		RunE: func(c *cobra.Command, _ []string) error { return a.benchStops(c.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "a `folder` on the disk to be measured (the one for temporary files by default)")
	f.IntVar(&o.stops, "stops", 2000, "how many stops of each kind are sent")
	f.IntVar(&o.own, "own", 200, "how many stops go to portfolios and bots that send batches themselves")
	f.IntVar(&o.callers, "callers", 4, "how many send stops at once")
	f.StringSliceVar(&o.kinds, "kinds", stopKinds, "what is stopped")
	f.StringSliceVar(&o.stages, "stages", stages, "which circumstances are measured")
	f.IntVar(&o.seconds, "seconds", 30, "how long stops of a kind are sent at the most")
	f.IntVar(&o.warmUp, "warm-up", 5, "how many seconds a load runs before anything is stopped")
	f.IntVar(&o.permits, "permits", 64, "how many clients ask for permits")
	f.IntVar(&o.batches, "batches", 32, "how many clients send batches")
	f.IntVar(&o.size, "batch-size", 1000, "how many commands a batch has")
	f.IntVar(&o.readers, "readers", 8, "how many clients read the past")
	f.IntVar(&o.historyLen, "history", 20_000, "how many events the past has that they read")
	f.IntVar(&o.strangers, "strangers", 2100, "how many silent connections there are")
	f.IntVar(&o.perSource, "per-source", 32, "how many silent connections, or half bodies, come from one address (on Linux)")
	f.IntVar(&o.halfBodies, "half-bodies", 2060, "how many requests never end their body")
	return c
}

func (o *stopOptions) check() error {
	for _, n := range []int{o.stops, o.own, o.callers, o.seconds, o.permits, o.batches, o.size, o.readers, o.historyLen, o.perSource} {
		if n < 1 {
			return cli.Usage(errors.New("every count but those of strangers and half bodies must be at least 1"))
		}
	}
	if o.strangers < 0 || o.halfBodies < 0 || o.warmUp < 0 || o.size > 1000 {
		return cli.Usage(errors.New("--strangers, --half-bodies and --warm-up must not be negative, --batch-size not above 1000"))
	}
	for _, name := range o.kinds {
		if !slices.Contains(stopKinds, name) {
			return cli.Usage(fmt.Errorf("--kinds has %q; there are %s", name, strings.Join(stopKinds, ", ")))
		}
	}
	for _, name := range o.stages {
		if !slices.Contains(stages, name) {
			return cli.Usage(fmt.Errorf("--stages has %q; there are %s", name, strings.Join(stages, ", ")))
		}
	}
	return nil
}

// stopBench is the measurement of one stage, on a fresh folder, so that what a load leaves behind
// does not affect the next stage.
type stopBench struct {
	app    *app
	o      stopOptions
	name   string
	dir    string // the folder of this run
	store  string
	server *childServer
	ways   []stopWay
	admin  string
	// The clients of the load. own are the senders of batches that are stopped in stage "own".
	permits, batches, own, readers []loadClient

	idle    map[string]bench.Latency // results on the idle server, by kind of stop and way
	results []bench.Latency
}

func (a *app) benchStops(ctx context.Context, o stopOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	idle := map[string]bench.Latency{}
	var results []bench.Latency
	for _, name := range o.stages {
		b := &stopBench{app: a, o: o, name: name, idle: idle}
		if err := b.run(ctx); err != nil {
			return err
		}
		results = append(results, b.results...)
	}
	return a.printLatencies(results)
}

// run creates the folder, starts the server, and measures.
func (b *stopBench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp(b.o.dir, "pets-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.store = filepath.Join(b.dir, "store")
	if err := seed(ctx, b.store, func(s *seeder) error { return b.fill(ctx, s) }); err != nil {
		return err
	}
	if b.server, err = b.app.startServer(ctx, b.dir, b.store); err != nil {
		return err
	}
	defer func() {
		// The end of the server is not measured here, so a failure does not drop the figures.
		took, shut := b.server.shut(time.Minute)
		b.app.Tell("pets serve ended after %s%s", took.Round(time.Millisecond), because(shut))
	}()
	b.ways = stopWays(b.server, b.admin)
	if len(b.ways) == 1 {
		b.app.Tell("this build has no stop socket in its folder: stops go over TCP only")
	}
	if b.name == "idle" {
		return b.stage(ctx, nil)
	}
	l, err := b.app.startLoad(ctx, b.dir, b.plan())
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, l.end()) }()
	if err := b.warm(ctx, l); err != nil {
		return err
	}
	if b.name == "own" {
		return b.ownStops(ctx, l)
	}
	return b.stage(ctx, l)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func (a *app) printLatencies(all []bench.Latency) error {
	if a.JSON {
		return a.PrintJSON(all)
	}
	p := a.Messages()
	for _, l := range all {
		for _, line := range l.Lines() {
			p.Line("%s", line)
		}
	}
	return p.Err
}

// stages are the circumstances under which stops are measured.
var stages = []string{"idle", "loaded", "crowded", "own"}

// wayNames are the ways on which a stop reaches the server; stopKinds are what it stops.
var (
	wayNames  = []string{"tcp", "socket"}
	stopKinds = []string{"emergency stop", "bot stop"}
)

func toStop(way string, i int) string { return fmt.Sprintf("%s-%05d", way, i) }

func loadPortfolio(i int) string { return fmt.Sprintf("load-%d", i%loadPortfolios) }

// stoppable returns the i-th bot that exists only to be stopped.
func stoppable(i int) (portfolio, bot string) {
	return loadPortfolio(i), fmt.Sprintf("stop-%05d", i)
}

// fill creates the portfolios, the bots and the admin key.
func (b *stopBench) fill(ctx context.Context, s *seeder) error {
	var err error
	if b.admin, err = s.admin(ctx); err != nil {
		return err
	}
	var names []string
	if b.name == "own" {
		for n := range len(wayNames) * len(stopKinds) * b.o.own {
			b.own = append(b.own, loadClient{Portfolio: fmt.Sprintf("own-%05d", n), Bot: "bot"})
			names = append(names, b.own[n].Portfolio)
		}
	} else {
		for _, way := range wayNames {
			for i := range b.o.stops {
				names = append(names, toStop(way, i))
			}
		}
	}
	if err := each(ctx, len(names), 64, func(i int) error { return s.open(ctx, names[i], "bot") }); err != nil {
		return err
	}
	bots := make([][]string, loadPortfolios)
	for i := range b.o.stops {
		_, bot := stoppable(i)
		bots[i%loadPortfolios] = append(bots[i%loadPortfolios], bot)
	}
	client := func(kind string, i int) loadClient {
		c := loadClient{Portfolio: loadPortfolio(i), Bot: fmt.Sprintf("%s-%05d", kind, i)}
		bots[i%loadPortfolios] = append(bots[i%loadPortfolios], c.Bot)
		return c
	}
	for i := range b.o.permits {
		b.permits = append(b.permits, client("asks", i))
	}
	for i := range b.o.batches {
		b.batches = append(b.batches, client("sends", i))
	}
	for i := range bots {
		if err := s.open(ctx, loadPortfolio(i), bots[i]...); err != nil {
			return err
		}
	}
	return b.fillPast(ctx, s)
}

// fillPast creates the history to read, and the keys of the load.
func (b *stopBench) fillPast(ctx context.Context, s *seeder) error {
	if err := s.open(ctx, "past", "bot"); err != nil {
		return err
	}
	if err := s.history(ctx, "past", "bot", b.o.historyLen); err != nil {
		return err
	}
	for range b.o.readers {
		b.readers = append(b.readers, loadClient{Portfolio: "past"})
	}
	for _, clients := range [][]loadClient{b.permits, b.batches, b.readers, b.own} {
		err := each(ctx, len(clients), 64, func(i int) error {
			c := &clients[i]
			role := domain.RoleBot
			if c.Bot == "" {
				role = domain.RoleAuditor
			}
			var err error
			c.Key, err = s.key(ctx, role, c.Portfolio, c.Bot)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// plan returns the load of a stage.
func (b *stopBench) plan() *loadPlan {
	p := &loadPlan{
		URL: b.server.url, Permits: b.permits, Batches: b.batches, Size: b.o.size, Readers: b.readers, Revisions: b.o.historyLen, Next: b.own, Half: b.permits[0],
	}
	if b.name == "crowded" {
		p.Strangers, p.HalfBodies, p.PerSource = b.o.strangers, b.o.halfBodies, b.o.perSource
	}
	return p
}

// warm waits until the load is running: every kind of request was answered once, and all silent
// connections are held. It gives up after a while.
func (b *stopBench) warm(ctx context.Context, l *childLoad) error {
	for range 60 {
		r, err := l.report()
		if err != nil {
			return err
		}
		answered := r.Permits > 0 && r.Batches > 0 && r.Reads > 0
		held := b.name != "crowded" || (r.Open >= int64(b.o.strangers) && r.Half >= int64(b.o.halfBodies))
		if r.Seconds > float64(b.o.warmUp) && answered && held {
			return nil
		}
		pause(ctx, 250*time.Millisecond)
	}
	return ctx.Err()
}

// stage stops a set of portfolios and bots, on every way.
func (b *stopBench) stage(ctx context.Context, l *childLoad) error {
	for n, w := range b.ways {
		if n > 0 {
			if err := b.ways[0].startAll(ctx, b.o.stops); err != nil {
				b.app.Tell("the bots cannot all be started again: %v", err)
			}
		}
		for _, kind := range b.o.kinds {
			err := b.row(ctx, kind, w, b.o.stops, l, func(ctx context.Context, i int) (bool, error) {
				if kind == stopKinds[1] {
					portfolio, bot := stoppable(i)
					return w.stop(ctx, kind, portfolio, bot)
				}
				return w.stop(ctx, kind, toStop(w.name, i), "")
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// row measures one kind of stop on one way.
func (b *stopBench) row(ctx context.Context, kind string, w stopWay, n int, l *childLoad, send func(context.Context, int) (bool, error)) error {
	what := fmt.Sprintf("%s, %s, %s", kind, w.title, stageTitles[b.name])
	b.app.Tell("%s", what)
	var before, after loadReport
	var err error
	if l != nil {
		if before, err = l.report(); err != nil {
			return err
		}
	}
	beside, closeFloors, err := newFloors(w)
	if err != nil {
		return err
	}
	defer func() { _ = closeFloors() }() // a close error changes nothing
	end := beside.ask(ctx)
	m, err := bench.Sample(ctx, what, n, b.o.callers, time.Duration(b.o.seconds)*time.Second, send)
	end()
	if err != nil {
		return err
	}
	m.Floors = beside.latencies()
	if l != nil {
		if after, err = l.report(); err != nil {
			return err
		}
		m.Load = after.lines(before)
		m = m.Against(b.idle[kind+w.name])
	}
	switch {
	case b.name == "idle":
		b.idle[kind+w.name] = m
	case kind == stopKinds[0]:
		m = m.Goal(stopGoal)
	}
	b.results = append(b.results, m)
	return nil
}

var stageTitles = map[string]string{
	"idle":    "idle server",
	"loaded":  "beside permits, batches and readers of the past",
	"crowded": "beside those, silent connections and half bodies",
	"own":     "of what sends batches itself, beside the load",
}

// ownStops stops portfolios and bots that send batches at that moment. After each stop, the sender
// moves to the next one without a sender.
func (b *stopBench) ownStops(ctx context.Context, l *childLoad) error {
	senders := min(len(b.batches), b.o.own)
	move := func(sender, to int) error { return l.send(loadOrder{Move: &loadMove{sender, to}}) }
	for n, w := range b.ways {
		for k, kind := range stopKinds {
			first := (n*len(stopKinds) + k) * b.o.own // an index into b.own
			for i := range senders {
				if err := move(i, first+i); err != nil {
					return err
				}
			}
			pause(ctx, time.Duration(b.o.warmUp)*time.Second/2) // lets earlier batches finish
			err := b.row(ctx, kind, w, b.o.own, l, func(ctx context.Context, i int) (bool, error) {
				later, err := w.stop(ctx, kind, b.own[first+i].Portfolio, b.own[first+i].Bot)
				if next := i + senders; next < b.o.own {
					err = errors.Join(err, move(i%senders, first+next))
				}
				return later, err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
