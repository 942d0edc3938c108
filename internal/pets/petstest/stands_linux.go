package petstest

import (
	"io"
	"net/http"

	"github.com/stretchr/testify/require"

	"pets/internal/httpapi"
	"pets/internal/open"
)

// Readyz returns the server's answer to GET /readyz.
func (p *Process) Readyz() string {
	p.T.Helper()
	resp, err := http.Get(p.URL + "/readyz")
	require.NoError(p.T, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(p.T, err)
	return string(b)
}

// Stands reports whether the process holds a folder and answers at its stop socket.
func (p *Process) Stands(dir, store string) bool {
	h, held := open.HolderOf(dir)
	if !held || h.PID != p.Cmd.Process.Pid || !h.Of(store) || h.URL != p.URL {
		return false
	}
	c, err := httpapi.DialSocket(p.T.Context(), dir)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
