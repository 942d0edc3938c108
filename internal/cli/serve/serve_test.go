package serve_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// serveFolderWith is ServeFolder with more flags.
func serveFolderWith(t *testing.T, folder string, flags []string) *petstest.Process {
	t.Helper()
	return petstest.ServeFlagged(t, flags, t.TempDir(), "127.0.0.1:0", folder)
}

// "Command-line commands that write find the running server", and open the folder
// where none runs; approvals and clears go through the server only.
func TestCommandsFindTheServer(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	issue := func(args ...string) string {
		r := p.Pets(folder, petstest.AdminKey, append([]string{"apikey", "issue"}, args...)...)
		require.Equal(t, 0, r.Code, r.Err)
		return petstest.SecretPattern.FindString(r.Out)
	}
	operator, approver := issue("--user", "olga", "--role", "operator"), issue("--user", "bob", "--role", "approver")
	admin := p.Client(operator)
	ctx := t.Context()
	require.NoError(t, admin.Send(ctx, http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	main := admin.Portfolio("main")
	require.NoError(t, main.Post(ctx, "/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"}, nil))
	require.NoError(t, main.Post(ctx, "/bots", "bot", map[string]any{"id": "alpha", "capital": "500"}, nil))

	ok := func(words string, key string, args ...string) string {
		t.Helper()
		r := p.Pets(folder, key, args...)
		require.Equal(t, 0, r.Code, "%v: %s", args, r.Err)
		require.Contains(t, r.Out, words)
		return r.Out
	}
	ok("may ask for permits", operator, "start", "alpha")
	ok("is stopped", operator, "stop", "alpha", "--reason", "odd fills")
	ok("EMERGENCY STOP engaged in main", operator, "stop", "--emergency", "--reason", "smoke")
	ok("EMERGENCY STOP engaged in main: recorded", operator, "stop", "--emergency", "--everywhere", "--reason", "smoke")
	asked := regexp.MustCompile(`c\d+`).FindString(ok("another user, with a key of role approver, confirms", operator, "clear", "--reason", "no fire"))
	r := p.Pets(folder, operator, "clear", "--confirm", asked)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "role operator may not do this: it takes a key of role approver, which an admin issues (pets apikey issue)")
	ok("cleared", approver, "clear", "--confirm", asked)
	ok("it is not tripped", operator, "reset", "consecutive_losses", "--bot", "alpha", "--dry-run")
	beside := "--store=embedded:" + folder // --store takes precedence over PETS_SERVER
	ok("it is not tripped", "", beside, "reset", "consecutive_losses", "--bot", "alpha", "--dry-run")
	ok("is stopped", operator, beside, "stop", "alpha")
	ok("revoked", petstest.AdminKey, "apikey", "revoke", "k2")
	require.Contains(t, ok("olga", petstest.AdminKey, "apikey", "list"), "bob")
	r = p.Pets(folder, "", beside, "start", "alpha")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "locked by pid")
	require.Contains(t, r.Err, "set PETS_KEY")
	for _, args := range [][]string{{"start", "alpha"}, {"apikey", "list"}, {"state"}, {beside, "apikey", "list"}} {
		r = p.Pets(folder, "", args...)
		require.Equal(t, 2, r.Code, args)
		require.Contains(t, r.Err, "PETS_KEY is needed")
	}
	ok("emergency_stop.cleared", "", beside, "events", "--type", "emergency_stop")
	r = p.Pets(folder, "", "verify")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "not at the server of PETS_SERVER")
	require.Contains(t, r.Out, "adds up")

	// After a graceful stop, the next process can use the folder.
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	ok("may ask for permits", "", beside, "start", "alpha")
	ok("os:", "", beside, "events", "--json")
	require.NotContains(t, p.Out.String()+p.Errs.String(), petstest.AdminKey)
}

// Without PETS_ADMIN_KEY the first start makes a key and shows it once.
func TestFirstKeyIsShownOnce(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder, "PETS_ADMIN_KEY=")
	key := petstest.SecretPattern.FindString(p.Out.String())
	require.NotEmpty(t, key, p.Out.String())
	require.NotContains(t, p.Errs.String(), key, "not in the log")
	require.NoError(t, p.Client(key).Get(t.Context(), "/v1/portfolios", nil))
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	again := petstest.ServeFolder(t, folder, "PETS_ADMIN_KEY=")
	require.Empty(t, petstest.SecretPattern.FindString(again.Out.String()))
	require.NoError(t, again.Client(key).Get(t.Context(), "/v1/portfolios", nil))
}

// output is where a server prints its first key.
type output func(text string) error

func (o output) Write(b []byte) (int, error) { return len(b), o(string(b)) }

