package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/eventstore/embedded"
	"pets/internal/httpapi"
)

// What a command does with the rule for targets.
type reach string

const (
	atHome  reach = "works on this machine by its nature"
	reads   reach = "reads"
	acts    reach = "acts, in a folder or at a server"
	looks   reach = "reads, and acts on what it found"
	through reach = "acts, through a server only"
	peeks   reach = "reads, through a server only"
	seated  reach = "needs a terminal, or the files of another machine; its tests are its own"
)

// reached are all commands with arguments they can be run with. A new one that is not here
// fails the test below.
var reached = []struct {
	command string
	how     reach
	more    string
}{
	{"bench", atHome, "--rounds 0"},
	{"keys generate", atHome, ""},
	{"cold sign", atHome, "x1.cold.json"},
	{"serve", atHome, ""},
	{"verify", atHome, ""},
	{"version", atHome, ""},
	{"init", atHome, "--yes"},

	{"state", reads, ""},
	{"stats", reads, ""},
	{"balances", reads, ""},
	{"positions", reads, ""},
	{"trades", reads, ""},
	{"equity", reads, ""},
	{"events", reads, ""},
	{"permits", reads, ""},
	{"breakers", reads, ""},
	{"transfers", reads, ""},
	{"approvals", reads, ""},
	{"treasury", reads, ""},
	{"address-book", reads, ""},
	{"address-book list", reads, ""},
	{"keys status", reads, ""},
	{"limits", reads, ""},
	{"portfolio list", reads, ""},
	{"bot list", reads, ""},
	{"market list", reads, ""},

	{"start", acts, "alpha"},
	{"stop", acts, "--emergency --reason x"},
	{"reset", acts, "daily_loss --reason x"},
	{"import", acts, "--capital 5 FILE"},
	{"keys rotate", acts, ""},
	{"wallet verify", looks, ""},
	{"wallet record", looks, "vault --tested --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72"},

	{"clear", through, "--reason x"},
	{"apikey issue", through, "--user alice --role operator"},
	{"apikey revoke", through, "k1"},
	{"apikey list", peeks, ""},
	{"transfer", through, "--from hot --to cold --amount 1 --reason x"},
	{"approve", through, "x1"},
	{"reject", through, "x1 --reason x"},
	{"rebalance", through, ""},
	{"reconcile", through, ""},
	{"treasury set", through, "approval_ttl=1h --reason x"},
	{"address-book add", through, "--address 0x1 --label x"},
	{"address-book remove", through, "--address 0x1 --reason x"},
	{"wallet register", through, "hot-1 --place hot --address 0x1"},
	{"wallet sweep", through, "--to cold --reason x"},
	{"cold export", peeks, "x1"},

	{"portfolio open", through, "new"},
	{"limits set", through, "fee_bps=1 --reason x"},
	{"override request", through, "clock --reason x"},
	{"override confirm", through, "o1"},
	{"deposit", through, "1"},
	{"withdraw", through, "1"},
	{"fee", through, "1 --kind gas"},
	{"adjust", through, "hot:treasury --add 1 --reason x"},
	{"bot add", through, "new --capital 1"},
	{"bot allocate", through, "alpha 1"},
	{"market add", through, "m"},
	{"mark", through, "m YES 0.5"},
	{"settle", through, "m YES 1"},
	{"permit ask", through, "--bot alpha --market m --outcome YES --side buy --quantity 1 --limit-price 0.4"},
	{"permit place", through, "p1"},
	{"permit release", through, "p1"},
	{"fill", through, "--bot alpha --market m --outcome YES --side buy --quantity 1 --price 0.4 --trade-id v-1"},
	{"fill confirm", through, "v-1 --bot alpha"},
	{"fill void", through, "v-1 --bot alpha"},
	{"trade", through, "--bot alpha --market m --pnl=-1 --trade-id v-1"},
	{"sign", through, "--transfer x1"},
	{"batch", through, "BATCH"},
	{"status", peeks, ""},

	{"cold import", seated, ""},
	{"wallet create", seated, ""},
	{"wallet recover", seated, ""},
	{"wallet list", seated, ""}, // what it cannot ask about, it warns of
}

