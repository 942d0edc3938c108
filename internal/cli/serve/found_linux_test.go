package serve_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// "Believes the answer only if it was made with that secret": a key is not sent to what only
// listens where a server's lock says that it does. In another network namespace that is
// anybody's program, and it would answer that it has stopped something.
func TestNoKeyGoesToAStrangerAtTheServersAddress(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []string
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		w.Header().Set("Pets-Proof", strings.Repeat("ab", 32))
		_, _ = w.Write([]byte(`{"revision":7,"events":[]}`))
	}))
	defer stranger.Close()
	store := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, store)
	p.OpenMain()
	lock := filepath.Join(store, open.LockName)
	b, err := os.ReadFile(lock)
	require.NoError(t, err)
	require.Contains(t, string(b), `"proof":"`)
	require.NoError(t, os.WriteFile(lock, []byte(strings.Replace(string(b), p.URL, stranger.URL, 1)), 0o600))
	require.NoError(t, os.Remove(filepath.Join(store, "stop.sock")))
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_KEY=" + petstest.AdminKey}}
	for _, args := range [][]string{
		{"start", "alpha"},
		{"stop", "--emergency"},
		{"stop", "alpha"},
		{"reset", "daily_loss", "--reason", "x"},
		{"clear"},
		{"apikey", "revoke", "k1"},
		{"apikey", "list"},
		{"approve", "x1", "--hash", "0x1"},
	} {
		r := s.Run(append(args, "--store", "embedded:"+store)...)
		require.NotEqual(t, 0, r.Code, "%v: %s", args, r.Out)
	}
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, heard)
	for _, request := range heard {
		require.Equal(t, "GET /livez ", request)
	}
}

// The lock of an older server has no secret, so that server is only used if it is named.
func TestAServerThatCannotProveItselfHasToBeNamed(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, store)
	p.OpenMain()
	lock := filepath.Join(store, open.LockName)
	b, err := os.ReadFile(lock)
	require.NoError(t, err)
	before, after, _ := strings.Cut(string(b), `,"proof":"`)
	_, after, _ = strings.Cut(after, `"`)
	require.NoError(t, os.WriteFile(lock, []byte(before+after), 0o600))
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_KEY=" + petstest.AdminKey}}
	r := s.Run("apikey", "list", "--store", "embedded:"+store)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "name it with --server")
	require.Equal(t, 0, s.Run("apikey", "list", "--server", p.URL).Code)
}

// "No claim before it is true": somebody who may not write to the folder is told that nothing
// was stopped, and that it takes sudo.
func TestAStopByAnotherUserClaimsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	const other = 65534
	for _, served := range []bool{false, true} {
		for _, mode := range []os.FileMode{0o700, 0o750, 0o755} {
			dir, err := os.MkdirTemp("", "pets-other-")
			require.NoError(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			require.NoError(t, os.Chmod(dir, 0o755))
			store := filepath.Join(dir, "store")
			p := petstest.ServeFolder(t, store)
			p.OpenMain()
			if !served {
				require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
				require.NoError(t, p.Cmd.Wait())
			}
			require.NoError(t, os.Chmod(store, mode))
			binary := filepath.Join(dir, "pets")
			b, err := os.ReadFile(self)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(binary, b, 0o755))
			for _, args := range [][]string{{"stop", "--emergency"}, {"stop", "alpha"}, {"clear"}} {
				c := exec.Command(binary, append(args, "--store", "embedded:"+store)...)
				c.Dir, c.Env = dir, []string{petstest.AsCommand + "=1", petstest.EndsAtOnce, "HOME=" + dir}
				c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
				out, err := c.CombinedOutput()
				require.Error(t, err)
				require.Equal(t, 1, c.ProcessState.ExitCode(), "%v, %o: %s", args, mode, out)
				require.Contains(t, string(out), "sudo", args)
				for _, claim := range []string{"HOLDS", "engaged", "acting on the marker", "is stopped", "stops everything", "no server holds", "panic"} {
					require.NotContains(t, string(out), claim, "%v, %o", args, mode)
				}
			}
			if served {
				require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
				require.NoError(t, p.Cmd.Wait())
			}
		}
	}
}

// "Only the kernel is believed about its number": a pid that a lock names is that of
// another process where the server has a namespace of its own.
func TestNoPIDIsAdvisedOnTheWordOfAFile(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, store)
	p.OpenMain()
	require.Contains(t, open.EndIt(store), "kill -9 ")
	require.NotContains(t, open.EndIt(store), "kill -9 1)")
	for _, content := range []string{"1\n", "0\n", "-1\n", ""} {
		require.NoError(t, os.WriteFile(filepath.Join(store, "LOCK"), []byte(content), 0o600))
		require.Contains(t, open.EndIt(store), "kill -9 ")
		require.NotContains(t, open.EndIt(store), "kill -9 0")
		require.NotContains(t, open.EndIt(store), "kill -9 1)")
	}
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	require.Contains(t, open.EndIt(store), "sudo fuser -v "+filepath.Join(store, "durable"), "no process holds it")
}