// startsOnce runs a server that has to create the first key, until it ends by itself.
func startsOnce(ctx context.Context, t *testing.T, folder string, out output) (code int, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var log clitest.Buffer
	a := &cli.App{Place: open.Place{Err: &log}, Out: out, Dir: t.TempDir(), Environ: []string{"PETS_STORE=embedded:" + folder, "PETS_METRICS_LISTEN=off"}}
	code = pets.Run(ctx, a, []string{"serve", "--listen", "127.0.0.1:0"})
	return code, log.String()
}

// "A key that counts was shown": an interrupt at the moment of showing, or an output that takes
// nothing, leaves no key behind that nobody knows.
func TestNoFirstKeyIsRecordedThatNobodySaw(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	code, errs := startsOnce(t.Context(), t, folder, func(string) error { return syscall.EPIPE })
	require.Equal(t, 1, code)
	require.Contains(t, errs, "could not be shown, so it is not recorded")

	ctx, interrupt := context.WithCancel(t.Context())
	shown := ""
	_, _ = startsOnce(ctx, t, folder, func(text string) error {
		if key := petstest.SecretPattern.FindString(text); key != "" {
			shown = key
			interrupt()
		}
		return nil
	})
	require.NotEmpty(t, shown, "what was not shown before does not count")

	p := petstest.ServeFolder(t, folder, "PETS_ADMIN_KEY=")
	require.Eventually(t, func() bool { // what the process printed arrives a moment after it is ready
		if again := petstest.SecretPattern.FindString(p.Out.String()); again != "" {
			shown = again
		}
		return p.Client(shown).Get(t.Context(), "/v1/portfolios", nil) == nil
	}, 10*time.Second, 50*time.Millisecond, "somebody has seen the key that counts")
}