// leaves are the commands that do something, by their path.
func leaves(c *cobra.Command, path string) []string {
	var all []string
	for _, sub := range c.Commands() {
		if sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		below := strings.TrimSpace(path + " " + sub.Name())
		all = append(all, leaves(sub, below)...)
		if !sub.HasSubCommands() || slices.Contains([]string{"treasury", "address-book", "limits", "fill"}, below) {
			all = append(all, below)
		}
	}
	return all
}

// "One rule for every command": each is known to the tests of the rule.
func TestEveryCommandHasItsTarget(t *testing.T) {
	var known []string
	for _, r := range reached {
		known = append(known, r.command)
	}
	for _, command := range leaves((&app{}).root(), "") {
		if !strings.HasPrefix(command, "bench ") { // a group that measures, and works at home
			require.Contains(t, known, command, "say in this table what it does with --server, --store, PETS_SERVER and PETS_STORE")
		}
	}
}

// line is the command line of a row.
func (s *shell) line(command, more string) []string {
	more = strings.ReplaceAll(more, "FILE", filepath.Join(s.dir, "fills.csv"))
	if strings.Contains(more, "BATCH") {
		more = strings.ReplaceAll(more, "BATCH", batchFile(s.t, `{"commands":[{"command":"mark_prices","body":{"marks":[{"market":"m","outcome":"YES","price":"0.5"}]}}]}`))
	}
	return append(strings.Fields(command), strings.Fields(more)...)
}

// batchFile is a file for pets batch, in a folder of its own.
func batchFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batch.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// listener is a server that answers nothing, and counts what it is asked.
type listener struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.asked = append(l.asked, r.Method+" "+r.URL.Path)
		l.mu.Unlock()
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:pets:problem:conflict", "detail": "not now"})
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.asked
	l.asked = nil
	return all
}

const someKey = "some-key-0123456789-0123456789-0123456789"

// files are all names below a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

// "--server > --store > PETS_SERVER > PETS_STORE", for every command: PETS_SERVER goes
// before a folder that is there, --server before PETS_SERVER.
func TestServerGoesBeforeTheFolder(t *testing.T) {
	s := small(t)
	named, other := newListener(t), newListener(t)
	before := files(t, s.dir)
	for _, r := range reached {
		if r.how == atHome || r.how == seated {
			continue
		}
		for _, ways := range []struct {
			env  []string
			args []string
		}{
			{[]string{"PETS_SERVER=" + named.URL}, nil},
			{[]string{"PETS_SERVER=" + other.URL}, []string{"--server", named.URL}},
			{nil, []string{"--server", named.URL + "/"}},
		} {
			here := &shell{t: t, dir: s.dir, ctx: t.Context(), env: append(ways.env, s.env[0], "PETS_KEY="+someKey)}
			ran := here.run(append(ways.args, here.line(r.command, r.more)...)...)
			require.Equal(t, 1, ran.code, "%s: %s%s", r.command, ran.out, ran.err)
			require.Contains(t, ran.err, "not now", r.command)
			require.NotEmpty(t, named.heard(), r.command)
			require.Empty(t, other.heard(), r.command)
			if r.how == acts || r.how == through {
				require.Contains(t, ran.err, "pets: acting on server "+named.URL, "%s: "+"Every command that acts names its target", r.command)
			} else {
				require.NotContains(t, ran.err, "acting", r.command)
			}
		}
	}
	require.Equal(t, before, files(t, s.dir), "the folder beside it is left alone")
}

// --store goes before PETS_SERVER: the server is not asked, and what only a server can do
// is refused.
func TestStoreGoesBeforePetsServer(t *testing.T) {
	server := newListener(t)
	for _, r := range reached {
		if r.how == atHome || r.how == seated {
			continue
		}
		s := small(t)
		store := s.env[0]
		s.env = []string{"PETS_SERVER=" + server.URL, "PETS_KEY=" + someKey}
		ran := s.run(append([]string{"--store", strings.TrimPrefix(store, "PETS_STORE=")}, s.line(r.command, r.more)...)...)
		require.Empty(t, server.heard(), r.command)
		require.NotContains(t, ran.err, "acting on server", r.command)
		if r.how == acts {
			require.Contains(t, ran.err, "pets: acting on the folder "+s.store(), r.command)
		}
		if r.how == through || r.how == peeks {
			require.Equal(t, 1, ran.code, "%s: %s", r.command, ran.err)
			require.Contains(t, ran.err, "no server holds "+s.store(), r.command)
		}
	}
}

