package operate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "Repeated KEY=VALUE is refused everywhere": nothing is sent, whichever command has them, also
// where only one of the two is in capitals.
func TestAKeyThatStandsTwiceIsRefused(t *testing.T) {
	t.Parallel()
	l := petstest.NewListener(t)
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER="+l.URL, "PETS_KEY="+petstest.SomeKey)
	for _, line := range []string{
		"market add m --token YES=1 --token YES=2",
		"override request transfer transfer=x1 outcome=failed transfer=x2 --reason x",
		"override request limits fee_bps=1 FEE_BPS=2 --reason x",
		"override request treasury_policy approval_ttl=1h approval_ttl=2h --reason x",
		"limits set fee_bps=1 fee_bps=2 --reason x",
		"portfolio open x --limit fee_bps=1 --limit fee_bps=2",
		"treasury set approval_ttl=1h approval_ttl=2h --reason x",
		"wallet register w --place hot --address 0x1 --asset A=1 --asset A=2",
		"stats --limit MAX_DAILY_LOSS_PCT=0.03 --limit max_daily_loss_pct=0.04",
	} {
		r := s.Run(strings.Fields(line)...)
		require.Equal(t, 2, r.Code, "%s: %s", line, r.Err)
		require.Contains(t, r.Err, "is given twice", line)
		require.Empty(t, l.Heard(), line)
	}
	require.Equal(t, 2, s.Run("market", "add", "m", "--token", "YES").Code)
	require.Equal(t, 1, s.Run("market", "add", "m", "--token", "YES=1", "--token", "NO=1").Code)
	require.Equal(t, []string{"POST /v1/portfolios/main/markets"}, l.Heard())
}
