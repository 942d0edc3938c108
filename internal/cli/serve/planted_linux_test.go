package serve_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/serve"
	"pets/internal/httpapi"
	"pets/internal/open"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// serviceUser owns the folder of a service that root stops.
const serviceUser = 65534

// ofService returns a folder with a store, both owned by an unprivileged user.
func ofService(t *testing.T) (folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root has files that others may not write to")
	}
	home := t.TempDir()
	folder = filepath.Join(home, "s")
	store, engine, err := open.FreshEngine(folder)
	require.NoError(t, err)
	require.NoError(t, engine.Load(t.Context(), nil))
	for _, c := range []commands.Command{
		commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)},
		commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1000000000")},
		commands.RegisterBot{ID: "alpha", Capital: domain.MustDecimal("100000"), Start: true},
	} {
		_, err := engine.Do(t.Context(), "main", commands.Request{Caller: domain.Caller{User: "admin", Role: domain.RoleAdmin}, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
	}
	engine.Close()
	require.NoError(t, store.Close())
	giveAway(t, home)
	return folder
}

func giveAway(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		require.NoError(t, err)
		return os.Lchown(path, serviceUser, serviceUser)
	}))
}

// victim is a folder of root with one file.
type victim struct{ dir, file string }

func newVictim(t *testing.T) victim {
	t.Helper()
	v := victim{dir: filepath.Join(t.TempDir(), "root")}
	v.file = filepath.Join(v.dir, "file")
	require.NoError(t, os.Mkdir(v.dir, 0o700))
	require.NoError(t, os.WriteFile(v.file, []byte("root's own\n"), 0o600))
	return v
}

func (v victim) untouched(t *testing.T, after string) {
	t.Helper()
	b, err := os.ReadFile(v.file)
	require.NoError(t, err)
	require.Equal(t, "root's own\n", string(b), after)
	entries, err := os.ReadDir(v.dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, after)
	for path, mode := range map[string]uint32{v.dir: syscall.S_IFDIR | 0o700, v.file: syscall.S_IFREG | 0o600} {
		var s syscall.Stat_t
		require.NoError(t, syscall.Lstat(path, &s))
		require.Equal(t, [3]uint32{0, 0, mode}, [3]uint32{s.Uid, s.Gid, s.Mode}, "%s after %s", path, after)
	}
}

// plants are what the owner of a folder can put in place of a file.
var plants = []struct {
	name  string
	plant func(v victim, at string) error
}{
	{"link", func(v victim, at string) error { return os.Symlink(v.file, at) }},
	{"link to nothing", func(v victim, at string) error { return os.Symlink(filepath.Join(v.dir, "new"), at) }},
	{"link to a folder", func(v victim, at string) error { return os.Symlink(v.dir, at) }},
	{"hard link", func(v victim, at string) error { return os.Link(v.file, at) }},
	{"pipe", func(_ victim, at string) error { return syscall.Mkfifo(at, 0o666) }},
	{"folder", func(_ victim, at string) error { return os.Mkdir(at, 0o777) }},
}

// plantedNames lists all names that are written in PETS_DIR and beside it.
var plantedNames = []string{
	"s/server.lock", "s/emergency-stop.json", "s/emergency-stop.json.tmp", "s/stop.sock", "s/LOCK", "s/durable",
	"s/snapshots", "s/tls", "s/tls/cert.pem", "s/tls/key.pem", "s/tls/key.pem.tmp",
	"s-witness", "s-witness/LOCK", "s-witness/witness", "s-witness/witness.tmp",
}

// "A local user without rights against root": whatever the owner of a service's folder puts
// into it, root who stops there neither touches nor gives away a file of his own, and is
// not kept waiting; the stop holds, or says what is in its way.
func TestWhatIsPlantedInAFolder(t *testing.T) {
	t.Parallel()
	for i, name := range plantedNames {
		for j, p := range plants {
			if (i+j)%testenv.Rounds(3, 3, 1) != 0 {
				continue // every name has two of these, and all of them in a long run
			}
			t.Run(name+" is a "+p.name, func(t *testing.T) {
				folder, v := ofService(t), newVictim(t)
				at := filepath.Join(filepath.Dir(folder), name)
				require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
				require.NoError(t, os.RemoveAll(at))
				require.NoError(t, p.plant(v, at))
				if p.name != "hard link" {
					require.NoError(t, os.Lchown(at, serviceUser, serviceUser))
				}
				require.NoError(t, os.Lchown(filepath.Dir(at), serviceUser, serviceUser))
				stopsOrSays(t, folder, filepath.Base(name))
				v.untouched(t, "the stop")
				serverFiles(t, folder)
				v.untouched(t, "the start of a server")
			})
		}
	}
}