// "both flags: usage error"; and what works on this machine takes no --server.
func TestBothFlags(t *testing.T) {
	s := newShell(t)
	for _, r := range reached {
		if r.command == "version" || r.command == "cold sign" { // they read no settings
			continue
		}
		more := r.more
		if r.how == seated {
			more = "x"
		}
		if r.command == "wallet list" {
			more = ""
		}
		s.fails(2, []string{"--server and --store exclude each other"},
			append([]string{"--server", "http://127.0.0.1:1", "--store", "embedded:x"}, s.line(r.command, more)...)...)
		if r.how == atHome {
			s.fails(2, []string{"--server does not go with it"}, append([]string{"--server", "http://127.0.0.1:1"}, s.line(r.command, more)...)...)
		}
	}
	s.fails(2, []string{"--server must be http://host:port"}, "--server", "127.0.0.1:7433", "state")
}

// "A store is created only by serve, import, demo and the first keys generate or wallet
// create": where there is none, and no server is named, a command says so and leaves
// nothing behind; also where the folder is there and empty.
func TestNothingIsMadeWhereNothingIs(t *testing.T) {
	for _, r := range reached {
		if r.how == atHome && r.command != "verify" || r.how == seated || r.command == "import" {
			continue
		}
		for _, made := range []bool{false, true} {
			s := newShell(t)
			s.env = append(s.env, "PETS_KEY="+someKey)
			if made {
				require.NoError(t, os.Mkdir(s.store(), 0o700))
			}
			before := files(t, s.dir)
			ran := s.run(s.line(r.command, r.more)...)
			require.Equal(t, 1, ran.code, "%s: %s", r.command, ran.err)
			if !made || r.how == acts || r.how == through {
				require.Contains(t, ran.err, "there is no store at "+s.store(), r.command)
				require.Contains(t, ran.err, "name the server with --server or PETS_SERVER", r.command)
			}
			require.NotContains(t, ran.err, "acting", r.command)
			require.Equal(t, before, files(t, s.dir), r.command)
		}
	}
}

// The keystore, too: it is made where a key is put in, and by a server.
func TestNoKeystoreIsMadeByLooking(t *testing.T) {
	s := small(t)
	keystore := filepath.Join(s.dir, "keys")
	s.env = append(s.env, "PETS_KEYSTORE="+keystore, "ENCRYPTION_KEY="+strings.TrimSpace(s.run("keys", "generate").out))
	for _, args := range [][]string{{"keys", "status"}, {"keys", "rotate"}, {"wallet", "verify", "--offline"}, {"wallet", "record", "hot-1"}, {"wallet", "list"}} {
		r := s.run(args...)
		if args[1] != "list" {
			require.Equal(t, 1, r.code, "%v: %s", args, r.out)
			require.Contains(t, r.err, "there is no keystore at "+keystore, args)
		}
		require.NoDirExists(t, keystore, args)
	}
}

// "none set and the folder locked": the server that holds it says where it listens, and
// what acts goes there.
func TestTheHolderOfTheFolderIsFound(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	s := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + folder, "PETS_KEY=" + adminKey}}
	r := s.run("apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.err, "pets: acting on server "+p.url)
	r = s.run("start", "alpha")
	require.Equal(t, 1, r.code, r.err)
	require.Contains(t, r.err, "pets: acting on server "+p.url)
	h, is := holderOf(folder)
	require.True(t, is)
	require.Equal(t, holder{PID: p.cmd.Process.Pid, URL: p.url, Store: folder, ID: h.ID, Proof: h.Proof}, h)
	require.NotZero(t, h.ID)
	require.Len(t, h.Proof, 64)

	require.NoError(t, p.cmd.Process.Kill())
	_, _ = p.cmd.Process.Wait()
	_, is = holderOf(folder)
	require.False(t, is, "what a dead server left says nothing")
	s.fails(1, []string{"no server holds " + folder}, "apikey", "list")
}

