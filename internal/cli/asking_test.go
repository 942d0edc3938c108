package cli_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore/embedded"
	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// "Errors that cannot mend are not waited for": a person learns at once what is wrong, and
// for a stop, that it did not happen and what to do next.
func TestWhatCannotMendIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	plain := petstest.NewListener(t)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	metrics := httptest.NewServer(http.NotFoundHandler())
	defer metrics.Close()
	for name, c := range map[string]struct{ url, want string }{
		"no API":         {metrics.URL, "something else answers there"},
		"nobody listens": {"http://" + nobody.Addr().String(), "no server listens there"},
		"no TLS":         {strings.Replace(plain.URL, "http:", "https:", 1), "begins with http://"},
		"TLS":            {strings.Replace(secure.URL, "https:", "http:", 1), "begins with https://"},
		"certificate":    {secure.URL, "PETS_CA"},
	} {
		for _, args := range [][]string{{"stop", "alpha"}, {"stop", "--emergency"}, {"stop", "--emergency", "--everywhere"}, {"state"}, {"start", "alpha"}, {"events", "--follow"}} {
			s := petstest.New(t)
			s.Env = append(s.Env, "PETS_KEY="+petstest.SomeKey, "PETS_SERVER="+c.url)
			start := time.Now()
			r := s.Run(args...)
			require.Less(t, time.Since(start), 10*time.Second, "%s: %v", name, args)
			require.Equal(t, 1, r.Code, "%s: %v", name, args)
			require.Contains(t, r.Err, c.want, "%s: %v", name, args)
			require.Contains(t, r.Err, c.url, "%s: %v", name, args)
			stops := args[0] == "stop"
			require.Equal(t, stops, strings.Contains(r.Err, "pets: NOT stopped: "), r.Err)
			require.Equal(t, stops, strings.Contains(r.Err, "`sudo pets "+strings.Join(args[:min(2, len(args))], " ")+" "), "what was typed: %s", r.Err)
		}
	}
}

// "The first way has bounds that also cut a request under way": a frozen server accepts
// requests and never answers. The stop socket is the second way.
func TestAFrozenServer(t *testing.T) {
	t.Parallel()
	frozen, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, frozen.Close()) }()
	s := petstest.Small(t)
	lock, err := open.LockDir(s.Store(), s.Store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	require.NoError(t, lock.AnswersAt("http://"+frozen.Addr().String()))
	socket := listenAt(t, s.Store())
	s.Env = append(s.Env, "PETS_KEY="+petstest.SomeKey, "PETS_SERVER=http://"+frozen.Addr().String())
	start := time.Now()
	r := s.Run("stop", "--emergency")
	require.Less(t, time.Since(start), 15*time.Second)
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "no answer within 3s")
	require.Len(t, socket.heard(), 1)
}

// A person in a hurry can always stop: the reason may be left out, for a folder and for a
// server; the API itself still requires one.
func TestAStopNeedsNoReason(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	for _, more := range [][]string{nil, {"--everywhere"}, {"--reason", " "}} {
		require.Contains(t, s.Ok(append([]string{"stop", "--emergency", "--store", "embedded:" + folder}, more...)...), "engaged", more)
	}
	require.Contains(t, s.Ok("events", "--type", domain.EmergencyStopEngagedType, "--store", "embedded:"+folder), cli.Unreasoned)
	require.NoError(t, p.Cmd.Process.Kill())
	_, _ = p.Cmd.Process.Wait()
	r := s.Run("stop", "--emergency", "--store", "embedded:"+folder) // it warns about the witness
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "engaged")
}

// A folder that was moved under a running server is still that server's, by its socket and by
// its address; and if PETS_DIR is locked for another store, no address is guessed.
func TestAFolderThatWasMovedUnderItsServer(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	gone := filepath.Join(filepath.Dir(folder), "gone")
	require.NoError(t, os.Rename(folder, gone))
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + gone}}
	r := s.Run("stop", "--emergency")
	require.Contains(t, r.Err, "acting on the server that holds "+gone+", by its stop socket")
	require.Equal(t, 0, r.Code, r.Err)
	a := &cli.App{Place: open.Place{Err: io.Discard}, Out: io.Discard}
	a.Config.Store = "embedded:" + gone
	found, err := a.Remote()
	require.NoError(t, err)
	require.Equal(t, p.URL, found.URL)

	other := petstest.Small(t)
	store, err := embedded.Open(other.Store(), embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	other.Env = append(other.Env, "PETS_DIR="+gone, "PETS_KEY="+petstest.SomeKey)
	other.Fails(1, []string{"NOT stopped", "says where a server of this store answers"}, "stop", "--emergency")
}

