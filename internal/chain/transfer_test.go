package chain_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

// A payment from approval to finality, of a coin and of a token: every step
// survives being written down in between.
func TestTransfer(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		asset  chain.Asset
		amount string
	}{{w.coin, "1.5"}, {w.usd, "250.000001"}} {
		recorded, err := json.Marshal(w.prepare(tt.asset, tt.amount))
		require.NoError(t, err)
		u, err := chain.ParseUnsigned("file", recorded)
		require.NoError(t, err)
		again, err := json.Marshal(u)
		require.NoError(t, err)
		require.Equal(t, string(recorded), string(again))

		p, err := w.registry.Describe(u)
		require.NoError(t, err)
		require.Equal(t, chain.Payment{
			Chain: "eip155:1337", Asset: tt.asset.ID, From: chain.Address(w.alice.Address), To: chain.Address(w.bob.Address),
			Amount: domain.MustDecimal(tt.amount), HighestFee: domain.MustDecimal("0.01"),
		}, p)

		s := w.sign(u)
		hash, err := u.Matches(s.Raw)
		require.NoError(t, err)
		require.Equal(t, s.Hash, hash)
		w.broadcast(s)
		require.Equal(t, chain.Pending, w.status(u, s).State)
		require.ErrorIs(t, w.status(u, s).Settled(u), chain.ErrNotMoved)

		for n := uint64(1); n <= confirmations; n++ {
			w.node.Mine(1)
			status := w.status(u, s)
			require.Equal(t, chain.Mined, status.State)
			require.True(t, status.Success)
			require.Equal(t, n, status.Confirmations)
			require.Equal(t, n == confirmations, status.Final, "final at exactly %d", confirmations)
			require.NoError(t, status.Settled(u))
			require.Equal(t, w.node.Head()-n+1, status.Block.Number)
		}
		require.Equal(t, tt.amount, w.amount(w.bob, tt.asset))
	}
	require.Equal(t, "749.999999", w.amount(w.alice, w.usd))
}

// "gas used × effective price": what the wallet paid is what it lacks.
func TestFeeIsWhatTheWalletLacks(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.coin, "1")
	w.node.Mine(1)
	status := w.status(u, s)
	fee, err := w.coin.Amount(status.Fee)
	require.NoError(t, err)
	require.Equal(t, domain.FromInt(99).Sub(fee).String(), w.amount(w.alice, w.coin))
	require.LessOrEqual(t, status.Fee.Cmp(u.HighestFee), 0)
	require.Less(t, status.GasUsed, u.Gas+1)
}

// "identical bytes … idempotent; already known is success": before and after it
// is mined.
func TestBroadcastAgain(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	w.broadcast(s)
	w.node.Mine(1)
	w.broadcast(s)
	w.node.Mine(confirmations)
	w.broadcast(s)
	require.Equal(t, "10", w.amount(w.bob, w.usd))
	require.True(t, w.status(u, s).Final)
}

// A proxy on the way that sends everything twice changes nothing.
func TestDuplicatedRequests(t *testing.T) {
	w := newWorld(t)
	w.a.Set(chaintest.Twice)
	w.b.Set(chaintest.Twice)
	u, s := w.send(w.usd, "10")
	w.node.Mine(confirmations)
	require.True(t, w.status(u, s).Final)
	require.Equal(t, "10", w.amount(w.bob, w.usd))
}

// "dropped (unknown and nonce unused)"; the same bytes bring it back.
func TestDropped(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	w.node.Forget()
	require.Equal(t, chain.Dropped, w.status(u, s).State)
	w.broadcast(s)
	require.Equal(t, chain.Pending, w.status(u, s).State)
	w.node.Mine(1)
	require.Equal(t, chain.Mined, w.status(u, s).State)
}

// An endpoint that takes a transaction and throws it away: the other one has it.
func TestSwallowedByOneEndpoint(t *testing.T) {
	w := newWorld(t)
	u := w.prepare(w.usd, "10")
	s := w.sign(u)
	w.a.Set(chaintest.On("eth_sendRawTransaction", chaintest.Result(`"`+s.Hash.Hex()+`"`)))
	w.b.Set(chaintest.On("eth_sendRawTransaction", chaintest.Cut))
	w.broadcast(s) // a says so; nobody has it
	require.Equal(t, chain.Dropped, w.status(u, s).State)
	w.b.Set(nil)
	w.broadcast(s)
	w.node.Mine(1)
	require.NoError(t, w.status(u, s).Settled(u))
}

