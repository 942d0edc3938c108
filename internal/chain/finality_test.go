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

// kept remembers promises as a folder does.
type kept map[string]bool

func (k kept) Made(name string) bool { return k[name] }
func (k kept) Keep(name string)      { k[name] = true }

// "One that has named a finalized block before, and refuses now, does not: nothing is final
// until it names one again" – to whichever process it named it. An endpoint that has named
// none counts blocks only, after a restart as before.
func TestFinalityIsNotForgottenByARestart(t *testing.T) {
	w := newWorld(t)
	refuse := chaintest.On("eth_getBlockByNumber", chaintest.WithParam("finalized", chaintest.Refuse(-32602, "invalid argument 0")))
	memory := kept{}
	start := func() *chain.Client {
		config := w.config(true, w.a.URL(), w.b.URL())
		config.Promises = memory
		c, err := chain.New(config)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	w.b.Set(refuse) // it never knows the tag
	w.node.Finality(20)
	u, s := w.send(w.coin, "1")
	w.node.Mine(5)
	status, err := start().Status(w.ctx(), s.Hash, u.From, u.Nonce)
	require.NoError(t, err)
	require.False(t, status.Final)
	require.Len(t, memory, 1, "of the one that named a block")

	w.a.Set(refuse)
	_, err = start().Status(w.ctx(), s.Hash, u.From, u.Nonce)
	require.ErrorIs(t, err, chain.ErrUnavailable, "it knew the tag before the restart")
	silent(t, err)

	w.a.Set(nil)
	w.node.Finality(0)
	status, err = start().Status(w.ctx(), s.Hash, u.From, u.Nonce)
	require.NoError(t, err)
	require.True(t, status.Final)
}
