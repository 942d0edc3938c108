package chain_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/internal/chain"
)

func TestDefaultRegistry(t *testing.T) {
	r, err := chain.Default()
	require.NoError(t, err)
	polygon, err := r.Chain("eip155:137")
	require.NoError(t, err)
	require.Equal(t, uint64(137), polygon.Number())
	for id, want := range map[string]struct {
		symbol   string
		decimals int
		token    string
	}{
		"eip155:137/slip44:966": {"POL", 18, "0x0000000000000000000000000000000000000000"},
		"eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359": {"USDC", 6, "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"},
		"eip155:137/erc20:0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174": {"USDC.e", 6, "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"},
	} {
		a, err := r.Asset(id)
		require.NoError(t, err)
		require.Equal(t, want.symbol, a.Symbol)
		require.Equal(t, want.decimals, a.Decimals)
		require.Equal(t, want.token, a.Token().String())
		require.Equal(t, "eip155:137", a.Chain())
	}
	_, err = r.Asset("eip155:137/erc20:0x3c499c542cef5e3811e1192ce70d8cc03d5c3359")
	require.Equal(t, domain.CodeNotFound, domain.CodeOf(err), "ids are spelt exactly")
}

const goodRegistry = `{
	"chains": [{"id": "eip155:5", "name": "Five", "confirmations": 2, "max_lag": 3, "head_max_age": "1m", "max_gas": 100000,
		"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
	"assets": [
		{"id": "eip155:5/slip44:1", "symbol": "COIN", "decimals": 18},
		{"id": "eip155:5/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", "symbol": "USDC", "decimals": 6}
	]
}`

// "strict: unknown/duplicate fields refused with file and field".
func TestRegistryRefuses(t *testing.T) {
	_, err := chain.ParseRegistry("f.json", []byte(goodRegistry))
	require.NoError(t, err)
	for _, tt := range []struct{ old, new, want string }{
		{`"name"`, `"nam"`, "f.json: chains[0].nam is not a field of a registry"},
		{`"name"`, `"Name"`, "f.json: chains[0].Name is not a field of a registry"},
		{`"name": "Five"`, `"name": "Five", "name": "Six"`, "f.json: chains[0].name stands twice"},
		{`"assets"`, `"chains": [], "assets"`, "f.json: chains stands twice"},
		{`"eip155:5", `, `"eip155:05", `, "f.json: chains[0].id must be a CAIP-2 id"},
		{`"eip155:5", `, `"cosmos:5", `, "f.json: chains[0].id must be a CAIP-2 id"},
		{`"confirmations": 2`, `"confirmations": 0`, "f.json: chains[0].confirmations must be 1"},
		{`"confirmations": 2, `, ``, "f.json: chains[0].confirmations must be 1"},
		{`"confirmations": 2`, `"confirmations": "2"`, "f.json: chains[0].confirmations "},
		{`"confirmations": 2`, `"confirmations": 2.5`, "f.json: chains[0].confirmations "},
		{`"max_lag": 3`, `"max_lag": 1001`, "f.json: chains[0].max_lag must be 1 to 1000"},
		{`"1m"`, `"1 minute"`, "f.json: chains[0].head_max_age is not a duration"},
		{`"1m"`, `"2h"`, "f.json: chains[0].head_max_age must be 1s to 1h"},
		{`"max_gas": 100000`, `"max_gas": 1`, "f.json: chains[0].max_gas must be"},
		{`"min_tip_gwei": "1"`, `"min_tip_gwei": "6"`, "f.json: chains[0].max_tip_gwei must be at least min_tip_gwei"},
		{`"max_tip_gwei": "5"`, `"max_tip_gwei": "101"`, "f.json: chains[0].max_fee_gwei must be at least max_tip_gwei"},
		{`"min_tip_gwei": "1"`, `"min_tip_gwei": "1.0000000001"`, "f.json: chains[0].min_tip_gwei has more than the 9 decimals"},
		{`"min_tip_gwei": "1"`, `"min_tip_gwei": 1`, "f.json: chains[0].min_tip_gwei must be a JSON string"},
		{`"min_tip_gwei": "1"`, `"min_tip_gwei": "0"`, "f.json: chains[0].min_tip_gwei must be above 0"},
		{`0x3c499c542cEF5E`, `0x3c499c542cef5e`, "f.json: assets[1].id must end in an address"},
		{`0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359`, `0x3c499c542cef5e3811e1192ce70d8cc03d5c3359`, "f.json: assets[1].id must end in an address"},
		{`0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359`, `0x0000000000000000000000000000000000000000`, "f.json: assets[1].id must end in the address of a contract"},
		{`eip155:5/erc20`, `eip155:6/erc20`, "f.json: assets[1].id must begin with the id of a chain"},
		{`eip155:5/erc20`, `eip155:5/erc721`, "f.json: assets[1].id must be a CAIP-19 id"},
		{`slip44:1"`, `slip44:01"`, "f.json: assets[0].id must end in a SLIP-44 number"},
		{`slip44:1", "symbol": "COIN", "decimals": 18}`, `slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "eip155:5/slip44:1", "symbol": "COIN", "decimals": 18}`, "f.json: assets[1].id stands twice"},
		{`slip44:1", "symbol": "COIN", "decimals": 18}`, `slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "eip155:5/slip44:2", "symbol": "COIN", "decimals": 18}`, "exactly one native coin"},
		{`"decimals": 6`, `"decimals": 19`, "f.json: assets[1].decimals must be 0 to 18"},
		{`"decimals": 6`, `"decimals": -1`, "f.json: assets[1].decimals must be 0 to 18"},
		{`, "decimals": 6`, ``, "f.json: assets[1].decimals is missing"},
		{`"decimals": 6`, `"decimals": null`, "f.json: assets[1].decimals is missing"},
		{`"USDC"`, `"US DC"`, "f.json: assets[1].symbol must have"},
		{`"COIN", `, `"COIN", "chain_symbols": ["X"], `, "f.json: assets[0].chain_symbols is only for tokens"},
		{goodRegistry, `{}`, "f.json: chains is empty"},
		{goodRegistry, ``, "f.json: the file is not valid JSON (byte 0)"},
		{goodRegistry, `{"chains": [`, "f.json"},
		{goodRegistry, goodRegistry + "{}", "f.json"},
	} {
		require.Contains(t, goodRegistry, tt.old)
		_, err := chain.ParseRegistry("f.json", []byte(strings.Replace(goodRegistry, tt.old, tt.new, 1)))
		require.ErrorContains(t, err, tt.want, tt.new)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
	}
}

