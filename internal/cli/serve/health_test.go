package serve_test

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/internal/pets/petstest"
)

// "Ready means that commands work": a server whose disk is nearly full says so.
func TestServerWithoutSpaceIsNotReady(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	var disk unix.Statfs_t
	require.NoError(t, unix.Statfs(t.TempDir(), &disk))
	if disk.Bavail*uint64(disk.Bsize) > 1<<40 {
		t.Skip("the disk is larger than the largest reserve")
	}
	ready := func(env ...string) (int, string) {
		p := petstest.ServeFolder(t, folder, env...)
		defer func() { _ = p.Cmd.Process.Kill(); _ = p.Cmd.Wait() }()
		resp, err := http.Get(p.URL + "/readyz")
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(b)
	}
	status, body := ready("PETS_DISK_RESERVE=1000")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "ready\n", body)
	status, body = ready("PETS_DISK_RESERVE=1099511627776") // more than this machine has
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Contains(t, body, "less than the 1099511627776 kept free")
}

// A first start below the reserve shows no key, because it could not be recorded, and says what
// to do.
func TestAFirstStartWithoutSpace(t *testing.T) {
	t.Parallel()
	var disk unix.Statfs_t
	require.NoError(t, unix.Statfs(t.TempDir(), &disk))
	if disk.Bavail*uint64(disk.Bsize) > 1<<40 {
		t.Skip("the disk is larger than the largest reserve")
	}
	s := petstest.New(t)
	s.Env = []string{"PETS_STORE=embedded:" + s.Store(), "PETS_DISK_RESERVE=1099511627776"} // more than this machine has
	r := s.Run("serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off")
	require.Equal(t, 1, r.Code, r.Err)
	require.Contains(t, r.Err, "free some space (or lower PETS_DISK_RESERVE), and start again")
	require.NotContains(t, r.Err, "send this again")
	require.NotContains(t, r.Out+r.Err, "first admin key, shown once")
}
