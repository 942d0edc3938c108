package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/bench"
	"pets/internal/cli"
	"pets/internal/open"
)

var built struct {
	sync.Once
	path string
	err  error
}

// petsBinary returns pets, built once.
func petsBinary(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		dir, err := os.MkdirTemp("", "pets-bench-test-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "pets")
		out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", built.path, "pets/cmd/pets").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	require.NoError(t, built.err)
	return built.path
}

// mistaken runs pets bench with a mistake in its command line.
func mistaken(t *testing.T, words []string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{App: &cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: t.TempDir()}}
	require.Equal(t, 2, a.RunCommands(t.Context(), args, Commands(a.App, bench.Rivals{})...), "%s", &errs)
	require.Empty(t, out.String())
	for _, w := range words {
		require.Contains(t, errs.String(), w)
	}
}

// measured runs pets bench in this process, which starts the binary that was built.
func measured(t *testing.T, into any, args ...string) {
	t.Helper()
	out, errs, code := measuredBeside(t, bench.Rivals{}, petsBinary(t), args...)
	require.Equal(t, 0, code, "%s", errs)
	require.NoError(t, json.Unmarshal([]byte(out), into), "%s", out)
}

// measuredBeside is measured with rivals.
func measuredBeside(t *testing.T, rivals bench.Rivals, binary string, args ...string) (out, errs string, code int) {
	t.Helper()
	dir := t.TempDir()
	var o, e bytes.Buffer
	a := &app{App: &cli.App{Place: open.Place{Err: &e}, Out: &o, Dir: dir, Binary: binary}}
	code = a.RunCommands(t.Context(), append([]string{"bench", "--json"}, append(args, "--dir", dir)...), Commands(a.App, rivals)...)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "what a measurement makes is gone afterwards")
	return o.String(), e.String(), code
}

// A stop is measured on every way, on an idle server and beside each load, and the load does its
// work. The test does not check how long a stop takes.
func TestBenchStops(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts four servers")
	}
	var rows []struct {
		What          string
		Count, Failed int
		FirstFailure  string `json:"first_failure"`
		Load          []string
		Floors        []struct{ Count, Failed int }
	}
	measured(t, &rows, "stops", "--stops", "4", "--own", "3", "--callers", "2", "--seconds", "20", "--permits", "2", "--batches", "2", "--batch-size", "10",
		"--readers", "1", "--history", "1000", "--strangers", "3", "--half-bodies", "2", "--warm-up", "0")
	kinds := map[string]int{}
	for _, r := range rows {
		require.Zero(t, r.Failed, "%s: %s", r.What, r.FirstFailure)
		kind, _, _ := strings.Cut(r.What, ",")
		kinds[kind]++
		want := 4
		if strings.Contains(r.What, "itself") {
			want = 3
		}
		require.Equal(t, want, r.Count, r.What)
		require.Len(t, r.Floors, 2)
		require.Zero(t, r.Floors[0].Failed+r.Floors[1].Failed, "%s: %+v", r.What, r.Floors)
		if !strings.Contains(r.What, "idle") {
			require.Contains(t, r.Load[0], "permits/s", r.What)
		}
	}
	require.Equal(t, kinds["emergency stop"], kinds["bot stop"])
	require.Contains(t, []int{4, 8}, kinds["bot stop"], "over TCP, and over the stop socket where there is one")
	mistaken(t, []string{"at least 1"}, "bench", "stops", "--stops", "0")
	mistaken(t, []string{"busy", "bot stop"}, "bench", "stops", "--kinds", "busy")
	mistaken(t, []string{"busy", "crowded"}, "bench", "stops", "--stages", "busy")
}

// "10,000 portfolios: stop everything ≤ 2 s, all recorded": what is measured is read from
// the log, portfolio by portfolio.
func TestBenchPortfolios(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts two servers")
	}
	var rows []took
	measured(t, &rows, "portfolios", "-n", "7")
	require.Len(t, rows, 5)
	for _, r := range rows {
		require.Positive(t, r.Seconds, r.What)
		require.Zero(t, r.Missing, r.What)
	}
	require.Contains(t, took{What: "x", Seconds: 3, Want: 2}.line(), "MISSED")
	require.Contains(t, took{What: "x", Seconds: 1, Want: 2, Missing: 1}.line(), "MISSED")
	require.Contains(t, took{What: "x", Seconds: 1, Want: 2}.line(), "reached")
	mistaken(t, []string{"--number"}, "bench", "portfolios", "-n", "0")
}

func TestBenchHashes(t *testing.T) {
	t.Parallel()
	var rows []struct {
		What  string
		Value float64
	}
	measured(t, &rows, "hashes", "--rounds", "1")
	require.Len(t, rows, 1)
	require.Positive(t, rows[0].Value)
	mistaken(t, []string{"--rounds"}, "bench", "hashes", "--rounds", "0")
}

// A stop that fails, or that was not sent, misses the goal however fast the others were.
func TestStopResult(t *testing.T) {
	t.Parallel()
	w := stopWay{title: "TCP and a key"}
	fast := bench.Latency{Count: 2000, P999: 49, Ratio: 2}
	m := stopResult(w, fast)
	require.True(t, m.Met)
	require.Contains(t, m.Note, "2 × an idle server")
	failed, short := fast, fast
	failed.Failed, failed.First = 1, "no answer"
	short.Short = "343 of 2000"
	for _, l := range []bench.Latency{failed, short, {Count: 2000, P999: 51}, {P999: 1}} {
		require.False(t, stopResult(w, l).Met, "%+v", l)
	}
	require.Contains(t, stopResult(w, failed).Note, "no answer")
	require.Contains(t, stopResult(w, short).Note, "343 of 2000")
}
