package custody_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
	"pets/internal/vault"
)

// sending is a transfer that was sent and is not in a block, and the block before it.
func (s *server) sending() (id string, block uint64) {
	s.t.Helper()
	block = s.node.Head()
	id = s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	for range 3 { // prepared, signed, sent
		require.NoError(s.t, s.work())
	}
	require.Equal(s.t, treasury.Broadcast, s.transfer(id).Status)
	return id, block
}

// one checks that the transfer has the only transaction of the hot wallet since a block.
func (s *server) one(id string, block uint64) *types.Transaction {
	s.t.Helper()
	sent := s.sent(s.hot, block)
	require.Len(s.t, sent, 1)
	require.True(s.t, s.transfer(id).HasHash(sent[0].Hash().Hex()))
	return sent[0]
}

// foreign sends a coin with the hot key, bypassing the server: a thief has a copy of the
// key.
func (w *world) foreign(nonce uint64, tip int64) common.Hash {
	w.t.Helper()
	signer := types.LatestSignerForChainID(big.NewInt(chaintest.ChainID))
	to := chaintest.Named("thief").Address
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(chaintest.ChainID), Nonce: nonce, To: &to, Value: big.NewInt(params.Ether), Gas: 21_000,
		GasFeeCap: big.NewInt(tip), GasTipCap: big.NewInt(tip),
	})
	require.NoError(w.t, w.keys.WithKeyOf("hot-1", w.hot, func(key *vault.PrivateKey) error {
		signature, err := key.Sign(signer.Hash(tx))
		if err == nil {
			tx, err = tx.WithSignature(signer, signature[:])
		}
		return err
	}))
	require.NoError(w.t, w.rpc().SendTransaction(w.t.(*testing.T).Context(), tx))
	return tx.Hash()
}

// "Dropped: the same bytes again."
func TestADroppedTransactionIsSentAgain(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	first := s.transfer(id).Last().TxHash
	for range 3 {
		s.node.Forget()
		require.NoError(t, s.work())
	}
	done := s.until(id, treasury.Confirmed)
	require.Equal(t, first, done.TxHash)
	s.one(id, block)
	s.agrees()
}

// "A stuck one may be repriced: same nonce, recipient, amount, within the approved fee."
func TestAStuckTransactionGetsAHigherFee(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	s.later(5*time.Minute - 10*time.Second)
	require.NoError(t, s.work())
	require.Len(t, s.transfer(id).Attempts, 1, "not yet")
	s.later(10 * time.Second)
	for range 3 { // repriced, signed, sent
		require.NoError(t, s.work())
	}
	s.later(5 * time.Minute)
	require.NoError(t, s.work())
	x := s.transfer(id)
	require.Len(t, x.Attempts, 3)
	require.Equal(t, x.Attempts[0].Nonce, x.Attempts[2].Nonce)
	require.NotEqual(t, x.Attempts[0].TxHash, x.Attempts[1].TxHash)
	require.Empty(t, x.Last().TxHash, "prepared, and not signed yet")
	s.until(id, treasury.Confirmed)
	s.one(id, block)
	s.agrees()
}

// "Underpriced": no endpoint accepts it, so sending the same bytes again does not help.
func TestAnUnderpricedTransactionGetsAHigherFee(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	refuse := chaintest.On("eth_sendRawTransaction", chaintest.Refuse(-32000, "transaction underpriced "+canary))
	s.a.Set(refuse)
	s.b.Set(refuse)
	block := s.node.Head()
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	for s.transfer(id).Status != treasury.Broadcast {
		err := s.work()
		require.True(t, err == nil || errors.Is(err, custody.ErrUnderpriced), "%v", err)
	}
	require.ErrorIs(t, s.work(), custody.ErrUnderpriced)
	require.Len(t, s.transfer(id).Attempts, 1)
	s.later(6 * time.Minute)
	require.NoError(t, s.work())
	require.Len(t, s.transfer(id).Attempts, 2)
	s.a.Set(nil)
	s.b.Set(nil)
	s.until(id, treasury.Confirmed)
	s.one(id, block)
	s.agrees()
}

// "Within the approved fee": at that limit the fee is not raised.
func TestTheApprovedFeeIsTheMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	w.node.Mine(60) // the base fee falls to next to nothing
	block := w.node.Head()
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Asset: coin, Amount: dec("1"), HighestFee: dec("0.000027")})
	for range 3 {
		require.NoError(t, s.work())
	}
	s.later(time.Hour)
	require.ErrorContains(t, s.work(), "higher fee than is allowed")
	require.Len(t, s.transfer(id).Attempts, 1)
	w.node.Mine(3)
	done := s.until(id, treasury.Confirmed)
	require.False(t, dec("0.000027").Less(done.Fee))
	s.one(id, block)
	s.agrees()
}

