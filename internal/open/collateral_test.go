package open_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/config"
	"pets/internal/open"
)

// "The documented set-up cannot trade: base asset native USDC, all order shapes pay another
// token": of the built-in registries only what an order is paid in may be a base asset. A name
// that the registry does not have, and a chain without orders, say nothing yet.
func TestWhatOrdersArePaidIn(t *testing.T) {
	at := func(chain, registry string) *open.Place {
		return &open.Place{Config: config.Config{Chain: chain, AssetRegistry: registry}}
	}
	polygon := at("eip155:137", "")
	err := polygon.Payable("USDC")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	require.ErrorContains(t, err, "USDC.e or pUSD")
	require.Error(t, polygon.Payable("POL"), "the coin for fees pays no order")
	require.NoError(t, polygon.Payable("pUSD"))
	require.NoError(t, polygon.Payable("USDC.e"))
	require.NoError(t, polygon.Payable("cash"), "which token that is, its first wallet says")

	file := filepath.Join(t.TempDir(), "registry.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"chains":[{"id":"eip155:1","name":"Other","confirmations":1,"max_lag":4,"head_max_age":"1h","max_gas":300000,"min_tip_gwei":"1","max_tip_gwei":"5","max_fee_gwei":"100"}],
		"assets":[{"id":"eip155:1/slip44:60","symbol":"ETH","decimals":18},{"id":"eip155:1/erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48","symbol":"USDC","decimals":6}]}`), 0o600))
	require.NoError(t, at("eip155:1", file).Payable("USDC"))
}

// "… and said by pets wallet".
func TestAnUnpaidAssetIsSaid(t *testing.T) {
	p := &open.Place{}
	native := domain.WalletAsset{Asset: "USDC", ID: "eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"}
	paid := domain.WalletAsset{Asset: "USDC", ID: "eip155:137/erc20:0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"}
	require.Contains(t, p.Unpaid("eip155:137", native), "no known order on eip155:137 is paid in USDC")
	require.Empty(t, p.Unpaid("eip155:137", paid))
	require.Empty(t, p.Unpaid("eip155:1", domain.WalletAsset{Asset: "USDC", ID: "eip155:1/erc20:0x00"}))
}
