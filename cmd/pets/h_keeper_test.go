package main

import (
	"net/http"

	"github.com/stretchr/testify/require"
)

// openMain opens the portfolio main at a server.
func (p *process) openMain() {
	p.t.Helper()
	require.NoError(p.t, p.client(adminKey).Send(p.t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
}