// "Failed moves back; gas to expense:gas": a reverted transaction, and a token that did
// not move.
func TestWhatTheChainDidNotDo(t *testing.T) {
	t.Parallel()
	for code, mode := range map[string]chaintest.Mode{domain.FailedReverted: chaintest.Reverts, domain.FailedNotMoved: chaintest.AnswersFalse} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			id, block := s.sending()
			require.Equal(t, dec("10"), s.state().Custody.Transit)
			s.node.Forget()
			s.token.SetMode(mode)
			require.NoError(t, s.work()) // the same bytes again
			s.node.Mine(2)
			require.NoError(t, s.work())
			require.Equal(t, treasury.Broadcast, s.transfer(id).Status, "not final")
			s.node.Mine(1)
			require.NoError(t, s.work())
			x := s.transfer(id)
			require.Equal(t, treasury.Failed, x.Status)
			require.Equal(t, code, x.Code)
			require.Equal(t, 1, x.Fee.Sign())
			require.True(t, s.heard(": "+code))
			require.Equal(t, dec("1500"), s.holds(s.hot, "USDC"))
			s.one(id, block)
			s.agrees()
		})
	}
}

// "Replaced" by a stranger's transaction: the key is in other hands. It counts once that
// is final, and a person is notified.
func TestAnotherTransactionTookTheNonce(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	s.node.Forget()
	rival := s.foreign(s.transfer(id).Last().Nonce, 10*params.GWei)
	s.node.Mine(2)
	require.NoError(t, s.work())
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
	s.node.Mine(1)
	require.NoError(t, s.work())
	x := s.transfer(id)
	require.Equal(t, treasury.Failed, x.Status)
	require.Equal(t, domain.FailedReplaced, x.Code)
	require.Equal(t, rival.Hex(), x.TxHash)
	require.True(t, s.heard(": replaced"))
	require.Len(t, s.sent(s.hot, block), 1)
	require.Equal(t, dec("1500"), s.holds(s.hot, "USDC"))
}

// "Reorged": a reorganisation removed the transaction's block. Nothing was confirmed
// before it was final, and the transaction is sent again.
func TestAReorganisationTakesItBack(t *testing.T) {
	t.Parallel()
	for n := uint64(1); n <= 3; n++ {
		t.Run(fmt.Sprintf("%d blocks", n), func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			id, block := s.sending()
			for range n {
				s.node.Mine(1)
				if n < 3 {
					require.NoError(t, s.work())
				}
			}
			require.Len(t, s.sent(s.hot, block), 1)
			s.node.Unwind(n)
			require.Empty(t, s.sent(s.hot, block))
			s.node.Mine(int(n)) // another history
			require.NoError(t, s.work())
			require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
			s.until(id, treasury.Confirmed)
			s.one(id, block)
			s.agrees()
		})
	}
}

// "An endpoint that lies": if two endpoints disagree neither is believed, and nothing is
// sent.
func TestAnEndpointThatLies(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	block := s.node.Head()
	for name, lie := range map[string]chaintest.Fault{
		"balance":       chaintest.On("eth_getBalance", chaintest.Result(`"0xffffffffffffffffff"`)),
		"token balance": chaintest.On("eth_call", chaintest.Result(`"0x00000000000000000000000000000000000000000000000000000000ffffffff"`)),
		"nonce":         chaintest.On("eth_getTransactionCount", chaintest.Result(`"0x7"`)),
		"chain":         chaintest.On("eth_chainId", chaintest.Result(`"0x1"`)),
	} {
		s.b.Set(lie)
		err := s.work()
		require.ErrorIs(t, err, custody.ErrChainDisagrees, name)
		require.NotContains(t, err.Error(), canary)
		require.LessOrEqual(t, strings.Count(err.Error(), "disagree"), 1, "it says so once")
		require.Equal(t, treasury.Approved, s.transfer(id).Status, name)
	}
	s.b.Set(nil)
	for range 3 {
		require.NoError(t, s.work())
	}
	s.node.Mine(3)
	receipt := func(field string, value any) chaintest.Fault {
		return chaintest.On("eth_getTransactionReceipt", chaintest.Twist(func(r map[string]any) { r[field] = value }))
	}
	for name, lie := range map[string]chaintest.Fault{
		"reverted": receipt("status", "0x0"), "fee": receipt("effectiveGasPrice", "0xfffffffff"), "moves": receipt("logs", []any{}),
	} {
		s.a.Set(lie)
		require.ErrorIs(t, s.work(), custody.ErrChainDisagrees, name)
		require.Equal(t, treasury.Broadcast, s.transfer(id).Status, name)
	}
	s.a.Set(nil)
	s.until(id, treasury.Confirmed)
	s.one(id, block)
	s.agrees()
}

// "One that hangs": it is waited for within the limit only.
func TestAnEndpointThatHangs(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory(func(o *custody.Options) { o.StepTimeout = 200 * time.Millisecond })
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	s.a.Set(chaintest.Hang)
	start := time.Now()
	err := s.work()
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)
	require.Less(t, time.Since(start), 5*time.Second)
	require.Equal(t, treasury.Approved, s.transfer(id).Status)
	s.a.Set(nil)
	require.Eventually(t, func() bool { _ = s.work(); return s.transfer(id).Status == treasury.Prepared }, patience, time.Millisecond)
}