// A folder that is locked by something that does not say where it listens: whoever listens
// at 127.0.0.1:7433 may hold another store, so nobody is asked. By a command that writes to
// it: that is no server.
func TestAFolderThatIsHeldByNoServer(t *testing.T) {
	s := small(t)
	store, err := embedded.Open(s.store(), embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	a := &app{err: io.Discard, out: io.Discard}
	a.config.Store = "embedded:" + s.store()
	_, err = a.remote()
	require.ErrorContains(t, err, "says where a server of this store answers; name it with --server, or set PETS_DIR")

	lock, err := lockServerDir(s.store(), s.store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	a.found = nil
	_, err = a.remote()
	require.ErrorContains(t, err, "which is no server, or not one yet")
	require.NoError(t, lock.answersAt("https://[::]:7433"))
	r, err := a.remote()
	require.NoError(t, err)
	require.Equal(t, "https://127.0.0.1:7433", r.url)
}

// "Everything of a server that is no event lies in PETS_DIR (locked)": two servers do not
// share one, and a stop that waits in the store's folder is taken over.
func TestPetsDir(t *testing.T) {
	s := small(t)
	dir := filepath.Join(t.TempDir(), "deep", "pets-dir")
	waiting := commands.PendingStop{Portfolio: "main", Key: "k", Kind: "manual", Reason: "before there was a PETS_DIR"}
	former := commands.NewLatchFile(filepath.Join(s.store(), latchName))
	require.NoError(t, former.Write([]commands.PendingStop{waiting}))
	p := serveFolder(t, s.store(), "PETS_DIR="+dir, "PETS_TLS_SELF=true")
	_, err := os.Stat(filepath.Join(s.store(), latchName))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Stat(filepath.Join(s.store(), "tls"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Stat(filepath.Join(dir, "tls", "key.pem"))
	require.NoError(t, err)
	h, is := holderOf(dir)
	require.True(t, is)
	require.Equal(t, p.url, h.URL)

	other := small(t)
	other.env = append(other.env, "PETS_DIR="+dir)
	r := other.run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 1, r.code, r.out)
	require.Contains(t, r.err, "locked by pid")
	require.Contains(t, r.err, s.store())
	require.Contains(t, r.err, "acting on the folder "+other.store(), "not on the other store's server")
	require.Contains(t, r.err, "which was NOT stopped; name the store with --store")
	// The server is found by its folder, and by the certificate that it made.
	here := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: append([]string{"PETS_DIR=" + dir, "PETS_KEY=" + adminKey}, s.env...)}
	require.Contains(t, here.ok("apikey", "list"), "admin")
}

// A stop that waits in PETS_DIR is one of its store: another store does not take it.
func TestPetsDirOfAnotherStore(t *testing.T) {
	dir := t.TempDir()
	one, other := small(t), newShell(t)
	liveStore(t, other.store())
	one.env, other.env = append(one.env, "PETS_DIR="+dir), append(other.env, "PETS_DIR="+dir)
	one.ok("reset", "daily_loss", "--dry-run")
	lock, err := lockServerDir(dir, one.store(), uuid.Nil)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	latch := commands.NewLatchFile(filepath.Join(dir, latchName))
	require.NoError(t, latch.Write([]commands.PendingStop{{Portfolio: "main", Key: "k", Kind: "manual", Reason: "of the first"}}))
	other.fails(1, []string{"belongs to the store at " + one.store()}, "start", "alpha")
	// A stop goes on, and leaves what waits there alone.
	r := other.run("stop", "--emergency", "--reason", "drill")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.err, "belongs to the store at "+one.store())
	require.Contains(t, r.out, "engaged in main")
	waiting, err := latch.Read()
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	// A store that was moved keeps its folder.
	moved := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.Rename(one.store(), moved))
	lock, err = lockServerDir(dir, moved, uuid.Nil)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

// "A person can always stop", and get out by the steps that are documented: a copy of a
// store brings its server.lock along, which names the store that was copied.
func TestACopyOfAStore(t *testing.T) {
	s, own := newShell(t), newShell(t) // the second has its own folder for PETS_DIR
	s.env = append(s.env, "PETS_DIR="+filepath.Join(s.dir, "run"))
	works := func(shell *shell, folder string) {
		t.Helper()
		r := shell.run("stop", "--emergency", "--reason", "drill", "--store", "embedded:"+folder)
		require.Equal(t, 0, r.code, r.err)
		require.NotContains(t, r.err, "belongs to the store")
		r = shell.run("start", "alpha", "--store", "embedded:"+folder)
		require.Contains(t, r.err, "bot is not registered", "it was looked for")
	}
	for _, shell := range []*shell{s, own} {
		liveStore(t, shell.store())
		works(shell, shell.store())
		copied := filepath.Join(shell.dir, "copied")
		require.NoError(t, os.CopyFS(copied, os.DirFS(shell.store())))
		works(shell, copied)
	}
	// A symbolic link that is switched to the copy.
	link, copied := filepath.Join(own.dir, "link"), filepath.Join(own.dir, "second")
	require.NoError(t, os.Symlink(own.store(), link))
	works(own, link)
	require.NoError(t, os.CopyFS(copied, os.DirFS(own.store())))
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(copied, link))
	works(own, link)
}

