package setup_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
)

// freeAddress returns a free port of this machine.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// newcomer works in a new folder, where bin/pets and pets are this binary.
type newcomer struct {
	*petstest.Shell
	bin string
	log clitest.Buffer // the server's log
}

func newNewcomer(t *testing.T) *newcomer {
	t.Helper()
	n := &newcomer{Shell: &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}}
	n.bin = filepath.Join(n.Dir, "bin")
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(n.bin, 0o700))
	require.NoError(t, os.Symlink(self, filepath.Join(n.bin, "pets")))
	return n
}

// shellOf returns a shell that runs a line as it was typed.
func (n *newcomer) shellOf(line string) *exec.Cmd {
	c := exec.CommandContext(n.Ctx, "sh", "-c", "exec "+line)
	c.Dir = n.Dir
	c.Env = []string{"PATH=" + n.bin + ":" + os.Getenv("PATH"), petstest.AsCommand + "=1", petstest.EndsAtOnce, "PETS_METRICS_LISTEN=off"}
	return c
}

// types runs a line that has to succeed.
func (n *newcomer) types(line string) string {
	n.T.Helper()
	said, err := n.shellOf(line).CombinedOutput()
	require.NoError(n.T, err, "%s: %s", line, said)
	return string(said)
}

// leaves starts a server, and leaves it running.
func (n *newcomer) leaves(line string) {
	n.T.Helper()
	server := n.shellOf(line)
	server.Stdout, server.Stderr = &n.log, &n.log
	require.NoError(n.T, server.Start())
	n.T.Cleanup(func() { _ = server.Process.Kill(); _, _ = server.Process.Wait() })
	require.Eventually(n.T, func() bool { return strings.Contains(n.log.String(), `"msg":"ready"`) }, 20*time.Second, 5*time.Millisecond, "%s", &n.log)
}

// "Those three commands really work when copied": they are run by a shell, in the folder,
// as pets printed them.
func TestTheNextThreeCommandsWork(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t)
	out := n.Ok("init", "--yes", "--listen", freeAddress(t), "--max-daily-loss", "0.02", "-p", "trial")
	var next []string
	for line := range strings.Lines(out) {
		if command, is := strings.CutPrefix(line, "    pets "); is {
			next = append(next, "pets "+strings.TrimSpace(command))
		}
	}
	require.Len(t, next, 3, out)
	n.leaves(next[0])
	require.Contains(t, n.types(next[1]), "portfolio trial is open")
	require.Contains(t, n.types(next[2]), "10000 came into the hot wallet of trial")
	require.Contains(t, n.types("pets limits"), "max_daily_loss_pct          0.02")
	require.Contains(t, n.types("pets status"), "nothing needs a person")

	// "Never echoes secrets": neither by init nor by the commands after it.
	env, err := os.ReadFile(filepath.Join(n.Dir, ".env"))
	require.NoError(t, err)
	key := petstest.SecretPattern.FindString(string(env))
	require.NotEmpty(t, key)
	require.NotContains(t, out+n.log.String(), key)
}

// "From a clone to a first permit by the README alone": the commands of its first minutes,
// in their order, in a shell.
func TestTheFirstMinutesOfTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Your own bots\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	n, last := newNewcomer(t), ""
	var typed []string
	for line := range strings.Lines(section) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "bin/pets "):
			continue
		case line == "bin/pets init": // another test answers its questions
			n.types(line + " --yes --listen " + freeAddress(t))
		case line == "bin/pets serve":
			n.leaves(line)
		default:
			last = n.types(line)
			if strings.Contains(line, "permit ask") {
				require.Contains(t, last, " is permitted: 40.1 reserved until ")
				require.Contains(t, last, "    bin/pets permit place p", "what is said to be typed is called as it was called")
			}
		}
		typed = append(typed, line)
	}
	require.Len(t, typed, 8, "%v", typed)
	require.Contains(t, last, "nothing needs a person")
}

