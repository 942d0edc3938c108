package tradefile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// "a bad row stops with file, line, column and reason": also one that is refused
// after it was read, and by the name its own format has for the field.
func TestColumnOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.csv")
	for _, c := range []struct {
		text, field string
		line, want  int
	}{
		{"time,bot,market,outcome,payout\n2026-01-01T00:00:00Z,,\"a, ü\",YES,1\n", "payout", 2, 34},
		{"time,bot,market,outcome,payout\n2026-01-01T00:00:00Z,,\"a, ü\",YES,1\n", "time", 2, 1},
		{"\ufefftime,bot,market,outcome,payout\n\n2026-01-01T00:00:00Z,a,m,YES,1\n", "outcome", 3, 26},
		{"time,market,token_id,payout,net_pnl_reported\n2026-01-01T00:00:00Z,m,77,1,0\n", "outcome", 2, 24},
		{"time_ms,market,token_id,outcome,side,price,quantity\n1,m,t,Up,buy,1,1\n", "outcome", 2, 7},
		{"time,bot,market,outcome,payout\n2026-01-01T00:00:00Z,a,m,YES,1\n", "kind", 2, 0},
		{"time,bot,market,outcome,payout\n2026-01-01T00:00:00Z,a,m,YES,1\n", "payout", 3, 0},
		{"", "payout", 2, 0},
	} {
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		require.Equal(t, c.want, ColumnOf(path, c.line, c.field), "%s of %q", c.field, c.text)
	}
	require.Zero(t, ColumnOf(filepath.Join(t.TempDir(), "none"), 1, "time"))
}
