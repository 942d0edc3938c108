package look_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/cli/look"
	"pets/internal/open"
	"pets/internal/pets/petstest"
	"pets/internal/proof"
)

// served returns a server with a portfolio, and the command line beside it.
func served(t *testing.T, env ...string) (*petstest.Shell, *petstest.Process) {
	t.Helper()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store(), env...)
	s.Env = append(s.Env, "PETS_SERVER="+p.URL, "PETS_KEY="+petstest.AdminKey)
	return s, p
}

// "Exit 0 fine, 1 something needs a person or there is no answer", and each thing that
// needs one is named with what to type next.
func TestStatusSaysWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	s, _ := served(t)
	issue := func(args ...string) string {
		return petstest.SecretPattern.FindString(s.Ok(append([]string{"apikey", "issue"}, args...)...))
	}
	olga, auditor := issue("--user", "olga", "--role", "operator"), issue("--user", "ann", "--role", "auditor")
	s.Ok("portfolio", "open", "main")
	s.Ok("portfolio", "open", "quiet")
	s.Ok("deposit", "1000")
	s.Ok("bot", "add", "alpha", "--capital", "500")
	s.Ok("start", "alpha")
	out := s.Ok("status")
	require.Contains(t, out, "is up and ready, version ")
	require.Contains(t, out, "main        paper, revision 4, 1 of 1 bot running, rules ")
	require.Contains(t, out, "nothing needs a person\n")

	for _, n := range []string{"1", "2", "3"} {
		s.Ok("trade", "--bot", "alpha", "--market", "m", "--pnl=-1", "--trade-id", n)
	}
	s.SetEnv("PETS_KEY", olga)
	s.Ok("-p", "quiet", "stop", "--emergency", "--reason", "the feed is lying")
	s.Ok("-p", "quiet", "clear", "--reason", "it does not")
	s.Ok("override", "request", "go_live", "--for", "real", "--reason", "a month")
	s.SetEnv("PETS_KEY", auditor) // "a key of role auditor is enough"
	r := s.Run("status")
	require.Equal(t, 1, r.Code, r.Out)
	words := strings.Join(strings.Fields(r.Out), " ")
	for _, want := range []string{
		"NEEDS A PERSON main: breaker consecutive_losses of alpha is tripped pets state -p main ",
		"olga asked for override go_live (o", " -p main",
		"quiet: EMERGENCY STOP, manual, since ", ": the feed is lying pets state -p quiet ",
		"quiet: olga asked to clear the emergency stop", "pets clear --confirm c2 -p quiet",
		"0 of 1 bot running",
	} {
		require.Contains(t, words, want)
	}
	require.Contains(t, r.Err, "pets: 4 things need a person")
	clitest.Fits(t, 80, r.Out)

	r = s.Run("status", "--json")
	require.Equal(t, 1, r.Code)
	var v look.Status
	petstest.ReadJSON(t, r.Out, &v)
	require.True(t, v.Server.Up && v.Server.Ready)
	require.NotNil(t, v.Server.Started)
	require.Len(t, v.Needs, 4)
	for _, n := range v.Needs { // who reads JSON types the same
		require.Contains(t, n.Next.String(), " -p "+n.Portfolio, n.What)
	}
	require.Len(t, v.Portfolios, 2)
}

// "It works without a key as far as the open routes go, and says what a key would show."
func TestStatusWithoutAKey(t *testing.T) {
	t.Parallel()
	s, p := served(t)
	for _, env := range [][]string{{"PETS_SERVER=" + p.URL}, {s.Env[0]}} { // named, or found by its folder
		here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: env}
		r := here.Run("status")
		require.Equal(t, 3, r.Code, r.Err)
		require.Contains(t, r.Err, "not everything was seen")
		out := r.Out
		require.Contains(t, out, p.URL+" is up and ready")
		require.Contains(t, strings.Join(strings.Fields(out), " "), "not seen every portfolio: PETS_KEY is not set. A key of role auditor shows the version")
		require.Contains(t, out, "nothing needs a person, of what was seen")
	}
	s.SetEnv("PETS_KEY", petstest.SomeKey)
	r := s.Run("status")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Out, "PETS_KEY is refused: ")
	require.Contains(t, strings.Join(strings.Fields(r.Out), " "), "not seen every portfolio: the key is refused")
}

