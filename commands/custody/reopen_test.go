package custody_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
)

var madeUp = "0x" + strings.Repeat("ab", 32)

func settlement(id, outcome, hash string, block uint64, fee string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"transfer":%q,"outcome":%q,"tx_hash":%q,"block":%d,"fee":%q}`, id, outcome, hash, block, fee))
}

// byHand records an outcome on the word of two people, past the custodian: as an older
// build did, or one whose endpoints are silent.
func (s *server) byHand(id, outcome, hash string, block uint64, fee string) {
	s.t.Helper()
	asked := s.must(olga, commands.RequestOverride{Kind: domain.OverrideTransfer, Reason: "they say so", Limits: settlement(id, outcome, hash, block, fee)})
	s.must(paul, commands.ConfirmOverride{Override: asked.ID})
	require.False(s.t, s.transfer(id).Open())
}

// agreed rechecks, and checks that ledger and chain agree.
func (s *server) rechecked(reopened int) {
	s.t.Helper()
	n, err := s.custody.Recheck(s.ctx(), main)
	require.NoError(s.t, err)
	require.Equal(s.t, reopened, n)
}

// "A nonce once believed used locks a wallet for ever, the emergency sweep included (an
// override with a made-up hash …). → Sweeps are exempt (they go to us; either one lands)".
func TestASweepTakesANonceThatIsWronglyRecordedAsUsed(t *testing.T) {
	t.Parallel()
	for _, outcome := range []string{"confirmed", "failed"} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			id, block := s.sending()
			s.node.Forget()
			s.byHand(id, outcome, madeUp, 7, "0")
			s.stop()
			sweep := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Reason: "a drill", Sweep: true})
			s.until(sweep, treasury.Confirmed)
			require.Len(t, s.sent(s.hot, block), 1)
		})
	}
}

// "A confirmed transfer whose nonce the chain's final state shows unused is reopened": the
// next transfer of the wallet finds the contradiction by itself, and both are made.
func TestAMadeUpOutcomeIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, outcome := range []string{"confirmed", "failed"} {
		for _, made := range []uint64{1, 1 << 40} { // a block that may not exist
			t.Run(fmt.Sprint(outcome, made), func(t *testing.T) {
				t.Parallel()
				s := newWorld(t).inMemory()
				id, block := s.sending()
				s.node.Forget()
				s.byHand(id, outcome, madeUp, made, "0.5")
				next := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("3")})
				s.node.Mine(1)
				time.Sleep(1100 * time.Millisecond) // until a block is younger than the override
				s.node.Mine(1)
				require.NoError(t, s.work())
				require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
				require.Equal(t, 1, s.transfer(id).Reopened)
				require.True(t, s.heard("open again"))
				s.until(id, treasury.Confirmed)
				s.until(next, treasury.Confirmed)
				require.Len(t, s.sent(s.hot, block), 2)
				s.rechecked(0)
				s.agrees()
			})
		}
	}
}

// A sweep that took the nonce of a transfer which is recorded as confirmed: the sweep is
// on the chain, so that transfer is not, and the ledger says so in the end.
func TestTheLedgerFollowsTheSweep(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	s.node.Forget()
	s.byHand(id, "confirmed", madeUp, 7, "0.25")
	s.stop()
	sweep := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("1000"), Reason: "a drill", Sweep: true})
	s.until(sweep, treasury.Confirmed)
	s.rechecked(1)
	require.NoError(t, s.work())
	x := s.transfer(id)
	require.Equal(t, [2]string{"failed", domain.FailedReplaced}, [2]string{string(x.Status), x.Code})
	require.Equal(t, s.transfer(sweep).TxHash, x.TxHash)
	require.Len(t, s.sent(s.hot, block), 1)
	s.rechecked(0)
	s.agrees()
}

// "A reorganisation deeper than the confirmations": what was confirmed is not there any
// more. It is reopened, sent again and confirmed again, each with its fee; a transfer
// after it as well. Inside, and out of the portfolio.
func TestAReorganisationDeeperThanTheConfirmations(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"cold", "partner", "hot-2"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			if to == "partner" {
				to = s.partner.Hex()
			}
			block := s.node.Head()
			first := s.until(s.ask(commands.RequestTransfer{From: "hot", To: to, Amount: dec("10")}), treasury.Confirmed)
			second := s.until(s.ask(commands.RequestTransfer{From: "hot", To: to, Amount: dec("20")}), treasury.Confirmed)
			s.agrees()
			s.rechecked(0)

			depth := s.node.Head() - block
			require.Greater(t, depth, uint64(3), "deeper than the confirmations")
			s.node.Unwind(depth)
			require.Empty(t, s.sent(s.hot, block))
			s.rechecked(0) // this chain is shorter than the one that was seen
			s.node.Mine(int(depth))
			s.rechecked(2)
			for _, x := range []*treasury.Transfer{first, second} {
				require.Equal(t, treasury.Broadcast, s.transfer(x.Transfer).Status)
				require.Empty(t, s.transfer(x.Transfer).TxHash)
				require.True(t, s.transfer(x.Transfer).Fee.IsZero())
			}
			require.Equal(t, dec("30"), s.state().Custody.Transit)
			s.until(first.Transfer, treasury.Confirmed)
			s.until(second.Transfer, treasury.Confirmed)
			require.Len(t, s.sent(s.hot, block), 2)
			s.rechecked(0)
			s.agrees()
		})
	}
}

// The other history has the same transaction in another block, at another fee, or in the
// end a thief's transaction in its place.
func TestAReorganisationWithAnotherOutcome(t *testing.T) {
	t.Parallel()
	t.Run("another block", func(t *testing.T) {
		t.Parallel()
		s := newWorld(t).inMemory()
		block := s.node.Head()
		x := s.until(s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")}), treasury.Confirmed)
		raw, err := s.rpc().TransactionInBlock(t.Context(), s.rpcBlock(x.Block), 0)
		require.NoError(t, err)
		s.node.Unwind(s.node.Head() - block)
		s.node.Mine(2)
		require.NoError(t, s.rpc().SendTransaction(t.Context(), raw))
		s.node.Mine(3)
		s.rechecked(1)
		again := s.until(x.Transfer, treasury.Confirmed)
		require.Equal(t, x.TxHash, again.TxHash)
		require.NotEqual(t, x.Block, again.Block)
		s.rechecked(0)
		s.agrees()
	})
	t.Run("a thief", func(t *testing.T) {
		t.Parallel()
		s := newWorld(t).inMemory()
		block := s.node.Head()
		x := s.until(s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")}), treasury.Confirmed)
		s.node.Unwind(s.node.Head() - block)
		rival := s.foreign(x.Last().Nonce, 10*params.GWei)
		s.node.Mine(2)
		s.rechecked(0)
		s.node.Mine(3)
		s.rechecked(1)
		require.NoError(t, s.work())
		done := s.transfer(x.Transfer)
		require.Equal(t, [3]string{"failed", domain.FailedReplaced, rival.Hex()}, [3]string{string(done.Status), done.Code, done.TxHash})
		require.Equal(t, dec("1500"), s.holds(s.hot, "USDC"))
		s.rechecked(0)
	})
}

// "The `finalized` tag beside the count of blocks": enough blocks alone confirm nothing
// that the chain has not finalized.
func TestNothingIsConfirmedBeforeTheChainHasFinalizedIt(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	s.node.Finality(10)
	s.node.Mine(10)
	require.NoError(t, s.work())
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status, "ten blocks, and not finalized")
	s.node.Unwind(10)
	s.node.Mine(2)
	s.until(id, treasury.Confirmed)
	s.one(id, block)
	s.rechecked(0)
	s.agrees()
}

// "Overrides are checked on chain whenever endpoints answer": one that contradicts the
// chain is refused, in each of its fields, to the first person and to the second.
func TestAnOverrideThatContradictsTheChain(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	ask := func(outcome, hash string, block uint64, fee string) (commands.Answer, error) {
		return s.custody.RequestOverride(s.ctx(), main, by(olga, commands.RequestOverride{
			Kind: domain.OverrideTransfer, Reason: "they say so", Limits: settlement("x"+fmt.Sprint(0), outcome, hash, block, fee),
		}))
	}
	_, err := ask("confirmed", madeUp, 7, "0")
	s.code(domain.CodeNotFound, err)

	id, block := s.sending()
	ask = func(outcome, hash string, block uint64, fee string) (commands.Answer, error) {
		return s.custody.RequestOverride(s.ctx(), main, by(olga, commands.RequestOverride{
			Kind: domain.OverrideTransfer, Reason: "they say so", Limits: settlement(id, outcome, hash, block, fee),
		}))
	}
	contradicted := func(field string, err error) {
		t.Helper()
		s.code(domain.CodeConflict, err)
		require.ErrorContains(t, err, "limits."+field+" contradicts the chain")
	}
	_, err = ask("confirmed", madeUp, 7, "0")
	contradicted("tx_hash", err) // the nonce is unused
	s.node.Mine(1)
	hash, at := s.sent(s.hot, block)[0].Hash(), s.node.Head()
	_, err = ask("confirmed", hash.Hex(), at, "0")
	contradicted("block", err) // not final
	s.node.Mine(4)
	receipt, err := s.rpc().TransactionReceipt(t.Context(), hash)
	require.NoError(t, err)
	fee, err := s.registry.Assets[0].Amount(unitsOf(t, receipt))
	require.NoError(t, err)
	for field, try := range map[string]func() (commands.Answer, error){
		"tx_hash": func() (commands.Answer, error) { return ask("confirmed", madeUp, at, fee.String()) },
		"outcome": func() (commands.Answer, error) { return ask("failed", hash.Hex(), at, fee.String()) },
		"block":   func() (commands.Answer, error) { return ask("confirmed", hash.Hex(), at+1, fee.String()) },
		"fee":     func() (commands.Answer, error) { return ask("confirmed", hash.Hex(), at, "0") },
	} {
		_, err := try()
		contradicted(field, err)
	}
	// A transaction of somebody else, in whose block the nonce was not used.
	s.token.Mint(s.partner, 1)
	other := s.rpcBlock(s.node.Head())
	foreign, err := s.rpc().TransactionInBlock(t.Context(), other, 0)
	require.NoError(t, err)
	_, err = ask("failed", foreign.Hash().Hex(), s.node.Head(), "0")
	contradicted("tx_hash", err)

	// While the endpoints are silent two people are believed; that is said, and compared
	// later.
	s.a.Set(chaintest.Cut)
	asked, err := ask("failed", madeUp, at, "0")
	require.NoError(t, err)
	s.a.Set(nil)
	confirm := func() error {
		_, err := s.custody.ConfirmOverride(s.ctx(), main, by(paul, s.signed(commands.ConfirmOverride{Override: asked.ID})))
		return err
	}
	contradicted("tx_hash", confirm())
	require.True(t, s.transfer(id).Open())
	s.a.Set(chaintest.Cut)
	require.NoError(t, confirm())
	require.True(t, s.heard("did not answer"))
	require.Equal(t, treasury.Failed, s.transfer(id).Status)
	s.a.Set(nil)
	s.rechecked(1)
	s.until(id, treasury.Confirmed)
	s.agrees()
}

// "Ledger = chain": two people record an outcome of a cold transfer by a made-up hash while
// the endpoints are silent. The end is taken back, the transfer is signed and sent, and the
// payment is in the ledger once.
func TestAMadeUpOutcomeOfAColdTransfer(t *testing.T) {
	t.Parallel()
	for _, outcome := range []string{"confirmed", "failed"} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			block, equity := s.node.Head(), s.state().Equity()
			id := s.ask(commands.RequestTransfer{From: "cold", To: s.partner.Hex(), Amount: dec("5")})
			s.idle()
			s.byHand(id, outcome, madeUp, 1, "0")
			s.node.Mine(1)
			s.rechecked(1)
			require.Equal(t, treasury.Prepared, s.transfer(id).Status)
			require.Equal(t, equity, s.state().Equity())
			s.refused(domain.CodeConflict, olga, commands.RejectTransfer{Transfer: id, Reason: "not wanted"})
			s.agrees()
			s.until(id, treasury.Confirmed)
			require.Len(t, s.sent(s.cold.Address, block), 1)
			s.agrees()
		})
	}
}
