package tradefile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// "a bad row stops with file, line, column and reason": also one that is refused
// after it was read, and by the name its own format has for the field.
func TestColumnOfARowThatWasRead(t *testing.T) {
	for _, c := range []struct {
		text, field string
		want        int
	}{
		{"time,bot,market,outcome,payout\n2026-01-01T00:00:00Z,,\"a, ü\",YES,1\n", "payout", 34},
		{"time,bot,market,outcome,payout\n2026-01-01T00:00:00Z,,\"a, ü\",YES,1\n", "time", 1},
		{"\ufefftime,bot,market,outcome,payout\n\n2026-01-01T00:00:00Z,a,m,YES,1\n", "outcome", 26},
		{"time,market,token_id,payout,net_pnl_reported\n2026-01-01T00:00:00Z,m,77,1,0\n", "outcome", 24},
		{"time_ms,market,token_id,outcome,side,price,quantity\n1,m,t,Up,buy,1,1\n", "outcome", 7},
		{"time,bot,market,outcome,payout\n2026-01-01T00:00:00Z,a,m,YES,1\n", "kind", 0},
	} {
		row := mustRead(t, Options{}, c.text).rows()[0]
		require.Equal(t, c.want, row.Column(c.field), "%s of %q", c.field, c.text)
		lines := strings.Split(strings.TrimSpace(c.text), "\n")
		require.Equal(t, lines[len(lines)-1], row.Raw())
	}
	require.Zero(t, (&Row{}).Column("time"))
	require.Empty(t, (&Row{}).Raw())
}