// "Another exit status when something that should be seen is unseen, and a line that names
// what and why": of a key that is for one portfolio, while all others are stopped.
func TestStatusWithAKeyOfOnePortfolio(t *testing.T) {
	t.Parallel()
	s, _ := served(t)
	require.Contains(t, s.Ok("status"), "nothing needs a person\n", "there is no portfolio, and nothing is hidden")
	s.Ok("portfolio", "open", "main")
	s.Ok("portfolio", "open", "quiet")
	key := petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "ann", "--role", "auditor", "-p", "quiet"))
	s.Ok("-p", "main", "stop", "--emergency")
	s.SetEnv("PETS_KEY", key)
	r := s.Run("status")
	require.Equal(t, 3, r.Code, r.Out)
	require.Contains(t, r.Out, "not seen    every other portfolio: the key is for one only")
	require.Contains(t, r.Out, "nothing needs a person, of what was seen")
	s.Ok("-p", "quiet", "stop", "--emergency", "--store", strings.TrimPrefix(s.Env[0], "PETS_STORE="))
	require.Equal(t, 1, s.Run("status").Code, "what needs a person goes before it")
}

// A server that is ready, but warns, needs a person; one that is not says why.
func TestStatusOfAServerInTrouble(t *testing.T) {
	t.Parallel()
	l := petstest.NewListener(t)
	ready, status := "ready\nwarning: the wall clock is 3m0s behind the last record\n", http.StatusOK
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(ready))
		}
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER="+l.URL)
	r := s.Run("status")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "the server: the wall clock is 3m0s behind the last record")
	ready, status = "not ready: the history is still being folded\n", http.StatusServiceUnavailable
	r = s.Run("status")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "is up, and NOT READY")
	require.Contains(t, r.Out, "the history is still being folded")
	s.Env = append(s.Env, "PETS_KEY="+petstest.SomeKey)
	require.Contains(t, strings.Join(strings.Fields(s.Run("status").Out), " "), "the portfolios, which the server does not show now: ")
}

// "One client, one proof, for all views of a run": the server that was found by its folder
// proves once who it is, however many portfolios are looked at.
func TestStatusAsksForOneProof(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	lock, err := open.LockDir(s.Store(), s.Store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	var secret string
	var proofs, views atomic.Int32
	l := petstest.NewListener(t)
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez":
			if r.Header.Get(proof.Challenge) != "" {
				proofs.Add(1)
			}
			proof.Give(w, r, secret)
		case "/readyz":
			_, _ = w.Write([]byte("ready\n"))
		case "/v1/portfolios":
			_, _ = w.Write([]byte(`{"portfolios":[` + strings.TrimSuffix(strings.Repeat(`{"portfolio":"p","mode":"paper"},`, 26), ",") + `]}`))
		case "/v1/api-keys", "/v1/approvers":
			_, _ = w.Write([]byte(`{"keys":[],"approvers":[]}`))
		default:
			views.Add(1)
			_, _ = w.Write([]byte(`{"clock":"imported"}`)) // nothing more is asked about it
		}
	})
	require.NoError(t, lock.AnswersAt(l.URL))
	h, held := open.HolderOf(s.Store())
	require.True(t, held)
	secret = h.Proof
	s.Env = append(s.Env, "PETS_KEY="+petstest.SomeKey)
	out := s.Ok("status")
	require.Contains(t, out, l.URL+" is up and ready")
	require.EqualValues(t, 26, views.Load())
	require.LessOrEqual(t, proofs.Load(), int32(5), "one, and one more for each second that it takes")
}