// "Beside PETS_DIR and never in it", wherever the command stands, and also where a flag
// names the folder: a copy of a store in "." does not take its witness along.
func TestTheWitnessIsNeverInTheStore(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "store")
	liveStore(t, dir)
	t.Chdir(dir)
	s := &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
	stop := []string{"stop", "--emergency", "--reason", "drill", "--store", "embedded:."}
	r := s.run(stop...)
	require.Equal(t, 0, r.code, r.err)
	require.FileExists(t, filepath.Join(top, "store-witness", "witness"))
	for _, name := range files(t, dir) {
		require.NotContains(t, name, "witness")
	}
	s.env = []string{"PETS_WITNESS=" + filepath.Join(dir, "w")} // right for the store of the settings
	s.fails(2, []string{"PETS_WITNESS must be"}, "start", "alpha", "--store", "embedded:.")
	r = s.run(stop...)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.err, "PETS_WITNESS must be")
	require.NoFileExists(t, filepath.Join(dir, "w", "witness"))
}

// A certificate that others have pinned stays when PETS_DIR is set.
func TestTheCertificateComesAlong(t *testing.T) {
	store, dir := t.TempDir(), filepath.Join(t.TempDir(), "dir")
	a := &app{out: io.Discard, err: io.Discard}
	a.config.Store, a.config.Listen = "embedded:"+store, "127.0.0.1:7433"
	cert, _, err := a.selfSigned(filepath.Join(store, tlsName))
	require.NoError(t, err)
	want, err := os.ReadFile(cert)
	require.NoError(t, err)
	a.config.Dir = dir
	cert, _, err = a.selfSigned(filepath.Join(dir, tlsName))
	require.NoError(t, err)
	got, err := os.ReadFile(cert)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, filepath.Join(dir, tlsName, "cert.pem"), cert)
}

// stopSocket is a server's stop socket: it answers stops, and keeps what it was sent.
type stopSocket struct {
	mu     sync.Mutex
	sent   []string
	keys   []string // the Idempotency-Keys
	status int
	answer any
	after  int // how many answers until it says the next
	next   func()
}

