package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/httpapi"
)

// demo plays the demo week, as of the Monday after it was written, into a folder
// and stops the server then.
func (s *shell) demo(folder string) ran {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	var out, errs bytes.Buffer
	monday := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
	a := &app{out: &out, err: &errs, environ: s.env, dir: s.dir, wall: func() time.Time { return monday }, played: stop}
	code := a.run(ctx, []string{"serve", "--demo", "--store", "embedded:" + folder, "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	return ran{code, out.String(), errs.String()}
}

func (s *shell) playedDemo(folder string) string {
	s.t.Helper()
	r := s.demo(folder)
	require.Equal(s.t, 0, r.code, r.err)
	return r.out
}

// The demo trips a breaker in the same append as the third loss, refuses every
// order after it, and says why; the week it leaves behind verifies.
func TestDemoTripsAndExplains(t *testing.T) {
	s := newShell(t)
	out := s.playedDemo(filepath.Join(s.dir, "week"))
	require.Contains(t, out, ">>> TRIPPED consecutive_losses of breakout at 3, limit 3")
	require.Equal(t, 3, strings.Count(out, " 0 allowed"), "the three days after the trip")
	require.Contains(t, out, "After the trip 33 orders were refused. Filled at their limits they would have made -1024.09 USDC.")
	why := out[strings.Index(out, "WHY"):strings.Index(out, "STATE")]
	require.Equal(t, 3, strings.Count(why, "loss of"), why)
	require.Contains(t, s.ok("verify", "--store", "embedded:"+filepath.Join(s.dir, "week")), "adds up")
}

// The picture of the README is drawn from the demo week by the product itself.
func TestReadmePictureIsOfTheDemoWeek(t *testing.T) {
	s := newShell(t)
	week := "embedded:" + filepath.Join(s.dir, "week")
	s.playedDemo(filepath.Join(s.dir, "week"))
	want, err := os.ReadFile(filepath.Join("..", "..", "docs", "img", "demo-week.svg"))
	require.NoError(t, err)
	require.Equal(t, string(want), s.ok("equity", "--svg", "-", "-p", "demo", "--store", week), "draw it again: pets equity --svg docs/img/demo-week.svg -p demo")
}

// A second week on top of the first would show neither.
func TestDemoRefusesAFolderWithADemo(t *testing.T) {
	s := newShell(t)
	week := filepath.Join(s.dir, "week")
	s.playedDemo(week)
	again := s.demo(week)
	require.Equal(t, 1, again.code)
	require.Contains(t, again.err, "fresh folder")
	require.NoFileExists(t, filepath.Join(week, httpapi.SocketName), "who is refused leaves no way in behind that nobody answers")

	require.NoError(t, os.RemoveAll(week))
	s.playedDemo(week) // a demo that was removed is no store that was rolled back
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.NotContains(t, e.Name(), "witness", "all of the demo lies in its folder")
	}
}

// Somebody reads the log of their first server: the week plays by a clock that is made up,
// and nobody is to look at that. By the machine's own clock, as it is run.
func TestTheLogOfTheDemoIsItsStory(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, dir: t.TempDir(), played: stop}
	code := a.run(ctx, []string{"serve", "--demo", "--store", "embedded:" + filepath.Join(t.TempDir(), "week"), "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	require.Equal(t, 0, code, errs.String())
	require.Contains(t, errs.String(), "TRIPPED consecutive_losses of breakout")
	require.NotContains(t, errs.String(), "wall clock")
	require.LessOrEqual(t, strings.Count(errs.String(), `"level":"WARN"`), 3, errs.String())
}