// A server that is killed in the middle of commands loses none that it
// acknowledged, and makes no second one of a retry.
func TestServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	keys := filepath.Join(t.TempDir(), "keys")
	p := petstest.ServeFolder(t, folder)
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	sent := 0
	for range rounds {
		c, err := client.New(client.Options{URL: p.URL, Key: petstest.AdminKey, KeysFile: keys, Patience: 300 * time.Millisecond})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var senders sync.WaitGroup
		for s := range 4 {
			senders.Go(func() {
				for n := range 50 {
					ref := "round " + string(rune('a'+s)) + " " + string(rune('a'+n%26)) + string(rune('a'+n/26))
					err := c.Portfolio("main").Post(ctx, "/deposits", ref+string(rune('0'+sent/200)), map[string]any{"wallet": "hot", "amount": "1"}, nil)
					if err != nil && client.CodeOf(err) != "" && client.CodeOf(err) != domain.CodeUnavailable {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(30 * time.Millisecond)
		require.NoError(t, p.Cmd.Process.Kill())
		_ = p.Cmd.Wait()
		cancel()
		senders.Wait()
		require.NoError(t, c.Close())
		p = petstest.ServeFolder(t, folder)
		// Send everything again under the same references, with a new client and the same file.
		c, err = client.New(client.Options{URL: p.URL, Key: petstest.AdminKey, KeysFile: keys})
		require.NoError(t, err)
		for s := range 4 {
			for n := range 50 {
				ref := "round " + string(rune('a'+s)) + " " + string(rune('a'+n%26)) + string(rune('a'+n/26))
				var answer commands.Answer
				require.NoError(t, c.Portfolio("main").Post(t.Context(), "/deposits", ref+string(rune('0'+sent/200)), map[string]any{"wallet": "hot", "amount": "1"}, &answer))
			}
		}
		require.NoError(t, c.Close())
		sent += 200
		var state struct{ Equity domain.Decimal }
		require.NoError(t, p.Client(petstest.AdminKey).Portfolio("main").Get(t.Context(), "/state", &state))
		require.Equal(t, domain.FromInt(int64(sent)), state.Equity, "each deposit once")
	}
}

// API keys are not sent over the network in clear text.
func TestPlaintextIsRefused(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.Fails(2, []string{"--tls-self", "API keys would go there in clear"}, "serve", "--listen", "0.0.0.0:0")
	s.Fails(2, []string{"PETS_TLS_CERT", "must be set together"}, "serve", "--tls-cert", "x.pem")
}

// TLS with a self-made certificate, which stays the same over restarts.
func TestTLSSelf(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder, "PETS_TLS_SELF=true")
	require.True(t, strings.HasPrefix(p.URL, "https://"), p.URL)
	fingerprint := ""
	require.Eventually(t, func() bool { // the output may come after the port answers
		fingerprint = regexp.MustCompile(`[0-9A-F]{64}`).FindString(p.Out.String())
		return fingerprint != ""
	}, 5*time.Second, 10*time.Millisecond)
	c, err := client.New(client.Options{URL: p.URL, Key: petstest.AdminKey, CAFile: filepath.Join(folder, "tls", "cert.pem")})
	require.NoError(t, err)
	require.NoError(t, c.Get(t.Context(), "/v1/portfolios", nil))
	info, err := os.Stat(filepath.Join(folder, "tls", "key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	again := petstest.ServeFolder(t, folder, "PETS_TLS_SELF=true")
	require.Eventually(t, func() bool { return strings.Contains(again.Out.String(), fingerprint) }, 5*time.Second, 10*time.Millisecond)
}

// An import through the server that holds the store has the same result as one into a separate
// folder: events, counts, and which rows are refused.
func TestImportThroughTheServer(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	r := p.Pets(folder, petstest.AdminKey, "apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.Code, r.Err)
	operator := petstest.SecretPattern.FindString(r.Out)
	examples, err := filepath.Abs(filepath.Join("..", "..", "..", "docs", "examples", "import"))
	require.NoError(t, err)
	alone := petstest.New(t)
	second := func(portfolio, settlements string) []string {
		args := []string{"import", "-p", portfolio, "--capital", "1000"}
		for _, name := range []string{"markets.csv", "cup-fills.csv", "sets.csv", "cash.csv", settlements} {
			args = append(args, filepath.Join(examples, name))
		}
		return args
	}
	for _, args := range [][]string{
		{"import", "--capital", "300", filepath.Join(examples, "fills.csv"), filepath.Join(examples, "settlements.csv")},
		{"import", "--capital", "300", filepath.Join(examples, "fills.csv"), filepath.Join(examples, "settlements.csv")},
		{"import", "-p", "wallet", "--capital", "250", filepath.Join(examples, "wallet.csv")},
		{"import", "-p", "bad", "--capital", "250", filepath.Join(examples, "bad.csv")},
		{"import", "-p", "bad", "--capital", "250", "--skip-bad", filepath.Join(t.TempDir(), "aside.csv"), filepath.Join(examples, "bad.csv")},
		{"import", "-p", "late", "--capital", "250", filepath.Join(examples, "later.csv")},
		{"import", "-p", "late", filepath.Join(examples, "early.csv")},
		second("second", "payouts.csv"),
		second("second", "payouts.csv"),
		second("wrong", "wrong.csv"),
	} {
		here, there := alone.Run(args...), p.Pets(folder, operator, args...)
		require.Equal(t, here.Code, there.Code, "%v: %s%s", args, here.Err, there.Err)
		require.Equal(t, petstest.Speed.ReplaceAllString(here.Out, ""), petstest.Speed.ReplaceAllString(there.Out, ""), "%v", args)
		require.Equal(t, petstest.Besides(here.Err), petstest.Besides(there.Err), "%v", args)
	}
	for _, portfolio := range []string{"main", "wallet", "bad", "late", "second", "wrong"} {
		for _, look := range []string{"state", "stats", "balances", "trades"} {
			require.Equal(t, alone.Run(look, "-p", portfolio).Out, p.Pets(folder, operator, look, "-p", portfolio).Out, "%s of %s", look, portfolio)
		}
	}
	r = p.Pets(folder, "", "--store=embedded:"+folder, "import", "-p", "more", "--capital", "1", filepath.Join(examples, "fills.csv"))
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "set PETS_KEY")
}

// "A key of another role may be bound to a portfolio, an admin's may not": --portfolio
// binds the key, and what it is for is said.
func TestAKeyIsBoundToThePortfolioThatIsNamed(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	issue := func(args ...string) petstest.Ran {
		return p.Pets(folder, petstest.AdminKey, append([]string{"apikey", "issue"}, args...)...)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--user", "olga", "--role", "operator", "--portfolio", "other"}, "role operator, for portfolio other only"},
		{[]string{"--user", "ann", "--role", "auditor", "-p", "other"}, "role auditor, for portfolio other only"},
		{[]string{"--user", "bob", "--role", "approver"}, "role approver, for every portfolio"},
		{[]string{"--user", "host", "--role", "bot", "--bot", "alpha"}, "role bot, for bot alpha of portfolio main only"},
	} {
		r := issue(c.args...)
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Out, c.says)
	}
	r := issue("--user", "eve", "--role", "admin", "--portfolio", "other")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "is not allowed with role admin")
	var list struct {
		Keys []struct{ User, Portfolio string }
	}
	petstest.ReadJSON(t, p.Pets(folder, petstest.AdminKey, "apikey", "list", "--json").Out, &list)
	bound := map[string]string{}
	for _, k := range list.Keys {
		bound[k.User] = k.Portfolio
	}
	require.Equal(t, map[string]string{"admin": "", "olga": "other", "ann": "other", "bob": "", "host": "main"}, bound)
}
