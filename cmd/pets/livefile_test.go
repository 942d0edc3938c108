package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore/embedded"
)

// liveStore makes a store in which portfolio real is live: two people have overridden
// the gate in a paper portfolio.
func liveStore(t *testing.T, dir string) {
	t.Helper()
	store, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	e := commands.NewEngine(store, commands.EngineOptions{})
	defer e.Close()
	do := func(user string, role domain.Role, portfolio string, c commands.Command) commands.Answer {
		a, err := e.Do(t.Context(), portfolio, commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
		return a
	}
	open := commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)}
	do("olga", domain.RoleOperator, "main", open)
	asked := do("olga", domain.RoleOperator, "main", commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "real", Reason: "a month on paper"})
	agreed := do("bob", domain.RoleApprover, "main", commands.ConfirmOverride{Override: asked.ID})
	gate := domain.Gate{Portfolio: "main", Revision: agreed.Revision}
	evidence, err := commands.ReadEvidence(t.Context(), store, gate)
	require.NoError(t, err)
	open.ID, open.Mode, open.Gate, open.Evidence, open.Defaults = "real", domain.ModeLive, &gate, evidence, domain.DefaultPolicy(domain.ModeLive)
	do("olga", domain.RoleOperator, "real", open)
}

// "A .env that others can read (not 600) is refused in live mode." Without a live
// portfolio it is a warning.
func TestEnvFileOfOthersIsRefusedLive(t *testing.T) {
	serve := func(dir string) ran {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, errs := &lockedBuffer{}, &lockedBuffer{}
		a := &app{out: out, err: errs, dir: dir, environ: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
		done := make(chan int, 1)
		go func() {
			done <- a.run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
		}()
		deadline := time.Now().Add(20 * time.Second)
		for {
			select {
			case code := <-done:
				return ran{code, out.String(), errs.String()}
			case <-time.After(10 * time.Millisecond):
			}
			if strings.Contains(errs.String(), `"msg":"ready"`) || time.Now().After(deadline) {
				stop()
			}
		}
	}
	write := func(dir string, mode os.FileMode) {
		path := filepath.Join(dir, ".env")
		require.NoError(t, os.WriteFile(path, []byte("PETS_PORTFOLIO=real\n"), 0o600))
		require.NoError(t, os.Chmod(path, mode))
	}
	dir := t.TempDir()
	write(dir, 0o644)
	r := serve(dir)
	require.Equal(t, 0, r.code, "nothing is live: %s", r.err)
	require.Contains(t, r.err, "would be refused for a live portfolio")

	dir = t.TempDir()
	liveStore(t, filepath.Join(dir, "store"))
	for _, mode := range []os.FileMode{0o644, 0o640, 0o620, 0o604, 0o602} {
		write(dir, mode)
		r = serve(dir)
		require.Equal(t, 1, r.code, "%o: %s", mode, r.err)
		require.Contains(t, r.err, "portfolio real is live")
		require.Contains(t, r.err, "chmod 600")
		require.NotContains(t, r.err, `"msg":"ready"`)
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		write(dir, mode)
		r = serve(dir)
		require.Equal(t, 0, r.code, "%o: %s", mode, r.err)
		require.Contains(t, r.err, `"msg":"ready"`)
	}
}

// A mistake in a file of settings must not keep anybody from stopping: whatever stopping
// does not need is passed over, and said.
func TestStopWithBadSettings(t *testing.T) {
	for _, bad := range []string{"ENCRYPTION_KEY='abc'", "PETS_RPC_URLS=ftp://x", "FOO BAR", "PETS_ASSET_REGISTRY=/nonexist", "MAX_DAILY_LOSS_PCT=5"} {
		dir := t.TempDir()
		liveStore(t, filepath.Join(dir, "store"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("PETS_PORTFOLIO=real\n"+bad+"\n"), 0o600))
		s := &shell{t: t, dir: dir, ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
		require.Equal(t, 1, s.run("state").code, "anything else is refused")
		r := s.run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, 0, r.code, "%s: %s", bad, r.err)
		require.Contains(t, r.out, "EMERGENCY STOP engaged in real")
		require.Contains(t, r.err, "stopping all the same")
		require.NotContains(t, r.err, "abc")
	}
}

// "A stop never fails because of .env: it ignores a bad one and says so": whatever lies
// there, and whatever the environment says.
func TestStopWithAnyEnvFile(t *testing.T) {
	for name, c := range map[string]struct {
		put    func(path string) error
		env    []string
		unsure bool // PETS_SERVER may stand in it
	}{
		"a folder": {put: func(path string) error { return os.Mkdir(path, 0o700) }, unsure: true},
		"a pipe":   {put: func(path string) error { return syscall.Mkfifo(path, 0o600) }, unsure: true},
		"no end":   {put: func(path string) error { return os.Symlink("/dev/zero", path) }, unsure: true},
		"a gigabyte": {put: func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("X=1\n"), 0o600), os.Truncate(path, 1<<30))
		}, unsure: true},
		"binary":         {put: func(path string) error { return os.WriteFile(path, []byte("\x00\x01\xff\n\x7fELF"), 0o600) }},
		"a dead link":    {put: func(path string) error { return os.Symlink(path+".gone", path) }, unsure: true},
		"a loop":         {put: func(path string) error { return os.Symlink(path, path) }, unsure: true},
		"a bad limit":    {env: []string{"MAX_DAILY_LOSS_PCT=5"}},
		"a bad key":      {env: []string{"PETS_KEY=two words"}},
		"no certificate": {env: []string{"PETS_CA=/nonexistent"}},
		"a bad witness":  {env: []string{"PETS_WITNESS=a\x01b"}},
	} {
		dir := t.TempDir()
		liveStore(t, filepath.Join(dir, "store"))
		if c.put != nil {
			require.NoError(t, c.put(filepath.Join(dir, ".env")), name)
		}
		s := &shell{t: t, dir: dir, ctx: t.Context(), env: append(c.env, "PETS_STORE=embedded:"+filepath.Join(dir, "store"), "PETS_PORTFOLIO=real")}
		r := s.run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, c.unsure, r.code == 1, "%s: %s", name, r.err)
		require.Contains(t, r.out, "EMERGENCY STOP engaged in real", name)
		require.Contains(t, r.err, "stopping all the same", name)
		require.Less(t, strings.Count(r.err, "\n"), 8, "%s: %s", name, r.err)
		r = s.run("--store", "embedded:"+filepath.Join(dir, "store"), "stop", "--emergency", "--reason", "drill")
		require.Equal(t, 0, r.code, "%s, with a store that is named: %s", name, r.err)
	}
}

