package custody_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
)

// "States: requested → approved → prepared → signed → broadcast → confirmed", for each
// kind of transfer, against a chain: one transaction, the right balances on both sides,
// the fee booked.
func TestTheWholeLifeOfATransfer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		name     string
		ask      commands.RequestTransfer
		from, to common.Address
		asset    string
		approval bool
	}{
		{"hot to cold", commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("12.345678")}, w.hot, w.cold.Address, "USDC", true},
		{"to the book", commands.RequestTransfer{From: "hot", To: w.partner.Hex(), Amount: dec("20")}, w.hot, w.partner, "USDC", true},
		{"native coin", commands.RequestTransfer{From: "hot", To: "cold", Asset: coin, Amount: dec("0.123456789012345678")}, w.hot, w.cold.Address, coin, true},
		{"hot to hot", commands.RequestTransfer{From: "hot-1", To: "hot-2", Amount: dec("30")}, w.hot, w.spare, "USDC", false},
		{"hot to hot, back", commands.RequestTransfer{From: "hot-2", To: "hot-1", Amount: dec("30")}, w.spare, w.hot, "USDC", false},
		{"cold to hot", commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("40.5")}, w.cold.Address, w.hot, "USDC", true},
		{"cold to the book, native", commands.RequestTransfer{From: "cold", To: w.partner.Hex(), Asset: coin, Amount: dec("1")}, w.cold.Address, w.partner, coin, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := w.inMemory()
			block, from, to := w.node.Head(), w.holds(tt.from, tt.asset), w.holds(tt.to, tt.asset)
			id := s.ask(tt.ask)
			require.Equal(t, tt.approval, s.transfer(id).NeedsApproval())
			done := s.until(id, treasury.Confirmed)

			sent := w.sent(tt.from, block)
			require.Len(t, sent, 1)
			require.Equal(t, done.TxHash, sent[0].Hash().Hex())
			require.Equal(t, 1, done.Fee.Sign())
			left := from.Sub(tt.ask.Amount)
			if tt.asset == coin {
				left = left.Sub(done.Fee)
			}
			require.Equal(t, left, w.holds(tt.from, tt.asset))
			require.Equal(t, to.Add(tt.ask.Amount), w.holds(tt.to, tt.asset))
			s.agrees()
			made := eventsOf[*domain.SignatureMade](s)
			if tt.from == w.cold.Address {
				require.Empty(t, made, "the key is not here")
				return
			}
			require.Len(t, made, 1)
			require.Equal(t, domain.PurposeTransfer, made[0].Purpose)
			require.Equal(t, done.Attempts[0].Digest, made[0].Digest)
		})
	}
}

// One transfer of a wallet at a time: the next one waits, which is not reported as a
// problem.
func TestTransfersOfAWalletTakeTurns(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	var ids []string
	for _, amount := range []string{"1", "2", "3"} {
		ids = append(ids, s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec(amount)}))
	}
	for _, id := range ids {
		s.until(id, treasury.Confirmed)
	}
	require.Len(t, s.sent(s.hot, block), 3)
	s.agrees()
}

// "Hot < 0.8 × target → propose cold → hot up to target": the server proposes, a person
// may decline, and for a while nothing is proposed again.
func TestARebalanceIsProposedAndMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.token.Mint(w.cold.Address, 5_000_000_000) // hot has 10 % of 15,000
	s := w.inMemory()
	proposals := func() []*domain.TransferRequested { return eventsOf[*domain.TransferRequested](s) }
	for range 3 {
		require.NoError(t, s.work())
	}
	require.Len(t, proposals(), 1, "one open proposal at a time")
	p := proposals()[0]
	require.Equal(t, domain.TransferRebalance, p.Kind)
	require.Equal(t, dec("750"), p.Amount)
	s.must(paul, commands.RejectTransfer{Transfer: p.Transfer, Reason: "not today"})
	s.later(59 * time.Minute)
	require.NoError(t, s.work())
	require.Len(t, proposals(), 1)
	s.later(time.Minute)
	require.NoError(t, s.work())
	require.Len(t, proposals(), 2)
	p = proposals()[1]
	s.must(paul, commands.ApproveTransfer{Transfer: p.Transfer, Hash: p.Hash})
	s.until(p.Transfer, treasury.Confirmed)
	require.NoError(t, s.work())
	require.Len(t, proposals(), 2)
	require.Equal(t, dec("2250"), w.holds(w.hot, "USDC"))
	s.agrees()
}

// An approval that is not used in time expires, and that is recorded.
func TestATransferExpires(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.must(olga, commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("1"), Reason: "a test"}).ID
	s.later(24 * time.Hour)
	require.NoError(t, s.work())
	require.Equal(t, treasury.Expired, s.transfer(id).Status)
}
