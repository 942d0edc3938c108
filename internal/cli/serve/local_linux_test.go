package serve_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/httpapi"
	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// "A person can always stop": lock and socket that somebody removes under a server are made
// anew, and so is a PETS_DIR of its own.
func TestTheWayInOfThisMachineIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, dir string){
		"socket": func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, httpapi.SocketName))) },
		"both": func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, open.LockName)))
			require.NoError(t, os.Remove(filepath.Join(dir, httpapi.SocketName)))
		},
		"folder": func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			store, dir := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "server")
			p := petstest.ServeFolder(t, store, "PETS_DIR="+dir)
			require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
			require.True(t, p.Stands(dir, store))
			harm(t, dir)
			require.Eventually(t, func() bool { return p.Stands(dir, store) }, 20*time.Second, 20*time.Millisecond, "%s", p.Errs)
			here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + store, "PETS_DIR=" + dir}}
			r := here.Run("stop", "--emergency", "--reason", "x")
			require.Equal(t, 0, r.Code, r.Err)
			require.Contains(t, r.Err, "by its stop socket")
			require.Equal(t, "ready\n", p.Readyz())
			require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
			require.NoError(t, p.Cmd.Wait())
			require.NoFileExists(t, filepath.Join(dir, httpapi.SocketName))
		})
	}
}

// If it cannot be recreated, the log says so once; and nothing is put into a folder in its place.
func TestAFolderThatIsAnothersIsLeftAlone(t *testing.T) {
	t.Parallel()
	store, dir := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "server")
	p := petstest.ServeFolder(t, store, "PETS_DIR="+dir)
	require.NoError(t, os.Rename(dir, dir+".moved"))
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.Eventually(t, func() bool { return strings.Contains(p.Readyz(), "warning: the stop socket") }, 20*time.Second, 20*time.Millisecond)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Rename(dir+".moved", dir))
	require.Eventually(t, func() bool { return p.Readyz() == "ready\n" }, 20*time.Second, 20*time.Millisecond)
	require.True(t, p.Stands(dir, store))
	require.Equal(t, 1, strings.Count(p.Errs.String(), "cannot be made anew"))
}
