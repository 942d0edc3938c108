package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// freeAddress is one of this machine at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// "Those three commands really work when copied": they are run by a shell, in the folder,
// as pets printed them, with this binary as pets.
func TestTheNextThreeCommandsWork(t *testing.T) {
	s := &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
	out := s.ok("init", "--yes", "--listen", freeAddress(t), "--max-daily-loss", "0.02", "-p", "trial")
	var next []string
	for line := range strings.Lines(out) {
		if command, is := strings.CutPrefix(line, "    pets "); is {
			next = append(next, "pets "+strings.TrimSpace(command))
		}
	}
	require.Len(t, next, 3, out)
	bin := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(bin, "pets")))
	types := func(line string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
		c.Dir = s.dir
		c.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), asCommand + "=1", "PETS_METRICS_LISTEN=off"}
		return c
	}
	log := &lockedBuffer{}
	server := types(next[0])
	server.Stdout, server.Stderr = log, log
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _, _ = server.Process.Wait() })
	require.Eventually(t, func() bool { return strings.Contains(log.String(), `"msg":"ready"`) }, 20*time.Second, 5*time.Millisecond, "%s", log)
	for i, want := range []string{"portfolio trial is open", "10000 came into the hot wallet of trial"} {
		said, err := types(next[i+1]).CombinedOutput()
		require.NoError(t, err, "%s: %s", next[i+1], said)
		require.Contains(t, string(said), want)
	}
	said, err := types("pets limits").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(said), "max_daily_loss_pct          0.02")
	said, err = types("pets status").CombinedOutput()
	require.NoError(t, err, "%s", said)

	// "Never echoes secrets": neither init nor what came after it.
	env, err := os.ReadFile(filepath.Join(s.dir, ".env"))
	require.NoError(t, err)
	key := secretPattern.FindString(string(env))
	require.NotEmpty(t, key)
	require.NotContains(t, out+log.String(), key)
}

// "Writes .env with mode 0600 (never overwrites one)": also where a link of that name leads
// elsewhere; and nothing is left of one that could not be written.
func TestInitOverwritesNothing(t *testing.T) {
	s := &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
	s.ok("init", "--yes")
	path := filepath.Join(s.dir, ".env")
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	s.fails(1, []string{"never overwritten"}, "init", "--yes")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	other := &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
	target := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.WriteFile(target, []byte("PETS_PORTFOLIO=x\n"), 0o600))
	require.NoError(t, os.Symlink(target, filepath.Join(other.dir, ".env")))
	other.fails(1, []string{"never overwritten"}, "init", "--yes")
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "PETS_PORTFOLIO=x\n", string(text))

	for _, wrong := range [][]string{{"--listen", "here"}, {"--max-daily-loss", "5"}, {"-p", "a b"}, {"--store", `embedded:it's`}} {
		none := &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
		none.fails(2, []string{wrong[0][:2]}, append([]string{"init", "--yes"}, wrong...)...)
		require.Equal(t, []string{none.dir}, files(t, none.dir), wrong)
	}
	none := &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
	none.fails(2, []string{"add --yes"}, "init")
}

// "Five questions at most, each with a default": Enter takes it, and what cannot be is
// asked again.
func TestInitAsks(t *testing.T) {
	s := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_PORTFOLIO=fromhere"}}
	seat := s.sit("init")
	seat.waitFor("events kept in? [./pets-data] ").types("./my $tore\r")
	seat.waitFor("portfolio called? [fromhere] ").types("trial\r")
	seat.waitFor("[127.0.0.1:7433] ").types("nowhere\r").waitFor("--listen must be host:port")
	seat.waitFor("[127.0.0.1:7433] ").types("0.0.0.0:7500\r")
	seat.waitFor("[0.05] ").types("\r")
	seat.waitFor("[yes] ").types("no\r")
	said := seat.waitFor("is written").ends(0)
	require.Contains(t, said, "PETS_PORTFOLIO is set in the environment")
	require.Contains(t, said, "PETS_KEY='the key that it shows' pets portfolio open trial")
	env, err := os.ReadFile(filepath.Join(s.dir, ".env"))
	require.NoError(t, err)
	for _, want := range []string{"PETS_STORE='embedded:./my $tore'\n", "PETS_PORTFOLIO=trial\n", "PETS_LISTEN=0.0.0.0:7500\n", "PETS_TLS_SELF=true\n", "MAX_DAILY_LOSS_PCT=0.05\n"} {
		require.Contains(t, string(env), want)
	}
	require.NotContains(t, string(env), "KEY")

	s = &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
	s.sit("init").waitFor("events kept in? ").types("\x03").waitFor("nothing was kept").ends(1)
	require.Equal(t, []string{s.dir}, files(t, s.dir))
}