// "replaced (nonce used by another hash)": named, and final only when it is.
func TestReplaced(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	fast, err := u.Reprice(chain.Fees{})
	require.NoError(t, err)
	f := w.sign(fast)
	w.broadcast(f)
	w.node.Mine(1)
	for n := uint64(1); n <= confirmations; n++ {
		lost := w.status(u, s)
		require.Equal(t, chain.Replaced, lost.State)
		require.Equal(t, f.Hash, lost.Rival)
		require.Equal(t, n, lost.Confirmations)
		require.Equal(t, n == confirmations, lost.Final)
		require.ErrorIs(t, lost.Settled(u), chain.ErrNotMoved)
		w.node.Mine(1)
	}
	require.NoError(t, w.status(fast, f).Settled(fast))
	require.Equal(t, "10", w.amount(w.bob, w.usd), "paid once")

	// Sending the one that lost says so, and names the rival.
	_, err = w.live.Broadcast(w.ctx(), s.Raw)
	require.ErrorIs(t, err, chain.ErrNonceTooLow)
	require.ErrorContains(t, err, f.Hash.Hex())
}

// The search for the block that used a nonce, over many blocks and other
// transactions of the same wallet.
func TestReplacedLongAgo(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	fast, err := u.Reprice(chain.Fees{})
	require.NoError(t, err)
	f := w.sign(fast)
	w.broadcast(f)
	w.node.Mine(1)
	used := w.node.Head()
	for range 3 {
		w.send(w.coin, "0.1")
		w.node.Mine(7)
	}
	lost := w.status(u, s)
	require.Equal(t, chain.Replaced, lost.State)
	require.Equal(t, f.Hash, lost.Rival)
	require.Equal(t, used, lost.Block.Number)
}

// A receipt that is late is not a replacement: that would pay twice.
func TestLateReceiptIsNotReplaced(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	w.node.Mine(1)
	late := chaintest.On("eth_getTransactionReceipt", chaintest.Result("null"))
	w.a.Set(late)
	require.Equal(t, chain.Pending, w.status(u, s).State, "one endpoint is late")
	w.b.Set(late)
	require.Equal(t, chain.Pending, w.status(u, s).State, "both are late, and the nonce is used")
	w.a.Set(nil)
	w.b.Set(nil)
	require.Equal(t, chain.Mined, w.status(u, s).State)
}

// "reverted": the fee is paid, the money stays.
func TestReverted(t *testing.T) {
	w := newWorld(t)
	u := w.prepare(w.usd, "10")
	w.token.SetMode(chaintest.Reverts)
	s := w.sign(u)
	w.broadcast(s)
	w.node.Mine(confirmations)
	status := w.status(u, s)
	require.Equal(t, chain.Mined, status.State)
	require.True(t, status.Final)
	require.False(t, status.Success)
	require.ErrorIs(t, status.Settled(u), chain.ErrNotMoved)
	require.False(t, status.Fee.IsZero())
	require.Equal(t, "1000", w.amount(w.alice, w.usd))
}

// The state decides for a coin, which has no event.
func TestSettled(t *testing.T) {
	u := offline(t)
	for _, s := range []chain.Status{
		{State: chain.Mined}, {State: chain.Pending, Success: true}, {State: chain.Dropped, Success: true}, {State: chain.Replaced, Success: true, Final: true},
	} {
		require.ErrorIs(t, s.Settled(u), chain.ErrNotMoved)
	}
	require.NoError(t, chain.Status{State: chain.Mined, Success: true}.Settled(u))
}

// "transfer that returns false / no value": at the rehearsal, and when the token
// changes its mind afterwards.
func TestTokensThatMisbehave(t *testing.T) {
	w := newWorld(t)
	u := w.prepare(w.usd, "10")
	for mode, want := range map[chaintest.Mode]error{
		chaintest.AnswersFalse: chain.ErrWouldFail, chaintest.AnswersTwo: chain.ErrWouldFail,
		chaintest.Reverts: chain.ErrWouldFail, chaintest.AnswersNothing: nil, chaintest.Honest: nil,
	} {
		w.token.SetMode(mode)
		_, err := w.live.Prepare(w.ctx(), w.transfer(w.usd, "10"))
		require.ErrorIs(t, err, want, "mode %d", mode)
	}
	w.token.SetMode(chaintest.AnswersFalse)
	s := w.sign(u)
	w.broadcast(s)
	w.node.Mine(confirmations)
	status := w.status(u, s)
	require.True(t, status.Success, "the chain calls it a success")
	require.Empty(t, status.Moves)
	require.ErrorIs(t, status.Settled(u), chain.ErrNotMoved)

	w.token.SetMode(chaintest.AnswersNothing)
	u, s = w.send(w.usd, "7")
	w.node.Mine(confirmations)
	require.NoError(t, w.status(u, s).Settled(u))
	require.Equal(t, "7", w.amount(w.bob, w.usd))
}
