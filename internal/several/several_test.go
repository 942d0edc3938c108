package several_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/esdbtest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

const portfolio = "main"

// servers are processes on one database, each behind a proxy of its own.
type servers struct {
	t       *testing.T
	wire    *esdbtest.Server
	store   string // the database itself
	proxies []*proxy
	dirs    []string
	all     []*petstest.Process

	mu   sync.Mutex
	urls []string // of all, for those who ask while servers are started again
}

// serve starts so many servers on a database, each with a folder of its own.
func serve(t *testing.T, n int) *servers {
	t.Helper()
	database := esdbtest.Start(t, esdbtest.Options{})
	s := &servers{t: t, wire: database, store: database.URL(), all: make([]*petstest.Process, n), urls: make([]string, n)}
	dir := t.TempDir()
	for i := range n {
		s.dirs = append(s.dirs, filepath.Join(dir, fmt.Sprint("server", i)))
		s.proxies = append(s.proxies, startProxy(t, database.Addr()))
		s.start(i)
	}
	return s
}

func (s *servers) start(i int) {
	s.t.Helper()
	store := "esdb://" + s.proxies[i].addr() + "?tls=false"
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("server %d: %s", i, s.all[i].Errs)
		}
	})
	s.all[i] = petstest.ServeAt(s.t, "127.0.0.1:0", store, "PETS_DIR="+s.dirs[i], "PETS_RATE_LIMIT=0")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[i] = s.all[i].URL
}

// url is the address of a server, or the one that it had before it was killed.
func (s *servers) url(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urls[i]
}

func (s *servers) wake(i int) {
	s.t.Helper()
	require.NoError(s.t, s.all[i].Cmd.Process.Signal(syscall.SIGCONT))
}

func (s *servers) kill(i int) {
	s.t.Helper()
	require.NoError(s.t, s.all[i].Cmd.Process.Signal(syscall.SIGKILL))
	_, _ = s.all[i].Cmd.Process.Wait()
}

func (s *servers) post(i int, path string, body, into any) {
	s.t.Helper()
	require.NoError(s.t, s.all[i].Client(petstest.AdminKey).Send(s.t.Context(), http.MethodPost, path, uuid.NewString(), body, into))
}

func (s *servers) here(i int, path string, body any) {
	s.t.Helper()
	s.post(i, "/v1/portfolios/"+portfolio+path, body, nil)
}

// state is the folded state as a server shows it.
func (s *servers) state(i int) string {
	s.t.Helper()
	var raw json.RawMessage
	require.NoError(s.t, s.all[i].Client(petstest.AdminKey).Get(s.t.Context(), "/v1/portfolios/"+portfolio+"/state", &raw))
	return string(raw)
}

// opened opens a portfolio with a bot at one server, and returns the bot's key.
func (s *servers) opened(capital string) (key string) {
	s.t.Helper()
	s.post(0, "/v1/portfolios", map[string]any{"id": portfolio, "mode": domain.ModePaper}, nil)
	s.here(0, "/deposits", commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("100000")})
	s.here(0, "/bots", commands.RegisterBot{ID: "a", Capital: domain.MustDecimal(capital)})
	s.here(0, "/bots/a/start", struct{}{})
	var made struct{ Secret string }
	s.post(0, "/v1/api-keys", map[string]string{"user": "a", "role": "bot", "portfolio": portfolio, "bot": "a"}, &made)
	for i := range s.all {
		s.knows(i, made.Secret)
	}
	return made.Secret
}

// knows waits until a server has heard of a key by its subscription.
func (s *servers) knows(i int, key string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		var raw json.RawMessage
		return s.all[i].Client(key).Get(s.t.Context(), "/v1/portfolios/"+portfolio+"/permits", &raw) == nil
	}, 20*time.Second, 5*time.Millisecond)
}

// ask asks a server for a permit of 50. The same name is the same question.
func (s *servers) ask(ctx context.Context, i int, key, name string) (allowed bool, err error) {
	c, err := client.New(client.Options{URL: s.all[i].URL, Key: key, OwnKeys: true})
	if err != nil {
		return false, err
	}
	var raw json.RawMessage
	order := map[string]any{"bot": "a", "market": "m", "outcome": "YES", "side": "buy", "quantity": "100", "limit_price": "0.5"}
	if err := c.Send(ctx, http.MethodPost, "/v1/portfolios/"+portfolio+"/permits", uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String(), order, &raw); err != nil {
		return false, err
	}
	var v struct{ Allowed bool }
	return v.Allowed, json.Unmarshal(raw, &v)
}

