package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/internal/testenv"
)

// asCommand makes the test binary behave as pets itself, for tests that need
// another process.
const asCommand = "TEST_BINARY_IS_THE_COMMAND"

// withFiles is how many files it may open then.
const withFiles = "TEST_BINARY_HAS_FILES"

func limitFiles(most string) {
	n, err := strconv.ParseUint(most, 10, 63)
	if err != nil {
		return
	}
	limit := unix.Rlimit{Cur: n, Max: n}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "1" {
		limitFiles(os.Getenv(withFiles))
		main()
	}
	code := testenv.Patient(m)
	if tape.dir != "" {
		_ = os.RemoveAll(tape.dir)
	}
	if typescript.dir != "" {
		_ = os.RemoveAll(typescript.dir)
	}
	os.Exit(code)
}

// shell is a working folder with a store in it, and the command line run there in
// process.
type shell struct {
	t   testing.TB
	dir string
	env []string
	ctx context.Context

	settle time.Duration // how long a stop is watched that holds, 0 for as long as it is
}

func newShell(t testing.TB) *shell {
	t.Helper()
	dir := t.TempDir()
	return &shell{t: t, dir: dir, ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
}

// ran is what one run of the command line left.
type ran struct {
	code     int
	out, err string
}

func (s *shell) run(args ...string) ran {
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, environ: s.env, dir: s.dir, settle: s.settle}
	code := a.run(s.ctx, args)
	return ran{code, out.String(), errs.String()}
}

// actingLine is what a command that acts says of its target, and one that waits of what it
// waits for.
var actingLine = regexp.MustCompile(`(?m)^pets: (acting on|it holds; waiting up to|waiting for) .*\n`)

// besides is what was said on standard error besides that.
func besides(text string) string { return actingLine.ReplaceAllString(text, "") }

// ok runs a command that has to succeed, without a word on standard error but what it acts
// on.
func (s *shell) ok(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	require.Equal(s.t, 0, r.code, "pets %s: %s", strings.Join(args, " "), r.err)
	require.Empty(s.t, besides(r.err), "pets %s", strings.Join(args, " "))
	return r.out
}

// fails runs a command that has to fail with a status, answers nothing on
// standard output, and says on standard error what a person needs to know.
func (s *shell) fails(code int, words []string, args ...string) {
	s.t.Helper()
	r := s.run(args...)
	require.Equal(s.t, code, r.code, "pets %s: %s%s", strings.Join(args, " "), r.out, r.err)
	require.Empty(s.t, r.out, "pets %s", strings.Join(args, " "))
	require.True(s.t, strings.HasPrefix(r.err, "pets: "), r.err)
	for _, w := range words {
		require.Contains(s.t, r.err, w, "pets %s", strings.Join(args, " "))
	}
}

// json runs a command with --json and reads its answer. Numbers stay text: what
// is an amount must be a string, and no float ever touches it.
func (s *shell) json(into any, args ...string) {
	s.t.Helper()
	readJSON(s.t, s.ok(append(args, "--json")...), into)
}

func readJSON(t testing.TB, text string, into any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	require.NoError(t, dec.Decode(into), text)
}

// events reads the history of the portfolio.
func (s *shell) events(args ...string) []eventJSON {
	s.t.Helper()
	var all []eventJSON
	for line := range strings.Lines(s.ok(append([]string{"events", "--json"}, args...)...)) {
		var e eventJSON
		readJSON(s.t, line, &e)
		all = append(all, e)
	}
	return all
}

// eventJSON is one line of pets events --json, with the fields tests look at.
type eventJSON struct {
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

// process is pets in a process of its own, in the shell's folder.
func (s *shell) process(args ...string) *exec.Cmd {
	s.t.Helper()
	exe, err := os.Executable()
	require.NoError(s.t, err)
	c := exec.CommandContext(s.ctx, exe, args...)
	c.Dir, c.Env = s.dir, append([]string{asCommand + "=1"}, s.env...)
	return c
}

// file writes a file into the shell's folder and returns its path.
func (s *shell) file(name string, lines ...string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

func (s *shell) store() string { return filepath.Join(s.dir, "store") }

// rat reads an exact decimal.
func rat(t testing.TB, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	require.True(t, ok && !strings.ContainsAny(text, "/eE"), "%q is not a decimal", text)
	return r
}

// same compares an answer with a reference to the last digit, and makes sure that
// the answer is canonical: no trailing zeros, no "-0".
func same(t testing.TB, want, got string, about ...any) {
	t.Helper()
	require.Zero(t, rat(t, want).Cmp(rat(t, got)), "want %s, got %s (%v)", want, got, about)
	canonical(t, got)
}

func canonical(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(text, ".") {
		require.False(t, strings.HasSuffix(text, "0") || strings.HasSuffix(text, "."), "%q has trailing zeros", text)
	}
	require.NotEqual(t, "-0", text)
}

// once runs an expensive preparation for all tests that share it.
type once struct {
	sync.Once
	dir    string
	out    string
	events []eventJSON
}
