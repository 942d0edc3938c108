package serve_test

import (
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/httpapi"
	"pets/internal/pets/petstest"
)

// stopBySocket stops everything through the stop socket of a folder, without a key.
func stopBySocket(t *testing.T, dir string) int {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return httpapi.DialSocket(ctx, dir) },
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://stop/v1/emergency-stop", strings.NewReader(`{"kind":"manual","reason":"smoke"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", uuid.NewString())
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// The user who runs the server can stop everything on its machine without a key, and is named in the
// history; a killed server's socket is replaced, and a graceful stop removes it.
func TestServerHasAStopSocket(t *testing.T) {
	t.Parallel()
	folder, dir := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "server")
	p := petstest.ServeFolder(t, folder, "PETS_DIR="+dir)
	require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	socket := filepath.Join(dir, httpapi.SocketName)
	file, err := os.Lstat(socket)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSocket|0o600, file.Mode())
	require.Equal(t, http.StatusOK, stopBySocket(t, dir))
	r := p.Pets(folder, "", "--store=embedded:"+folder, "events", "--json", "--type", "emergency_stop")
	require.Contains(t, r.Out, cli.OSUser())
	here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + folder, "PETS_DIR=" + dir}}
	for _, args := range [][]string{{"stop", "--emergency", "--reason", "x"}, {"stop", "--emergency", "--everywhere", "--reason", "x"}} {
		r = here.Run(args...)
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Err, "by its stop socket")
		require.Contains(t, r.Out, "EMERGENCY STOP engaged in main")
	}

	require.NoError(t, p.Cmd.Process.Kill())
	_ = p.Cmd.Wait()
	require.FileExists(t, socket)
	p = petstest.ServeFolder(t, folder, "PETS_DIR="+dir)
	require.Equal(t, http.StatusOK, stopBySocket(t, dir))
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	require.NoFileExists(t, socket)

	// A server that cannot have a stop socket still answers, and logs that.
	require.NoError(t, os.WriteFile(socket, []byte("somebody's"), 0o600))
	p = petstest.ServeFolder(t, folder, "PETS_DIR="+dir)
	p.Says("there is no stop socket")
	require.NoError(t, p.Client(petstest.AdminKey).Get(t.Context(), "/v1/portfolios", nil))
}
