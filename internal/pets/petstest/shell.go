// Package petstest runs the whole command line for tests: in this process, in a separate one,
// at a terminal, or beside a server.
//
// It owns how tests start and what they clean up. It refuses to be part of the product.
package petstest

import (
	"context"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/testenv"
)

// AsCommand makes the test binary behave as pets itself, for tests that need a separate
// process.
const AsCommand = "TEST_BINARY_IS_THE_COMMAND"

// EndsAtOnce is an environment variable for a separate process: under the race detector, it would
// sleep for a second when it ends. Other builds do not look at it.
const EndsAtOnce = "GORACE=atexit_sleep_ms=20"

// Main is the TestMain of a package whose tests run the whole command line. It removes what was
// prepared once for all tests.
func Main(m *testing.M, prepared ...*once) {
	if os.Getenv(AsCommand) == "1" {
		os.Exit(pets.Main(""))
	}
	code := testenv.Patient(m)
	for _, p := range prepared {
		if p.Dir != "" {
			_ = os.RemoveAll(p.Dir)
		}
	}
	os.Exit(code)
}

// Shell is a working folder with a store, and the command line run there in this process.
type Shell struct {
	T   testing.TB
	Dir string
	Env []string
	Ctx context.Context

	Settle time.Duration // how long to wait for a stop to be recorded; 0 means the default
}

// New returns a shell in a fresh folder.
func New(t testing.TB) *Shell {
	t.Helper()
	dir := t.TempDir()
	return &Shell{T: t, Dir: dir, Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
}

// Ran is the result of one run of the command line.
type Ran struct {
	Code     int
	Out, Err string
}

// Run runs one command line.
func (s *Shell) Run(args ...string) Ran { return s.RunWith(func(*cli.App) {}, args...) }

// RunWith is Run with a changed App.
func (s *Shell) RunWith(change func(*cli.App), args ...string) Ran {
	var out, errs clitest.Buffer
	a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Environ: s.Env, Dir: s.Dir, Settle: s.Settle, FoldsSilently: time.Hour}
	change(a)
	code := pets.Run(s.Ctx, a, args)
	return Ran{code, out.String(), errs.String()}
}

// ActingLine matches the lines that name the target of a command, or what it waits for, with
// those that they are wrapped to.
var ActingLine = regexp.MustCompile(`(?m)^pets: (acting on|it holds; waiting up to|waiting for) .*\n( {6}.*\n)*`)

// Besides removes those lines from standard error.
func Besides(text string) string { return ActingLine.ReplaceAllString(text, "") }

// Ok runs a command that has to succeed, and to print nothing on standard error but the lines of
// ActingLine.
func (s *Shell) Ok(args ...string) string {
	s.T.Helper()
	r := s.Run(args...)
	require.Equal(s.T, 0, r.Code, "pets %s: %s", strings.Join(args, " "), r.Err)
	require.Empty(s.T, Besides(r.Err), "pets %s", strings.Join(args, " "))
	return r.Out
}

// Fails runs a command that has to fail with a status, print nothing on standard output, and
// print the words on standard error.
func (s *Shell) Fails(code int, words []string, args ...string) {
	s.T.Helper()
	r := s.Run(args...)
	require.Equal(s.T, code, r.Code, "pets %s: %s%s", strings.Join(args, " "), r.Out, r.Err)
	require.Empty(s.T, r.Out, "pets %s", strings.Join(args, " "))
	require.True(s.T, strings.HasPrefix(r.Err, "pets: "), r.Err)
	for _, w := range words {
		require.Contains(s.T, r.Err, w, "pets %s", strings.Join(args, " "))
	}
}

// JSON runs a command with --json and parses its answer. Numbers stay text: an amount must be a
// string, and no float ever touches it.
func (s *Shell) JSON(into any, args ...string) {
	s.T.Helper()
	ReadJSON(s.T, s.Ok(append(args, "--json")...), into)
}

// ReadJSON parses an answer.
func ReadJSON(t testing.TB, text string, into any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	require.NoError(t, dec.Decode(into), text)
}

// Events reads the history of the portfolio.
func (s *Shell) Events(args ...string) []EventJSON {
	s.T.Helper()
	var all []EventJSON
	for line := range strings.Lines(s.Ok(append([]string{"events", "--json"}, args...)...)) {
		var e EventJSON
		ReadJSON(s.T, line, &e)
		all = append(all, e)
	}
	return all
}

// EventsOf returns the events of a type.
func (s *Shell) EventsOf(name string) []EventJSON {
	s.T.Helper()
	return s.Events("--type", name)
}

// EventJSON is one line of pets events --json, with the fields that tests read.
type EventJSON struct {
	Revision int    `json:"revision"`
	Time     string `json:"time"`
	Type     string `json:"type"`
	User     string `json:"user"`
	Data     struct {
		Bot, Market, Outcome, Side, Quantity, Price, Notional string
		Payout, Amount, Kind, Breaker, Value, Date, Equity    string
		TradeID                                               string `json:"trade_id"`
		Cause                                                 int
		Finding                                               bool
		Flags                                                 []string
		Holders                                               []struct{ Bot, Quantity string }
	} `json:"data"`
	Metadata struct{ Actor, Command, Source string } `json:"metadata"`
}

// Process returns a pets command in a separate process, in the shell's folder.
func (s *Shell) Process(args ...string) *exec.Cmd {
	s.T.Helper()
	exe, err := os.Executable()
	require.NoError(s.T, err)
	c := exec.CommandContext(s.Ctx, exe, args...)
	c.Dir, c.Env = s.Dir, append([]string{AsCommand + "=1", EndsAtOnce}, s.Env...)
	return c
}

// File writes a file into the shell's folder and returns its path.
func (s *Shell) File(name string, lines ...string) string {
	s.T.Helper()
	path := filepath.Join(s.Dir, name)
	require.NoError(s.T, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// Store returns the folder of the store.
func (s *Shell) Store() string { return filepath.Join(s.Dir, "store") }

// Rat reads an exact decimal.
func Rat(t testing.TB, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	require.True(t, ok && !strings.ContainsAny(text, "/eE"), "%q is not a decimal", text)
	return r
}

// Same compares an answer with a reference exactly, and checks that the answer is canonical: no
// trailing zeros, no "-0".
func Same(t testing.TB, want, got string, about ...any) {
	t.Helper()
	require.Zero(t, Rat(t, want).Cmp(Rat(t, got)), "want %s, got %s (%v)", want, got, about)
	Canonical(t, got)
}

// Canonical checks that a number has its canonical form.
func Canonical(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(text, ".") {
		require.False(t, strings.HasSuffix(text, "0") || strings.HasSuffix(text, "."), "%q has trailing zeros", text)
	}
	require.NotEqual(t, "-0", text)
}

// once holds an expensive preparation that several tests share.
type once struct {
	sync.Once
	Dir    string
	Out    string
	Events []EventJSON
}

// SetEnv sets a variable of the shell.
func (s *Shell) SetEnv(name, value string) {
	for i, entry := range s.Env {
		if strings.HasPrefix(entry, name+"=") {
			s.Env[i] = name + "=" + value
			return
		}
	}
	s.Env = append(s.Env, name+"="+value)
}

// GetEnv returns a variable of the shell.
func (s *Shell) GetEnv(name string) string {
	for _, entry := range s.Env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			return v
		}
	}
	return ""
}