// Two servers can never both spend the last dollar: 60 permits of 50 are asked for at three
// servers at once, and the bot's 1,000 pay for 20.
func TestThreeServersKeepOneLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, 3)
	key := s.opened("1000")
	allowed := make([]bool, 60)
	errs := make([]error, len(allowed))
	var group sync.WaitGroup
	for n := range allowed {
		group.Go(func() { allowed[n], errs[n] = s.ask(t.Context(), n%3, key, fmt.Sprint("ask", n)) })
	}
	group.Wait()
	granted := 0
	for n := range allowed {
		require.NoError(t, errs[n], "%d", n)
		if allowed[n] {
			granted++
		}
	}
	require.Equal(t, 20, granted)
	for n := range allowed { // the same question elsewhere has the same answer
		again, err := s.ask(t.Context(), (n+1)%3, key, fmt.Sprint("ask", n))
		require.NoError(t, err)
		require.Equal(t, allowed[n], again)
	}
	s.agree()
}

// agree waits until every server shows the same state, at the same revision.
func (s *servers) agree() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		first := s.state(0)
		for i := 1; i < len(s.all); i++ {
			if s.state(i) != first {
				return false
			}
		}
		return true
	}, 30*time.Second, 20*time.Millisecond)
}

// An emergency stop at one server holds at the others, for whom no command is decided on an
// older state.
func TestAStopHoldsAtEveryServer(t *testing.T) {
	t.Parallel()
	s := serve(t, 3)
	key := s.opened("1000")
	for i := range 3 {
		allowed, err := s.ask(t.Context(), i, key, fmt.Sprint("before", i))
		require.NoError(t, err)
		require.True(t, allowed)
	}
	s.here(1, "/emergency-stop", map[string]string{"kind": "manual", "reason": "test"})
	acknowledged := time.Now()
	for _, i := range []int{0, 2} {
		s.showsStop(i)
		t.Logf("server %d showed the stop %s after it was acknowledged", i, time.Since(acknowledged).Round(100*time.Microsecond))
	}
	for i := range 3 {
		allowed, err := s.ask(t.Context(), i, key, fmt.Sprint("after", i))
		require.NoError(t, err)
		require.False(t, allowed)
	}
	s.agree()
}

// A server that is killed and one whose folder is lost go on from the database: what was
// acknowledged is there.
func TestAServerComesBack(t *testing.T) {
	t.Parallel()
	s := serve(t, 2)
	key := s.opened("1000")
	allowed, err := s.ask(t.Context(), 0, key, "one")
	require.NoError(t, err)
	require.True(t, allowed)
	s.kill(0)
	allowed, err = s.ask(t.Context(), 1, key, "two")
	require.NoError(t, err)
	require.True(t, allowed)
	s.start(0)
	s.dirs[1] = filepath.Join(t.TempDir(), "new")
	s.kill(1)
	s.start(1)
	for i := range 2 {
		for _, name := range []string{"one", "two"} {
			allowed, err := s.ask(t.Context(), i, key, name)
			require.NoError(t, err)
			require.True(t, allowed)
		}
	}
	s.agree()
}

// While the database is away no permit is granted, every server says so, and a stop holds where it
// was given. When the database is back, the stop is recorded and holds everywhere.
func TestADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	s := serve(t, 2)
	key := s.opened("1000")
	s.wire.Stop()
	for i := range s.all {
		s.says(i, "/readyz", "not ready: the database cannot be reached")
	}
	soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := s.ask(soon, 0, key, "away")
	require.Error(t, err)
	began := time.Now()
	err = s.all[0].Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios/"+portfolio+"/emergency-stop", uuid.NewString(), map[string]string{"kind": "manual", "reason": "test"}, nil)
	t.Logf("the stop: %v after %s", err, time.Since(began))
	s.says(0, "/readyz", "emergency stops that hold and are not recorded yet: 1")
	require.NoError(t, s.wire.Restart())
	for i := range s.all {
		s.says(i, "/readyz", "ready\n")
		require.Eventually(t, func() bool {
			allowed, err := s.ask(t.Context(), i, key, "back")
			return err == nil && !allowed
		}, 30*time.Second, 20*time.Millisecond)
	}
	s.agree()
}

// says waits until a server says something.
func (s *servers) says(i int, path, words string) {
	s.t.Helper()
	said := ""
	require.Eventually(s.t, func() bool {
		answer, err := http.Get(s.all[i].URL + path)
		if err != nil {
			return false
		}
		body, err := io.ReadAll(answer.Body)
		said = string(body)
		return errors.Join(err, answer.Body.Close()) == nil && strings.Contains(said, words)
	}, time.Minute, 20*time.Millisecond, "%q in %s", words, &said)
}