func listenAt(t *testing.T, dir string) *stopSocket {
	t.Helper()
	// Bound under a short name: the path may be too long for the address of a socket.
	here, err := os.Getwd()
	require.NoError(t, err)
	require.NoError(t, os.Chdir(dir))
	l, err := net.Listen("unix", httpapi.SocketName)
	require.NoError(t, os.Chdir(here))
	require.NoError(t, err)
	s := &stopSocket{status: http.StatusOK, answer: map[string]any{"revision": 7, "recorded": true}}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.sent = append(s.sent, r.URL.Path+" "+strings.TrimSpace(string(body)))
		s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
		if s.next != nil && len(s.keys) > s.after {
			s.next()
		}
		status, answer := s.status, s.answer
		s.mu.Unlock()
		if r.Header.Get("Idempotency-Key") == "" {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

func (s *stopSocket) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.sent
	s.sent = nil
	return all
}

func (s *stopSocket) says(status int, answer any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.answer = status, answer
}

// "A way in that cannot be filled … which the command line uses when it is there": without
// a key, for every stop, also at the end of a long path.
func TestStopsGoThroughTheSocket(t *testing.T) {
	for _, below := range []string{"", strings.Repeat("long/", 30)} {
		s := small(t)
		s.settle = time.Millisecond
		dir := filepath.Join(s.dir, below, "dir")
		require.NoError(t, os.MkdirAll(dir, 0o700))
		s.env = append(s.env, "PETS_DIR="+dir, "HTTP_PROXY=http://127.0.0.1:1")
		lock, err := lockServerDir(dir, s.store(), uuid.Nil)
		require.NoError(t, err)
		socket := listenAt(t, dir)

		r := s.run("stop", "--emergency", "--reason", "x")
		require.Equal(t, 0, r.code, r.err)
		require.Contains(t, r.out, "EMERGENCY STOP engaged in main (revision 7)")
		require.Contains(t, r.err, "pets: acting on the server that holds "+s.store()+", by its stop socket, portfolio main")
		require.Equal(t, []string{`/v1/portfolios/main/emergency-stop {"kind":"manual","reason":"x"}`}, socket.heard())
		s.ok("stop", "alpha", "--reason", "y")
		require.Equal(t, []string{`/v1/portfolios/main/bots/alpha/stop {"reason":"y"}`}, socket.heard())

		// "202": it holds, and that is success.
		socket.says(http.StatusAccepted, map[string]any{"recorded": false})
		require.Contains(t, s.ok("stop", "--emergency", "--reason", "x"), "HOLDS, but is not recorded yet")
		require.Contains(t, s.ok("stop", "--emergency", "--reason", "x", "--json"), `"recorded": false`)
		// Unless a restart forgets it.
		socket.says(http.StatusAccepted, map[string]any{"recorded": false, "kept": true})
		require.Contains(t, s.ok("stop", "--emergency", "--reason", "x"), "HOLDS, but is not recorded yet")
		socket.says(http.StatusAccepted, map[string]any{"recorded": false, "kept": false})
		for _, args := range [][]string{{"--emergency"}, {"alpha"}} {
			r = s.run(append([]string{"stop", "--reason", "x"}, args...)...)
			require.Equal(t, 1, r.code)
			require.Contains(t, r.out, "HOLDS IN MEMORY ONLY")
			require.Contains(t, r.out, "keep the server running")
			require.NotContains(t, r.err, "NOT stopped", "it is")
		}
		socket.says(http.StatusAccepted, map[string]any{"portfolios": []any{map[string]any{"portfolio": "main", "recorded": false, "kept": false}}})
		r = s.run("stop", "--emergency", "--everywhere", "--reason", "x")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.out, "engaged in main: HOLDS IN MEMORY ONLY")
		socket.says(http.StatusAccepted, map[string]any{"portfolios": []any{map[string]any{"portfolio": "main", "recorded": false}}})
		socket.heard()
		require.Contains(t, s.ok("stop", "--emergency", "--everywhere", "--reason", "x"), "engaged in main: HOLDS, but is not recorded yet")
		heard := socket.heard() // it is watched, like a stop of one portfolio
		require.NotEmpty(t, heard)
		for _, request := range heard {
			require.Equal(t, `/v1/emergency-stop {"kind":"manual","reason":"x"}`, request)
		}

		// What the server decides is decided.
		socket.says(http.StatusNotFound, map[string]any{"type": "urn:pets:problem:not_found", "detail": "there is no such portfolio"})
		s.fails(1, []string{"there is no such portfolio"}, "stop", "--emergency", "--reason", "x")
		require.NoError(t, lock.Close())
	}
}

// A socket is used only where it is known to be that of the server that is meant: it would
// stop another one, and say that it stopped this one.
func TestTheSocketOfAnotherServerIsNotUsed(t *testing.T) {
	s := small(t)
	dir := t.TempDir()
	lock, err := lockServerDir(dir, t.TempDir(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	require.NoError(t, lock.answersAt("http://127.0.0.1:7999"))
	socket := listenAt(t, dir)
	server := newListener(t)

	s.env = append(s.env, "PETS_DIR="+dir)
	r := s.run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 1, r.code, r.out)
	require.Contains(t, r.err, "locked by pid")
	require.Empty(t, socket.heard())
	named := &shell{t: t, dir: s.dir, ctx: t.Context(), env: append([]string{"PETS_SERVER=" + server.URL, "PETS_KEY=" + someKey}, s.env...)}
	named.fails(1, []string{"not now"}, "stop", "--emergency", "--reason", "x")
	require.Empty(t, socket.heard())

	// The same server, named by its address: the second way, where the first is shut.
	require.NoError(t, lock.answersAt(server.URL))
	named.env = append([]string{"PETS_SERVER=" + server.URL}, s.env...)
	r = named.run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.err, "PETS_KEY is needed", "why not the first")
	require.Len(t, socket.heard(), 1)
	server.Close()
	named.env = append(named.env, "PETS_KEY="+someKey)
	r = named.run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 0, r.code, r.err)
	require.Len(t, socket.heard(), 1)
}

