package serve_test

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

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/cli/serve"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// "A .env that others can read (not 600) is refused in live mode." Without a live
// portfolio it is a warning.
func TestEnvFileOfOthersIsRefusedLive(t *testing.T) {
	t.Parallel()
	serve := func(dir string) petstest.Ran {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, errs := &clitest.Buffer{}, &clitest.Buffer{}
		a := &cli.App{Place: open.Place{Err: errs}, Out: out, Dir: dir, Environ: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
		done := make(chan int, 1)
		go func() {
			done <- pets.Run(ctx, a, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
		}()
		deadline := time.Now().Add(20 * time.Second)
		for {
			select {
			case code := <-done:
				return petstest.Ran{Code: code, Out: out.String(), Err: errs.String()}
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
	require.Equal(t, 0, r.Code, "nothing is live: %s", r.Err)
	require.Contains(t, r.Err, "would be refused for a live portfolio")

	dir = t.TempDir()
	petstest.LiveStore(t, filepath.Join(dir, "store"))
	for _, mode := range []os.FileMode{0o620, 0o602} { // whoever may write to it says where the store is
		write(dir, mode)
		r = serve(dir)
		require.Equal(t, 1, r.Code, "%o: %s", mode, r.Err)
		require.Contains(t, r.Err, "others may have written it")
		require.Contains(t, r.Err, "chmod go-w")
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604} {
		write(dir, mode)
		r = serve(dir)
		require.Equal(t, 1, r.Code, "%o: %s", mode, r.Err)
		require.Contains(t, r.Err, "portfolio real is live")
		require.Contains(t, r.Err, "chmod 600")
		require.NotContains(t, r.Err, `"msg":"ready"`)
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		write(dir, mode)
		r = serve(dir)
		require.Equal(t, 0, r.Code, "%o: %s", mode, r.Err)
		require.Contains(t, r.Err, `"msg":"ready"`)
	}
}

// A mistake in a settings file must not prevent a stop: settings that a stop does not need are
// ignored, with a warning.
func TestStopWithBadSettings(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"ENCRYPTION_KEY='abc'", "PETS_RPC_URLS=ftp://x", "FOO BAR", "PETS_ASSET_REGISTRY=/nonexist", "MAX_DAILY_LOSS_PCT=5"} {
		dir := t.TempDir()
		petstest.LiveStore(t, filepath.Join(dir, "store"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("PETS_PORTFOLIO=real\n"+bad+"\n"), 0o600))
		s := &petstest.Shell{T: t, Dir: dir, Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
		require.Equal(t, 1, s.Run("state").Code, "anything else is refused")
		r := s.Run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, 0, r.Code, "%s: %s", bad, r.Err)
		require.Contains(t, r.Out, "EMERGENCY STOP engaged in real")
		require.Contains(t, r.Err, "stopping, ignoring what cannot be read")
		require.NotContains(t, r.Err, "abc")
	}
}

// "A stop never fails because of .env: it ignores a bad one and says so": whatever lies
// there, and whatever the environment says.
func TestStopWithAnyEnvFile(t *testing.T) {
	for name, c := range map[string]struct {
		put    func(path string) error
		env    []string
		unsure bool // the file may set PETS_SERVER
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
		petstest.LiveStore(t, filepath.Join(dir, "store"))
		if c.put != nil {
			require.NoError(t, c.put(filepath.Join(dir, ".env")), name)
		}
		s := &petstest.Shell{T: t, Dir: dir, Ctx: t.Context(), Env: append(c.env, "PETS_STORE=embedded:"+filepath.Join(dir, "store"), "PETS_PORTFOLIO=real")}
		r := s.Run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, c.unsure, r.Code == 1, "%s: %s", name, r.Err)
		require.Contains(t, r.Out, "EMERGENCY STOP engaged in real", name)
		require.Contains(t, r.Err, "stopping, ignoring what cannot be read", name)
		require.Less(t, strings.Count(r.Err, "\n"), 8, "%s: %s", name, r.Err)
		r = s.Run("--store", "embedded:"+filepath.Join(dir, "store"), "stop", "--emergency", "--reason", "drill")
		require.Equal(t, 0, r.Code, "%s, with a store that is named: %s", name, r.Err)
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
		petstest.LiveStore(t, "pets-data")
		if c.file != "" {
			require.NoError(t, os.WriteFile(".env", []byte(c.file), 0o600))
		}
		s := &petstest.Shell{T: t, Dir: dir, Ctx: t.Context(), Env: c.env}
		r := s.Run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, 1, r.Code, "%s: %s", name, r.Err)
		require.Contains(t, r.Out, "EMERGENCY STOP engaged in main", name)
		require.Contains(t, r.Err, c.says, name)
		for _, r := range petstest.Reached { // every other command that acts is refused
			if r.How != petstest.Acts && r.How != petstest.Through || r.Command == "stop" || r.Command == "import" {
				continue
			}
			ran := s.Run(s.Line(r.Command, r.More)...)
			require.NotZero(t, ran.Code, "%s: %s", name, r.Command)
			require.NotContains(t, ran.Err, "acting", "%s: %s", name, r.Command)
		}
		r = s.Run("stop", "--emergency", "--reason", "drill", "--store", "embedded:./pets-data", "-p", "main")
		require.Equal(t, 0, r.Code, "%s: %s", name, r.Err)
		require.NoError(t, os.Rename("pets-data", "elsewhere"))
		r = s.Run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, 1, r.Code, "%s: %s", name, r.Err)
		require.Contains(t, r.Err, "there is no store at", name)
		require.Contains(t, r.Err, "was NOT stopped", name)
		require.NotContains(t, r.Err, "was done", name)
		require.NoError(t, os.Rename("elsewhere", "pets-data"))
		if strings.Contains(c.says, "-p") {
			r = s.Run("stop", "--emergency", "--everywhere", "--reason", "drill")
			require.Equal(t, 0, r.Code, "%s: %s", name, r.Err)
		}
	}
}

// If PETS_SERVER cannot be read, the server that was meant was not stopped, whatever was stopped
// here; and nothing is revoked or rejected instead.
func TestStopWithAServerThatNobodyUnderstands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	petstest.LiveStore(t, filepath.Join(dir, "store"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("PETS_SERVER=10.0.0.5:7433\n"), 0o600))
	s := &petstest.Shell{T: t, Dir: dir, Ctx: t.Context(), Env: []string{"PETS_PORTFOLIO=real", "PETS_KEY=" + petstest.SomeKey, "PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
	r := s.Run("stop", "--emergency", "--reason", "drill")
	require.Equal(t, 1, r.Code, r.Err)
	require.Contains(t, r.Out, "EMERGENCY STOP engaged in real")
	require.Contains(t, r.Err, "the server that was meant was NOT stopped")
	require.Contains(t, r.Err, "name it with --server")
	s.Fails(2, []string{"PETS_SERVER must be", "the server that was meant is not known"}, "apikey", "revoke", "k1")
	s.Fails(2, []string{"PETS_SERVER must be", "the server that was meant is not known"}, "reject", "x1", "--reason", "x")
	require.Contains(t, s.Run("--store", "embedded:"+filepath.Join(dir, "store"), "stop", "--emergency", "--reason", "again").Out, "engaged")
}

// "sudo pets stop leaves root's files in the folder, and the service does not start": what
// is made belongs to the owner of the folder.
func TestFilesOfRootBelongToTheOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const service = 54321
	s := petstest.New(t)
	petstest.LiveStore(t, s.Store())
	require.NoError(t, filepath.WalkDir(s.Store(), func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, service, service))
	}))
	r := s.Run("-p", "real", "stop", "--emergency", "--reason", "drill")
	require.Equal(t, 0, r.Code, r.Err)
	left := petstest.Files(t, filepath.Dir(s.Store()))[1:] // also beside the store
	a := &cli.App{Place: open.Place{Err: io.Discard}, Out: io.Discard}
	a.Config.Store, a.Config.Listen = "embedded:"+s.Store(), "127.0.0.1:7433"
	_, _, err := serve.SelfSigned(a, filepath.Join(s.Store(), open.TLSName))
	require.NoError(t, err)
	require.NoError(t, a.Latch(nil).Write([]commands.PendingStop{{Portfolio: "real"}}))
	for _, name := range []string{open.LockName, open.LatchName, open.TLSName, open.TLSName + "/key.pem", open.TLSName + "/cert.pem"} {
		left = append(left, filepath.Join(s.Store(), name))
	}
	for _, name := range left {
		info, err := os.Lstat(name)
		require.NoError(t, err)
		stat, ok := info.Sys().(*syscall.Stat_t)
		require.True(t, ok)
		require.Equal(t, []uint32{service, service}, []uint32{stat.Uid, stat.Gid}, name)
	}
}

