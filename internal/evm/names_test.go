package evm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/chain"
	"pets/internal/evm"
)

const (
	polygon = "eip155:137"
	usdc    = polygon + "/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
	usdce   = polygon + "/erc20:0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"
	pusd    = polygon + "/erc20:0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
)

// "Names of assets whose token the registry knows must be that token", and are written as it
// writes them; what it does not name may have any name.
func TestANameIsTheTokenThatTheRegistryHas(t *testing.T) {
	registry, err := chain.Default()
	require.NoError(t, err)
	s := evm.NewSignatory(registry)
	assets, err := s.Assets(polygon, "pUSD", map[string]string{"pUSD": pusd, "USDC.e": usdce, "cash": usdc})
	require.NoError(t, err)
	require.Len(t, assets, 4)
	for name, id := range map[string]string{"pUSD": usdce, "USDC.e": pusd, "USDC": usdce, "usdc": usdc, "USDC ": usdc, "PUSD": usdc, "POL": usdc, "ÚSDC": usdc} {
		_, err := s.Assets(polygon, name, map[string]string{name: id})
		require.Error(t, err, name)
	}
}
