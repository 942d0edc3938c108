package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// played is a server with a portfolio in which something of everything has happened, the
// folder it holds, and keys by user.
func played(t *testing.T) (p *process, folder string, keys map[string]string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "store")
	p = serveFolder(t, folder)
	keys = map[string]string{}
	for user, args := range map[string][]string{
		"olga": {"--role", "operator"}, "ann": {"--role", "auditor"}, "alpha": {"--role", "bot", "--bot", "alpha"},
	} {
		r := p.pets(folder, adminKey, append([]string{"apikey", "issue", "--user", user}, args...)...)
		require.Equal(t, 0, r.code, r.err)
		keys[user] = secretPattern.FindString(r.out)
	}
	c := p.client(keys["olga"])
	require.NoError(t, c.Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	main := c.Portfolio("main")
	post := func(path string, body any) {
		t.Helper()
		require.NoError(t, main.Post(t.Context(), path, path+time.Now().String(), body, nil), path)
	}
	post("/deposits", map[string]any{"wallet": "hot", "amount": "1000"})
	for _, bot := range []string{"alpha", "beta"} {
		post("/bots", map[string]any{"id": bot, "capital": "500"})
		post("/bots/"+bot+"/start", struct{}{})
		ask := map[string]any{"bot": bot, "market": "m<1>", "outcome": "YES", "side": "buy", "quantity": "10", "limit_price": "0.4"}
		var permit struct {
			Permit string `json:"permit_id"`
		}
		require.NoError(t, main.Post(t.Context(), "/permits", "permit of "+bot, ask, &permit))
		post("/permits/"+permit.Permit+"/placed", struct{}{})
		for i, side := range []string{"buy", "sell"} {
			post("/fills", map[string]any{
				"bot": bot, "market": "m<1>", "outcome": "YES", "side": side, "quantity": "5", "price": []string{"0.4", "0.3"}[i], "fee": "0.01",
				"trade_id": bot + side,
			})
		}
		post("/fills", map[string]any{"bot": bot, "market": "m2", "outcome": "NO", "side": "buy", "quantity": "7", "price": "0.333", "fee": "0", "trade_id": bot + "open"})
	}
	post("/marks", map[string]any{"marks": []any{map[string]any{"market": "m2", "outcome": "NO", "price": "0.4"}}})
	post("/bots/beta/stop", map[string]any{"reason": "a < b & c"})
	return p, folder, keys
}

// "state events positions balances trades stats equity permits breakers work against a
// server": to the letter what they say of the folder, as text and as JSON, now and then.
func TestViewsOfAServerAreThoseOfTheFolder(t *testing.T) {
	p, folder, keys := played(t)
	here := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + folder}}
	there := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_STORE=embedded:./none", "PETS_SERVER=" + p.url, "PETS_KEY=" + keys["ann"]}}
	at := here.events()[12].Time
	for _, line := range []string{
		"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers",
		"trades --bot beta", "permits --bot beta", "events --type permit,fill --limit 3", "events --after 5 --limit 4", "events --type arbitrage",
		"stats --limit MAX_DAILY_LOSS_PCT=0.001 --limit MAX_CONSECUTIVE_LOSSES=1", "equity --points 3",
		"transfers", "approvals", "treasury", "address-book",
	} {
		for _, more := range []string{"", "--json", "--at 12", "--at 12 --json", "--at " + at, "--json --at " + at} {
			args := strings.Fields(line + " " + more)
			require.Equal(t, here.ok(args...), there.ok(args...), "pets %s", strings.Join(args, " "))
		}
	}
	require.Equal(t, here.ok("equity", "--svg", "-"), there.ok("equity", "--svg", "-"))
	for _, line := range []string{"state --at 999", "events --at 999", "trades --bot gamma", "permits --bot gamma", "state -p other"} {
		mine, theirs := here.run(strings.Fields(line)...), there.run(strings.Fields(line)...)
		require.Equal(t, 1, mine.code, line)
		require.Equal(t, 1, theirs.code, line)
		require.Empty(t, theirs.out, line)
	}
	there.fails(1, []string{"last revision is"}, "state", "--at", "999")
	there.fails(1, []string{"no bot gamma", "alpha, beta"}, "trades", "--bot", "gamma")
	there.fails(2, []string{"--at must be"}, "state", "--at", "noon")
	entries, err := os.ReadDir(there.dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// A bot's key is shown its own, and told so where it asks for the whole.
func TestViewsOfABot(t *testing.T) {
	p, _, keys := played(t)
	s := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_SERVER=" + p.url, "PETS_KEY=" + keys["alpha"]}}
	for _, view := range []string{"state", "stats", "balances", "positions", "trades", "events", "permits", "breakers"} {
		for _, more := range [][]string{{view}, {view, "--json"}} {
			out := s.ok(more...)
			require.NotContains(t, out, "beta", view)
			require.NotEmpty(t, out, view)
		}
	}
	require.NotContains(t, s.ok("events", "--json"), "metadata")
	s.fails(1, []string{"role bot may not"}, "equity")
	s.fails(1, []string{"the key sees a part of it only"}, "stats", "--limit", "MAX_CONSECUTIVE_LOSSES=1")
	s.fails(1, []string{"there is no bot beta"}, "trades", "--bot", "beta")
}

// More than a page: every part is asked for, and all are of one moment.
func TestViewsComeInParts(t *testing.T) {
	p, folder, keys := played(t)
	main := p.client(keys["olga"]).Portfolio("main")
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
	here := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + folder}}
	there := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_SERVER=" + p.url, "PETS_KEY=" + keys["ann"]}}
	for _, view := range []string{"trades", "events"} {
		out := here.ok(view)
		require.Greater(t, strings.Count(out, "\n"), more)
		require.Equal(t, out, there.ok(view))
	}
	require.Equal(t, here.ok("events", "--limit", "1050"), there.ok("events", "--limit", "1050"))
}

