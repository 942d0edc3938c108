package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
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
	"pets/internal/cli"
	"pets/internal/httpapi"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// leaves returns the commands that do something, by their path.
func leaves(c *cobra.Command, path string) []string {
	var all []string
	for _, sub := range c.Commands() {
		if sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		below := strings.TrimSpace(path + " " + sub.Name())
		all = append(all, leaves(sub, below)...)
		if !sub.HasSubCommands() || slices.Contains([]string{"treasury", "address-book", "limits", "fill", "transfer"}, below) {
			all = append(all, below)
		}
	}
	return all
}

// "One rule for every command": each is known to the tests of the rule.
func TestEveryCommandHasItsTarget(t *testing.T) {
	t.Parallel()
	var known []string
	for _, r := range petstest.Reached {
		known = append(known, r.Command)
	}
	for _, command := range leaves(pets.Root((&cli.App{})), "") {
		if !strings.HasPrefix(command, "bench ") { // a group of measurements, which need no target
			require.Contains(t, known, command, "say in this table what it does with --server, --store, PETS_SERVER and PETS_STORE")
		}
	}
}

// "--server > --store > PETS_SERVER > PETS_STORE", for every command: PETS_SERVER goes
// before a folder that is there, --server before PETS_SERVER.
func TestServerGoesBeforeTheFolder(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	named, other := petstest.NewListener(t), petstest.NewListener(t)
	before := petstest.Files(t, s.Dir)
	for _, r := range petstest.Reached {
		if r.How == petstest.AtHome || r.How == petstest.Seated {
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
			here := &petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context(), Env: append(ways.env, s.Env[0], "PETS_KEY="+petstest.SomeKey)}
			ran := here.Run(append(ways.args, here.Line(r.Command, r.More)...)...)
			require.Equal(t, 1, ran.Code, "%s: %s%s", r.Command, ran.Out, ran.Err)
			require.Contains(t, ran.Err, "not now", r.Command)
			require.NotEmpty(t, named.Heard(), r.Command)
			require.Empty(t, other.Heard(), r.Command)
			if r.How == petstest.Acts || r.How == petstest.Through {
				require.Contains(t, ran.Err, "pets: acting on server "+named.URL, "%s: "+"Every command that acts names its target", r.Command)
			} else {
				require.NotContains(t, ran.Err, "acting", r.Command)
			}
		}
	}
	require.Equal(t, before, petstest.Files(t, s.Dir), "the folder beside it is left alone")
}

// --store takes precedence over PETS_SERVER: the server is not asked, and commands that need one are
// refused. The owner of a folder that no server holds is an admin there: see the tests of apikey.
func TestStoreGoesBeforePetsServer(t *testing.T) {
	t.Parallel()
	server := petstest.NewListener(t)
	for _, r := range petstest.Reached {
		if r.How == petstest.AtHome || r.How == petstest.Seated {
			continue
		}
		s := petstest.Small(t)
		store := s.Env[0]
		s.Env = []string{"PETS_SERVER=" + server.URL, "PETS_KEY=" + petstest.SomeKey}
		ran := s.Run(append([]string{"--store", strings.TrimPrefix(store, "PETS_STORE=")}, s.Line(r.Command, r.More)...)...)
		require.Empty(t, server.Heard(), r.Command)
		require.NotContains(t, ran.Err, "acting on server", r.Command)
		if r.How == petstest.Acts {
			require.Contains(t, ran.Err, "pets: acting on the folder "+s.Store(), r.Command)
		}
		owners := slices.Contains([]string{"apikey issue", "apikey revoke", "apikey list"}, r.Command)
		if !owners && (r.How == petstest.Through || r.How == petstest.Peeks) {
			require.Equal(t, 1, ran.Code, "%s: %s", r.Command, ran.Err)
			require.Contains(t, ran.Err, "no server holds "+s.Store(), r.Command)
		}
	}
}

// "both flags: usage error"; and what works on this machine takes no --server.
func TestBothFlags(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	for _, r := range petstest.Reached {
		if r.Command == "version" || r.Command == "cold sign" { // these read no settings
			continue
		}
		more := r.More
		if r.How == petstest.Seated {
			more = "x"
		}
		if r.Command == "wallet list" {
			more = ""
		}
		s.Fails(2, []string{"--server and --store exclude each other"},
			append([]string{"--server", "http://127.0.0.1:1", "--store", "embedded:x"}, s.Line(r.Command, more)...)...)
		if r.How == petstest.AtHome {
			s.Fails(2, []string{"--server does not go with it"}, append([]string{"--server", "http://127.0.0.1:1"}, s.Line(r.Command, more)...)...)
		}
	}
	s.Fails(2, []string{"--server must be http://host:port"}, "--server", "127.0.0.1:7433", "state")
}

