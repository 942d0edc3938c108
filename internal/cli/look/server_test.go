package look_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands/client"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// "state events positions balances trades stats equity permits breakers work against a
// server": to the letter what they say of the folder, as text and as JSON, now and then.
func TestViewsOfAServerAreThoseOfTheFolder(t *testing.T) {
	t.Parallel()
	p, folder, keys := petstest.Played(t)
	here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder}}
	there := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:./none", "PETS_SERVER=" + p.URL, "PETS_KEY=" + keys["ann"]}}
	at := here.Events()[12].Time
	for i, line := range []string{
		"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers",
		"trades --bot beta", "permits --bot beta", "events --type permit,fill --limit 3", "events --after 5 --limit 4", "events --type arbitrage",
		"stats --limit MAX_DAILY_LOSS_PCT=0.001 --limit MAX_CONSECUTIVE_LOSSES=1", "equity --points 3",
		"transfers", "approvals", "treasury", "address-book",
	} {
		for j, more := range []string{"", "--json", "--at 12", "--at 12 --json", "--at " + at, "--json --at " + at} {
			if (i+j)%testenv.Rounds(3, 3, 1) != 0 {
				continue // every view in two of these ways, and in all of them in a long run
			}
			args := strings.Fields(line + " " + more)
			mine, theirs := here.Run(args...), there.Run(args...)
			require.Equal(t, 0, mine.Code, "pets %s: %s", strings.Join(args, " "), mine.Err)
			require.Equal(t, mine, theirs, "pets %s", strings.Join(args, " "))
			require.Empty(t, strings.TrimPrefix(mine.Err, "pets: no such events\n"), "pets %s", strings.Join(args, " "))
		}
	}
	require.Equal(t, here.Ok("equity", "--svg", "-"), there.Ok("equity", "--svg", "-"))
	require.Contains(t, here.Ok("equity", "--svg", "-", "--why"), "daily_loss trips at")
	there.Fails(1, []string{"from a folder", "--store embedded:DIR"}, "equity", "--svg", "-", "--why")
	here.Fails(2, []string{"add --svg FILE"}, "equity", "--why")
	for _, line := range []string{"state --at 999", "events --at 999", "trades --bot gamma", "permits --bot gamma", "state -p other"} {
		mine, theirs := here.Run(strings.Fields(line)...), there.Run(strings.Fields(line)...)
		require.Equal(t, 1, mine.Code, line)
		require.Equal(t, 1, theirs.Code, line)
		require.Empty(t, theirs.Out, line)
	}
	there.Fails(1, []string{"last revision is"}, "state", "--at", "999")
	there.Fails(1, []string{"no bot gamma", "alpha, beta"}, "trades", "--bot", "gamma")
	there.Fails(2, []string{"--at must be"}, "state", "--at", "noon")
	entries, err := os.ReadDir(there.Dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// A bot's key sees its own part, and an error says so if it asks for everything.
func TestViewsOfABot(t *testing.T) {
	t.Parallel()
	p, _, keys := petstest.Played(t)
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + keys["alpha"]}}
	for _, view := range []string{"state", "stats", "balances", "positions", "trades", "events", "permits", "breakers"} {
		for _, more := range [][]string{{view}, {view, "--json"}} {
			out := s.Ok(more...)
			require.NotContains(t, out, "beta", view)
			require.NotEmpty(t, out, view)
		}
	}
	require.NotContains(t, s.Ok("events", "--json"), "metadata")
	s.Fails(1, []string{"role bot may not"}, "equity")
	s.Fails(1, []string{"the key sees a part of it only"}, "stats", "--limit", "MAX_CONSECUTIVE_LOSSES=1")
	s.Fails(1, []string{"there is no bot beta"}, "trades", "--bot", "beta")
}

