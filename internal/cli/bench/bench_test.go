package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/bench"
	"pets/internal/cli"
	"pets/internal/open"
)

// Every goal is measured, or says why not, in folders that are removed afterwards. The test does
// not check figures: they depend on the machine.
func TestBench(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers")
	}
	var r bench.Report
	measured(t, &r, "--quick", "--rounds", "1", "--events", "3000")
	require.NotEmpty(t, r.Machine.Go)
	require.Positive(t, r.Machine.Cores)
	rows := map[int]int{}
	for _, m := range r.Results {
		rows[m.Goal]++
		require.NotEmpty(t, m.Name)
		if m.Skipped == "" {
			require.NotEmpty(t, m.What, m.Name)
			require.NotEmpty(t, m.Figure(), m.Name)
		}
	}
	want := map[int]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 1, 7: 1, 8: 1, 9: 1, 10: 2, 11: 1, 12: 4, 13: 8, 14: 1, 15: 1, 16: 2, 17: 2}
	require.Equal(t, want, rows)
	require.True(t, slices.IsSortedFunc(r.Results, func(a, b bench.Measured) int { return a.Goal - b.Goal }))
	for _, m := range r.Results {
		skipped := m.Goal == 2 || m.Goal == 9 || m.Goal == 11
		require.Equal(t, skipped, m.Skipped != "", "%s: %s", m.Name, m.Skipped)
		if skipped {
			continue
		}
		require.Equal(t, m.Name == "memory of an open position" || m.Name == "memory of a closed trade", m.Want == "", "%s has a goal", m.Name)
		if m.Goal == 17 {
			require.Contains(t, m.Note, "4 stops, 0 failed")
		}
	}
	require.Len(t, r.Curves, 6)
	for name, points := range r.Curves {
		require.Len(t, points, 3, name)
		require.Equal(t, []float64{300, 1000, 3000}, []float64{points[0].X, points[1].X, points[2].X}, name)
		for _, p := range points {
			require.Positive(t, p.Y, name)
		}
	}
	drawReport(t, &r)
}

// drawReport draws the curves of a run, read from its file.
func drawReport(t *testing.T, r *bench.Report) {
	t.Helper()
	dir := t.TempDir()
	file := saved(t, dir, "run.json", r)
	a := &app{App: &cli.App{Place: open.Place{Err: &bytes.Buffer{}}}}
	require.NoError(t, a.benchCurves(file, dir))
	for _, p := range pictures {
		b, err := os.ReadFile(filepath.Join(dir, p.file))
		require.NoError(t, err)
		requireXML(t, string(b), p.title)
		for _, c := range p.curves {
			require.Contains(t, string(b), ">"+c.label+"</text>")
		}
	}
	r.Curves = nil
	require.ErrorContains(t, a.benchCurves(saved(t, dir, "none.json", r), dir), "no curves")
}

func saved(t *testing.T, dir, name string, r *bench.Report) string {
	t.Helper()
	b, err := json.Marshal(r)
	require.NoError(t, err)
	file := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, b, 0o600))
	return file
}

// A run of some goals is compared with an earlier one: both figures, the ratio, and what is not
// the same.
func TestBenchCompares(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "before.json")
	var before, after bench.Report
	measured(t, &before, "--rounds", "1", "--events", "1000", "--goals", "4,9,10")
	require.Len(t, before.Results, 4)
	before.Machine.CPU = "another one"
	b, err := json.Marshal(before)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, b, 0o600))

	measured(t, &after, "--rounds", "1", "--events", "2000", "--goals", "4,9", "--compare", file)
	require.Len(t, after.Compared.Rows, 1, "goal 9 has no figure, and goal 10 none now")
	row := after.Compared.Rows[0]
	require.Equal(t, before.Results[0].Value, row.Then)
	require.Equal(t, after.Results[0].Value, row.Now)
	require.InDelta(t, row.Now/row.Then, row.Ratio, 1e-9)
	require.Len(t, after.Compared.Warnings, 2)
	require.Contains(t, after.Compared.Warnings[0], "CPU: another one then")
	require.Contains(t, after.Compared.Warnings[1], "1000 events then, 2000 now")

	var out bytes.Buffer
	a := &app{App: &cli.App{Out: &out}}
	require.NoError(t, a.printReport(&after))
	for _, words := range []string{"one append ÷ raw sync", "skipped", "NOW ÷ THEN", "warning: not the same: CPU", "there is no sweep yet", after.Machine.Go} {
		require.Contains(t, out.String(), words)
	}
}

func TestBenchMistakes(t *testing.T) {
	t.Parallel()
	mistaken(t, []string{"--rounds"}, "bench", "--rounds", "0")
	mistaken(t, []string{"--events"}, "bench", "--events", "999")
	for _, goals := range []string{"3,18", "3,x", "3;5", "0", "-1"} {
		mistaken(t, []string{"--goals has something that is not the number of a goal", "numbers from 1 to 17", "such as --goals 3,5,6"}, "bench", "--goals", goals)
	}
	mistaken(t, []string{"nowhere.json"}, "bench", "--compare", filepath.Join(t.TempDir(), "nowhere.json"))
	mistaken(t, []string{"nowhere.json"}, "bench", "curves", filepath.Join(t.TempDir(), "nowhere.json"))
	other := filepath.Join(t.TempDir(), "other.json")
	require.NoError(t, os.WriteFile(other, []byte(`{"results":[]}`), 0o600))
	mistaken(t, []string{"no results"}, "bench", "--compare", other)
}

