package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// served is a server with a portfolio, and the command line beside it.
func served(t *testing.T, env ...string) (*shell, *process) {
	t.Helper()
	s := newShell(t)
	p := serveFolder(t, s.store(), env...)
	s.env = append(s.env, "PETS_SERVER="+p.url, "PETS_KEY="+adminKey)
	return s, p
}

// "Exit 0 fine, 1 something needs a person or there is no answer", and each thing that
// needs one is named with what to type next.
func TestStatusSaysWhatNeedsAPerson(t *testing.T) {
	s, _ := served(t)
	issue := func(args ...string) string {
		return secretPattern.FindString(s.ok(append([]string{"apikey", "issue"}, args...)...))
	}
	olga, auditor := issue("--user", "olga", "--role", "operator"), issue("--user", "ann", "--role", "auditor")
	s.ok("portfolio", "open", "main")
	s.ok("portfolio", "open", "quiet")
	s.ok("deposit", "1000")
	s.ok("bot", "add", "alpha", "--capital", "500")
	s.ok("start", "alpha")
	out := s.ok("status")
	require.Contains(t, out, "is up and ready, version ")
	require.Contains(t, out, "main        paper, revision 4, 1 of 1 bot running")
	require.Contains(t, out, "nothing needs a person\n")

	for _, n := range []string{"1", "2", "3"} {
		s.ok("trade", "--bot", "alpha", "--market", "m", "--pnl=-1", "--trade-id", n)
	}
	s.setEnv("PETS_KEY", olga)
	s.ok("-p", "quiet", "stop", "--emergency", "--reason", "the feed is lying")
	s.ok("-p", "quiet", "clear", "--reason", "it does not")
	s.ok("override", "request", "go_live", "--for", "real", "--reason", "a month")
	s.setEnv("PETS_KEY", auditor) // "a key of role auditor is enough"
	r := s.run("status")
	require.Equal(t, 1, r.code, r.out)
	words := strings.Join(strings.Fields(r.out), " ")
	for _, want := range []string{
		"NEEDS A PERSON main: breaker consecutive_losses of alpha is tripped pets state ",
		"olga asked for override go_live (o", "pets override confirm o",
		"quiet: EMERGENCY STOP, manual, since ", ": the feed is lying pets state -p quiet ",
		"quiet: olga asked to clear the emergency stop", "pets clear --confirm c2 -p quiet",
		"0 of 1 bot running",
	} {
		require.Contains(t, words, want)
	}
	require.Contains(t, r.err, "pets: 4 things need a person")
	fits(t, 80, r.out)

	r = s.run("status", "--json")
	require.Equal(t, 1, r.code)
	var v status
	readJSON(t, r.out, &v)
	require.True(t, v.Server.Up && v.Server.Ready)
	require.NotNil(t, v.Server.Started)
	require.Len(t, v.Needs, 4)
	require.Len(t, v.Portfolios, 2)
}

// "It works without a key as far as the open routes go, and says what a key would show."
func TestStatusWithoutAKey(t *testing.T) {
	s, p := served(t)
	for _, env := range [][]string{{"PETS_SERVER=" + p.url}, {s.env[0]}} { // named, or found from its folder
		here := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: env}
		out := here.ok("status")
		require.Contains(t, out, p.url+" is up and ready")
		require.Contains(t, strings.Join(strings.Fields(out), " "), "PETS_KEY is not set. A key of role auditor shows the version")
		require.Contains(t, out, "nothing needs a person, of what was seen")
	}
	s.setEnv("PETS_KEY", someKey)
	r := s.run("status")
	require.Equal(t, 1, r.code, r.out)
	require.Contains(t, r.out, "PETS_KEY is not taken: ")
}