// A view longer than a page is read part by part, and all parts are of one moment.
func TestViewsComeInParts(t *testing.T) {
	t.Parallel()
	p, folder, keys := petstest.Played(t)
	main := p.Client(keys["olga"]).Portfolio("main")
	const more = 1100
	batch := make([]any, 0, 100)
	for n := range more {
		batch = append(batch, map[string]any{
			"idempotency_key": uuid.NewString(), "command": "record_trade",
			"body": map[string]any{"bot": "alpha", "market": "m3", "pnl": "0.001", "fee": "0", "trade_id": "t" + time.Duration(n).String()},
		})
		if len(batch) == cap(batch) {
			require.NoError(t, main.Post(t.Context(), "/batch", "batch"+time.Duration(n).String(), map[string]any{"commands": batch}, nil))
			batch = batch[:0]
		}
	}
	here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder}}
	there := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + keys["ann"]}}
	for _, view := range []string{"trades", "events"} {
		out := here.Ok(view)
		require.Greater(t, strings.Count(out, "\n"), more)
		require.Equal(t, out, there.Ok(view))
	}
	require.Equal(t, here.Ok("events", "--limit", "1050"), there.Ok("events", "--limit", "1050"))
}

// --follow continues with new events over the server's stream.
func TestEventsOfAServerAreFollowed(t *testing.T) {
	t.Parallel()
	p, _, keys := petstest.Played(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, errs := &clitest.Buffer{}, &clitest.Buffer{}
	a := &cli.App{Place: open.Place{Err: errs}, Out: out, Dir: t.TempDir(), Environ: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + keys["ann"]}}
	ended := make(chan int, 1)
	go func() { ended <- pets.Run(ctx, a, []string{"events", "--follow", "--type", "bot.st", "--limit", "4"}) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "bot.stopped") }, 10*time.Second, 5*time.Millisecond, "%s%s", out, errs)
	require.NoError(t, p.Client(keys["olga"]).Portfolio("main").Post(ctx, "/bots/beta/start", "again", struct{}{}, nil))
	require.Equal(t, 0, <-ended, "%s", out)
	require.Len(t, regexp.MustCompile(`(?m)bot\.started`).FindAllString(out.String(), -1), 3, "%s", out)
}

// followed runs pets events --follow against a server until the function that it returns is called.
func followed(t *testing.T, p *petstest.Process, silence time.Duration) (out, errs *clitest.Buffer, ends func()) {
	t.Helper()
	out, errs = &clitest.Buffer{}, &clitest.Buffer{}
	a := &cli.App{Place: open.Place{Err: errs}, Out: out, Dir: t.TempDir(), Environ: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}, Silence: silence}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- pets.Run(ctx, a, []string{"events", "--follow"}) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "portfolio.opened") }, 10*time.Second, 5*time.Millisecond)
	return out, errs, func() {
		stop()
		require.Equal(t, 0, <-ended)
	}
}

// --follow says that the connection is lost, why, and that it is back: silence must not look like a
// quiet market.
func TestWhoFollowsLearnsThatTheServerIsGone(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	p.OpenMain()
	out, errs, ends := followed(t, p, 0)
	says := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(errs.String(), text) }, 30*time.Second, 5*time.Millisecond, "%s", errs)
	}
	deposit := func(key, amount string) {
		t.Helper()
		require.NoError(t, p.Client(petstest.AdminKey).Portfolio("main").Post(t.Context(), "/deposits", key, map[string]any{"wallet": "hot", "amount": amount}, nil))
	}
	deposit("one", "1")
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "deposit.recorded") }, 10*time.Second, 5*time.Millisecond)
	require.Empty(t, errs.String())
	require.NoError(t, p.Cmd.Process.Kill())
	_, _ = p.Cmd.Process.Wait()
	says("pets: the connection to server " + p.URL + " is lost: ")
	p = petstest.ServeAt(t, strings.TrimPrefix(p.URL, "http://"), folder)
	says("pets: connected to server " + p.URL + " again")
	deposit("two", "22")
	require.Eventually(t, func() bool { return strings.Count(out.String(), "deposit.recorded") == 2 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, strings.Count(errs.String(), "is lost"), "once")
	ends()

	// A server that hangs is detected by its silence.
	out, errs, ends = followed(t, p, 2*time.Second)
	for n, amount := range []string{"333", "4444"} { // the second comes by the stream
		deposit(amount, amount)
		require.Eventually(t, func() bool { return strings.Count(out.String(), "deposit.recorded") == 3+n }, 10*time.Second, 5*time.Millisecond)
	}
	p.Freeze()
	says("is lost: nothing was heard for 2s")
	ends()
	require.Equal(t, "20s", client.DefaultSilence.String(), "as long as that for a person; the server lives on a sign of life every 15 s")
}