// writing is called at each write.
type writing func()

func (w writing) Write(b []byte) (int, error) {
	w()
	return len(b), nil
}

// An end from outside ends the run, and leaves nothing behind.
func TestBenchIsInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a := &app{App: &cli.App{Place: open.Place{Err: writing(stop)}}} // it is interrupted once it tells what it begins
	_, err := a.measureGoals(ctx, goalOptions{dir: dir, rounds: 1_000_000, events: 1000, goals: []int{7}})
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// What was measured before an end from outside is printed, and marked.
func TestBenchPrintsWhatWasMeasuredBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--json"}} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ledger := bench.Ledger{Name: "fake", Least: 10, Open: func(context.Context, string, int, int) (bench.LedgerRun, error) {
			stop() // goal 9 is measured by then
			return nil, ctx.Err()
		}}
		var out, errs bytes.Buffer
		a := &app{App: &cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: t.TempDir()}}
		args := append([]string{"bench", "--goals", "9,11", "--rounds", "1", "--dir", t.TempDir()}, flags...)
		require.Equal(t, 1, a.RunCommands(ctx, args, Commands(a.App, bench.Rivals{Ledgers: []bench.Ledger{ledger}})...))
		require.Contains(t, errs.String(), "interrupted")
		if flags == nil {
			require.Contains(t, out.String(), "INTERRUPTED")
			require.Contains(t, out.String(), "sweep of 100 configurations")
			continue
		}
		var r bench.Report
		require.NoError(t, json.Unmarshal(out.Bytes(), &r), out.String())
		require.True(t, r.Interrupted)
		require.Len(t, r.Results, 1)
		require.Equal(t, 9, r.Results[0].Goal)
	}
}

// A quick run has a short history, unless its length is given.
func TestBenchIsQuick(t *testing.T) {
	t.Parallel()
	var r bench.Report
	measured(t, &r, "--quick", "--goals", "9")
	require.Equal(t, quickEvents, r.Events)
	require.True(t, r.Quick)
	measured(t, &r, "--quick", "--goals", "9", "--events", "2000")
	require.Equal(t, 2000, r.Events)
	require.Equal(t, []int{300, 1000, 3000}, sizesOf(goalOptions{events: quickEvents, quick: true}).lengths)
}

// fakeLedger is a ledger in memory that may lose trades.
type fakeLedger struct {
	mu     sync.Mutex
	trades map[bench.LedgerTrade]bool
	lost   int
	closed bool
}

func (f *fakeLedger) Trade(_ context.Context, t bench.LedgerTrade) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trades[t] = true
	return nil
}

func (f *fakeLedger) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var t bench.LedgerTrade
		if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = f.Trade(r.Context(), t)
	})
}

func (f *fakeLedger) Trades(context.Context) (int, error) { return len(f.trades) - f.lost, nil }

func (f *fakeLedger) Close() error { f.closed = true; return nil }

// Another ledger is measured in one portfolio and in 64, in process and over HTTP. One that is
// not installed says so, and one that loses what it acknowledged fails the run.
func TestBenchLedger(t *testing.T) {
	t.Parallel()
	run := func(ledger *fakeLedger, missing error) (results []bench.Measured, errs string, code int) {
		rivals := bench.Rivals{Ledgers: []bench.Ledger{{Name: "fake", Least: 10, Open: func(context.Context, string, int, int) (bench.LedgerRun, error) { return ledger, missing }}}}
		out, errs, code := measuredBeside(t, rivals, "", "--goals", "11", "--rounds", "1")
		if code == 0 {
			var r bench.Report
			require.NoError(t, json.Unmarshal([]byte(out), &r))
			results = r.Results
		}
		return results, errs, code
	}
	sound := &fakeLedger{trades: map[bench.LedgerTrade]bool{}}
	results, errs, code := run(sound, nil)
	require.Zero(t, code, errs)
	require.True(t, sound.closed)
	require.Len(t, results, 4)
	portfolios := map[int]bool{}
	for trade := range maps.Keys(sound.trades) {
		portfolios[trade.Portfolio] = true
	}
	require.Len(t, portfolios, 65)
	for _, m := range results {
		require.Positive(t, m.Ours)
		require.Positive(t, m.Theirs)
		require.Equal(t, "≥ 10", m.Want)
	}

	lossy := &fakeLedger{trades: map[bench.LedgerTrade]bool{}, lost: 1}
	_, errs, code = run(lossy, nil)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "acknowledged")
	require.True(t, lossy.closed)

	results, errs, code = run(nil, &bench.MissingError{Why: "it is not installed"})
	require.Zero(t, code, errs)
	require.Equal(t, "it is not installed", results[0].Skipped)
	_, errs, code = run(nil, errors.New("it does not start"))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "it does not start")
}