// "A setting that is missing is not 'try again'": a request about keys to a server without a
// keystore is answered once, and the server's log does not repeat it.
func TestAServerWithoutAKeystoreSaysSoOnce(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	for _, args := range [][]string{{"keys", "status"}, {"keys", "rotate"}} {
		start := time.Now()
		r := p.Pets(folder, petstest.AdminKey, args...)
		require.Equal(t, 1, r.Code, args)
		require.Contains(t, r.Err, "ENCRYPTION_KEY is not set", args)
		require.Less(t, time.Since(start), 10*time.Second, args)
	}
	require.NotContains(t, p.Errs.String(), "unavailable")
}

// "PETS_CA is not needed where that server's PETS_DIR is on this machine", also where the
// server is named.
func TestTheCertificateOfANamedServerHere(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder, "PETS_TLS_SELF=true")
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder, "PETS_KEY=" + petstest.AdminKey}}
	require.Contains(t, s.Ok("--server", p.URL, "apikey", "list"), "admin")
	s.Env = append(s.Env, "PETS_SERVER="+strings.Replace(p.URL, "127.0.0.1", "localhost", 1))
	require.Contains(t, s.Ok("apikey", "list"), "admin")
	s.Env[0] = "PETS_STORE=embedded:" + t.TempDir()
	s.Fails(1, []string{"unknown authority", "PETS_CA"}, "--server", p.URL, "apikey", "list")
}

// "Same text for both": a server and a folder say the same about a portfolio that does not
// exist, or did not exist yet.
func TestAPortfolioThatIsNotThere(t *testing.T) {
	t.Parallel()
	p, folder, keys := petstest.Played(t)
	here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder}}
	there := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + keys["ann"]}}
	for _, command := range []string{"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers"} {
		for _, more := range []string{"-p nope", "--at 2020-01-01T00:00:00Z", "-p nope --at 3"} {
			args := here.Line(command, more)
			want := here.Run(args...)
			if command != "events" || more[0] == '-' && more[1] == 'p' { // there is no event of that time
				require.Contains(t, want.Err, "portfolio", args)
			}
			require.Equal(t, want, there.Run(args...), args)
		}
	}
	operator := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + keys["olga"]}}
	operator.Fails(1, []string{"NOT stopped: there is no portfolio nope in this store; it has main"}, "-p", "nope", "stop", "--emergency")
}

// With settings that cannot be read and nothing to stop here, no line claims that something
// was stopped, and each line says what it is about.
func TestNothingWasStoppedAndASettingIsBad(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER=nonsense")
	r := s.Run("stop", "--emergency")
	require.Equal(t, 1, r.Code)
	require.Empty(t, r.Out)
	require.Contains(t, r.Err, "pets: NOT stopped: there is no store at")
	require.NotContains(t, r.Err, "was done")
	for line := range strings.Lines(r.Err) {
		require.True(t, strings.HasPrefix(line, "pets: "), line)
	}
}

// If a frozen server answers neither way, the stop gives up and says what to do; following
// that advice works.
func TestAServerThatAnswersNeitherWay(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	p.Freeze()
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder, "PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}}
	start := time.Now()
	var all sync.WaitGroup
	for _, way := range []struct{ env, args []string }{
		{s.Env, []string{"stop", "--emergency"}},
		{nil, []string{"stop", "--emergency", "--store", "embedded:" + folder}}, // the printed advice
		{[]string{"PETS_DIR=" + t.TempDir()}, []string{"stop", "alpha", "--store", "embedded:" + folder}},
		{[]string{"PETS_KEY=" + petstest.AdminKey}, []string{"stop", "--emergency", "--store", "embedded:" + folder}},
	} {
		here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: way.env}
		all.Go(func() {
			r := here.Run(way.args...)
			assert.Equal(t, 1, r.Code)
			assert.Contains(t, r.Err, "pets: waiting for ")
			assert.Contains(t, r.Err, "pets: NOT stopped")
			assert.Contains(t, r.Err, "(kill -9 "+strconv.Itoa(p.Cmd.Process.Pid)+"), and stop again")
			assert.NotContains(t, r.Err, "sudo pets stop", "that is what was tried")
			assert.Contains(t, r.Err, " -p main --store embedded:"+folder+"`", "where it is stopped then")
		})
	}
	all.Wait()
	require.Less(t, time.Since(start), 25*time.Second, "15 s, and some for a busy machine")
	require.NoError(t, p.Cmd.Process.Kill())
	_, _ = p.Cmd.Process.Wait()
	r := s.Run("--store", "embedded:"+folder, "stop", "--emergency")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "engaged")
}

