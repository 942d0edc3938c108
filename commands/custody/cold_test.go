package custody_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/evm"
)

// "No cent moves out of the cold wallet without a person": a server left alone for days,
// with a hot wallet that is too empty, proposes again and again, and nothing of the cold
// wallet ever appears on the chain.
func TestNothingLeavesTheColdWalletByItself(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	s.until(s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("500")}), treasury.Confirmed)
	block, held := s.node.Head(), s.holds(s.cold.Address, "USDC")
	for range 100 {
		require.NoError(t, s.work())
		s.node.Mine(1)
		s.later(time.Hour)
	}
	proposals := 0
	for _, e := range eventsOf[*domain.TransferRequested](s) {
		if e.Kind == domain.TransferRebalance {
			require.Equal(t, []string{domain.WalletCold, domain.WalletHot}, []string{e.FromPlace, e.ToPlace})
			proposals++
		}
	}
	require.Greater(t, proposals, 2, "it wanted to")
	require.Empty(t, s.sent(s.cold.Address, block))
	require.Equal(t, held, s.holds(s.cold.Address, "USDC"))
	// After the approval it still waits for the key, which is elsewhere.
	var open *treasury.Transfer
	for n := 0; open == nil; n++ {
		require.Less(t, n, 10)
		s.later(time.Hour)
		require.NoError(t, s.work())
		for _, x := range s.state().Custody.OpenTransfers() {
			open = x
		}
	}
	s.must(paul, commands.ApproveTransfer{Transfer: open.Transfer, Hash: open.TransferRequested.Hash})
	for range 30 {
		require.NoError(t, s.work())
		s.node.Mine(1)
		s.later(time.Hour)
	}
	require.Equal(t, treasury.Prepared, s.transfer(open.Transfer).Status)
	require.Empty(t, s.sent(s.cold.Address, block))
}

// The owner can sign a cold transfer twice, with two tools: two hashes, one payment. If
// the imported one were called replaced, the money would be put back and paid again. The
// server leaves that to two people.
func TestAColdTransferThatWasSignedTwice(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	require.NoError(t, s.work())
	s.bring(id)
	require.NoError(t, s.work())
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
	s.node.Forget()
	// The other one: the same payment with another tip, as another tool would make it.
	u, err := chain.ParseUnsigned("transaction", s.transfer(id).Last().Transaction)
	require.NoError(t, err)
	u.Tip = chain.NewUnits(3 * params.GWei)
	other, err := json.Marshal(u)
	require.NoError(t, err)
	machine := evm.NewSignatory(s.registry)
	read, err := machine.Read(other)
	require.NoError(t, err)
	signature, err := s.cold.Sign(s.ctx(), [32]byte(common32(t, read.Digest)))
	require.NoError(t, err)
	signed, err := machine.Assemble(other, signature)
	require.NoError(t, err)
	require.NotEqual(t, s.transfer(id).Last().TxHash, signed.Hash)
	require.NoError(t, s.chain().Send(s.ctx(), chainID, signed.Raw))
	s.node.Mine(4)
	err = s.work()
	s.code(domain.CodeConflict, err)
	require.ErrorContains(t, err, signed.Hash)
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status, "the money is not put back")

	asked := s.must(olga, commands.RequestOverride{Kind: domain.OverrideTransfer, Reason: "it was signed twice", Limits: json.RawMessage(
		fmt.Sprintf(`{"transfer":%q,"outcome":"confirmed","tx_hash":%q,"block":%d,"fee":"0"}`, id, signed.Hash, s.node.Head()))})
	s.must(paul, commands.ConfirmOverride{Override: asked.ID})
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	require.Equal(t, signed.Hash, s.transfer(id).TxHash)
	require.NoError(t, s.work())
}
