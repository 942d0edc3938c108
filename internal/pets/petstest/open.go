package petstest

import (
	"net/http"

	"github.com/stretchr/testify/require"
)

// OpenMain opens portfolio main at the server.
func (p *Process) OpenMain() {
	p.T.Helper()
	require.NoError(p.T, p.Client(AdminKey).Send(p.T.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
}
