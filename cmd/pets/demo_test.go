package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The demo trips a breaker in the same append as the third loss, refuses every
// order after it, and says why; the week it leaves behind verifies.
func TestDemoTripsAndExplains(t *testing.T) {
	s := newShell(t)
	out := s.ok("demo", "--store", "embedded:"+filepath.Join(s.dir, "week"))
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
	s.ok("demo", "--store", week)
	want, err := os.ReadFile(filepath.Join("..", "..", "docs", "img", "demo-week.svg"))
	require.NoError(t, err)
	require.Equal(t, string(want), s.ok("equity", "--svg", "-", "-p", "demo", "--store", week), "draw it again: pets equity --svg docs/img/demo-week.svg -p demo")
}

// A second week on top of the first would show neither.
func TestDemoRefusesAFolderWithADemo(t *testing.T) {
	s := newShell(t)
	week := "embedded:" + filepath.Join(s.dir, "week")
	s.ok("demo", "--store", week)
	s.fails(1, []string{"already", "fresh folder"}, "demo", "--store", week)
}