// "What was meant was NOT stopped": settings that were to name the store, its folder or the
// portfolio, and that nobody understands, let a stop go on here, but never look like
// success. A flag that names it is beyond doubt.
func TestAStopThatMayHaveBeenMeantForAnother(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		env  []string
		says string
	}{
		"a store":            {env: []string{"PETS_STORE=embed:/x"}, says: "the store that was meant was NOT stopped"},
		"a store's line":     {file: "PETS_STORE=\"embedded:/x\n", says: "name it with --store"},
		"a store's name":     {env: []string{"PETS_STOER=embedded:/x"}, says: "PETS_STORE cannot be understood"},
		"a server's name":    {file: "SERVER=http://x\n", says: "name it with --server"},
		"a server's URL":     {env: []string{"PETS_SERVER_URL=http://x"}, says: "the server that was meant was NOT stopped"},
		"some host":          {file: "export PETS_HOST=10.0.0.5\n", says: "PETS_SERVER cannot be understood"},
		"some URL":           {env: []string{"PETS_URL=http://x"}, says: "name it with --server"},
		"a portfolio's name": {file: "PORTFOLIO=real\n", says: "name it with -p"},
		"no assignment":      {file: "PETS_STORE embedded:/x\n", says: "PETS_STORE cannot be understood"},
		"twice":              {file: "PETS_STORE=embedded:./pets-data\nPETS_STORE=embedded:/x\n", says: "name it with --store"},
		"a folder":           {env: []string{"PETS_DIR=a\x01b"}, says: "the store that was meant was NOT stopped"},
		"a portfolio":        {env: []string{"PETS_PORTFOLIO=../x"}, says: "name it with -p"},
		"a portfolio's":      {file: "PETS_PORTFOLIO='x\n", says: "name it with -p"},
		"whatever it names":  {file: strings.Repeat("# comment\n", 10_000), says: "name it with --server, --store"},
	} {
		dir := t.TempDir()
		t.Chdir(dir)
		liveStore(t, "pets-data")
		if c.file != "" {
			require.NoError(t, os.WriteFile(".env", []byte(c.file), 0o600))
		}
		s := &shell{t: t, dir: dir, ctx: t.Context(), env: c.env}
		r := s.run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, 1, r.code, "%s: %s", name, r.err)
		require.Contains(t, r.out, "EMERGENCY STOP engaged in main", name)
		require.Contains(t, r.err, c.says, name)
		for _, r := range reached { // what acts otherwise does not go on at all
			if r.how != acts && r.how != through || r.command == "stop" || r.command == "import" {
				continue
			}
			ran := s.run(s.line(r.command, r.more)...)
			require.NotZero(t, ran.code, "%s: %s", name, r.command)
			require.NotContains(t, ran.err, "acting", "%s: %s", name, r.command)
		}
		r = s.run("stop", "--emergency", "--reason", "drill", "--store", "embedded:./pets-data", "-p", "main")
		require.Equal(t, 0, r.code, "%s: %s", name, r.err)
		require.NoError(t, os.Rename("pets-data", "elsewhere"))
		r = s.run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, 1, r.code, "%s: %s", name, r.err)
		require.Contains(t, r.err, "there is no store at", name)
		require.Contains(t, r.err, "was NOT stopped", name)
		require.NotContains(t, r.err, "was done", name)
		require.NoError(t, os.Rename("elsewhere", "pets-data"))
		if strings.Contains(c.says, "-p") {
			r = s.run("stop", "--emergency", "--everywhere", "--reason", "drill")
			require.Equal(t, 0, r.code, "%s: %s", name, r.err)
		}
	}
}