// A bad setting that a view does not need does not prevent asking a server for it; commands that
// act, and those that read a folder, are refused.
func TestAViewOfAServerWithABadSetting(t *testing.T) {
	t.Parallel()
	server := petstest.NewListener(t)
	s := petstest.Small(t)
	for _, bad := range []string{"MAX_DAILY_LOSS_PCT=5", "PETS_CA=" + s.File("ca.pem", "junk"), "PETS_RATE_BURST=many"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.Dir, ".env"), []byte("PETS_SERVER="+server.URL+"\nPETS_KEY="+petstest.SomeKey+"\n"+bad+"\n"), 0o600))
		for _, view := range []string{"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers"} {
			r := s.Run(view)
			require.Contains(t, r.Err, "pets: warning: asking the server, ignoring what cannot be read", view)
			require.NotEmpty(t, server.Heard(), view)
			name, _, _ := strings.Cut(bad, "=")
			s.Fails(1, []string{name + " must be"}, view, "--store", strings.TrimPrefix(s.Env[0], "PETS_STORE="))
		}
		s.Fails(1, []string{" must be"}, "start", "alpha")
		require.Empty(t, server.Heard())
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, ".env"), []byte("PETS_KEY="+petstest.SomeKey+"\nMAX_DAILY_LOSS_PCT=5\nPETS_PORTFOLIO='x\n"), 0o600))
	s.Fails(2, []string{"name it with -p"}, "state", "--server", server.URL)
	require.Empty(t, server.Heard())
}

// . and .. are not valid names: in the path of a request they would mean another portfolio, or all
// of them.
func TestDotsAreNoPortfolio(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	for _, name := range []string{".", "..", ".hidden"} {
		s.Fails(2, []string{"must not begin with a dot"}, "-p", name, "stop", "--emergency", "--reason", "x")
	}
}

// A certificate that clients have pinned is kept when PETS_DIR is set.
func TestTheCertificateComesAlong(t *testing.T) {
	t.Parallel()
	store, dir := t.TempDir(), filepath.Join(t.TempDir(), "dir")
	a := &cli.App{Place: open.Place{Err: io.Discard}, Out: io.Discard}
	a.Config.Store, a.Config.Listen = "embedded:"+store, "127.0.0.1:7433"
	cert, _, err := serve.SelfSigned(a, filepath.Join(store, open.TLSName))
	require.NoError(t, err)
	want, err := os.ReadFile(cert)
	require.NoError(t, err)
	a.Config.Dir = dir
	cert, _, err = serve.SelfSigned(a, filepath.Join(dir, open.TLSName))
	require.NoError(t, err)
	got, err := os.ReadFile(cert)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, filepath.Join(dir, open.TLSName, "cert.pem"), cert)
}