// "A store is created only by serve, import, demo and the first keys generate or wallet
// create": where there is none, and no server is named, a command says so and leaves
// nothing behind; also where the folder is there and empty.
func TestNothingIsMadeWhereNothingIs(t *testing.T) {
	t.Parallel()
	for _, r := range petstest.Reached {
		if r.How == petstest.AtHome && r.Command != "verify" || r.How == petstest.Seated || r.Command == "import" {
			continue
		}
		for _, made := range []bool{false, true} {
			s := petstest.New(t)
			s.Env = append(s.Env, "PETS_KEY="+petstest.SomeKey)
			if made {
				require.NoError(t, os.Mkdir(s.Store(), 0o700))
			}
			before := petstest.Files(t, s.Dir)
			ran := s.Run(s.Line(r.Command, r.More)...)
			require.Equal(t, 1, ran.Code, "%s: %s", r.Command, ran.Err)
			if !made || r.How == petstest.Acts || r.How == petstest.Through {
				require.Contains(t, ran.Err, "there is no store at "+s.Store(), r.Command)
				require.Contains(t, ran.Err, "name the server with --server or PETS_SERVER", r.Command)
			}
			require.NotContains(t, ran.Err, "acting", r.Command)
			require.Equal(t, before, petstest.Files(t, s.Dir), r.Command)
		}
	}
}

// The same for the keystore: it is created when a key is added, and by a server.
func TestNoKeystoreIsMadeByLooking(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	keystore := filepath.Join(s.Dir, "keys")
	s.Env = append(s.Env, "PETS_KEYSTORE="+keystore, "ENCRYPTION_KEY="+strings.TrimSpace(s.Run("keys", "generate").Out))
	for _, args := range [][]string{{"keys", "status"}, {"keys", "rotate"}, {"wallet", "verify", "--offline"}, {"wallet", "record", "hot-1"}, {"wallet", "list"}} {
		r := s.Run(args...)
		if args[1] != "list" {
			require.Equal(t, 1, r.Code, "%v: %s", args, r.Out)
			require.Contains(t, r.Err, "there is no keystore at "+keystore, args)
		}
		require.NoDirExists(t, keystore, args)
	}
}

// "none set and the folder locked": the server that holds it says where it listens, and
// what acts goes there.
func TestTheHolderOfTheFolderIsFound(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder, "PETS_KEY=" + petstest.AdminKey}}
	r := s.Run("apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "pets: acting on server "+p.URL)
	r = s.Run("start", "alpha")
	require.Equal(t, 1, r.Code, r.Err)
	require.Contains(t, r.Err, "pets: acting on server "+p.URL)
	h, is := open.HolderOf(folder)
	require.True(t, is)
	require.Equal(t, open.Holder{PID: p.Cmd.Process.Pid, URL: p.URL, Store: folder, ID: h.ID, Proof: h.Proof}, h)
	require.NotZero(t, h.ID)
	require.Len(t, h.Proof, 64)

	require.NoError(t, p.Cmd.Process.Kill())
	_, _ = p.Cmd.Process.Wait()
	_, is = open.HolderOf(folder)
	require.False(t, is, "what a dead server left says nothing")
	s.Fails(1, []string{"no server holds " + folder}, "apikey", "list")
}

