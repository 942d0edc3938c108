package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/internal/bench"
	"pets/internal/cli"
)

// latencyOptions are the flags of pets bench latency.
type latencyOptions struct {
	dir, svg string
	seconds  int
	loads    []int // in percent
}

// pacedCallers is how many requests may be under way at once: more than the server needs to
// be busy, and fewer than a key, or the server, refuses.
const pacedCallers = 512

func (a *app) benchLatencyCommand() *cobra.Command {
	var o latencyOptions
	c := &cobra.Command{
		Use: "latency", Short: "Measure how long permits take while so many a second come, whatever the answers do", Args: cobra.NoArgs,
		Long: "Starts pets serve on a fresh folder, which is removed afterwards, and finds how many permits a second 64 bots get\n" +
			"at most. Then it sends permits at parts of that rate, each at its time, whether or not those before it are answered,\n" +
			"and counts each from that time: a pause of the server counts for all that would have come in it.",
		RunE: func(c *cobra.Command, _ []string) error { return a.benchLatency(c.Context(), o) },
	}
	c.Flags().StringVar(&o.dir, "dir", "", "a `folder` on the disk to be measured (the one for temporary files by default)")
	c.Flags().IntVar(&o.seconds, "seconds", 20, "how long each load lasts")
	c.Flags().IntSliceVar(&o.loads, "loads", []int{10, 50, 90}, "the loads, in percent of the highest rate")
	c.Flags().StringVar(&o.svg, "svg", "", "draw the curves into a `file`")
	return c
}

func (a *app) benchLatency(ctx context.Context, o latencyOptions) (err error) {
	if o.seconds < 1 || len(o.loads) == 0 || slices.Min(o.loads) < 1 || slices.Max(o.loads) > 200 {
		return cli.Usage(errors.New("--seconds must be at least 1, and --loads whole percents from 1 to 200"))
	}
	dir, err := os.MkdirTemp(o.dir, "pets-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l := latencyLoad{client: keeping(pacedCallers)}
	store := filepath.Join(dir, "store")
	if err := seed(ctx, store, func(s *seeder) error { return l.seed(ctx, s) }); err != nil {
		return err
	}
	if err := unlimited(dir); err != nil {
		return err
	}
	server, err := a.startServer(ctx, dir, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.kill()) }()
	l.url = server.url + "/v1/portfolios/bench"
	within := time.Duration(o.seconds) * time.Second
	a.Tell("the highest rate, 64 bots without a pause")
	highest, err := l.highest(ctx, within)
	if err != nil {
		return err
	}
	var stages []bench.Paced
	for _, percent := range o.loads {
		load := float64(percent) / 100
		a.Tell("%d %% of %.0f permits a second, %s", percent, highest, within)
		p := bench.Pace(ctx, load*highest, within, pacedCallers, l.permit)
		p.Load = load
		if stages = append(stages, p); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if o.svg != "" {
		if err := a.drawLatency(o.svg, highest, stages); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.PrintJSON(stages)
	}
	return a.Table(latencyRows(highest, stages))
}

func latencyRows(highest float64, stages []bench.Paced) [][]string {
	rows := [][]string{{"LOAD", "DUE/S", "ANSWERED/S", "SENT", "FAILED", "P50 MS", "P90", "P99", "P99.9", "MAX"}}
	ms := func(p *bench.Paced, of float64) string { return fmt.Sprintf("%.2f", p.At(of)) }
	for i := range stages {
		p := &stages[i]
		rows = append(rows, []string{
			fmt.Sprintf("%.0f %% of %.0f", p.Load*100, highest), fmt.Sprintf("%.0f", p.Rate), fmt.Sprintf("%.0f", p.Reached), fmt.Sprint(p.Count), fmt.Sprint(p.Failed),
			ms(p, 0.5), ms(p, 0.9), ms(p, 0.99), ms(p, 0.999), ms(p, 1),
		})
	}
	return rows
}

// latencyLoad asks for permits as 64 bots.
type latencyLoad struct {
	client *http.Client
	url    string
	bots   []loadClient
}

func (l *latencyLoad) seed(ctx context.Context, s *seeder) error {
	if _, err := s.admin(ctx); err != nil {
		return err
	}
	var names []string
	for n := range httpClients {
		names = append(names, fmt.Sprintf("bot%02d", n))
	}
	if err := s.open(ctx, "bench", names...); err != nil {
		return err
	}
	for _, name := range names {
		key, err := s.key(ctx, domain.RoleBot, "bench", name)
		if err != nil {
			return err
		}
		l.bots = append(l.bots, loadClient{Key: key, Portfolio: "bench", Bot: name})
	}
	return nil
}

// permit asks for one permit. Its short life keeps reservations from adding up.
func (l *latencyLoad) permit(ctx context.Context, caller int) error {
	bot := &l.bots[caller%len(l.bots)]
	d := door{l.client, l.url, bot.Key}
	_, err := d.must(ctx, http.MethodPost, "/permits", permitBody(bot.Bot))
	return err
}

// highest returns how many permits a second the bots get when each asks again as soon as it
// is answered.
func (l *latencyLoad) highest(ctx context.Context, within time.Duration) (float64, error) {
	var answered atomic.Int64
	began := time.Now()
	err := each(ctx, len(l.bots), len(l.bots), func(n int) error {
		for time.Since(began) < within && ctx.Err() == nil {
			if err := l.permit(ctx, n); err != nil {
				return err
			}
			answered.Add(1)
		}
		return nil
	})
	return float64(answered.Load()) / time.Since(began).Seconds(), err
}

// drawLatency draws what every part of the requests took at most.
func (a *app) drawLatency(file string, highest float64, stages []bench.Paced) error {
	c := curves{
		title: fmt.Sprintf("Permits over HTTP, at parts of %.0f a second", highest), xTitle: "of all requests, one in …", yTitle: "took longer than, ms",
	}
	for i := range stages {
		one := curve{name: fmt.Sprintf("%.0f %%", stages[i].Load*100)}
		for _, p := range stages[i].Curve {
			if p.Of < 1 && p.MS > 0 {
				one.points = append(one.points, point{1 / (1 - p.Of), p.MS})
			}
		}
		c.curves = append(c.curves, one)
	}
	return c.save(file)
}