// "What lets trading go on is sent once": a start, a reset and a confirmed clear do not wait
// for a server that is not ready, because someone may stop meanwhile what they would start.
// Requests that only ask, and every stop, wait.
func TestWhatLetsTradingGoOnIsSentOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:pets:problem:unavailable", "detail": "the history is still being folded"})
	}))
	defer server.Close()
	for _, args := range [][]string{{"start", "alpha"}, {"reset", "daily_loss", "--reason", "x"}, {"clear", "--confirm", "c1"}} {
		asked.Store(0)
		s := petstest.New(t)
		s.Env = append(s.Env, "PETS_KEY="+petstest.SomeKey, "PETS_SERVER="+server.URL)
		r := s.Run(args...)
		require.Equal(t, 1, r.Code, r.Out)
		require.Contains(t, r.Err, "sent once, and not again by itself")
		require.Contains(t, r.Err, "the history is still being folded")
		want := int32(1)
		if args[0] == "clear" { // what goes on after it is asked for first, once as well
			want = 2
		}
		require.Equal(t, want, asked.Load(), "%v", args)
	}
}

// "What cannot be read in .env or the environment is passed over, and said": a PETS_CA that is
// no certificate does not prevent a stop at a server that needs none, and is named where one
// is needed.
func TestACertificateThatIsNone(t *testing.T) {
	t.Parallel()
	plain, secure := petstest.NewListener(t), httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	s := petstest.New(t)
	junk, pipe := s.File("ca.pem", "-----BEGIN CERTIFICATE-----", "junk"), filepath.Join(s.Dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for path, why := range map[string]string{junk: "holds no PEM certificate", pipe: "is not a plain file", s.Dir: "is not a plain file", "/nowhere": "there is no such file"} {
		s.Env = []string{"PETS_CA=" + path, "PETS_KEY=" + petstest.SomeKey}
		for _, args := range [][]string{{"stop", "--emergency"}, {"stop", "alpha"}, {"apikey", "revoke", "k1"}, {"reject", "x1", "--reason", "x"}} {
			r := s.Run(append(args, "--server", plain.URL)...)
			require.Contains(t, r.Err, "not now", "%v: the server was asked", args)
			require.Contains(t, r.Err, "PETS_CA must be a PEM file that can be read", args)
			require.NotEmpty(t, plain.Heard())
			r = s.Run(append(args, "--server", secure.URL)...)
			require.Equal(t, 1, r.Code, args)
			require.Contains(t, r.Err, why, args)
			require.Contains(t, r.Err, "set PETS_CA to a copy of its tls/cert.pem", args)
		}
	}
}

// "Say that it may have been recorded and how to look, with --key where resending is safe":
// what was sent and not answered, of what lets trading go on.
func TestWhatLetsTradingGoOnWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/approvals/") { // nothing is signed
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"type":"urn:pets:problem:not_found"}`))
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"start", "alpha"}, "look before it is sent anew: pets events --type bot -p paper2"},
		{[]string{"reset", "daily_loss", "--reason", "x"}, "look before it is sent anew: pets events --type breaker -p paper2"},
		{[]string{"clear", "--confirm", "c1"}, "look before it is sent anew: pets events --type emergency_stop -p paper2"},
		{[]string{"override", "confirm", "o1"}, "look before it is sent anew: pets events --type override -p paper2"},
		{[]string{"apikey", "revoke", "k4"}, "look before it is sent anew: pets apikey list"},
		{[]string{"clear", "--reason", "x"}, "to send it again safely, add --key "},
		{[]string{"reject", "x1", "--reason", "x"}, "to send it again safely, add --key "},
	} {
		s := petstest.New(t)
		s.Env = append(s.Env, "PETS_PORTFOLIO=paper2", "PETS_KEY="+petstest.SomeKey, "PETS_SERVER="+server.URL)
		r := s.RunWith(func(a *cli.App) { a.Patience = 300 * time.Millisecond }, c.args...)
		require.Equal(t, 1, r.Code, r.Out)
		require.Contains(t, r.Err, "it may have been recorded", c.args)
		require.Contains(t, r.Err, c.want, c.args)
	}
}
