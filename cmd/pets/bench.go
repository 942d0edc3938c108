package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/eventstore"
	"pets/eventstore/embedded"
)

// How pets bench measures: everything is open at once and takes turns, because
// what a disk does changes by the second; only ratios of neighbouring turns mean
// anything, and of those the middle one.
const (
	benchSlice   = 200 * time.Millisecond
	benchWriters = 64
	benchBytes   = 250 // of one record, framing not counted
)

// measured is one goal and what came of it.
type measured struct {
	Goal  int     `json:"goal"`
	What  string  `json:"what"`
	Ratio float64 `json:"ratio"`
	Want  string  `json:"want"`
	OK    bool    `json:"ok"`
	// Ours and Theirs are the middle figures of both sides, in Unit.
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs"`
	Unit   string  `json:"unit"`
}

func (a *app) benchCommand() *cobra.Command {
	b := &bench{app: a}
	c := &cobra.Command{
		Use: "bench", Short: "Measure the store on this disk, as ratios to what the disk itself can do", Args: cobra.NoArgs,
		Long: "Measures the store in a fresh folder, which is removed afterwards, against plain writes and\n" +
			"flushes on the same disk. All contenders are open at once and take turns of 200 ms; each ratio\n" +
			"is the middle one of those of neighbouring turns. Absolute figures mean little.",
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context()) },
	}
	c.Flags().StringVar(&b.dir, "dir", "", "a `folder` on the disk to be measured (the one for temporary files by default)")
	c.Flags().IntVar(&b.rounds, "rounds", 15, "how many turns each contender gets")
	c.Flags().IntVar(&b.events, "events", 500_000, "how many events the store has that is opened")
	return c
}

