package risk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// “off by default”: at 0 it is never judged, warns of nothing, and is looser than any limit.
func TestOffIsNeverJudged(t *testing.T) {
	for _, name := range []string{RollingLoss, BotDailyLoss} {
		r := ruleOf(t, name)
		require.True(t, r.Optional())
		off, on := policy(), policy()
		on.MaxRollingLossPct, on.MaxBotDailyLossPct = dec("0.1"), dec("0.1")
		looser := policy()
		looser.MaxRollingLossPct, looser.MaxBotDailyLossPct = dec("0.100000000000000001"), dec("0.100000000000000001")
		require.False(t, r.IsOn(off))
		require.Equal(t, Quiet, Breaker{Status: OK}.Judge(r, off, domain.One))
		require.False(t, r.Reached(off, domain.One))
		require.True(t, r.Rearms(off, domain.One), "a warning of one that is off is over")
		require.Equal(t, Quiet, Breaker{Status: OK}.Judge(r, on, dec("0.079999999999999999")))
		require.Equal(t, Warns, Breaker{Status: OK}.Judge(r, on, dec("0.08")))
		require.Equal(t, Warns, Breaker{Status: OK}.Judge(r, on, dec("0.099999999999999999")))
		require.Equal(t, Trips, Breaker{Status: OK}.Judge(r, on, dec("0.1")))
		require.Equal(t, Trips, Breaker{Status: OK}.Judge(r, on, dec("0.100000000000000001")))

		require.True(t, r.Looser(off, on))
		require.True(t, r.Looser(looser, on))
		require.False(t, r.Looser(on, looser))
		require.False(t, r.Looser(on, on))
		require.False(t, r.Looser(on, off))
		require.False(t, r.Looser(off, off))
	}
}
