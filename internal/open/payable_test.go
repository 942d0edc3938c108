package open_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/config"
	"pets/internal/open"
)

// "Look-alike base assets (case, spaces) refused": USDC is refused for what orders are paid in,
// and neither that nor what they are paid in is got by another spelling.
func TestABaseAssetIsWrittenAsTheRegistryHasIt(t *testing.T) {
	p := open.Place{Config: config.Config{Chain: "eip155:137"}}
	require.NoError(t, p.Payable("pUSD"))
	require.ErrorContains(t, p.Payable("USDC"), "no order would ever be signed")
	for name, as := range map[string]string{"usdc": "USDC", "USDC ": "USDC", "PUSD": "pUSD", "pusd": "pUSD", "usdc.E": "USDC.e"} {
		require.ErrorContains(t, p.Payable(name), "reads like "+as, name)
	}
}