// PETS_DIR is of one server, and not the folder of an embedded store.
func TestADatabaseNeedsAFolderOfItsOwn(t *testing.T) {
	t.Parallel()
	s := serve(t, 1)
	embedded := filepath.Join(t.TempDir(), "embedded")
	former := petstest.ServeFolder(t, embedded)
	require.NoError(t, former.Cmd.Process.Signal(syscall.SIGTERM))
	_, _ = former.Cmd.Process.Wait()
	for dir, says := range map[string]string{s.dirs[0]: "locked by pid", embedded: "holds an embedded store"} {
		var out, errs bytes.Buffer
		a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Environ: []string{"PETS_STORE=" + s.store, "PETS_DIR=" + dir, "PETS_LISTEN=127.0.0.1:0", "PETS_METRICS_LISTEN=127.0.0.1:0"}, Dir: t.TempDir()}
		require.NotZero(t, pets.Run(t.Context(), a, []string{"serve"}))
		require.Contains(t, errs.String(), says)
	}
}

// pets runs a command against the database, with a PETS_DIR.
func (s *servers) pets(dir string, words ...string) (code int, said string) {
	var out bytes.Buffer
	a := &cli.App{Place: open.Place{Err: &out}, Out: &out, Environ: []string{"PETS_STORE=" + s.store, "PETS_DIR=" + dir}, Dir: s.t.TempDir()}
	code = pets.Run(s.t.Context(), a, words)
	return code, strings.Join(strings.Fields(out.String()), " ")
}

// A server that has written the index of its history goes on from it.
func TestAServerGoesOnFromItsIndex(t *testing.T) {
	t.Parallel()
	s := serve(t, 1)
	key := s.opened("1000")
	commands := make([]map[string]any, 0, 300)
	for range 2 {
		commands = commands[:0]
		for n := range 300 {
			commands = append(commands, map[string]any{"idempotency_key": uuid.NewString(), "command": "mark_prices", "body": map[string]any{"marks": []map[string]string{{"market": "m", "outcome": "YES", "price": fmt.Sprintf("0.%d", 100+n)}}}})
		}
		s.here(0, "/batch", map[string]any{"commands": commands})
	}
	require.Greater(t, len(s.wire.Cluster().Events("portfolio-main")), 600)
	for range 2 {
		require.NoError(t, s.all[0].Cmd.Process.Signal(syscall.SIGTERM))
		_, err := s.all[0].Cmd.Process.Wait()
		require.NoError(t, err)
		require.DirExists(t, filepath.Join(s.dirs[0], "index"))
		s.start(0)
		s.says(0, "/readyz", "ready\n")
		allowed, err := s.ask(t.Context(), 0, key, "one")
		require.NoError(t, err)
		require.True(t, allowed)
	}
	require.NotContains(t, s.all[0].Errs.String(), "cannot be used")
}

// A stop that the database does not learn of says that it holds here only. One in the PETS_DIR of
// another database is left to that one.
func TestAStopThatOthersDoNotHearOf(t *testing.T) {
	t.Parallel()
	s := serve(t, 1)
	s.opened("1000")
	dir := filepath.Join(t.TempDir(), "desk")
	s.wire.Stop()
	code, said := s.pets(dir, "stop", "--emergency", "--reason", "x", "-p", portfolio)
	require.NotZero(t, code)
	require.Contains(t, said, "the other servers of the database do NOT know of it")
	require.NoError(t, s.wire.Restart())
	code, said = s.pets(dir, "start", "a", "-p", portfolio)
	require.NotZero(t, code, said)
	require.Contains(t, said, "emergency stop")

	other := serve(t, 1)
	other.opened("1000")
	other.kill(0)
	code, said = other.pets(dir, "start", "a", "-p", portfolio)
	require.NotZero(t, code)
	require.Contains(t, said, "(PETS_DIR) was used for the store of another database")
	code, said = other.pets(dir, "stop", "--emergency", "--reason", "y", "-p", portfolio)
	require.Zero(t, code, said)
	require.Contains(t, said, "The stop goes on")
}

// A verification claims no checksums of files that it does not see.
func TestVerifyOfADatabase(t *testing.T) {
	t.Parallel()
	s := serve(t, 1)
	s.opened("1000")
	code, said := s.pets(filepath.Join(t.TempDir(), "desk"), "verify")
	require.Zero(t, code, said)
	require.Regexp(t, `database \d+ records of 2 streams, \d+ bytes: no stream has a gap`, said)
	require.NotContains(t, said, "checksum")
}

// Commands that read or stop make no store in a database without one.
func TestAnEmptyDatabaseStaysEmpty(t *testing.T) {
	t.Parallel()
	server := esdbtest.Start(t, esdbtest.Options{})
	s := &servers{t: t, store: server.URL()}
	for _, words := range [][]string{{"state"}, {"status"}, {"stop", "--emergency", "--reason", "x"}, {"verify"}} {
		code, said := s.pets(filepath.Join(t.TempDir(), "desk"), words...)
		require.NotZero(t, code, said)
	}
	require.Empty(t, server.Cluster().Events("pets-store"))
}
