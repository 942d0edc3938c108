package demo_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/httpapi"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// The demo trips a breaker in the same append as the third loss, refuses every
// order after it, and says why; the week it leaves behind verifies.
func TestDemoTripsAndExplains(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	out := s.PlayedDemo(filepath.Join(s.Dir, "week"))
	require.Contains(t, out, ">>>  TRIPPED consecutive_losses of breakout at 3, limit 3")
	require.Contains(t, out, "---  0.9 of rain-paris-wed/YES waits: too far from the price in force")
	require.Contains(t, out, "<<<  a way out: steady may sell 150 × derby-fri / HOME")
	require.Equal(t, 2, strings.Count(out, " 0 allowed"), "of the three days after the trip, all but the way out")
	require.Contains(t, out, "After the trip 33 orders were refused.\nFilled at their limits they would have made -1024.09 USDC.")
	why := out[strings.Index(out, "WHY"):strings.Index(out, "STATE")]
	require.Equal(t, 3, strings.Count(why, "loss of"), why)
	require.Contains(t, s.Ok("verify", "--store", "embedded:"+filepath.Join(s.Dir, "week")), "adds up")
}

// The picture of the README is drawn from the demo week by the product itself.
func TestReadmePictureIsOfTheDemoWeek(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	week := "embedded:" + filepath.Join(s.Dir, "week")
	s.PlayedDemo(filepath.Join(s.Dir, "week"))
	picture, got := filepath.Join("..", "..", "..", "docs", "img", "demo-week.svg"), s.Ok("equity", "--svg", "-", "-p", "demo", "--store", week)
	if *petstest.Rewrite {
		require.NoError(t, os.WriteFile(picture, []byte(got), 0o600))
	}
	want, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test ./internal/cli/demo -run ReadmePicture -rewrite draws it again")
}

// The demo refuses a folder in which it was played before.
func TestDemoRefusesAFolderWithADemo(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	week := filepath.Join(s.Dir, "week")
	s.PlayedDemo(week)
	again := s.Demo(week)
	require.Equal(t, 1, again.Code)
	require.Contains(t, again.Err, "fresh folder")
	require.NoFileExists(t, filepath.Join(week, httpapi.SocketName), "who is refused leaves no way in behind that nobody answers")

	require.NoError(t, os.RemoveAll(week))
	s.PlayedDemo(week) // a removed demo is not taken for a store that was rolled back
	entries, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.NotContains(t, e.Name(), "witness", "all of the demo lies in its folder")
	}
}

// The output of the demo is only its story: its invented clock causes no warning, neither in the
// terminal nor in the history, and no log line appears in between. It runs on the machine's
// clock, as usual.
func TestTheDemoIsQuiet(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs bytes.Buffer
	store := "embedded:" + filepath.Join(s.Dir, "week")
	a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: s.Dir, Played: stop}
	code := pets.Run(ctx, a, []string{"serve", "--demo", "--store", store, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"})
	require.Equal(t, 0, code, errs.String())
	require.Empty(t, errs.String())
	history := s.Ok("events", "-p", "demo", "--store", store, "--json")
	require.Contains(t, history, domain.BreakerTrippedType)
	require.NotContains(t, history, domain.ClockJumpedType)
	none := s.Run("events", "-p", "demo", "--store", store, "--type", "clock.jumped")
	require.Equal(t, "pets: no such events\n", none.Err+none.Out)
	clitest.Fits(t, 80, out.String())
}

// The commands that the demo prints work as printed, and lead out of the trip.
func TestTheDemoSaysWhatToType(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs bytes.Buffer
	played, typed := make(chan struct{}), make(chan int, 1)
	a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: s.Dir, Played: func() { close(played) }}
	go func() {
		typed <- pets.Run(ctx, a, []string{"serve", "--demo", "--store", "embedded:" + filepath.Join(s.Dir, "week"), "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	}()
	<-played
	_, turn, _ := strings.Cut(out.String(), "YOUR TURN")
	said := 0
	for line := range strings.Lines(turn) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "export PETS_"):
			s.Env = append(s.Env, strings.Fields(line)[1:]...)
		case strings.HasPrefix(line, "pets equity"): // it writes a file
		case strings.HasPrefix(line, "pets "):
			said++
			line, reason, reasoned := strings.Cut(line, ` --reason "`)
			args := strings.Fields(line)[1:]
			if reasoned {
				args = append(args, "--reason", strings.TrimSuffix(reason, `"`))
			}
			s.Ok(args...)
		}
	}
	require.Equal(t, 6, said, turn)
	require.Contains(t, s.Ok("events", "--type", "reset,started"), "; by operator")
	require.NotContains(t, s.Ok("state"), "TRIPPED")
	askAsTheDemoSays(t, turn)
	stop()
	require.Equal(t, 0, <-typed, errs.String())
}

// askAsTheDemoSays sends the bot's request that the demo prints.
func askAsTheDemoSays(t *testing.T, turn string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		testenv.Lacks(t, "curl is not there")
	}
	_, ask, _ := strings.Cut(turn, "What a bot hears")
	exports := regexp.MustCompile(`(?m)^ *export (BOT|API)=.*$`).FindAllString(ask, -1)
	require.Len(t, exports, 2)
	request := regexp.MustCompile(`(?s)curl -s -H @<\(printf.*?}'`).FindString(ask)
	require.NotEmpty(t, request)
	out, err := exec.Command("bash", "-c", strings.Join(exports, "\n")+"\n"+request).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `"allowed":`)
}
