package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/bench"
	"pets/internal/open"
)

// pastID is the portfolio with the long history.
const pastID = "past"

// lengthBench measures a server on one portfolio, as its history grows: memory (goal 12), slopes
// (13), a start after kill -9 (15) and looks at the past (16). At its full length it also measures
// the pauses of the writer (14).
type lengthBench struct {
	*suite
	dir, store string
	admin      string // the admin's key
	load       *clients
	lengths    []lengthFigures
}

// lengthFigures are those of one length of the history. Times are in seconds, memory in bytes.
type lengthFigures struct {
	events   float64
	replay   float64 // the fold of everything in this process: processor time
	start    float64 // after a graceful end
	ready    float64 // after kill -9
	resident float64 // once the server is ready and quiet; 0 if unknown here
	most     float64 // the most that was resident
	http     []float64
	folder   []float64
}

func (b *suite) lengthGoals(ctx context.Context) error {
	return b.inFolder(func(dir string) error {
		l := &lengthBench{suite: b, dir: dir, store: filepath.Join(dir, "store")}
		if err := unlimited(dir); err != nil {
			return err
		}
		if b.o.wants(12) {
			if err := b.stateMemory(ctx, dir); err != nil {
				return err
			}
		}
		lengths := b.sizes.lengths
		if !b.o.wants(12, 13, 15, 16) { // the pauses need the longest only
			lengths = lengths[len(lengths)-1:]
		}
		for i, n := range lengths {
			if err := l.grow(ctx, i == 0, n); err != nil {
				return err
			}
			if !b.o.wants(12, 13, 15, 16) {
				break
			}
			if err := l.measure(ctx, n); err != nil {
				return err
			}
		}
		l.results()
		if b.o.wants(14) {
			return l.pauses(ctx)
		}
		return nil
	})
}

// unlimited writes settings without limits for the servers in a folder.
func unlimited(dir string) error {
	return os.WriteFile(filepath.Join(dir, ".env"), []byte("PETS_RATE_LIMIT=0\nPETS_BYTES_PER_DAY=0\n"), 0o600)
}

// grow makes the history longer, in this process.
func (l *lengthBench) grow(ctx context.Context, first bool, events int) error {
	l.Tell("a history of %d events", events)
	return seed(ctx, l.store, func(s *seeder) (err error) {
		p := &past{seeder: s, id: pastID, bots: pastBots()}
		if first {
			if l.admin, err = s.admin(ctx); err != nil {
				return err
			}
			names := clientNames(httpClients)
			if err := s.open(ctx, pastID, slices.Concat(p.bots, names)...); err != nil {
				return err
			}
			if l.load, err = seedClients(ctx, s, pastID, names); err != nil {
				return err
			}
		} else if len(l.lengths) > 0 {
			p.last = uint64(l.lengths[len(l.lengths)-1].events)
		}
		return p.grow(ctx, events, l.progress)
	})
}

// measure measures one length.
func (l *lengthBench) measure(ctx context.Context, n int) (err error) {
	f := lengthFigures{events: float64(n)}
	if f.replay, err = l.replay(ctx); err != nil {
		return err
	}
	l.Tell("%d events: start, memory, looks at the past", n)
	server, err := l.startServer(ctx, l.dir, l.store)
	if err != nil {
		return err
	}
	f.start = server.took.Seconds()
	err = l.beside(ctx, server, n, &f)
	_, f.most, _ = bench.Resident(server.cmd.Process.Pid)
	if err = errors.Join(err, server.kill()); err != nil {
		return err
	}
	l.Tell("%d events: start after kill -9", n)
	if server, err = l.startServer(ctx, l.dir, l.store); err != nil {
		return err
	}
	f.ready = server.took.Seconds()
	if _, err := server.shut(benchPatience); err != nil {
		return err
	}
	if f.folder, err = l.onFolder(ctx, n); err != nil {
		return err
	}
	l.lengths = append(l.lengths, f)
	return nil
}

// replay folds the whole stream in this process.
func (l *lengthBench) replay(ctx context.Context) (float64, error) {
	store, err := open.ReadFolder(l.store)
	if err != nil {
		return 0, err
	}
	took, err := cost(func() error { return foldStream(ctx, store, commands.Stream(pastID)) })
	return took, errors.Join(err, store.Close())
}

func foldStream(ctx context.Context, store eventstore.Store, stream string) error {
	f := newFolder(&domain.Decoder{})
	return eventstore.Walk(ctx, store, stream, 0, func(rec eventstore.Record) error { return f.fold(&rec) })
}