// within fails a test that hangs.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		require.Fail(t, what+" hangs")
	}
}

func stopsOrSays(t *testing.T, folder, name string) {
	t.Helper()
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder}}
	var r petstest.Ran
	within(t, "the stop", func() { r = s.Run("stop", "--emergency", "--reason", "x") })
	if r.Code != 0 {
		require.Contains(t, r.Err, name, "what is in the way is said")
		return
	}
	require.Contains(t, r.Out, "EMERGENCY STOP")
	if strings.Contains(r.Out, "HOLDS, but is not recorded yet") {
		require.Contains(t, r.Err, name, "what is in the way is said")
		kept, err := commands.NewLatchFile(filepath.Join(folder, open.LatchName)).Read()
		require.NoError(t, err)
		require.Len(t, kept, 1, "it stands in the marker")
		return
	}
	var looked petstest.Ran
	within(t, "a look", func() { looked = s.Run("breakers") })
	require.Contains(t, looked.Out, "EMERGENCY STOP  ", looked.Err)
}

// serverFiles creates the files that a server creates, and the marker, which a stop creates only if
// it has to. It ignores errors.
func serverFiles(t *testing.T, folder string) {
	t.Helper()
	a := &cli.App{Place: open.Place{Err: io.Discard}, Out: io.Discard}
	a.Config.Store, a.Config.Listen = "embedded:"+folder, "127.0.0.1:7433"
	within(t, "a certificate of one's own", func() { _, _, _ = serve.SelfSigned(a, filepath.Join(folder, open.TLSName)) })
	within(t, "the marker file", func() {
		_ = commands.NewLatchFile(filepath.Join(folder, open.LatchName)).Write([]commands.PendingStop{{Portfolio: "main", Key: "k", Kind: "manual", Reason: "x"}})
	})
	within(t, "the stop socket", func() {
		if s, err := httpapi.ListenSocket(folder); err == nil {
			_ = s.Close()
		}
	})
}

// A link made by root, and a link that leads to a folder of the user who made it, are as good as the
// folder.
func TestAFolderByALink(t *testing.T) {
	t.Parallel()
	folder := ofService(t)
	for _, by := range []int{0, serviceUser} {
		link := filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink(folder, link))
		require.NoError(t, os.Lchown(link, by, by))
		s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + link}}
		r := s.Run("stop", "--emergency", "--reason", "x")
		require.Equal(t, 0, r.Code, r.Err)
	}
}

// "Believe the URL in server.lock only when nobody else could have written it": an API key
// is not sent to whoever locks a file in a folder that all can write to, and he keeps
// nobody from stopping.
func TestALockOfAStranger(t *testing.T) {
	t.Parallel()
	const stranger = 54321
	for name, plant := range map[string]func(dir, lock string) error{
		"another user's file": func(_, lock string) error { return os.Chown(lock, stranger, stranger) },
		"a file for all":      func(_, lock string) error { return os.Chmod(lock, 0o666) },
		"a folder for all":    func(dir, _ string) error { return os.Chmod(dir, 0o777) },
	} {
		for _, apart := range []bool{false, true} {
			folder := ofService(t)
			dir := folder
			if apart {
				dir = filepath.Join(filepath.Dir(folder), "dir")
				require.NoError(t, os.Mkdir(dir, 0o700))
			}
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			path := filepath.Join(dir, open.LockName)
			b, err := json.Marshal(open.Holder{PID: 4711, URL: server.URL, Store: folder})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, b, 0o600))
			require.NoError(t, plant(dir, path))
			lock, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))

			s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder, "PETS_DIR=" + dir, "PETS_KEY=" + petstest.SomeKey}}
			r := s.Run("apikey", "list")
			require.Equal(t, 1, r.Code, "%s: %s", name, r.Out)
			require.Contains(t, r.Err, "Nothing was sent", name)
			require.Contains(t, r.Err, "pid 4711", name)
			r = s.Run("stop", "--emergency", "--reason", "x")
			require.Equal(t, 0, r.Code, "%s: %s", name, r.Err)
			require.Contains(t, r.Err, "pid 4711", name)
			require.Contains(t, r.Out, "EMERGENCY STOP engaged in main", name)
			require.Contains(t, s.Run("breakers").Out, "EMERGENCY STOP  manual", name)
			require.Zero(t, asked.Load(), name)
			server.Close()
			require.NoError(t, lock.Close())
		}
	}
}
