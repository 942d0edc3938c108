package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
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
)

// process is a pets serve in a process of its own, on a folder.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	out  *lockedBuffer
	errs *lockedBuffer
}

// lockedBuffer collects what another goroutine writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const adminKey = "test-admin-key-0123456789-0123456789-0123456789"

// serveFolder starts a server and waits until it is ready.
func serveFolder(t *testing.T, folder string, env ...string) *process {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", folder, env...)
}

// serveAt starts it at an address, such as that of one which was killed.
func serveAt(t *testing.T, address, folder string, env ...string) *process {
	t.Helper()
	return serveIn(t, t.TempDir(), address, folder, env...) // without an .env
}

// serveIn starts it in a working folder, where an .env may be.
func serveIn(t *testing.T, dir, address, folder string, env ...string) *process {
	t.Helper()
	return serveFlagged(t, nil, dir, address, folder, env...)
}

// serveFolderWith is serveFolder with more flags.
func serveFolderWith(t *testing.T, folder string, flags []string) *process {
	t.Helper()
	return serveFlagged(t, flags, t.TempDir(), "127.0.0.1:0", folder)
}

func serveFlagged(t *testing.T, flags []string, dir, address, folder string, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t, out: &lockedBuffer{}, errs: &lockedBuffer{}}
	p.cmd = exec.Command(self, append([]string{"serve", "--store", "embedded:" + folder, "--listen", address, "--metrics-listen", "127.0.0.1:0"}, flags...)...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), asCommand+"=1", "PETS_ADMIN_KEY="+adminKey)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errs
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _, _ = p.cmd.Process.Wait() })
	require.Eventually(t, func() bool {
		lines := bufio.NewScanner(strings.NewReader(p.errs.String()))
		for lines.Scan() {
			var l struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
				p.url = l.Address
			}
		}
		return p.url != ""
	}, 20*time.Second, 5*time.Millisecond, "%s", p.errs)
	return p
}

// freeze stops the process and waits until it stands still: on a busy machine it would
// answer once more.
func (p *process) freeze() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(p.t, err)
	require.True(p.t, status.Stopped())
}

func (p *process) client(key string) *client.Client {
	p.t.Helper()
	c, err := client.New(client.Options{URL: p.url, Key: key})
	require.NoError(p.t, err)
	return c
}

// pets runs the command line against the folder and the server.
func (p *process) pets(folder, key string, args ...string) ran {
	p.t.Helper()
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, environ: []string{"PETS_STORE=embedded:" + folder, "PETS_SERVER=" + p.url, "PETS_KEY=" + key}, dir: p.t.TempDir()}
	code := a.run(p.t.Context(), args)
	return ran{code, out.String(), errs.String()}
}

var secretPattern = regexp.MustCompile(`pets_[A-Za-z0-9_-]{43}`)

// "Command-line commands that write find the running server", and open the folder
// where none runs; approvals and clears go through the server only.
func TestCommandsFindTheServer(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	issue := func(args ...string) string {
		r := p.pets(folder, adminKey, append([]string{"apikey", "issue"}, args...)...)
		require.Equal(t, 0, r.code, r.err)
		return secretPattern.FindString(r.out)
	}
	operator, approver := issue("--user", "olga", "--role", "operator"), issue("--user", "bob", "--role", "approver")
	admin := p.client(operator)
	ctx := t.Context()
	require.NoError(t, admin.Send(ctx, http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	main := admin.Portfolio("main")
	require.NoError(t, main.Post(ctx, "/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"}, nil))
	require.NoError(t, main.Post(ctx, "/bots", "bot", map[string]any{"id": "alpha", "capital": "500"}, nil))

	ok := func(words string, key string, args ...string) string {
		t.Helper()
		r := p.pets(folder, key, args...)
		require.Equal(t, 0, r.code, "%v: %s", args, r.err)
		require.Contains(t, r.out, words)
		return r.out
	}
	ok("may ask for permits", operator, "start", "alpha")
	ok("is stopped", operator, "stop", "alpha", "--reason", "odd fills")
	ok("EMERGENCY STOP engaged in main", operator, "stop", "--emergency", "--reason", "smoke")
	ok("EMERGENCY STOP engaged in main: recorded", operator, "stop", "--emergency", "--everywhere", "--reason", "smoke")
	asked := regexp.MustCompile(`c\d+`).FindString(ok("another user, with a key of role approver, confirms", operator, "clear", "--reason", "no fire"))
	r := p.pets(folder, operator, "clear", "--confirm", asked)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "role operator may not do this")
	ok("cleared", approver, "clear", "--confirm", asked)
	ok("it is not tripped", operator, "reset", "consecutive_losses", "--bot", "alpha", "--dry-run")
	beside := "--store=embedded:" + folder // the folder goes before PETS_SERVER
	ok("it is not tripped", "", beside, "reset", "consecutive_losses", "--bot", "alpha", "--dry-run")
	ok("is stopped", operator, beside, "stop", "alpha")
	ok("revoked", adminKey, "apikey", "revoke", "k2")
	require.Contains(t, ok("olga", adminKey, "apikey", "list"), "bob")
	r = p.pets(folder, "", beside, "start", "alpha")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "locked by pid")
	require.Contains(t, r.err, "set PETS_KEY")
	for _, args := range [][]string{{"start", "alpha"}, {"apikey", "list"}, {"state"}, {beside, "apikey", "list"}} {
		r = p.pets(folder, "", args...)
		require.Equal(t, 2, r.code, args)
		require.Contains(t, r.err, "PETS_KEY is needed")
	}
	ok("emergency_stop.cleared", "", beside, "events", "--type", "emergency_stop")
	r = p.pets(folder, "", "verify")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.err, "not at the server of PETS_SERVER")
	require.Contains(t, r.out, "adds up")

	// Stopped gracefully, it leaves the folder to whoever comes next.
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	ok("may ask for permits", "", beside, "start", "alpha")
	ok("os:", "", beside, "events", "--json")
	require.NotContains(t, p.out.String()+p.errs.String(), adminKey)
}