// bench is one run.
type bench struct {
	app            *app
	dir            string
	rounds, events int

	store *embedded.Store
	next  []eventstore.Expected // by writer, where its stream is
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.rounds < 1 || b.events < 1 {
		return errUsage{errors.New("--rounds and --events must be at least 1")}
	}
	dir, err := os.MkdirTemp(b.dir, "pets-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	folder := filepath.Join(dir, "store")
	if b.store, err = embedded.Open(folder, embedded.Options{}); err != nil {
		return err
	}
	b.next = slices.Repeat([]eventstore.Expected{eventstore.NoStream}, benchWriters)
	results, err := b.appends(ctx, dir)
	if err == nil {
		err = b.grow(ctx)
	}
	if err = errors.Join(err, b.store.Close()); err != nil {
		return err
	}
	opening, err := b.opens(ctx, dir, folder)
	if err != nil {
		return err
	}
	return b.print(append(results, opening))
}

// append puts one record at the end of a writer's stream.
func (b *bench) append(ctx context.Context, writer int) error {
	record := eventstore.Proposed{ID: uuid.New(), Type: "fill.recorded.v1", Time: time.Now(), Metadata: filler[:50], Data: filler[:benchBytes-50]}
	_, err := b.store.Append(ctx, fmt.Sprintf("portfolio-%d", writer), b.next[writer], []eventstore.Proposed{record})
	b.next[writer]++
	return err
}

var filler = []byte(fmt.Sprintf("%-*s", benchBytes, `{"bot":"value","market":"0x1f2e","side":"buy"}`))

// appends measures goals 1 and 4.
func (b *bench) appends(ctx context.Context, dir string) ([]measured, error) {
	many, err := newRawFile(dir, "floor")
	if err != nil {
		return nil, err
	}
	one, err := newRawFile(dir, "raw")
	if err != nil {
		return nil, errors.Join(err, many.f.Close())
	}
	all := []contender{
		{"store, 64 writers", benchWriters, func(w int) error { return b.append(ctx, w) }},
		{"floor, 64 writers", benchWriters, func(int) error { return many.together(filler) }},
		{"store, one caller", 1, func(w int) error { return b.append(ctx, w) }},
		{"raw, one caller", 1, func(int) error { return one.alone(filler) }},
	}
	figures, err := b.turns(ctx, all)
	if err = errors.Join(err, many.f.Close(), one.f.Close()); err != nil {
		return nil, err
	}
	throughput := compare(1, "durable events/s, 64 writers: store ÷ write and fdatasync together on a growing file", "events/s", figures[0], figures[1])
	throughput.Want, throughput.OK = "≥ 1.5", throughput.Ratio >= 1.5
	latency := compare(4, "one caller, median: store ÷ write and fdatasync", "µs", figures[2], figures[3])
	latency.Want, latency.OK = "≤ 1.3", latency.Ratio <= 1.3
	return []measured{throughput, latency}, nil
}

// turns returns the figures of each contender: operations in a second, or for
// one writer the microseconds that the middle one took.
func (b *bench) turns(ctx context.Context, all []contender) ([][]float64, error) {
	figures := make([][]float64, len(all))
	bar := b.app.progress("measuring", int64(b.rounds))
	defer bar.finish()
	for round := range b.rounds + 1 { // the first is to warm up
		for i := range all {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			rate, median, err := all[i].turn(benchSlice)
			if err != nil {
				return nil, err
			}
			if all[i].writers == 1 {
				rate = median * 1e6
			}
			if round > 0 {
				figures[i] = append(figures[i], rate)
			}
		}
		bar.to(int64(round), int64(b.rounds))
	}
	return figures, nil
}

// grow appends until the store has the events that it is to be opened with.
func (b *bench) grow(ctx context.Context) error {
	bar := b.app.progress("growing", int64(b.events))
	defer bar.finish()
	writers := contender{"store", benchWriters, func(w int) error { return b.append(ctx, w) }}
	for {
		have := 0
		for _, n := range b.next {
			have += int(n) + 1
		}
		bar.to(int64(have), int64(b.events))
		if have >= b.events {
			return nil
		}
		if _, _, err := writers.turn(benchSlice); err != nil {
			return err
		}
	}
}

// opens measures goal 10: the same files with their indexes, and without.
func (b *bench) opens(ctx context.Context, dir, folder string) (measured, error) {
	if err := b.index(ctx, folder); err != nil {
		return measured{}, err
	}
	bare := filepath.Join(dir, "bare")
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err = errors.Join(err, os.Mkdir(bare, 0o700)); err != nil {
		return measured{}, err
	}
	for _, name := range names {
		if filepath.Ext(name) != ".idx" {
			if err := os.Link(name, filepath.Join(bare, filepath.Base(name))); err != nil {
				return measured{}, err
			}
		}
	}
	opening := func(folder string) func(int) error {
		return func(int) error {
			s, err := embedded.OpenReadOnly(folder, embedded.Options{})
			if err != nil {
				return err
			}
			return s.Close()
		}
	}
	figures, err := b.turns(ctx, []contender{{"index", 1, opening(folder)}, {"scan", 1, opening(bare)}})
	if err != nil {
		return measured{}, err
	}
	m := compare(10, fmt.Sprintf("open %d events: by the indexes ÷ reading everything", b.events), "µs", figures[0], figures[1])
	m.Want, m.OK = "≤ 0.2", m.Ratio <= 0.2
	return m, nil
}

// index opens the store for writing until every sealed segment has its index.
func (b *bench) index(ctx context.Context, folder string) error {
	for ctx.Err() == nil {
		segments, err := filepath.Glob(filepath.Join(folder, "*.seg"))
		if err != nil {
			return err
		}
		indexes, err := filepath.Glob(filepath.Join(folder, "*.idx"))
		if err != nil {
			return err
		}
		if len(indexes) >= len(segments)-1 {
			return nil
		}
		s, err := embedded.Open(folder, embedded.Options{})
		if err != nil {
			return err
		}
		time.Sleep(benchSlice)
		if err := s.Close(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// compare takes the middle of the ratios of neighbouring turns.
func compare(goal int, what, unit string, ours, theirs []float64) measured {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	return measured{Goal: goal, What: what, Unit: unit, Ratio: middle(ratios), Ours: middle(ours), Theirs: middle(theirs)}
}

func middle(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(x))
	return sorted[len(sorted)/2]
}

func (b *bench) print(results []measured) error {
	if b.app.json {
		return b.app.printJSON(results)
	}
	p := &printer{w: b.app.out}
	for _, m := range results {
		verdict := "reached"
		if !m.OK {
			verdict = "MISSED"
		}
		p.line("goal %-3d %.2f   %s   %s", m.Goal, m.Ratio, m.Want, verdict)
		p.line("         %s", m.What)
		p.line("         %.0f ÷ %.0f %s", m.Ours, m.Theirs, m.Unit)
	}
	return p.err
}
