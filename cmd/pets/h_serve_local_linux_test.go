package main

import (
	"io"
	"net/http"

	"pets/internal/httpapi"

	"github.com/stretchr/testify/require"
)

func (p *process) readyz() string {
	p.t.Helper()
	resp, err := http.Get(p.url + "/readyz")
	require.NoError(p.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return string(b)
}

// stands reports whether a process holds a folder and answers at its socket.
func (p *process) stands(dir, store string) bool {
	h, held := holderOf(dir)
	if !held || h.PID != p.cmd.Process.Pid || !h.of(store) || h.URL != p.url {
		return false
	}
	c, err := httpapi.DialSocket(p.t.Context(), dir)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