// beside measures a running server: its memory, its answers about the past, and then some load, so
// that there is something to fold after its end.
func (l *lengthBench) beside(ctx context.Context, server *childServer, n int, f *lengthFigures) error {
	select { // this history was made without a server, which would have made the checkpoints
	case <-server.audited:
	case <-time.After(benchPatience):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.resident = settled(ctx, server.cmd.Process.Pid, time.Duration(l.sizes.seconds)*4*time.Second)
	d := door{keeping(1), server.url + "/v1/portfolios/" + pastID, l.admin}
	for _, at := range moments(n, l.sizes.moments) {
		began := time.Now()
		if _, err := d.must(ctx, http.MethodGet, fmt.Sprintf("/state?at=%d", at), ""); err != nil {
			return err
		}
		f.http = append(f.http, time.Since(began).Seconds())
	}
	l.load.at(server.url)
	until := time.Now().Add(time.Duration(l.sizes.seconds) * time.Second)
	return each(ctx, httpClients, httpClients, func(i int) error {
		for time.Now().Before(until) && ctx.Err() == nil {
			if _, err := l.load.doors[i].must(ctx, http.MethodPost, "/permits", permitBody(l.load.bots[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

// settled waits until the memory of a process changes by less than 1 % a second, and returns it.
func settled(ctx context.Context, pid int, within time.Duration) float64 {
	now, _, ok := bench.Resident(pid)
	for end := time.Now().Add(within); ok && time.Now().Before(end) && ctx.Err() == nil; {
		before := now
		pause(ctx, time.Second)
		if now, _, ok = bench.Resident(pid); now < before*1.01 && now > before*0.99 {
			break
		}
	}
	return now
}

// moments returns revisions of a history, the same in every run.
func moments(n, count int) []int {
	r := rand.New(rand.NewPCG(1, uint64(n))) //nolint:gosec // no secret
	all := make([]int, count)
	for i := range all {
		all[i] = 1 + r.IntN(n-1)
	}
	return all
}

// onFolder looks at past moments with the command line, without a server.
func (l *lengthBench) onFolder(ctx context.Context, n int) (took []float64, err error) {
	for _, at := range moments(n, l.sizes.folder) {
		c, err := l.childCommand(ctx, l.dir, "state", "--json", "--portfolio", pastID, "--at", fmt.Sprint(at), "--store", "embedded:"+l.store)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if out, err := c.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("state --at %d: %w: %s", at, err, out[:min(len(out), 500)])
		}
		took = append(took, time.Since(began).Seconds())
	}
	return took, nil
}

// results makes the figures of goals 12, 13, 15 and 16, and the curves.
func (l *lengthBench) results() {
	if len(l.lengths) == 0 {
		return
	}
	first, last := l.lengths[0], l.lengths[len(l.lengths)-1]
	l.memoryResults(first, last)
	l.curve("start after kill -9", func(f lengthFigures) float64 { return f.ready })
	replay := l.curve("replay of everything", func(f lengthFigures) float64 { return f.replay })
	start := l.curve("start after a graceful end", func(f lengthFigures) float64 { return f.start })
	l.curve("state?at= over HTTP, slowest", func(f lengthFigures) float64 { return slices.Max(f.http) * 1000 })
	l.curve("state --at on the folder, slowest", func(f lengthFigures) float64 { return slices.Max(f.folder) * 1000 })
	slope := func(name, unit string, points []bench.Point) bench.Measured {
		return slopeOf(name+" over events", fmt.Sprintf("at %.0f, %.0f and %.0f events of one portfolio", first.events, l.lengths[len(l.lengths)/2].events, last.events), unit, points)
	}
	l.add(slope("replay", ofProcessor, replay), slope("start", "s", start))
	l.add(bench.Measured{
		Goal: 15, Name: "kill -9 to ready", What: fmt.Sprintf("pets serve with %.0f events of one portfolio, killed after load, from its start until it answers", last.events), Unit: "s", Value: last.ready,
	}.Most(2))
	what := fmt.Sprintf("the slowest of %d random moments of %.0f events", len(last.http), last.events)
	over := bench.Measured{Goal: 16, Name: "state?at= over HTTP", What: what, Unit: "ms", Value: slices.Max(last.http) * 1000}.Most(150)
	over.Note = "median " + bench.Figure(median(last.http)*1000) + " ms"
	what = fmt.Sprintf("the slowest of %d random moments of %.0f events, a whole run of the command", len(last.folder), last.events)
	there := bench.Measured{Goal: 16, Name: "state --at on the folder", What: what, Unit: "ms", Value: slices.Max(last.folder) * 1000}.Most(500)
	there.Note = "median " + bench.Figure(median(last.folder)*1000) + " ms"
	l.add(over, there)
}

// memoryResults makes the figures of memory, where this system tells it.
func (l *lengthBench) memoryResults(first, last lengthFigures) {
	const why = "the memory of a process is read from /proc, which only Linux has"
	if last.resident == 0 {
		l.add(bench.Skip(12, "memory of serve", why), bench.Skip(13, "memory over events", why))
		return
	}
	memory := l.curve("resident memory", func(f lengthFigures) float64 { return f.resident / 1e6 })
	resident := bench.Measured{
		Goal: 12, Name: "memory of serve", What: fmt.Sprintf("resident in pets serve, ready and quiet, with %.0f events of one portfolio", last.events), Unit: "MB", Value: last.resident / 1e6,
	}.Most(500)
	resident.Note = fmt.Sprintf("at the most, under load: %s MB", bench.Figure(last.most/1e6))
	growth := bench.Measured{
		Goal: 12, Name: "memory of an event", What: fmt.Sprintf("growth of the same from %.0f to %.0f events, by event", first.events, last.events), Unit: "bytes",
		Value: (last.resident - first.resident) / (last.events - first.events),
	}.Most(20)
	l.add(resident, growth, slopeOf("memory over events", "resident in pets serve, at the same lengths", "MB", memory))
}

// curve keeps a cost over the length of the history.
func (l *lengthBench) curve(name string, of func(lengthFigures) float64) (points []bench.Point) {
	for _, f := range l.lengths {
		points = append(points, bench.Point{X: f.events, Y: of(f)})
	}
	l.report.Curves[name] = points
	return points
}

func median(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }

// slopeOf makes a figure of goal 13.
func slopeOf(name, what, unit string, points []bench.Point) bench.Measured {
	m := bench.Measured{Goal: 13, Name: name, What: "exponent of the growth, " + what + ", the steepest of them", Value: bench.Slope(points)}.Most(1.1)
	for _, p := range points {
		if m.Note != "" {
			m.Note += ", "
		}
		m.Note += fmt.Sprintf("%s %s at %.0f", bench.Figure(p.Y), unit, p.X)
	}
	return m
}