// --follow goes on with what comes, over the server's stream.
func TestEventsOfAServerAreFollowed(t *testing.T) {
	p, _, keys := played(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, errs := &lockedBuffer{}, &lockedBuffer{}
	a := &app{out: out, err: errs, dir: t.TempDir(), environ: []string{"PETS_SERVER=" + p.url, "PETS_KEY=" + keys["ann"]}}
	ended := make(chan int, 1)
	go func() { ended <- a.run(ctx, []string{"events", "--follow", "--type", "bot.st", "--limit", "4"}) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "bot.stopped") }, 10*time.Second, 5*time.Millisecond, "%s%s", out, errs)
	require.NoError(t, p.client(keys["olga"]).Portfolio("main").Post(ctx, "/bots/beta/start", "again", struct{}{}, nil))
	require.Equal(t, 0, <-ended, "%s", out)
	require.Len(t, regexp.MustCompile(`(?m)bot\.started`).FindAllString(out.String(), -1), 3, "%s", out)
}

// Who follows learns that the connection is lost, why, and that it is there again: silence
// must not look like a quiet market.
func TestWhoFollowsLearnsThatTheServerIsGone(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	p.openMain()
	out, errs := &lockedBuffer{}, &lockedBuffer{}
	a := &app{out: out, err: errs, dir: t.TempDir(), environ: []string{"PETS_SERVER=" + p.url, "PETS_KEY=" + adminKey}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- a.run(ctx, []string{"events", "--follow"}) }()
	says := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(errs.String(), text) }, 30*time.Second, 5*time.Millisecond, "%s", errs)
	}
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "portfolio.opened") }, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, p.client(adminKey).Portfolio("main").Post(ctx, "/deposits", "one", map[string]any{"wallet": "hot", "amount": "1"}, nil))
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "deposit.recorded") }, 10*time.Second, 5*time.Millisecond)
	require.Empty(t, errs.String())
	require.NoError(t, p.cmd.Process.Kill())
	_, _ = p.cmd.Process.Wait()
	says("pets: the connection to server " + p.url + " is lost: ")
	p = serveAt(t, strings.TrimPrefix(p.url, "http://"), folder)
	says("pets: connected to server " + p.url + " again")
	require.NoError(t, p.client(adminKey).Portfolio("main").Post(ctx, "/deposits", "two", map[string]any{"wallet": "hot", "amount": "22"}, nil))
	require.Eventually(t, func() bool { return strings.Count(out.String(), "deposit.recorded") == 2 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, strings.Count(errs.String(), "is lost"), "once")

	// One that hangs is found out by its silence.
	p.freeze()
	says("is lost: nothing was heard for 20s")
	stop()
	require.Equal(t, 0, <-ended)
}
