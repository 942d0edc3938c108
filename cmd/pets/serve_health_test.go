package main

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/commands"
)

// "Ready means that commands work": a server whose disk is nearly full says so.
func TestServerWithoutSpaceIsNotReady(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	var disk unix.Statfs_t
	require.NoError(t, unix.Statfs(t.TempDir(), &disk))
	if disk.Bavail*uint64(disk.Bsize) > 1<<40 {
		t.Skip("the disk is larger than the largest reserve")
	}
	ready := func(env ...string) (int, string) {
		p := serveFolder(t, folder, env...)
		defer func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() }()
		resp, err := http.Get(p.url + "/readyz")
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

// "Below PETS_DISK_RESERVE only stops and facts; below a quarter of it only stops."
func TestTheReserveHasTwoParts(t *testing.T) {
	for free, taken := range map[int64][3]bool{ // others, facts, stops
		100: {true, true, true}, 99: {false, true, true}, 25: {false, true, true}, 24: {false, false, true}, 0: {false, false, true},
	} {
		for i, class := range []commands.Class{commands.ClassOther, commands.ClassFact, commands.ClassStop} {
			require.Equal(t, taken[i], scarceFor(class, free, 100) == nil, "%d bytes, class %d", free, class)
		}
	}
	require.NoError(t, scarceFor(commands.ClassOther, 0, 0), "no reserve")
}