// A server that is named in a way nobody understands was not stopped, whatever was stopped
// here; and nothing is revoked or rejected in its place.
func TestStopWithAServerThatNobodyUnderstands(t *testing.T) {
	dir := t.TempDir()
	liveStore(t, filepath.Join(dir, "store"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("PETS_SERVER=10.0.0.5:7433\n"), 0o600))
	s := &shell{t: t, dir: dir, ctx: t.Context(), env: []string{"PETS_PORTFOLIO=real", "PETS_KEY=" + someKey, "PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
	r := s.run("stop", "--emergency", "--reason", "drill")
	require.Equal(t, 1, r.code, r.err)
	require.Contains(t, r.out, "EMERGENCY STOP engaged in real")
	require.Contains(t, r.err, "the server that was meant was NOT stopped")
	require.Contains(t, r.err, "name it with --server")
	s.fails(2, []string{"PETS_SERVER must be", "the server that was meant is not known"}, "apikey", "revoke", "k1")
	s.fails(2, []string{"PETS_SERVER must be", "the server that was meant is not known"}, "reject", "x1", "--reason", "x")
	require.Contains(t, s.run("--store", "embedded:"+filepath.Join(dir, "store"), "stop", "--emergency", "--reason", "again").out, "engaged")
}

// "sudo pets stop leaves root's files in the folder, and the service does not start": what
// is made belongs to the owner of the folder.
func TestFilesOfRootBelongToTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const service = 54321
	s := newShell(t)
	liveStore(t, s.store())
	require.NoError(t, filepath.WalkDir(s.store(), func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, service, service))
	}))
	r := s.run("-p", "real", "stop", "--emergency", "--reason", "drill")
	require.Equal(t, 0, r.code, r.err)
	left := files(t, filepath.Dir(s.store()))[1:] // beside the store, too
	a := &app{out: io.Discard, err: io.Discard}
	a.config.Store, a.config.Listen = "embedded:"+s.store(), "127.0.0.1:7433"
	_, _, err := a.selfSigned(filepath.Join(s.store(), tlsName))
	require.NoError(t, err)
	require.NoError(t, a.latch(nil).Write([]commands.PendingStop{{Portfolio: "real"}}))
	for _, name := range []string{lockName, latchName, tlsName, tlsName + "/key.pem", tlsName + "/cert.pem"} {
		left = append(left, filepath.Join(s.store(), name))
	}
	for _, name := range left {
		info, err := os.Lstat(name)
		require.NoError(t, err)
		stat, ok := info.Sys().(*syscall.Stat_t)
		require.True(t, ok)
		require.Equal(t, []uint32{service, service}, []uint32{stat.Uid, stat.Gid}, name)
	}
}

// A setting that a view does not need keeps nobody from asking a server for it; what acts,
// and what looks into a folder, is refused.
func TestAViewOfAServerWithABadSetting(t *testing.T) {
	server := newListener(t)
	s := small(t)
	for _, bad := range []string{"MAX_DAILY_LOSS_PCT=5", "PETS_CA=" + s.file("ca.pem", "junk"), "PETS_RATE_BURST=many"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, ".env"), []byte("PETS_SERVER="+server.URL+"\nPETS_KEY="+someKey+"\n"+bad+"\n"), 0o600))
		for _, view := range []string{"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers"} {
			r := s.run(view)
			require.Contains(t, r.err, "pets: warning: asking the server all the same", view)
			require.NotEmpty(t, server.heard(), view)
			name, _, _ := strings.Cut(bad, "=")
			s.fails(1, []string{name + " must be"}, view, "--store", strings.TrimPrefix(s.env[0], "PETS_STORE="))
		}
		s.fails(1, []string{" must be"}, "start", "alpha")
		require.Empty(t, server.heard())
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, ".env"), []byte("PETS_KEY="+someKey+"\nMAX_DAILY_LOSS_PCT=5\nPETS_PORTFOLIO='x\n"), 0o600))
	s.fails(2, []string{"name it with -p"}, "state", "--server", server.URL)
	require.Empty(t, server.heard())
}

// . and .. are no names: in the path of a request they would mean another portfolio, or
// all of them.
func TestDotsAreNoPortfolio(t *testing.T) {
	s := newShell(t)
	for _, name := range []string{".", "..", ".hidden"} {
		s.fails(2, []string{"must not begin with a dot"}, "-p", name, "stop", "--emergency", "--reason", "x")
	}
}
