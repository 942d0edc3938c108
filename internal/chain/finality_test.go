package chain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

// "The `finalized` tag beside the count of blocks": with enough blocks and no finality a
// transaction is not final; with finality and too few blocks it is not either.
func TestFinalIsWhatTheChainHasFinalized(t *testing.T) {
	w := newWorld(t)
	w.node.Finality(5)
	u, s := w.send(w.coin, "1")
	w.node.Mine(1)
	for blocks := uint64(1); blocks <= 7; blocks++ {
		status := w.status(u, s)
		require.Equal(t, blocks, status.Confirmations)
		require.Equal(t, blocks >= 6, status.Final, "%d blocks", blocks)
		w.node.Mine(1)
	}
	w.node.Finality(0)
	u, s = w.send(w.coin, "1")
	w.node.Mine(1)
	require.False(t, w.status(u, s).Final, "finalized, and has one block")
	w.node.Mine(2)
	require.True(t, w.status(u, s).Final)
}

// An endpoint without the tag has the count of blocks alone. One that has named a
// finalized block, and does not now, is not taken for one without the tag; and a fault is
// no answer.
func TestAnEndpointWithoutTheTag(t *testing.T) {
	tag := func(f chaintest.Fault) chaintest.Fault {
		return chaintest.On("eth_getBlockByNumber", chaintest.WithParam("finalized", f))
	}
	for name, refusal := range map[string]chaintest.Fault{
		"no such block":  chaintest.Result("null"),
		"not found":      chaintest.Refuse(-32000, "finalized block not found"),
		"invalid params": chaintest.Refuse(-32602, "invalid argument 0"),
		"unknown":        chaintest.Refuse(-39001, "Unknown block"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.a.Set(tag(refusal))
			w.b.Set(tag(refusal))
			u, s := w.send(w.coin, "1")
			w.node.Mine(3)
			require.True(t, w.status(u, s).Final)

			w.a.Set(nil)
			w.node.Finality(9)
			require.False(t, w.status(u, s).Final, "the other endpoint knows better")
			w.a.Set(tag(refusal))
			_, err := w.live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
			require.ErrorIs(t, err, chain.ErrUnavailable, "it knew the tag a moment ago")
		})
	}
	w := newWorld(t)
	w.a.Set(tag(chaintest.Refuse(-32005, "limit exceeded")))
	u, s := w.send(w.coin, "1")
	w.node.Mine(3)
	_, err := w.live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
	require.ErrorIs(t, err, chain.ErrUnavailable)
	silent(t, err)
}