// Without PETS_ADMIN_KEY the first start makes a key and shows it once.
func TestFirstKeyIsShownOnce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder, "PETS_ADMIN_KEY=")
	key := secretPattern.FindString(p.out.String())
	require.NotEmpty(t, key, p.out.String())
	require.NotContains(t, p.errs.String(), key, "not in the log")
	require.NoError(t, p.client(key).Get(t.Context(), "/v1/portfolios", nil))
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	again := serveFolder(t, folder, "PETS_ADMIN_KEY=")
	require.Empty(t, secretPattern.FindString(again.out.String()))
	require.NoError(t, again.client(key).Get(t.Context(), "/v1/portfolios", nil))
}

// output is where a server shows its first key.
type output func(text string) error

func (o output) Write(b []byte) (int, error) { return len(b), o(string(b)) }

// startsOnce runs a server that has to make the first key, until it ends by itself.
func startsOnce(ctx context.Context, t *testing.T, folder string, out output) (code int, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var log lockedBuffer
	a := &app{out: out, err: &log, dir: t.TempDir(), environ: []string{"PETS_STORE=embedded:" + folder, "PETS_METRICS_LISTEN=off"}}
	code = a.run(ctx, []string{"serve", "--listen", "127.0.0.1:0"})
	return code, log.String()
}

// "A key that counts was shown": an interrupt at the moment of showing, or an output that takes
// nothing, leaves no key behind that nobody knows.
func TestNoFirstKeyIsRecordedThatNobodySaw(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	code, errs := startsOnce(t.Context(), t, folder, func(string) error { return syscall.EPIPE })
	require.Equal(t, 1, code)
	require.Contains(t, errs, "could not be shown, so it is not recorded")

	ctx, interrupt := context.WithCancel(t.Context())
	shown := ""
	_, _ = startsOnce(ctx, t, folder, func(text string) error {
		if key := secretPattern.FindString(text); key != "" {
			shown = key
			interrupt()
		}
		return nil
	})
	require.NotEmpty(t, shown, "what was not shown before does not count")

	p := serveFolder(t, folder, "PETS_ADMIN_KEY=")
	if again := secretPattern.FindString(p.out.String()); again != "" {
		shown = again
	}
	require.NoError(t, p.client(shown).Get(t.Context(), "/v1/portfolios", nil), "somebody has seen the key that counts")
}