// "Writes .env with mode 0600 (never overwrites one)": also where a link of that name leads
// elsewhere; and nothing is left of one that could not be written.
func TestInitOverwritesNothing(t *testing.T) {
	t.Parallel()
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	s.Ok("init", "--yes")
	path := filepath.Join(s.Dir, ".env")
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	s.Fails(1, []string{"never overwritten"}, "init", "--yes")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	other := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	target := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.WriteFile(target, []byte("PETS_PORTFOLIO=x\n"), 0o600))
	require.NoError(t, os.Symlink(target, filepath.Join(other.Dir, ".env")))
	other.Fails(1, []string{"never overwritten"}, "init", "--yes")
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "PETS_PORTFOLIO=x\n", string(text))

	for _, wrong := range [][]string{{"--listen", "here"}, {"--max-daily-loss", "5"}, {"-p", "a b"}, {"--store", `embedded:it's`}, {"--store", "embedded:a\tb"}, {"--store", "embedded:a\u200eb"}} {
		none := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
		none.Fails(2, []string{wrong[0][:2]}, append([]string{"init", "--yes"}, wrong...)...)
		require.Equal(t, []string{none.Dir}, petstest.Files(t, none.Dir), wrong)
	}
	none := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	none.Fails(2, []string{"add --yes"}, "init")
}

// "Five questions at most, each with a default": Enter takes it, and what cannot be is
// asked again.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"MAX_DAILY_LOSS_PCT=0.03"}}
	seat := s.Sit("init")
	seat.WaitFor("events kept in? [./pets-data] ").Types("./my $tore\r")
	seat.WaitFor("portfolio called? [main] ").Types("trial\r")
	seat.WaitFor("[127.0.0.1:7433] ").Types("nowhere\r").WaitFor("--listen must be host:port")
	seat.WaitFor("[127.0.0.1:7433] ").Types("0.0.0.0:7500\r")
	seat.WaitFor("[0.05] ").Types("\r")
	for _, unclear := range []string{"quit", "maybe", "yesterday"} { // what is neither yes nor no is asked again
		seat.WaitFor("[yes] ").Types(unclear + "\r").WaitFor("answer yes or no")
	}
	seat.WaitFor("[yes] ").Types("no\r")
	said := seat.WaitFor("is written").Ends(0)
	require.Contains(t, said, "MAX_DAILY_LOSS_PCT is set in the environment")
	require.Contains(t, said, "    read -rs PETS_KEY; export PETS_KEY\r\n    pets portfolio open trial")
	env, err := os.ReadFile(filepath.Join(s.Dir, ".env"))
	require.NoError(t, err)
	for _, want := range []string{"PETS_STORE='embedded:./my $tore'\n", "PETS_PORTFOLIO=trial\n", "PETS_LISTEN=0.0.0.0:7500\n", "PETS_TLS_SELF=true\n", "MAX_DAILY_LOSS_PCT=0.05\n"} {
		require.Contains(t, string(env), want)
	}
	require.NotContains(t, string(env), "KEY")

	s = &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	s.Sit("init").WaitFor("events kept in? ").Types("\x03").WaitFor("interrupted").Ends(1)
	require.Equal(t, []string{s.Dir}, petstest.Files(t, s.Dir))
}

// "pets init gave the admin key away": it writes none where others may write to the folder, or
// read the file.
func TestInitGivesTheKeyToNobodyUnnamed(t *testing.T) {
	shared := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	for _, mode := range []os.FileMode{0o777, 0o777 | os.ModeSticky, 0o775} {
		require.NoError(t, os.Chmod(shared.Dir, mode))
		shared.Fails(1, []string{"others than its owner may write to the folder", "chmod go-w"}, "init", "--yes")
		require.Equal(t, []string{shared.Dir}, petstest.Files(t, shared.Dir))
	}
	if os.Geteuid() != 0 {
		t.Skip("only root writes into the folder of another user as that user")
	}
	const somebody = 54321
	theirs := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	require.NoError(t, os.Chown(theirs.Dir, somebody, somebody))
	theirs.Fails(1, []string{"the folder belongs to user 54321", "run pets init as user 54321"}, "init", "--yes")
	require.Equal(t, []string{theirs.Dir}, petstest.Files(t, theirs.Dir), "nothing is written")
}

// "The environment wins over .env: init refuses when what it prints would act elsewhere": it
// names the variable, how to go on, and writes nothing.
func TestInitRefusesAnEnvironmentThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	for _, env := range []string{
		"PETS_SERVER=http://127.0.0.1:1", "PETS_STORE=embedded:./other", "PETS_DIR=./other", "PETS_WITNESS=./other", "PETS_PORTFOLIO=other",
		"PETS_KEY=" + petstest.SomeKey, "PETS_ADMIN_KEY=" + petstest.AdminKey,
	} {
		name, value, _ := strings.Cut(env, "=")
		for _, more := range [][]string{nil, {"--no-key"}} {
			s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{env}}
			args := append([]string{"init", "--yes", "--store", "embedded:./pets-data", "-p", "main"}, more...)
			r := s.Run(args...)
			require.Equal(t, 2, r.Code, "%s %v: %s", name, more, r.Out)
			require.Contains(t, strings.Join(strings.Fields(r.Err), " "), "unset "+name, "%v", more)
			require.NotContains(t, r.Out+r.Err, value)
			require.Equal(t, []string{s.Dir}, petstest.Files(t, s.Dir))
		}
	}
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_PORTFOLIO=mine", "PETS_SERVER=", "PETS_LISTEN=127.0.0.1:7500"}}
	s.Ok("init", "--yes") // what it writes is what the environment says
}