// A server that is ready, but warns, needs a person; one that is not says why.
func TestStatusOfAServerInTrouble(t *testing.T) {
	l := newListener(t)
	ready, status := "ready\nwarning: the wall clock is 3m0s behind the last record\n", http.StatusOK
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(ready))
		}
	})
	s := newShell(t)
	s.env = append(s.env, "PETS_SERVER="+l.URL)
	r := s.run("status")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "the server: the wall clock is 3m0s behind the last record")
	ready, status = "not ready: the history is still being folded\n", http.StatusServiceUnavailable
	r = s.run("status")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "is up, and NOT READY")
	require.Contains(t, r.out, "the history is still being folded")
	s.env = append(s.env, "PETS_KEY="+someKey)
	require.Contains(t, s.run("status").out, "the portfolios are looked at once the server is ready")
}

// "or there is no answer": a folder that nobody serves, with a stop that waits in it, and
// a port at which nobody listens.
func TestStatusWithoutAServer(t *testing.T) {
	s := small(t)
	r := s.run("status")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "server      NO ANSWER")
	require.Contains(t, r.err, "no server holds "+s.store())
	require.NotContains(t, r.out, "nothing needs a person")

	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	s.env = append(s.env, "PETS_SERVER=http://"+nobody.Addr().String())
	r = s.run("status", "--json")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "no server listens there")
	var v status
	readJSON(t, r.out, &v)
	require.Contains(t, v.Server.NoAnswer, "no server listens there")
}

// "A retry with the same --key is safe: print the key when there was no answer": what the
// command says is typed again, and it has happened once.
func TestSentAgainUnderItsKeyItHappensOnce(t *testing.T) {
	s, p := served(t)
	s.ok("portfolio", "open", "main")
	deaf := newListener(t) // it hears, hands on, and hangs up
	deaf.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.Clone(r.Context())
		q.RequestURI = ""
		q.URL.Scheme, q.URL.Host = "http", strings.TrimPrefix(p.url, "http://")
		resp, err := http.DefaultClient.Do(q)
		if err == nil {
			_ = resp.Body.Close()
		}
		panic(http.ErrAbortHandler)
	})
	away := &shell{t: t, dir: s.dir, ctx: t.Context(), env: append([]string{}, s.env...)}
	away.setEnv("PETS_SERVER", deaf.URL)
	var a *app
	r := away.runWith(func(x *app) { a = x; x.patience = socketAfter / 10 }, "deposit", "250", "--tx", "one")
	require.Equal(t, 1, r.code, r.out)
	require.Contains(t, r.err, "it may have been recorded all the same; sent again with --key "+a.again+" it happens once")
	out := s.ok("deposit", "250", "--tx", "one", "--key", a.again)
	require.Contains(t, out, "(revision 1)")
	require.Len(t, s.eventsOf("deposit.recorded"), 1)
	// Another command under the same key is refused, and a key is a UUID.
	s.fails(1, []string{"this Idempotency-Key was used for another request"}, "deposit", "251", "--tx", "one", "--key", a.again)
	s.fails(2, []string{"--key must be a UUID"}, "deposit", "251", "--key", "one")
}

// runWith is run with the app changed before.
func (s *shell) runWith(change func(*app), args ...string) ran {
	var out, errs lockedBuffer
	a := &app{out: &out, err: &errs, environ: s.env, dir: s.dir, settle: s.settle}
	change(a)
	code := a.run(s.ctx, args)
	return ran{code, out.String(), errs.String()}
}

// eventsOf are those of a type.
func (s *shell) eventsOf(name string) []eventJSON {
	s.t.Helper()
	return s.events("--type", name)
}