// "A 429 from /readyz is not known": it is no server that is not ready.
func TestStatusWhereReadyIsNotSaid(t *testing.T) {
	t.Parallel()
	l := petstest.NewListener(t)
	refusals := 2
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			return
		}
		if refusals--; refusals >= 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER="+l.URL)
	r := s.Run("status")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Out, "is up; whether it is ready is not known")
	require.NotContains(t, r.Out, "NOT READY")
	refusals = 1
	r = s.Run("status")
	require.Equal(t, 3, r.Code, "without a key not everything is seen: %s", r.Err)
	require.Contains(t, r.Out, "is up and ready")
}

// "Show what it answers whenever it answers": a server whose disk is low is not ready, and
// shows its portfolios and their emergency stops.
func TestStatusShowsPortfoliosOfAServerThatIsNotReady(t *testing.T) {
	t.Parallel()
	s, before := served(t)
	s.Ok("portfolio", "open", "main")
	require.NoError(t, before.Cmd.Process.Kill())
	_, err := before.Cmd.Process.Wait()
	require.NoError(t, err)
	p := petstest.ServeFolder(t, s.Store(), "PETS_DISK_RESERVE=1099511627776") // more than this machine has
	s.SetEnv("PETS_SERVER", p.URL)
	s.Ok("stop", "--emergency", "--reason", "the feed is lying")
	r := s.Run("status")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Out, "is up, and NOT READY")
	require.Contains(t, strings.Join(strings.Fields(r.Out), " "), "main: EMERGENCY STOP, manual, since ")
	require.NotContains(t, r.Out, "not seen ")
}

// "pets status, which covers every portfolio, does not need PETS_PORTFOLIO": one that cannot be
// read hides nothing, whether the server is named or found.
func TestStatusWithABadPortfolio(t *testing.T) {
	s, _ := served(t)
	s.Ok("portfolio", "open", "main")
	s.Ok("-p", "main", "stop", "--emergency")
	for _, env := range [][]string{s.Env, {s.Env[0], "PETS_KEY=" + petstest.AdminKey}} {
		here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: append([]string{"PETS_PORTFOLIO=not a name"}, env...)}
		r := here.Run("status")
		require.Equal(t, 1, r.Code, r.Err)
		require.Contains(t, r.Out, "main: EMERGENCY STOP, manual")
		require.Contains(t, r.Out, "    pets state -p main\n")
	}
}

// "or there is no answer": a folder without a server, with a stop waiting in it, and a port at which
// no server listens.
func TestStatusWithoutAServer(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	r := s.Run("status")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "server      NO ANSWER")
	require.Contains(t, r.Err, "no server holds "+s.Store())
	require.NotContains(t, r.Out, "nothing needs a person")

	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	s.Env = append(s.Env, "PETS_SERVER=http://"+nobody.Addr().String())
	r = s.Run("status", "--json")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "no server listens there")
	var v look.Status
	petstest.ReadJSON(t, r.Out, &v)
	require.Contains(t, v.Server.NoAnswer, "no server listens there")
	require.NotEmpty(t, v.Needs, "what is named and silent leaves something to type")
	require.Equal(t, "pets status --store embedded:DIR", v.Needs[0].Next.String())
}

// "Down or hung: say what to do": a server that stands still is ended by its number, as stop
// says, whether it was named or found.
func TestStatusOfAServerThatHangs(t *testing.T) {
	t.Parallel()
	s, p := served(t)
	p.Freeze()
	for name, env := range map[string][]string{"named": s.Env, "found": {s.Env[0], "PETS_KEY=" + petstest.AdminKey}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: append([]string{s.Env[0]}, env...)}
			r := here.Run("status")
			require.Equal(t, 1, r.Code)
			words := strings.Join(strings.Fields(r.Out), " ")
			require.Contains(t, words, "NO ANSWER")
			require.Contains(t, words, fmt.Sprintf("does not answer: end it (kill -9 %d), and start it again", p.Cmd.Process.Pid))
			require.Contains(t, r.Out, "    pets serve\n")
		})
	}
}

