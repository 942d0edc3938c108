package chain_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

var (
	usdce   = common.HexToAddress("0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174")
	wrapped = common.HexToAddress("0x3A3BD7bb9528E159577F7C2e685CC81A765002E2")
	known   = common.HexToHash("0x" + strings.Repeat("ab", 32))
)

// withConditional gives the world a contract of conditional tokens.
func (w *world) withConditional() *chain.Client {
	w.t.Helper()
	at := w.node.DeployConditional()
	r, err := chain.ParseRegistry("test.json", fmt.Appendf(nil, `{
		"chains": [{"id": "eip155:1337", "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100",
			"conditional_tokens": {"contract": %q, "collaterals": [{"name": "USDC.e", "token": %q}, {"name": "neg-risk", "token": %q}]}}],
		"assets": [{"id": "eip155:1337/slip44:1", "symbol": "COIN", "decimals": 18}]}`, at.Hex(), usdce.Hex(), wrapped.Hex()))
	require.NoError(w.t, err)
	w.registry = r
	w.live = w.dial(true, w.a.URL(), w.b.URL())
	return w.live
}

// "Ids derive from condition id, collateral and index set by getCollectionId/getPositionId …
// (two endpoints as everywhere)."
func TestPositionsOfACondition(t *testing.T) {
	w := newWorld(t)
	_, err := w.live.Positions(w.ctx(), w.head(), known, 2)
	require.ErrorContains(t, err, "the registry knows no contract of conditional tokens")

	c := w.withConditional()
	read, err := c.Positions(w.ctx(), w.head(), known, 2)
	require.NoError(t, err)
	require.Equal(t, uint64(2), read.Slots)
	require.Equal(t, [][]string{
		{chaintest.Position(usdce, known, 0), chaintest.Position(usdce, known, 1)},
		{chaintest.Position(wrapped, known, 0), chaintest.Position(wrapped, known, 1)},
	}, read.Tokens)
	require.Equal(t, w.node.Head(), read.Block.Number)
	read, err = c.Positions(w.ctx(), w.head(), common.Hash{}, 2)
	require.NoError(t, err)
	require.Zero(t, read.Slots, "the contract does not know it")

	// One endpoint that lies is noticed; one that fails is not enough.
	w.b.Set(chaintest.On("eth_call", chaintest.Result(`"0x`+strings.Repeat("00", 31)+`02"`)))
	_, err = c.Positions(w.ctx(), w.head(), known, 2)
	require.ErrorIs(t, err, chain.ErrDisagreement)
	for _, answer := range []string{`"0x"`, `"0x` + strings.Repeat("ff", 32) + `"`, `"0x` + strings.Repeat("ff", 64) + `"`} {
		w.b.Set(chaintest.On("eth_call", chaintest.Result(answer)))
		_, err = c.Positions(w.ctx(), w.head(), known, 2)
		require.ErrorIs(t, err, chain.ErrUnavailable, answer)
	}
	w.b.Set(chaintest.On("eth_call", chaintest.Refuse(3, "execution reverted")))
	_, err = c.Positions(w.ctx(), w.head(), known, 2)
	require.ErrorIs(t, err, chain.ErrUnavailable)
}

// The registry refuses a contract that cannot be one, and the built-in one names that of the
// exchanges.
func TestConditionalTokensOfARegistry(t *testing.T) {
	r, err := chain.Default()
	require.NoError(t, err)
	polygon, err := r.Chain("eip155:137")
	require.NoError(t, err)
	require.Equal(t, "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045", polygon.Conditional.Contract)
	require.Len(t, polygon.Conditional.Collaterals, 2)

	good := `{"contract":"0x4D97DCd97eC945f40cF65F87097ACe5EA0476045","collaterals":[{"name":"a","token":"` + usdce.Hex() + `"}]}`
	parse := func(conditional string) error {
		_, err := chain.ParseRegistry("test.json", fmt.Appendf(nil, `{"chains": [{"id": "eip155:1", "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h",
			"max_gas": 300000, "min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100", "conditional_tokens": %s}],
			"assets": [{"id": "eip155:1/slip44:1", "symbol": "COIN", "decimals": 18}]}`, conditional))
		return err
	}
	require.True(t, json.Valid([]byte(good)))
	require.NoError(t, parse(good))
	for _, x := range [][2]string{
		{`0x4D97`, `0x4d97`},
		{`0x4D97DCd97eC945f40cF65F87097ACe5EA0476045`, `0x0000000000000000000000000000000000000000`},
		{usdce.Hex(), strings.ToLower(usdce.Hex())},
		{`"name":"a"`, `"name":""`},
		{`[{`, `[{"name":"a","token":"` + wrapped.Hex() + `"},{`},
		{`[{`, `[{"name":"b","token":"` + usdce.Hex() + `"},{`},
		{`[{"name":"a","token":"` + usdce.Hex() + `"}]`, `[]`},
	} {
		bad := strings.Replace(good, x[0], x[1], 1)
		require.NotEqual(t, good, bad)
		require.ErrorContains(t, parse(bad), "conditional_tokens.", bad)
	}
}