// If a folder is locked by a process that does not say where it listens, no server is asked: the one
// at 127.0.0.1:7433 may hold another store. A command that writes to the folder is not a server.
func TestAFolderThatIsHeldByNoServer(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	store, err := embedded.Open(s.Store(), embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	a := &cli.App{Place: open.Place{Err: io.Discard}, Out: io.Discard}
	a.Config.Store = "embedded:" + s.Store()
	_, err = a.Remote()
	require.ErrorContains(t, err, "says where a server of this store answers; name it with --server, or set PETS_DIR")

	lock, err := open.LockDir(s.Store(), s.Store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	a.Found = nil
	_, err = a.Remote()
	require.ErrorContains(t, err, "which is not a server, or not ready yet")
	require.NoError(t, lock.AnswersAt("https://[::]:7433"))
	r, err := a.Remote()
	require.NoError(t, err)
	require.Equal(t, "https://127.0.0.1:7433", r.URL)
}

// "Everything of a server that is no event lies in PETS_DIR (locked)": two servers do not
// share one, and a stop that waits in the store's folder is taken over.
func TestPetsDir(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	dir := filepath.Join(t.TempDir(), "deep", "pets-dir")
	waiting := commands.PendingStop{Portfolio: "main", Key: "k", Kind: "manual", Reason: "before there was a PETS_DIR"}
	former := commands.NewLatchFile(filepath.Join(s.Store(), open.LatchName))
	require.NoError(t, former.Write([]commands.PendingStop{waiting}))
	p := petstest.ServeFolder(t, s.Store(), "PETS_DIR="+dir, "PETS_TLS_SELF=true")
	_, err := os.Stat(filepath.Join(s.Store(), open.LatchName))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Stat(filepath.Join(s.Store(), "tls"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Stat(filepath.Join(dir, "tls", "key.pem"))
	require.NoError(t, err)
	h, is := open.HolderOf(dir)
	require.True(t, is)
	require.Equal(t, p.URL, h.URL)

	other := petstest.Small(t)
	other.Env = append(other.Env, "PETS_DIR="+dir)
	r := other.Run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "locked by pid")
	require.Contains(t, r.Err, s.Store())
	require.Contains(t, r.Err, "acting on the folder "+other.Store(), "not on the other store's server")
	require.Contains(t, r.Err, "which was NOT stopped; name the store with --store")
	// The server is found by its folder, and trusted by its self-made certificate.
	here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: append([]string{"PETS_DIR=" + dir, "PETS_KEY=" + petstest.AdminKey}, s.Env...)}
	require.Contains(t, here.Ok("apikey", "list"), "admin")
}

// A stop that waits in PETS_DIR belongs to its store: another store does not take it.
func TestPetsDirOfAnotherStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other := petstest.Small(t), petstest.New(t)
	petstest.LiveStore(t, other.Store())
	one.Env, other.Env = append(one.Env, "PETS_DIR="+dir), append(other.Env, "PETS_DIR="+dir)
	one.Ok("reset", "daily_loss", "--dry-run")
	lock, err := open.LockDir(dir, one.Store(), uuid.Nil)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	latch := commands.NewLatchFile(filepath.Join(dir, open.LatchName))
	require.NoError(t, latch.Write([]commands.PendingStop{{Portfolio: "main", Key: "k", Kind: "manual", Reason: "of the first"}}))
	other.Fails(1, []string{"belongs to the store at " + one.Store()}, "start", "alpha")
	// A stop goes on, and does not touch what waits there.
	r := other.Run("stop", "--emergency", "--reason", "drill")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "belongs to the store at "+one.Store())
	require.Contains(t, r.Out, "engaged in main")
	waiting, err := latch.Read()
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	// A store that was moved keeps its PETS_DIR.
	moved := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.Rename(one.Store(), moved))
	lock, err = open.LockDir(dir, moved, uuid.Nil)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

// "A person can always stop", and get out by the steps that are documented: a copy of a
// store brings its server.lock along, which names the store that was copied.
func TestACopyOfAStore(t *testing.T) {
	t.Parallel()
	s, own := petstest.New(t), petstest.New(t) // own has a separate folder for PETS_DIR
	s.Env = append(s.Env, "PETS_DIR="+filepath.Join(s.Dir, "run"))
	works := func(shell *petstest.Shell, folder string) {
		t.Helper()
		r := shell.Run("stop", "--emergency", "--reason", "drill", "--store", "embedded:"+folder)
		require.Equal(t, 0, r.Code, r.Err)
		require.NotContains(t, r.Err, "belongs to the store")
		r = shell.Run("start", "alpha", "--store", "embedded:"+folder)
		require.Contains(t, r.Err, "bot is not registered", "it was looked for")
	}
	for _, shell := range []*petstest.Shell{s, own} {
		petstest.LiveStore(t, shell.Store())
		works(shell, shell.Store())
		copied := filepath.Join(shell.Dir, "copied")
		require.NoError(t, os.CopyFS(copied, os.DirFS(shell.Store())))
		works(shell, copied)
	}
	// A symbolic link is switched to the copy.
	link, copied := filepath.Join(own.Dir, "link"), filepath.Join(own.Dir, "second")
	require.NoError(t, os.Symlink(own.Store(), link))
	works(own, link)
	require.NoError(t, os.CopyFS(copied, os.DirFS(own.Store())))
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(copied, link))
	works(own, link)
}