// A socket that a killed server left behind does not keep a stop from the folder, and one
// that lets this user not in does not keep it from the server.
func TestADeadSocket(t *testing.T) {
	s := small(t)
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", filepath.Join(s.store(), httpapi.SocketName))
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	r := s.run("stop", "alpha")
	require.Contains(t, r.err, "an imported portfolio takes only imports", "asked of the folder")
	require.NotContains(t, r.err, "Next:", "that is decided")
	require.Contains(t, r.err, "pets: acting on the folder "+s.store())
	require.NoError(t, os.Remove(filepath.Join(s.store(), httpapi.SocketName)))

	socket := listenAt(t, s.store())
	socket.says(http.StatusForbidden, map[string]any{"type": "urn:pets:problem:denied", "detail": "not for you"})
	r = s.run("stop", "beta")
	require.Contains(t, r.err, "an imported portfolio takes only imports")
	require.Contains(t, r.err, "not for you")
	require.Contains(t, r.err, "pets: acting on the folder "+s.store())
}

// "stop --everywhere" needs no server: every portfolio of the folder is stopped.
func TestStopEverywhereInAFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	for _, id := range []string{"one", "two"} {
		require.NoError(t, p.client(adminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open "+id, map[string]any{"id": id, "mode": "paper"}, nil))
	}
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	s := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + folder}}
	out := s.ok("stop", "--emergency", "--everywhere", "--reason", "x")
	for _, id := range []string{"one", "two"} {
		require.Contains(t, out, "EMERGENCY STOP engaged in "+id+": recorded")
		require.Contains(t, s.ok("-p", id, "breakers"), "EMERGENCY STOP  manual")
	}
}

// An imported portfolio takes no stop, and is not said to be stopped: neither where it is
// named nor among the others, which are.
func TestStopEverywhereBesideAnImport(t *testing.T) {
	s := small(t) // an import
	alone := s.run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 1, alone.code)
	store := s.store()
	p := serveFolder(t, store)
	require.NoError(t, p.client(adminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "one", "mode": "paper"}, nil))
	there := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_SERVER=" + p.url, "PETS_KEY=" + adminKey}}
	for range 2 {
		r := there.run("stop", "--emergency", "--everywhere", "--reason", "x")
		require.Equal(t, alone.code, r.code, r.out)
		require.Contains(t, r.out, "EMERGENCY STOP engaged in one: recorded")
		require.Contains(t, r.out, "NOT engaged in main: an imported portfolio takes only imports")
		require.Contains(t, r.err, "no emergency stop is engaged in main; in the other portfolios it is (1 of 2)")
		r = there.run("stop", "--emergency", "--everywhere", "--reason", "x", "--json")
		require.Equal(t, alone.code, r.code)
		require.Contains(t, strings.Join(strings.Fields(r.out), ""), `"portfolio":"main","recorded":false,"refused":"animported`)
		if there == s {
			break
		}
		require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
		require.NoError(t, p.cmd.Wait())
		there = s // and in the folder
	}
}