// "Errors name the flag": of what is wrong here, and of what the server finds wrong; and
// what is wrong here is never sent.
func TestErrorsNameTheFlag(t *testing.T) {
	s, _ := served(t)
	s.ok("portfolio", "open", "main")
	s.ok("deposit", "100")
	s.ok("bot", "add", "alpha", "--capital", "50")
	order := []string{"permit", "ask", "--bot", "alpha", "--market", "m", "--outcome", "YES", "--side", "buy", "--limit-price", "0.4"}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{2, "AMOUNT must be a plain decimal number", []string{"deposit", "1e3"}},
		{1, "AMOUNT must be above 0", []string{"deposit", "0"}},
		{1, "--wallet must be", []string{"deposit", "1", "--wallet", "purse"}},
		{2, "--kind is needed", []string{"fee", "1"}},
		{1, "--kind must be trading, gas or rebate", []string{"fee", "1", "--kind", "tip"}},
		{2, "--add or --take is needed", []string{"adjust", "hot:treasury", "--reason", "x"}},
		{2, "--reason is needed", []string{"adjust", "hot:treasury", "--add", "1"}},
		{2, "--capital is needed", []string{"bot", "add", "beta"}},
		{2, "AMOUNT must be above 0; --back moves it back", []string{"bot", "allocate", "alpha", "0"}},
		{2, "--quantity is needed", order},
		{1, "--quantity must be above 0", append(order, "--quantity", "0")},
		{2, "--ttl must be a duration", append(order, "--quantity", "1", "--ttl", "soon")},
		{2, "--leg 1 must be", []string{"permit", "ask", "--bot", "alpha", "--leg", "buy many m YES 0.4"}},
		{2, "--expires-at must be an RFC 3339 time", []string{"permit", "place", "p1", "--expires-at", "tomorrow"}},
		{2, "--limit max_daily_loss is no limit: did you mean max_daily_loss_pct?", []string{"portfolio", "open", "x", "--limit", "max_daily_loss=0.03"}},
		{2, "--limit fee_bps must be a decimal number", []string{"portfolio", "open", "x", "--limit", "fee_bps=ten"}},
		{2, "permit_ttl must be a duration", []string{"limits", "set", "permit_ttl=30", "--reason", "x"}},
		{1, "max_daily_loss_pct", []string{"limits", "set", "max_daily_loss_pct=5", "--reason", "x"}},
		{2, "--gate must be PORTFOLIO@REVISION", []string{"portfolio", "open", "x", "--mode", "live", "--gate", "main"}},
		{2, "leave --portfolio out", []string{"-p", "main", "portfolio", "open", "x"}},
		{2, "--for is needed", []string{"override", "request", "go_live", "--reason", "x"}},
		{2, "KIND must be", []string{"override", "request", "luck", "--reason", "x"}},
		{2, "name MARKET OUTCOME PRICE", []string{"mark", "m", "0.5"}},
		{2, "--permit ID and FILE, or --transfer ID", []string{"sign"}},
		{2, "is no JSON", []string{"batch", s.file("junk.json", "junk")}},
		{2, "must hold {\"commands\"", []string{"batch", s.file("empty.json", "{}")}},
	} {
		r := s.run(c.args...)
		require.Equal(t, c.code, r.code, "pets %v: %s%s", c.args, r.out, r.err)
		require.Contains(t, strings.Join(strings.Fields(r.err), " "), c.want, "%v", c.args)
		require.Equal(t, c.code == 1, strings.Contains(r.err, "acting on"), "what is wrong here is not sent: %v", c.args)
	}
}