// "Beside PETS_DIR and never in it", wherever the command stands, and also where a flag
// names the folder: a copy of a store in "." does not take its witness along.
func TestTheWitnessIsNeverInTheStore(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "store")
	petstest.LiveStore(t, dir)
	t.Chdir(dir)
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
	stop := []string{"stop", "--emergency", "--reason", "drill", "--store", "embedded:."}
	r := s.Run(stop...)
	require.Equal(t, 0, r.Code, r.Err)
	require.FileExists(t, filepath.Join(top, "store-witness", "witness"))
	for _, name := range petstest.Files(t, dir) {
		require.NotContains(t, name, "witness")
	}
	s.Env = []string{"PETS_WITNESS=" + filepath.Join(dir, "w")} // valid for the store of the settings
	s.Fails(2, []string{"PETS_WITNESS must be"}, "start", "alpha", "--store", "embedded:.")
	r = s.Run(stop...)
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "PETS_WITNESS must be")
	require.NoFileExists(t, filepath.Join(dir, "w", "witness"))
}

// stopSocket is a fake stop socket: it answers stops, and records the requests.
type stopSocket struct {
	mu     sync.Mutex
	sent   []string
	keys   []string // the Idempotency-Keys
	status int
	answer any
	after  int // the number of answers before the next one
	next   func()
}

func listenAt(t *testing.T, dir string) *stopSocket {
	t.Helper()
	// Bind under a short name: the path may be too long for a socket address.
	short, err := os.MkdirTemp("", "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	require.NoError(t, os.Symlink(dir, filepath.Join(short, "dir")))
	l, err := net.Listen("unix", filepath.Join(short, "dir", httpapi.SocketName))
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
	t.Parallel()
	for _, below := range []string{"", strings.Repeat("long/", 30)} {
		s := petstest.Small(t)
		s.Settle = time.Millisecond
		dir := filepath.Join(s.Dir, below, "dir")
		require.NoError(t, os.MkdirAll(dir, 0o700))
		s.Env = append(s.Env, "PETS_DIR="+dir, "HTTP_PROXY=http://127.0.0.1:1")
		lock, err := open.LockDir(dir, s.Store(), uuid.Nil)
		require.NoError(t, err)
		socket := listenAt(t, dir)

		r := s.Run("stop", "--emergency", "--reason", "x")
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Out, "EMERGENCY STOP engaged in main (revision 7)")
		require.Contains(t, r.Err, "pets: acting on the server that holds "+s.Store()+", by its stop socket, portfolio main")
		require.Equal(t, []string{`/v1/portfolios/main/emergency-stop {"kind":"manual","reason":"x"}`}, socket.heard())
		s.Ok("stop", "alpha", "--reason", "y")
		require.Equal(t, []string{`/v1/portfolios/main/bots/alpha/stop {"reason":"y"}`}, socket.heard())

		// "202": the stop holds, and that is a success.
		socket.says(http.StatusAccepted, map[string]any{"recorded": false})
		require.Contains(t, s.Ok("stop", "--emergency", "--reason", "x"), "HOLDS, but is not recorded yet")
		require.Contains(t, s.Ok("stop", "--emergency", "--reason", "x", "--json"), `"recorded": false`)
		// It is not if a restart forgets the stop.
		socket.says(http.StatusAccepted, map[string]any{"recorded": false, "kept": true})
		require.Contains(t, s.Ok("stop", "--emergency", "--reason", "x"), "HOLDS, but is not recorded yet")
		socket.says(http.StatusAccepted, map[string]any{"recorded": false, "kept": false})
		for _, args := range [][]string{{"--emergency"}, {"alpha"}} {
			r = s.Run(append([]string{"stop", "--reason", "x"}, args...)...)
			require.Equal(t, 1, r.Code)
			require.Contains(t, r.Out, "HOLDS IN MEMORY ONLY")
			require.Contains(t, r.Out, "keep the server running")
			require.NotContains(t, r.Err, "NOT stopped", "it is")
		}
		socket.says(http.StatusAccepted, map[string]any{"portfolios": []any{map[string]any{"portfolio": "main", "recorded": false, "kept": false}}})
		r = s.Run("stop", "--emergency", "--everywhere", "--reason", "x")
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Out, "engaged in main: HOLDS IN MEMORY ONLY")
		socket.says(http.StatusAccepted, map[string]any{"portfolios": []any{map[string]any{"portfolio": "main", "recorded": false}}})
		socket.heard()
		require.Contains(t, s.Ok("stop", "--emergency", "--everywhere", "--reason", "x"), "engaged in main: HOLDS, but is not recorded yet")
		heard := socket.heard() // it waits, like a stop of one portfolio
		require.NotEmpty(t, heard)
		for _, request := range heard {
			require.Equal(t, `/v1/emergency-stop {"kind":"manual","reason":"x"}`, request)
		}

		// The server's decision is final.
		socket.says(http.StatusNotFound, map[string]any{"type": "urn:pets:problem:not_found", "detail": "there is no such portfolio"})
		s.Fails(1, []string{"there is no such portfolio"}, "stop", "--emergency", "--reason", "x")
		require.NoError(t, lock.Close())
	}
}