func TestReadRegistry(t *testing.T) {
	file := filepath.Join(t.TempDir(), "assets.json")
	_, err := chain.ReadRegistry(file)
	require.ErrorContains(t, err, "cannot be read")
	require.NoError(t, os.WriteFile(file, []byte(goodRegistry), 0o600))
	r, err := chain.ReadRegistry(file)
	require.NoError(t, err)
	require.Len(t, r.Assets, 2)
	require.NoError(t, os.WriteFile(file, make([]byte, 1<<20+1), 0o600))
	_, err = chain.ReadRegistry(file)
	require.ErrorContains(t, err, "has more than 1048576 bytes")
}

// "exact: an amount with more decimals than the asset is refused".
func TestUnits(t *testing.T) {
	r, err := chain.ParseRegistry("f", []byte(goodRegistry))
	require.NoError(t, err)
	coin, usdc := r.Assets[0], r.Assets[1]
	for _, tt := range []struct {
		asset         chain.Asset
		amount, units string
	}{
		{usdc, "1", "1000000"},
		{usdc, "0.000001", "1"},
		{usdc, "12.5", "12500000"},
		{usdc, "0", "0"},
		{usdc, "999999999999999.999999", "999999999999999999999"},
		{coin, "0.000000000000000001", "1"},
		{coin, "100", "100000000000000000000"},
	} {
		u, err := tt.asset.Units(domain.MustDecimal(tt.amount))
		require.NoError(t, err)
		require.Equal(t, tt.units, u.String())
		back, err := tt.asset.Amount(u)
		require.NoError(t, err)
		require.Equal(t, tt.amount, back.String())
	}
	_, err = usdc.Units(domain.MustDecimal("0.0000001"))
	require.ErrorContains(t, err, "amount has more than the 6 decimals of the asset")
	_, err = usdc.Units(domain.MustDecimal("-1"))
	require.ErrorContains(t, err, "amount must not be negative")
	var most chain.Units
	require.NoError(t, most.UnmarshalText([]byte("115792089237316195423570985008687907853269984665640564039457584007913129639935")))
	_, err = usdc.Amount(most)
	require.ErrorContains(t, err, "beyond what the ledger holds")
	for _, bad := range []string{"", "-1", "+1", "01", "1.0", "1e3", "0x1", " 1", "115792089237316195423570985008687907853269984665640564039457584007913129639936"} {
		require.Error(t, new(chain.Units).UnmarshalText([]byte(bad)), bad)
	}
}

// Whatever the amount and the decimals, the way there and back is exact, or
// refused.
func TestUnitsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asset := chain.Asset{Decimals: rapid.IntRange(0, 18).Draw(t, "decimals")}
		whole := rapid.Int64Range(0, 999_999_999_999_999).Draw(t, "whole")
		amount := domain.FromInt(whole)
		if text := rapid.StringMatching(`\d{1,18}`).Draw(t, "fraction"); true {
			amount = amount.Add(domain.MustDecimal("0." + text))
		}
		u, err := asset.Units(amount)
		if amount.Trunc(asset.Decimals) != amount {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		back, err := asset.Amount(u)
		require.NoError(t, err)
		require.Equal(t, amount, back)
	})
}

func TestAddress(t *testing.T) {
	const good = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
	a, err := chain.ParseAddress(good)
	require.NoError(t, err)
	require.Equal(t, good, a.String())
	for _, bad := range []string{
		"", "0x", strings.ToLower(good), strings.ToUpper(good), good[2:], good[:41], good + "0", "0X" + good[2:],
		"0x3C499c542cEF5E3811e1192ce70d8cC03d5c3359", " " + good, "0xg" + good[3:],
	} {
		_, err := chain.ParseAddress(bad)
		require.Error(t, err, bad)
	}
}