// A server that is killed in the middle of commands loses none that it
// acknowledged, and makes no second one of a retry.
func TestServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	keys := filepath.Join(t.TempDir(), "keys")
	p := serveFolder(t, folder)
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	require.NoError(t, p.client(adminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	sent := 0
	for range rounds {
		c, err := client.New(client.Options{URL: p.url, Key: adminKey, KeysFile: keys, Patience: 300 * time.Millisecond})
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
		require.NoError(t, p.cmd.Process.Kill())
		_ = p.cmd.Wait()
		cancel()
		senders.Wait()
		require.NoError(t, c.Close())
		p = serveFolder(t, folder)
		// Everything again, under the same references: by a new client with the same file.
		c, err = client.New(client.Options{URL: p.url, Key: adminKey, KeysFile: keys})
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
		require.NoError(t, p.client(adminKey).Portfolio("main").Get(t.Context(), "/state", &state))
		require.Equal(t, domain.FromInt(int64(sent)), state.Equity, "each deposit once")
	}
}

// Keys do not go over the network in clear.
func TestPlaintextIsRefused(t *testing.T) {
	s := newShell(t)
	s.fails(2, []string{"--tls-self", "API keys would go there in clear"}, "serve", "--listen", "0.0.0.0:0")
	s.fails(2, []string{"PETS_TLS_CERT", "must be set together"}, "serve", "--tls-cert", "x.pem")
}

// TLS with a certificate of our own, that stays the same over restarts.
func TestTLSSelf(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder, "PETS_TLS_SELF=true")
	require.True(t, strings.HasPrefix(p.url, "https://"), p.url)
	fingerprint := ""
	require.Eventually(t, func() bool { // what is printed may come after the port answers
		fingerprint = regexp.MustCompile(`[0-9A-F]{64}`).FindString(p.out.String())
		return fingerprint != ""
	}, 5*time.Second, 10*time.Millisecond)
	c, err := client.New(client.Options{URL: p.url, Key: adminKey, CAFile: filepath.Join(folder, "tls", "cert.pem")})
	require.NoError(t, err)
	require.NoError(t, c.Get(t.Context(), "/v1/portfolios", nil))
	info, err := os.Stat(filepath.Join(folder, "tls", "key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	again := serveFolder(t, folder, "PETS_TLS_SELF=true")
	require.Eventually(t, func() bool { return strings.Contains(again.out.String(), fingerprint) }, 5*time.Second, 10*time.Millisecond)
}

// An import goes through the server that holds the store, and comes to the same
// as one into a folder of its own: events, counts, what is refused and where.
func TestImportThroughTheServer(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	r := p.pets(folder, adminKey, "apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.code, r.err)
	operator := secretPattern.FindString(r.out)
	examples, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples", "import"))
	require.NoError(t, err)
	alone := newShell(t)
	for _, args := range [][]string{
		{"import", "--capital", "300", filepath.Join(examples, "fills.csv"), filepath.Join(examples, "settlements.csv")},
		{"import", "--capital", "300", filepath.Join(examples, "fills.csv"), filepath.Join(examples, "settlements.csv")},
		{"import", "-p", "wallet", "--capital", "250", filepath.Join(examples, "wallet.csv")},
		{"import", "-p", "bad", "--capital", "250", filepath.Join(examples, "bad.csv")},
		{"import", "-p", "bad", "--capital", "250", "--skip-bad", filepath.Join(t.TempDir(), "aside.csv"), filepath.Join(examples, "bad.csv")},
		{"import", "-p", "late", "--capital", "250", filepath.Join(examples, "later.csv")},
		{"import", "-p", "late", filepath.Join(examples, "early.csv")},
	} {
		here, there := alone.run(args...), p.pets(folder, operator, args...)
		require.Equal(t, here.code, there.code, "%v: %s%s", args, here.err, there.err)
		require.Equal(t, speed.ReplaceAllString(here.out, ""), speed.ReplaceAllString(there.out, ""), "%v", args)
		require.Equal(t, besides(here.err), besides(there.err), "%v", args)
	}
	for _, portfolio := range []string{"main", "wallet", "bad", "late"} {
		for _, look := range []string{"state", "stats", "balances", "trades"} {
			require.Equal(t, alone.run(look, "-p", portfolio).out, p.pets(folder, operator, look, "-p", portfolio).out, "%s of %s", look, portfolio)
		}
	}
	r = p.pets(folder, "", "--store=embedded:"+folder, "import", "-p", "more", "--capital", "1", filepath.Join(examples, "fills.csv"))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "set PETS_KEY")
}

// "A key of another role may be bound to a portfolio, an admin's may not": --portfolio
// binds the key, and what it is for is said.
func TestAKeyIsBoundToThePortfolioThatIsNamed(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	issue := func(args ...string) ran {
		return p.pets(folder, adminKey, append([]string{"apikey", "issue"}, args...)...)
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
		require.Equal(t, 0, r.code, r.err)
		require.Contains(t, r.out, c.says)
	}
	r := issue("--user", "eve", "--role", "admin", "--portfolio", "other")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "is not allowed with role admin")
	var list struct{ Keys []listedKey }
	readJSON(t, p.pets(folder, adminKey, "apikey", "list", "--json").out, &list)
	bound := map[string]string{}
	for _, k := range list.Keys {
		bound[k.User] = k.Portfolio
	}
	require.Equal(t, map[string]string{"admin": "", "olga": "other", "ann": "other", "bob": "", "host": "main"}, bound)
}