// A socket is used only if it is known to belong to the server that is meant; otherwise a command
// would stop one server and report it of another.
func TestTheSocketOfAnotherServerIsNotUsed(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	dir := t.TempDir()
	lock, err := open.LockDir(dir, t.TempDir(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	require.NoError(t, lock.AnswersAt("http://127.0.0.1:7999"))
	socket := listenAt(t, dir)
	server := petstest.NewListener(t)

	s.Env = append(s.Env, "PETS_DIR="+dir)
	r := s.Run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "locked by pid")
	require.Empty(t, socket.heard())
	named := &petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context(), Env: append([]string{"PETS_SERVER=" + server.URL, "PETS_KEY=" + petstest.SomeKey}, s.Env...)}
	named.Fails(1, []string{"not now"}, "stop", "--emergency", "--reason", "x")
	require.Empty(t, socket.heard())

	// The same server, named by its address: the socket is the second way if the first fails.
	require.NoError(t, lock.AnswersAt(server.URL))
	named.Env = append([]string{"PETS_SERVER=" + server.URL}, s.Env...)
	r = named.Run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "PETS_KEY is needed", "why not the first")
	require.Len(t, socket.heard(), 1)
	server.Close()
	named.Env = append(named.Env, "PETS_KEY="+petstest.SomeKey)
	r = named.Run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 0, r.Code, r.Err)
	require.Len(t, socket.heard(), 1)
}

// A socket that a killed server left behind does not prevent a stop in the folder, and a socket that
// refuses this user does not prevent one at the server.
func TestADeadSocket(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", filepath.Join(s.Store(), httpapi.SocketName))
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	r := s.Run("stop", "alpha")
	require.Contains(t, r.Err, "an imported portfolio takes only imports", "asked of the folder")
	require.NotContains(t, r.Err, "Next:", "that is decided")
	require.Contains(t, r.Err, "pets: acting on the folder "+s.Store())
	require.NoError(t, os.Remove(filepath.Join(s.Store(), httpapi.SocketName)))

	socket := listenAt(t, s.Store())
	socket.says(http.StatusForbidden, map[string]any{"type": "urn:pets:problem:denied", "detail": "not for you"})
	r = s.Run("stop", "beta")
	require.Contains(t, r.Err, "an imported portfolio takes only imports")
	require.Contains(t, r.Err, "not for you")
	require.Contains(t, r.Err, "pets: acting on the folder "+s.Store())
}

// "stop --everywhere" needs no server: every portfolio of the folder is stopped.
func TestStopEverywhereInAFolder(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	for _, id := range []string{"one", "two"} {
		require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open "+id, map[string]any{"id": id, "mode": "paper"}, nil))
	}
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder}}
	out := s.Ok("stop", "--emergency", "--everywhere", "--reason", "x")
	for _, id := range []string{"one", "two"} {
		require.Contains(t, out, "EMERGENCY STOP engaged in "+id+": recorded")
		require.Contains(t, s.Ok("-p", id, "breakers"), "EMERGENCY STOP  manual")
	}
}