// "A damaged or rolled-back store: say what a look at the folder shows, and name the runbook."
func TestStatusOfAStoreInTrouble(t *testing.T) {
	t.Parallel()
	damaged, _ := damagedShell(t)
	rolled := petstest.New(t)
	older := filepath.Join(t.TempDir(), "store")
	for _, id := range []string{"main", "second"} {
		p := petstest.ServeFolder(t, rolled.Store())
		r := p.Pets(rolled.Store(), petstest.AdminKey, "portfolio", "open", id)
		require.Equal(t, 0, r.Code, r.Err)
		require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
		require.NoError(t, p.Cmd.Wait())
		if id == "main" {
			require.NoError(t, os.CopyFS(older, os.DirFS(rolled.Store())))
		}
	}
	require.Contains(t, rolled.Run("status").Err, "start pets serve")
	require.NoError(t, os.RemoveAll(rolled.Store()))
	require.NoError(t, os.Rename(older, rolled.Store()))
	for what, s := range map[string]*petstest.Shell{"damaged at byte": damaged, "the store was rolled back": rolled} {
		if s == damaged {
			require.Contains(t, s.Run("stop", "--emergency").Err, "what is stopped is kept in emergency-stop.json")
		}
		r := s.Run("status")
		require.Equal(t, 1, r.Code)
		words := strings.Join(strings.Fields(r.Out), " ")
		require.Equal(t, s == damaged, strings.Contains(words, "the next server records it first"))
		require.NotContains(t, r.Out, "    pets serve\n")
		require.Contains(t, words, "DO NOT START a server on it as it is")
		require.Contains(t, words, what)
		require.Contains(t, words, "docs/runbooks/store.md")
		require.NotContains(t, r.Err, "start pets serve")
	}
}

// "A retry with the same --key is safe: print the key when there was no answer": what the
// command says is typed again, and it has happened once.
func TestSentAgainUnderItsKeyItHappensOnce(t *testing.T) {
	t.Parallel()
	s, p := served(t)
	s.Ok("portfolio", "open", "main")
	deaf := petstest.NewListener(t) // it passes the request on and hangs up
	deaf.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.Clone(r.Context())
		q.RequestURI = ""
		q.URL.Scheme, q.URL.Host = "http", strings.TrimPrefix(p.URL, "http://")
		resp, err := http.DefaultClient.Do(q)
		if err == nil {
			_ = resp.Body.Close()
		}
		panic(http.ErrAbortHandler)
	})
	away := &petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context(), Env: append([]string{}, s.Env...)}
	away.SetEnv("PETS_SERVER", deaf.URL)
	var a *cli.App
	r := away.RunWith(func(x *cli.App) { a = x; x.Patience = 3 * time.Second / 10 }, "deposit", "250", "--tx", "one")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "it may have been recorded; to send it again safely, add --key "+a.Again)
	out := s.Ok("deposit", "250", "--tx", "one", "--key", a.Again)
	require.Contains(t, out, "already recorded at revision 1 under this key")
	require.Len(t, s.EventsOf("deposit.recorded"), 1)
	// Another command under the same key is refused, and a key is a UUID.
	s.Fails(1, []string{"this Idempotency-Key was used for another request"}, "deposit", "251", "--tx", "one", "--key", a.Again)
	s.Fails(2, []string{"--key must be a UUID"}, "deposit", "251", "--key", "one")
}