// A denial is printed with every reason and is no success: a script does not go on to place
// the order. A batch in which something was refused is none either.
func TestADenialIsNoSuccess(t *testing.T) {
	s, _ := served(t)
	s.ok("portfolio", "open", "main")
	s.ok("deposit", "100")
	s.ok("bot", "add", "alpha", "--capital", "50")
	order := []string{"permit", "ask", "--bot", "alpha", "--market", "m", "--outcome", "YES", "--side", "buy", "--quantity", "1000", "--limit-price", "0.4"}
	for _, more := range [][]string{nil, {"--preview"}} {
		r := s.run(append(order, more...)...)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.out, "DENIED\n  bot_stopped: ")
		require.Contains(t, r.out, "insufficient_cash: ")
		require.Contains(t, r.err, "not permitted: place no order")
		require.NotContains(t, r.err, "--key")
	}
	s.ok("start", "alpha")
	s.ok("market", "add", "m", "--outcomes", "YES,NO")
	out := s.ok("permit", "ask", "--bot", "alpha", "--leg", "buy 10 m YES 0.48", "--leg", "buy 10 m NO 0.49 0.01", "--leg-timeout", "20s", "--preview")
	require.Contains(t, out, "nothing was recorded")

	file := s.file("batch.json", `{"commands":[
		{"command":"record_fee","body":{"amount":"1","kind":"gas"}},
		{"command":"mark_prices","body":{"marks":[{"market":"m","outcome":"YES","price":"0.4"}]}},
		{"command":"stop_bot","body":{"bot":"nobody"}}]}`)
	for range 2 { // each of them once, under one --key
		r := s.run("batch", file, "--key", "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.out, "3  stop_bot  REFUSED: ")
		require.Contains(t, r.out, "2 of 3 are done")
		require.Contains(t, r.err, "1 are refused")
	}
	require.Len(t, s.eventsOf("fee.recorded"), 1)
}

// What reads takes a folder, too: the same lists, without a server.
func TestListsOfAFolder(t *testing.T) {
	s, p := served(t)
	s.ok("portfolio", "open", "main", "--limit", "blocked_zones=none")
	s.ok("deposit", "100")
	s.ok("bot", "add", "alpha", "--capital", "50")
	s.ok("market", "add", "rain", "--outcomes", "YES,NO", "--category", "weather", "--token", "YES=12")
	s.ok("market", "add", "ETH", "--kind", "spot", "--outcomes", "ETH")
	there := map[string]string{}
	lists := []string{"portfolio list", "limits", "bot list", "market list", "limits --at 0", "market list --json", "portfolio list --json"}
	for _, l := range lists {
		there[l] = s.ok(strings.Fields(l)...)
	}
	require.Contains(t, there["market list"], "rain    outcome  YES,NO    weather        1")
	require.Contains(t, there["limits"], "blocked_zones               none")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
	here := &shell{t: t, dir: s.dir, ctx: t.Context(), env: s.env[:1]}
	for _, l := range lists {
		require.Equal(t, there[l], here.ok(strings.Fields(l)...), l)
	}
}

// Every limit of the policy can be set, in the spelling in which it is shown.
func TestEveryLimitCanBeSet(t *testing.T) {
	s, _ := served(t)
	s.ok("portfolio", "open", "main")
	var pairs []string
	for line := range strings.Lines(s.ok("limits")) {
		words := strings.Fields(line)
		if len(words) < 2 || words[1] == "revision" {
			continue
		}
		pairs = append(pairs, words[0]+"="+words[1])
	}
	require.Greater(t, len(pairs), 20)
	before := s.ok("limits")
	s.ok(append([]string{"limits", "set", "--reason", "as they are"}, pairs...)...)
	_, after, _ := strings.Cut(s.ok("limits"), "\n")
	_, was, _ := strings.Cut(before, "\n")
	require.Equal(t, was, after)
	s.ok("limits", "set", "blocked_zones=none", "close_positions_on_trip=true", "max_rolling_loss_pct=0.1", "zone_bounds=0.1,0.2,0.3,0.4,0.5,0.6", "--reason", "others")
	for _, want := range []string{"blocked_zones               none", "max_rolling_loss_pct        0.1\n", "zone_bounds                 0.1,0.2,0.3,0.4,0.5,0.6"} {
		require.Contains(t, s.ok("limits"), want)
	}
}

// A command that is printed to be copied calls the program as it was called.
func TestTheNameOfTheProgram(t *testing.T) {
	for called, want := range map[string]string{
		"": "pets", "pets": "pets", "bin/pets": "bin/pets", "./pets": "./pets", "/opt/my pets/pets": "'/opt/my pets/pets'",
		filepath.Join(os.TempDir(), "go-build1/b001/exe/pets"): "pets", "/usr/bin/other": "pets",
	} {
		require.Equal(t, want, (&app{called: called}).name(), called)
	}
}