// "Imported portfolios cannot trade: exit 0 when everything that can trade is stopped." One takes
// no stop, and is not said to be stopped: neither where it is named nor among the others.
func TestStopEverywhereBesideAnImport(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t) // an imported portfolio
	alone := s.Run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 1, alone.Code)
	store := s.Store()
	p := petstest.ServeFolder(t, store)
	require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "one", "mode": "paper"}, nil))
	there := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}}
	for range 2 {
		r := there.Run("stop", "--emergency", "--everywhere", "--reason", "x")
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Out, "EMERGENCY STOP engaged in one: recorded")
		require.Contains(t, r.Out, "left out, as imported portfolios cannot trade: main")
		require.NotContains(t, r.Out+r.Err, "NOT")
		r = there.Run("stop", "--emergency", "--everywhere", "--reason", "x", "--json")
		require.Equal(t, 0, r.Code)
		require.Contains(t, strings.Join(strings.Fields(r.Out), ""), `"portfolio":"main","recorded":false,"refused":"animported`)
		if there == s {
			break
		}
		require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
		require.NoError(t, p.Cmd.Wait())
		there = s // the same in the folder
	}
}

// "names could not be checked": what a server that still folds its history holds is
// watched for some seconds, under one Idempotency-Key; what is refused then was not stopped.
func TestWhatBecomesOfAStopThatHolds(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	lock, err := open.LockDir(s.Store(), s.Store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	socket := listenAt(t, s.Store())
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
			s.Settle = 0
			if then.status == http.StatusAccepted {
				s.Settle = 2 * time.Second // it is asked three times meanwhile
			}
			socket.says(http.StatusAccepted, map[string]any{"recorded": false, "kept": true})
			socket.mu.Lock()
			socket.keys, socket.after = nil, 2
			socket.next = func() { socket.status, socket.answer = then.status, then.answer }
			socket.mu.Unlock()
			r := s.Run(args...)
			require.Equal(t, then.code, r.Code, "%v: %s", args, r.Err)
			require.Contains(t, r.Out+r.Err, then.says, args)
			if then.status == http.StatusAccepted && args[1] != "--emergency" {
				require.Contains(t, r.Out, "if there is such a bot: that may not have been checked yet. Look for it in the server's log, or in pets events --type bot.stopped -p main")
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

// A stop of everything is awaited like any other: if it is refused once the history is folded,
// nothing was stopped.
func TestWhatBecomesOfAStopOfEverything(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	lock, err := open.LockDir(s.Store(), s.Store(), uuid.Nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	socket := listenAt(t, s.Store())
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
		s.Settle = 30 * time.Second
		if strings.Contains(says, "HOLDS") {
			s.Settle = 2 * time.Second // it is asked three times meanwhile
		}
		socket.says(http.StatusAccepted, answer(held))
		socket.mu.Lock()
		socket.keys, socket.after = nil, 2
		socket.next = func() { socket.status, socket.answer = http.StatusOK, then.answer }
		socket.mu.Unlock()
		r := s.Run("stop", "--emergency", "--everywhere")
		require.Equal(t, then.code, r.Code, "%s: %s", says, r.Err)
		require.Contains(t, r.Out+r.Err, says)
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
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	defer func() { require.NoError(t, full.Close()) }()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	p.OpenMain()
	require.NoError(t, p.Client(petstest.AdminKey).Portfolio("main").Post(t.Context(), "/bots", "bot", map[string]any{"id": "alpha", "capital": "0"}, nil))
	s.Env = append(s.Env, "PETS_KEY="+petstest.AdminKey)
	for _, args := range [][]string{{"apikey", "issue", "--user", "olga", "--role", "operator"}, {"apikey", "revoke", "k1"}, {"stop", "alpha"}, {"stop", "alpha", "--json"}, {"stop", "--emergency"}, {"stop", "--emergency", "--everywhere"}, {"stop", "--emergency", "--everywhere", "--json"}} {
		var errs bytes.Buffer
		c := s.Process(args...)
		c.Stdout, c.Stderr = full, &errs
		require.Error(t, c.Run())
		require.Equal(t, 1, c.ProcessState.ExitCode())
		require.NotContains(t, errs.String(), "NOT stopped", args)
		require.Contains(t, errs.String(), "but printing this failed", args)
	}
	require.Contains(t, p.Pets(s.Store(), petstest.AdminKey, "events").Out, "emergency_stop.engaged")
}