// "With PETS_SERVER alone, the key of .env went to that server": a key of .env is sent to the
// server that .env names, or that holds the folder, and to one that is typed with a warning.
func TestTheKeyOfEnvStaysWithItsServer(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t)
	n.Ok("init", "--yes", "--listen", freeAddress(t), "--store", "embedded:"+filepath.Join(n.Dir, "pets-data"))
	n.leaves("pets serve")
	var sent []string
	l := petstest.NewListener(t)
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"type":"urn:pets:problem:conflict","detail":"not now"}`))
	})
	s := &petstest.Shell{T: t, Dir: n.Dir, Ctx: t.Context(), Env: []string{"PETS_SERVER=" + l.URL}}
	for _, row := range petstest.Reached {
		if row.How != petstest.Through && row.How != petstest.Peeks || slices.Contains([]string{"apikey revoke", "approver revoke", "reject"}, row.Command) {
			continue // these stop something
		}
		r := s.Run(s.Line(row.Command, row.More)...)
		require.NotEqual(t, 0, r.Code, row.Command)
		require.NotContains(t, strings.Join(sent, ""), "Bearer", row.Command)
	}
	r := s.Run("deposit", "1")
	require.Contains(t, strings.Join(strings.Fields(r.Err), " "), "PETS_KEY stands in .env and PETS_SERVER does not")

	typed := &petstest.Shell{T: t, Dir: n.Dir, Ctx: t.Context()}
	for _, stop := range [][]string{{"deposit", "1", "--server", l.URL}, {"stop", "--emergency", "--server", l.URL}} {
		sent = nil
		r = typed.Run(stop...)
		require.Contains(t, strings.Join(strings.Fields(r.Err), " "), "warning: PETS_KEY of .env is sent to "+l.URL)
		require.Contains(t, strings.Join(sent, ""), "Bearer", "it was typed")
	}

	// The server of this folder, under any of its names; and one that .env names.
	env, err := os.ReadFile(filepath.Join(n.Dir, ".env"))
	require.NoError(t, err)
	_, port, _ := strings.Cut(string(env), "PETS_LISTEN=127.0.0.1:")
	port, _, _ = strings.Cut(port, "\n")
	s.Env = []string{"PETS_SERVER=http://localhost:" + port}
	s.Ok("portfolio", "open", "main")
	require.NoError(t, os.WriteFile(filepath.Join(n.Dir, ".env"), append(env, "PETS_SERVER="+l.URL+"\n"...), 0o600))
	sent, s.Env = nil, []string{"PETS_SERVER=" + l.URL + "/"}
	require.NotContains(t, s.Run("deposit", "1").Err, ".env")
	require.Contains(t, strings.Join(sent, ""), "Bearer")
}

// "It promises an admin key that never works": a store that has keys takes no other first one.
func TestInitBesideAStoreThatHasKeys(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t)
	store := "embedded:" + filepath.Join(n.Dir, "pets-data")
	n.Ok("init", "--yes", "--listen", freeAddress(t), "--store", store)
	n.leaves("pets serve")
	require.NoError(t, os.Remove(filepath.Join(n.Dir, ".env")))
	n.Fails(1, []string{"has API keys already", "Add --no-key"}, "init", "--yes", "--store", store)
	_, err := os.Lstat(filepath.Join(n.Dir, ".env"))
	require.ErrorIs(t, err, os.ErrNotExist)
	out := n.Ok("init", "--yes", "--no-key", "--store", store)
	require.Contains(t, out, "with a key that you have")
	require.Contains(t, out, "    read -rs PETS_KEY; export PETS_KEY\n")
	require.NotContains(t, out, "PETS_KEY=")

	imported := petstest.Small(t) // it has events, and no key
	imported.Env = nil
	imported.Ok("init", "--yes", "--store", "embedded:"+imported.Store())
}
