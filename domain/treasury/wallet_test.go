package treasury

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func aWallet() domain.WalletRegistered {
	return domain.WalletRegistered{
		Wallet: "hot-1", Place: domain.WalletHot, Chain: "eip155:137", Address: hotAddress,
		Assets: []domain.WalletAsset{{Asset: "USDC", ID: usdc, Decimals: 6}, {Asset: "POL", ID: "eip155:137/slip44:966", Decimals: 18, Native: true}},
	}
}

func TestCheckWallet(t *testing.T) {
	w := aWallet()
	require.NoError(t, CheckWallet(&w))
	for name, change := range map[string]func(*domain.WalletRegistered){
		"no name":                func(w *domain.WalletRegistered) { w.Wallet = "" },
		"called as a place":      func(w *domain.WalletRegistered) { w.Wallet = "cold" },
		"named as an address":    func(w *domain.WalletRegistered) { w.Wallet = coldAddress },
		"an asset of no name":    func(w *domain.WalletRegistered) { w.Assets[0].Asset = "" },
		"another place":          func(w *domain.WalletRegistered) { w.Place = "external" },
		"no chain":               func(w *domain.WalletRegistered) { w.Chain = "" },
		"no address":             func(w *domain.WalletRegistered) { w.Address = "" },
		"a short address":        func(w *domain.WalletRegistered) { w.Address = w.Address[:41] },
		"a long address":         func(w *domain.WalletRegistered) { w.Address += "00" },
		"not hex":                func(w *domain.WalletRegistered) { w.Address = w.Address[:41] + "g" },
		"without 0x":             func(w *domain.WalletRegistered) { w.Address = w.Address[2:] },
		"the zero address":       func(w *domain.WalletRegistered) { w.Address = "0x" + strings.Repeat("0", 40) },
		"no assets":              func(w *domain.WalletRegistered) { w.Assets = nil },
		"an asset twice":         func(w *domain.WalletRegistered) { w.Assets[1].Asset = "USDC" },
		"a token twice":          func(w *domain.WalletRegistered) { w.Assets[1].ID = usdc },
		"the same in lower case": func(w *domain.WalletRegistered) { w.Assets[1].ID = strings.ToLower(usdc) },
		"of another chain":       func(w *domain.WalletRegistered) { w.Assets[0].ID = "eip155:1/erc20:0x00" },
		"an account's separator": func(w *domain.WalletRegistered) { w.Assets[0].Asset = "US|DC" },
		"19 decimals":            func(w *domain.WalletRegistered) { w.Assets[0].Decimals = 19 },
		"decimals below 0":       func(w *domain.WalletRegistered) { w.Assets[0].Decimals = -1 },
		"no coin for fees":       func(w *domain.WalletRegistered) { w.Assets[1].Native = false },
		"two coins for fees":     func(w *domain.WalletRegistered) { w.Assets[0].Native = true },
		"101 assets":             func(w *domain.WalletRegistered) { w.Assets = make([]domain.WalletAsset, 101) },
	} {
		w := aWallet()
		change(&w)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(CheckWallet(&w)), name)
	}
}

func TestAssets(t *testing.T) {
	w := Wallet{WalletRegistered: aWallet()}
	a, ok := w.Asset("USDC")
	require.True(t, ok)
	require.Equal(t, 6, a.Decimals)
	_, ok = w.Asset("ETH")
	require.False(t, ok)
	gas, ok := w.Gas()
	require.True(t, ok)
	require.Equal(t, "POL", gas.Asset)
	_, ok = (&Wallet{}).Gas()
	require.False(t, ok)
}

// The letters' case of an address is a checksum: the same address in other letters is
// the same contact, on one chain.
func TestSameAddress(t *testing.T) {
	lower := strings.ToLower(hotAddress)
	require.True(t, SameAddress(hotAddress, lower))
	require.False(t, SameAddress(hotAddress, coldAddress))
	require.Equal(t, ContactKey("eip155:137", hotAddress), ContactKey("eip155:137", lower))
	require.NotEqual(t, ContactKey("eip155:137", hotAddress), ContactKey("eip155:1", hotAddress))
}