// "names could not be checked": what a server that still folds its history holds is
// watched for some seconds, under one Idempotency-Key; what is refused then was not stopped.
func TestWhatBecomesOfAStopThatHolds(t *testing.T) {
	s := small(t)
	lock, err := lockServerDir(s.store(), s.store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	socket := listenAt(t, s.store())
	for _, args := range [][]string{{"stop", "alhpa"}, {"stop", "--emergency"}} {
		for _, then := range []struct {
			status int
			answer map[string]any
			code   int
			says   string
		}{
			{http.StatusNotFound, map[string]any{"type": "urn:pets:problem:not_found", "detail": "bot is not registered in this portfolio"}, 1, "NOT stopped: bot is not registered in this portfolio"},
			{http.StatusOK, map[string]any{"revision": 7, "recorded": true}, 0, "(revision 7)"},
			{http.StatusAccepted, map[string]any{"recorded": false, "kept": true}, 0, "HOLDS, but is not recorded yet"},
		} {
			s.settle = 0
			if then.status == http.StatusAccepted {
				s.settle = 200 * time.Millisecond
			}
			socket.says(http.StatusAccepted, map[string]any{"recorded": false, "kept": true})
			socket.mu.Lock()
			socket.keys, socket.after = nil, 2
			socket.next = func() { socket.status, socket.answer = then.status, then.answer }
			socket.mu.Unlock()
			r := s.run(args...)
			require.Equal(t, then.code, r.code, "%v: %s", args, r.err)
			require.Contains(t, r.out+r.err, then.says, args)
			if then.status == http.StatusAccepted && args[1] != "--emergency" {
				require.Contains(t, r.out, "if there is such a bot: that may not have been checked yet. Look for it in pets events --type bot.stopped")
			}
			socket.mu.Lock()
			require.GreaterOrEqual(t, len(socket.keys), 3)
			for _, key := range socket.keys {
				require.Equal(t, socket.keys[0], key)
			}
			socket.next = nil
			socket.mu.Unlock()
		}
	}
}

// A stop of everything is watched like any other: what is refused once the history is folded
// was not stopped.
func TestWhatBecomesOfAStopOfEverything(t *testing.T) {
	s := small(t)
	lock, err := lockServerDir(s.store(), s.store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	socket := listenAt(t, s.store())
	answer := func(rows ...map[string]any) map[string]any { return map[string]any{"portfolios": rows} }
	held := map[string]any{"portfolio": "imp", "recorded": false, "kept": true}
	for says, then := range map[string]struct {
		answer map[string]any
		code   int
	}{
		"NOT engaged in imp: an imported portfolio":   {answer(map[string]any{"portfolio": "imp", "recorded": false, "refused": "an imported portfolio"}), 1},
		"EMERGENCY STOP engaged in imp: recorded":     {answer(map[string]any{"portfolio": "imp", "recorded": true}), 0},
		"imp: HOLDS, but is not recorded yet":         {answer(held), 0},
		"EMERGENCY STOP engaged in other: recorded\n": {answer(map[string]any{"portfolio": "imp", "recorded": true}, map[string]any{"portfolio": "other", "recorded": true}), 0},
	} {
		s.settle = 300 * time.Millisecond
		socket.says(http.StatusAccepted, answer(held))
		socket.mu.Lock()
		socket.keys, socket.after = nil, 2
		socket.next = func() { socket.status, socket.answer = http.StatusOK, then.answer }
		socket.mu.Unlock()
		r := s.run("stop", "--emergency", "--everywhere")
		require.Equal(t, then.code, r.code, "%s: %s", says, r.err)
		require.Contains(t, r.out+r.err, says)
		socket.mu.Lock()
		require.GreaterOrEqual(t, len(socket.keys), 3, says)
		for _, key := range socket.keys {
			require.Equal(t, socket.keys[0], key)
		}
		socket.next = nil
		socket.mu.Unlock()
	}
}

// "What is acknowledged is there": that an answer could not be written does not mean that
// nothing was stopped, and must not be told as that.
func TestAnAnswerThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	defer func() { require.NoError(t, full.Close()) }()
	s := newShell(t)
	p := serveFolder(t, s.store())
	p.openMain()
	require.NoError(t, p.client(adminKey).Portfolio("main").Post(t.Context(), "/bots", "bot", map[string]any{"id": "alpha", "capital": "0"}, nil))
	s.env = append(s.env, "PETS_KEY="+adminKey)
	for _, args := range [][]string{{"apikey", "issue", "--user", "olga", "--role", "operator"}, {"apikey", "revoke", "k1"}, {"stop", "alpha"}, {"stop", "alpha", "--json"}, {"stop", "--emergency"}, {"stop", "--emergency", "--everywhere"}, {"stop", "--emergency", "--everywhere", "--json"}} {
		var errs bytes.Buffer
		c := s.process(args...)
		c.Stdout, c.Stderr = full, &errs
		require.Error(t, c.Run())
		require.Equal(t, 1, c.ProcessState.ExitCode())
		require.NotContains(t, errs.String(), "NOT stopped", args)
		require.Contains(t, errs.String(), "only this could not be written where it was to be read", args)
	}
	require.Contains(t, p.pets(s.store(), adminKey, "events").out, "emergency_stop.engaged")
}
