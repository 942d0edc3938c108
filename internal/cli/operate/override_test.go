package operate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain/portfolio"
)

// "Every place knows every kind": the command line reads the pairs of each, and its help
// names it.
func TestTheCommandLineKnowsEveryOverride(t *testing.T) {
	for _, k := range portfolio.OverrideKinds() {
		read := overrideKinds[k.Name]
		require.NotNil(t, read, k.Name)
		require.Contains(t, aboutKinds(), "  "+k.Name+" ")
		_, err := read([]string{"x=y"})
		require.Error(t, err, "%s takes any pair", k.Name)
	}
	require.Len(t, overrideKinds, len(portfolio.OverrideKinds()))
}

// What the pairs of a correction become is what the server reads.
func TestThePairsOfACorrection(t *testing.T) {
	body, err := overrideKinds["adjustment"]([]string{"account=hot:treasury", "asset=USDC", "amount=-0.37"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"account": "hot:treasury", "asset": "USDC", "amount": "-0.37"}, body)
	body, err = overrideKinds["adjustment"]([]string{"account=hot:treasury", "amount=8100", "of=7"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"account": "hot:treasury", "amount": "8100", "flow": true, "of": uint64(7)}, body)
	_, err = overrideKinds["adjustment"]([]string{"of=x"})
	require.Error(t, err)
	body, err = overrideKinds["settlement"]([]string{"market=rain", "YES=1", "NO=0", "rebase=yes"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"market": "rain", "payouts": map[string]string{"YES": "1", "NO": "0"}, "rebase": true}, body)
	body, err = tokensPatch([]string{"market=rain", "condition=0xab", "YES=1"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"market": "rain", "condition": "0xab", "tokens": map[string]string{"YES": "1"}}, body)
}