// "Errors name the flag": of what is wrong here, and of what the server finds wrong; and
// what is wrong here is never sent.
func TestErrorsNameTheFlag(t *testing.T) {
	t.Parallel()
	s, _ := served(t)
	s.Ok("portfolio", "open", "main")
	s.Ok("deposit", "100")
	s.Ok("bot", "add", "alpha", "--capital", "50")
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
		{2, "--limit max_daily_loss is not a limit: did you mean max_daily_loss_pct?", []string{"portfolio", "open", "x", "--limit", "max_daily_loss=0.03"}},
		{2, "--limit fee_bps must be a decimal number", []string{"portfolio", "open", "x", "--limit", "fee_bps=ten"}},
		{2, "permit_ttl must be a duration", []string{"limits", "set", "permit_ttl=30", "--reason", "x"}},
		{1, "max_daily_loss_pct", []string{"limits", "set", "max_daily_loss_pct=5", "--reason", "x"}},
		{2, "--gate must be PORTFOLIO@REVISION", []string{"portfolio", "open", "x", "--mode", "live", "--gate", "main"}},
		{2, "leave --portfolio out", []string{"-p", "main", "portfolio", "open", "x"}},
		{2, "--for is needed", []string{"override", "request", "go_live", "--reason", "x"}},
		{2, "KIND must be", []string{"override", "request", "luck", "--reason", "x"}},
		{2, "name MARKET OUTCOME PRICE", []string{"mark", "m", "0.5"}},
		{2, "--permit ID and FILE, or --transfer ID", []string{"sign"}},
		{2, "is not JSON", []string{"batch", s.File("junk.json", "junk")}},
		{2, "must hold {\"commands\"", []string{"batch", s.File("empty.json", "{}")}},
	} {
		r := s.Run(c.args...)
		require.Equal(t, c.code, r.Code, "pets %v: %s%s", c.args, r.Out, r.Err)
		require.Contains(t, strings.Join(strings.Fields(r.Err), " "), c.want, "%v", c.args)
		require.Equal(t, c.code == 1, strings.Contains(r.Err, "acting on"), "what is wrong here is not sent: %v", c.args)
	}
}

// A denial is printed with every reason and exits with a failure, so that a script does not place
// the order. So does a batch with a refused command.
func TestADenialIsNoSuccess(t *testing.T) {
	t.Parallel()
	s, _ := served(t)
	s.Ok("portfolio", "open", "main")
	s.Ok("deposit", "100")
	s.Ok("bot", "add", "alpha", "--capital", "50")
	order := []string{"permit", "ask", "--bot", "alpha", "--market", "m", "--outcome", "YES", "--side", "buy", "--quantity", "1000", "--limit-price", "0.4"}
	for _, more := range [][]string{nil, {"--preview"}} {
		r := s.Run(append(order, more...)...)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Out, "DENIED\n  bot_stopped: ")
		require.Contains(t, r.Out, "insufficient_cash: ")
		require.Contains(t, r.Err, "not permitted: place no order")
		require.NotContains(t, r.Err, "--key")
	}
	s.Ok("start", "alpha")
	s.Ok("market", "add", "m", "--outcomes", "YES,NO")
	out := s.Ok("permit", "ask", "--bot", "alpha", "--leg", "buy 10 m YES 0.48", "--leg", "buy 10 m NO 0.49 0.01", "--leg-timeout", "20s", "--preview")
	require.Contains(t, out, "nothing was recorded")

	file := s.File("batch.json", `{"commands":[
		{"command":"record_fee","body":{"amount":"1","kind":"gas"}},
		{"command":"mark_prices","body":{"marks":[{"market":"m","outcome":"YES","price":"0.4"}]}},
		{"command":"stop_bot","body":{"bot":"nobody"}}]}`)
	for range 2 { // each of them once, under one --key
		r := s.Run("batch", file, "--key", "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e")
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Out, "3  stop_bot  REFUSED: ")
		require.Contains(t, r.Out, "2 of 3 are done")
		require.Contains(t, r.Err, "1 are refused")
	}
	require.Len(t, s.EventsOf("fee.recorded"), 1)
}

// Lists can also be read from a folder, without a server.
func TestListsOfAFolder(t *testing.T) {
	t.Parallel()
	s, p := served(t)
	s.Ok("portfolio", "open", "main", "--limit", "blocked_zones=none")
	s.Ok("deposit", "100")
	s.Ok("bot", "add", "alpha", "--capital", "50")
	s.Ok("market", "add", "rain", "--outcomes", "YES,NO", "--category", "weather", "--token", "YES=12")
	s.Ok("market", "add", "ETH", "--kind", "spot", "--outcomes", "ETH")
	there := map[string]string{}
	lists := []string{"portfolio list", "limits", "bot list", "market list", "limits --at 0", "market list --json", "portfolio list --json"}
	for _, l := range lists {
		there[l] = s.Ok(strings.Fields(l)...)
	}
	require.Regexp(t, `rain    (outcome|exclusive)  YES,NO    weather        1`, there["market list"])
	require.Contains(t, there["limits"], "blocked_zones               none")
	require.NoError(t, p.Cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.Cmd.Wait())
	here := &petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context(), Env: s.Env[:1]}
	for _, l := range lists {
		require.Equal(t, there[l], here.Ok(strings.Fields(l)...), l)
	}
}

