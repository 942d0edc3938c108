package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/httpapi"
)

// stands reports whether a process holds a folder and answers at its socket.
func (p *process) stands(dir, store string) bool {
	h, held := holderOf(dir)
	return held && h.PID == p.cmd.Process.Pid && h.of(store) && h.URL == p.url && answering(&socket{dir, store}) != nil
}

func (p *process) readyz() string {
	p.t.Helper()
	resp, err := http.Get(p.url + "/readyz")
	require.NoError(p.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return string(b)
}

// "A person can always stop": lock and socket that somebody removes under a server are made
// anew, and so is a PETS_DIR of its own.
func TestTheWayInOfThisMachineIsMadeAnew(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"socket": func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, httpapi.SocketName))) },
		"both": func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, lockName)))
			require.NoError(t, os.Remove(filepath.Join(dir, httpapi.SocketName)))
		},
		"folder": func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			store, dir := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "server")
			p := serveFolder(t, store, "PETS_DIR="+dir)
			require.NoError(t, p.client(adminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
			require.True(t, p.stands(dir, store))
			harm(t, dir)
			require.Eventually(t, func() bool { return p.stands(dir, store) }, 20*time.Second, 20*time.Millisecond, "%s", p.errs)
			here := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + store, "PETS_DIR=" + dir}}
			r := here.run("stop", "--emergency", "--reason", "x")
			require.Equal(t, 0, r.code, r.err)
			require.Contains(t, r.err, "by its stop socket")
			require.Equal(t, "ready\n", p.readyz())
			require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
			require.NoError(t, p.cmd.Wait())
			require.NoFileExists(t, filepath.Join(dir, httpapi.SocketName))
		})
	}
}

// Where that cannot be it is said, once; and nothing is put into what took the folder's place.
func TestAFolderThatIsAnothersIsLeftAlone(t *testing.T) {
	store, dir := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "server")
	p := serveFolder(t, store, "PETS_DIR="+dir)
	require.NoError(t, os.Rename(dir, dir+".moved"))
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.Eventually(t, func() bool { return strings.Contains(p.readyz(), "warning: the stop socket") }, 20*time.Second, 20*time.Millisecond)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Rename(dir+".moved", dir))
	require.Eventually(t, func() bool { return p.readyz() == "ready\n" }, 20*time.Second, 20*time.Millisecond)
	require.True(t, p.stands(dir, store))
	require.Equal(t, 1, strings.Count(p.errs.String(), "cannot be made anew"))
}
