package domain

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// "Users are compared case-folded everywhere."
func TestSameUser(t *testing.T) {
	for _, pair := range [][2]string{{"olga", "olga"}, {"olga", "Olga"}, {"OLGA@example", "olga@EXAMPLE"}, {"kim", "\u212aim"}, {"os:Alice", "OS:alice"}} {
		require.True(t, SameUser(pair[0], pair[1]), pair)
	}
	for _, pair := range [][2]string{{"olga", "olg"}, {"olga", "olga "}, {"olga", "0lga"}, {"", "olga"}, {"os:alice", "alice"}} {
		require.False(t, SameUser(pair[0], pair[1]), pair)
	}
}

// "`system`, `import`, `os:*` cannot be issued", and neither can the server's own name.
func TestReservedUsers(t *testing.T) {
	for _, user := range []string{"system", "System", "import", "IMPORT", "server", "Server", "os:alice", "OS:alice", "Os:", "os:import"} {
		require.True(t, ReservedUser(user), user)
	}
	for _, user := range []string{"olga", "os", "cos:alice", "importer", "systems", "alice@os", "a:os:b"} {
		require.False(t, ReservedUser(user), user)
	}
}

// "manual < portfolio_drawdown < system_error < security_breach."
func TestGraverStop(t *testing.T) {
	order := []string{"", StopManual, StopPortfolioDrawdown, StopSystemError, StopSecurityBreach}
	for i, a := range order {
		for j, b := range order {
			require.Equal(t, order[max(i, j)], GraverStop(a, b), "%q and %q", a, b)
		}
	}
}