// Every limit of the policy can be set, in the spelling in which it is shown.
func TestEveryLimitCanBeSet(t *testing.T) {
	t.Parallel()
	s, _ := served(t)
	s.Ok("portfolio", "open", "main")
	var pairs []string
	for line := range strings.Lines(s.Ok("limits")) {
		words := strings.Fields(line)
		if len(words) < 2 && len(pairs) > 0 { // the limits end here
			break
		}
		if len(words) < 2 || words[1] == "revision" {
			continue
		}
		pairs = append(pairs, words[0]+"="+words[1])
	}
	require.Greater(t, len(pairs), 20)
	before := s.Ok("limits")
	s.Ok(append([]string{"limits", "set", "--reason", "as they are"}, pairs...)...)
	_, after, _ := strings.Cut(s.Ok("limits"), "\n")
	_, was, _ := strings.Cut(before, "\n")
	require.Equal(t, was, after)
	s.Ok("limits", "set", "blocked_zones=none", "close_positions_on_trip=true", "max_rolling_loss_pct=0.1", "zone_bounds=0.1,0.2,0.3,0.4,0.5,0.6", "--reason", "others")
	for _, want := range []string{"blocked_zones               none", "max_rolling_loss_pct        0.1\n", "zone_bounds                 0.1,0.2,0.3,0.4,0.5,0.6"} {
		require.Contains(t, s.Ok("limits"), want)
	}
}

// A command that is printed to be copied calls the program as it was called.
func TestTheNameOfTheProgram(t *testing.T) {
	t.Parallel()
	for called, want := range map[string]string{
		"": "pets", "pets": "pets", "bin/pets": "bin/pets", "./pets": "./pets", "/opt/my pets/pets": "'/opt/my pets/pets'",
		filepath.Join(os.TempDir(), "go-build1/b001/exe/pets"): "pets", "/usr/bin/other": "pets",
	} {
		require.Equal(t, want, (&cli.App{Called: called}).Name(), called)
	}
}

// "Show time, reason and who of the same record": a portfolio that was stopped twice shows the
// second stop, at a server and in its folder; `state`, `status` and `breakers` say who stopped it.
func TestARepeatedStopIsShownAsOneRecord(t *testing.T) {
	t.Parallel()
	s, p := served(t)
	s.Ok("portfolio", "open", "main")
	issue := func(user, role string) string {
		return petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", user, "--role", role))
	}
	olga, bob := issue("olga", "operator"), issue("bob", "operator")
	s.SetEnv("PETS_KEY", olga)
	s.Ok("stop", "--emergency", "--reason", "stop bbb")
	time.Sleep(1100 * time.Millisecond) // times are shown in seconds
	s.SetEnv("PETS_KEY", bob)
	s.Ok("stop", "--emergency", "--reason", "to be sure")
	stops := s.EventsOf("emergency_stop.engaged")
	require.Len(t, stops, 2)
	first, second := strings.Replace(stops[0].Time[:19], "T", " ", 1), strings.Replace(stops[1].Time[:19], "T", " ", 1)
	require.NotEqual(t, first, second)
	shown := func(commands ...string) {
		t.Helper()
		for _, command := range commands {
			out := strings.Join(strings.Fields(s.Run(command).Out), " ")
			require.Contains(t, out, "since "+second+" UTC, by bob", command)
			require.Contains(t, out, "to be sure", command)
			require.Contains(t, out, "it was stopped before that, at "+first+" UTC", command)
			require.NotContains(t, out, "since "+first, command)
		}
	}
	shown("state", "breakers", "status")
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	s.SetEnv("PETS_SERVER", "")
	shown("state", "breakers")
}
