package custody_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

// offered is the latest transaction of a transfer.
func (s *server) offered(id string) chain.Unsigned {
	s.t.Helper()
	u, err := chain.ParseUnsigned("transaction", s.transfer(id).Last().Transaction)
	require.NoError(s.t, err)
	return u
}

// refuseAll makes both endpoints refuse transactions for their fees.
func (s *server) refuseAll() {
	refuse := chaintest.On("eth_sendRawTransaction", chaintest.Refuse(-32000, "transaction underpriced"))
	s.a.Set(refuse)
	s.b.Set(refuse)
}

func (s *server) acceptAll() {
	s.a.Set(nil)
	s.b.Set(nil)
}

// idle works until nothing is done any more, whatever the endpoints say.
func (s *server) idle() {
	s.t.Helper()
	for range 20 {
		progressed, _ := s.custody.Work(s.ctx(), main)
		if !progressed {
			return
		}
	}
	require.FailNow(s.t, "it does not come to rest")
}

func (s *server) raise(id, fee string) *treasury.Raise {
	s.t.Helper()
	s.must(olga, commands.RaiseFee{Transfer: id, HighestFee: dec(fee), Reason: "it is stuck"})
	raise := s.transfer(id).Raise
	require.NotNil(s.t, raise)
	return raise
}

func (s *server) raised(id, fee string) {
	s.t.Helper()
	s.must(paul, commands.ApproveTransfer{Transfer: id, Hash: s.raise(id, fee).Hash})
	require.Equal(s.t, dec(fee), s.transfer(id).HighestFee)
}

// "A cold transaction is prepared with the whole approved fee cap": when it is signed, days
// later, the base fee may be another one.
func TestAColdTransactionOffersTheWholeApprovedFee(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10"), HighestFee: dec("0.002")})
	require.NoError(t, s.work())
	u := s.offered(id)
	most, unit := new(big.Int).Mul(u.MaxFee.Big(), new(big.Int).SetUint64(u.Gas)), new(big.Int).SetUint64(u.Gas)
	cap2 := big.NewInt(2 * params.Ether / 1000)
	require.LessOrEqual(t, most.Cmp(cap2), 0)
	require.Positive(t, new(big.Int).Add(most, unit).Cmp(cap2), "a wei per gas more would be above the approved fee")
	done := s.until(id, treasury.Confirmed)
	require.True(t, done.Fee.Less(dec("0.001")), "%s: what the base fee does not need is not paid", done.Fee)
	s.agrees()

	hot := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10"), HighestFee: dec("0.002")})
	require.NoError(t, s.work())
	require.Negative(t, s.offered(hot).MaxFee.Cmp(u.MaxFee), "a hot wallet reprices by itself")
}

// "Prepare again while unsigned": with the same nonce and the fees of now. A nonce that was
// used is not replaced by another one: the transaction may have been signed elsewhere.
func TestAColdTransferIsPreparedAgain(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	again := func(id string) error {
		_, err := s.custody.PrepareAgain(s.ctx(), main, by(olga, commands.PrepareAgain{Transfer: id}))
		return err
	}
	hot := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("1")})
	s.code(domain.CodeConflict, again(hot))
	s.until(hot, treasury.Confirmed)
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	s.code(domain.CodeConflict, again(id))
	require.NoError(t, s.work())
	before := s.transfer(id).Last()
	require.NoError(t, again(id))
	after := s.transfer(id).Last()
	require.Equal(t, before.Nonce, after.Nonce)
	require.Len(t, s.transfer(id).Attempts, 1)
	s.until(id, treasury.Confirmed)
	s.agrees()

	id = s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	require.NoError(t, s.work())
	signed := s.signedElsewhere(id)
	require.NoError(t, s.chain().Send(s.ctx(), chainID, signed)) // and not imported
	s.node.Mine(1)
	s.code(domain.CodeConflict, again(id))
	_, err := s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id, Raw: signed}))
	require.NoError(t, err)
	s.node.Mine(3)
	s.until(id, treasury.Confirmed)
	s.agrees()
}

// "“Raise the fee” is a new approval": of a transfer that is at its cap, and cannot be
// repriced.
func TestAHotTransferAtItsCapIsRaised(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	s.node.Mine(60) // the base fee falls to next to nothing
	block := s.node.Head()
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Asset: coin, Amount: dec("1"), HighestFee: dec("0.000027")})
	s.refuseAll()
	s.idle()
	s.later(time.Hour)
	require.ErrorContains(t, s.work(), "higher fee than is allowed")

	s.refused(domain.CodeInvalid, olga, commands.RaiseFee{Transfer: id, HighestFee: dec("0.000027"), Reason: "no more"})
	s.refused(domain.CodeInvalid, olga, commands.RaiseFee{Transfer: id, HighestFee: dec("0.000028"), Reason: "less than a tenth more"})
	s.refused(domain.CodeInvalid, olga, commands.RaiseFee{Transfer: id, HighestFee: dec("1.1"), Reason: "more than max_transfer_fee"})
	raise := s.raise(id, "0.001")
	require.Error(t, s.work(), "asked for, and not approved")
	require.Len(t, s.transfer(id).Attempts, 1)
	s.refused(domain.CodeDenied, domain.Caller{User: "olga", Role: domain.RoleApprover}, commands.ApproveTransfer{Transfer: id, Hash: raise.Hash})
	s.refused(domain.CodeConflict, paul, commands.ApproveTransfer{Transfer: id, Hash: madeUp[2:]})
	s.must(paul, commands.ApproveTransfer{Transfer: id, Hash: raise.Hash})
	s.refused(domain.CodeInvalid, olga, commands.RaiseFee{Transfer: id, HighestFee: dec("0.0005"), Reason: "down"})
	s.idle()
	require.Greater(t, len(s.transfer(id).Attempts), 1)
	s.acceptAll()
	done := s.until(id, treasury.Confirmed)
	require.False(t, dec("0.001").Less(done.Fee))
	s.one(id, block)
	s.agrees()
}

// The same of a cold wallet, before it is signed and after: each fee is signed again, and
// the nonce stays.
func TestAColdTransferIsRaised(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10"), HighestFee: dec("0.0005")})
	s.idle()
	first := s.offered(id)
	s.raised(id, "0.001")
	s.idle()
	second := s.offered(id)
	require.Equal(t, first.Nonce, second.Nonce)
	require.Positive(t, second.MaxFee.Cmp(first.MaxFee))
	require.Len(t, s.transfer(id).Attempts, 1, "the former one was never signed")
	s.bring(id)
	s.refuseAll()
	s.idle()
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
	s.raised(id, "0.002")
	s.idle()
	x := s.transfer(id)
	require.Len(t, x.Attempts, 2)
	require.True(t, x.Unsigned(), "it waits for the machine with the key")
	s.bring(id)
	s.idle()
	s.acceptAll()
	done := s.until(id, treasury.Confirmed)
	require.Equal(t, done.Attempts[1].TxHash, done.TxHash)
	require.Len(t, s.sent(s.cold.Address, block), 1)
	s.agrees()
}

// Where the limits of the registry, and not the approved fee, bound what is offered, a
// raise changes nothing that is signed: what was exported before stays good.
func TestARaiseThatChangesNothing(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10"), HighestFee: dec("0.5")})
	s.idle()
	signed, digest := s.signedElsewhere(id), s.transfer(id).Last().Digest
	s.raised(id, "0.8")
	s.idle()
	require.Equal(t, digest, s.transfer(id).Last().Digest)
	records := len(eventsOf[domain.Event](s))
	s.idle()
	require.Len(t, eventsOf[domain.Event](s), records, "it is at rest")
	_, err := s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id, Raw: signed}))
	require.NoError(t, err)
	s.until(id, treasury.Confirmed)
	s.agrees()
}

// A request for a higher fee lapses like any other.
func TestARaiseExpires(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory(func(o *custody.Options) { o.RepriceAfter = 100 * time.Hour })
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10"), HighestFee: dec("0.1")})
	s.idle()
	hash := s.raise(id, "0.2").Hash
	s.later(24 * time.Hour)
	s.refused(domain.CodeConflict, paul, commands.ApproveTransfer{Transfer: id, Hash: hash})
	require.Equal(t, dec("0.1"), s.transfer(id).HighestFee)
	s.until(id, treasury.Confirmed)
	s.refused(domain.CodeConflict, olga, commands.RaiseFee{Transfer: id, HighestFee: dec("0.2"), Reason: "it is over"})
	s.agrees()
}

// "“Cancel” is a self-transfer of that nonce": the money is back, the fee is paid, and the
// wallet goes on.
func TestATransferIsCancelled(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	s.node.Mine(60)
	block := s.node.Head()
	id := s.ask(commands.RequestTransfer{From: "hot", To: s.partner.Hex(), Amount: dec("10"), HighestFee: dec("0.0003")})
	s.refused(domain.CodeConflict, olga, commands.CancelTransfer{Transfer: id, Reason: "it holds no nonce yet"})
	s.refuseAll()
	s.idle()
	s.must(olga, commands.CancelTransfer{Transfer: id, Reason: "not wanted"})
	s.refused(domain.CodeConflict, olga, commands.RaiseFee{Transfer: id, HighestFee: dec("0.5"), Reason: "too late"})
	s.idle()
	u := s.offered(id)
	require.True(t, u.Cancels())
	s.acceptAll()
	done := s.until(id, treasury.Failed)
	require.Equal(t, domain.FailedCancel, done.Code)
	tx := s.one(id, block)
	require.Equal(t, s.hot, *tx.To())
	require.Zero(t, tx.Value().Sign())
	require.Equal(t, done.TxHash, tx.Hash().Hex())
	require.Equal(t, dec("1500"), s.holds(s.hot, "USDC"))
	s.agrees()
	s.rechecked(0)
	s.until(s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("1")}), treasury.Confirmed)
	s.agrees()
}

// The chain decides: where the payment is in a block first, the transfer is confirmed. Its
// first transaction is sent again by somebody who kept it.
func TestACancellationThatComesTooLate(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	s.must(olga, commands.CancelTransfer{Transfer: id, Reason: "not wanted"})
	s.node.Mine(4)
	done := s.until(id, treasury.Confirmed)
	s.one(id, block)
	require.Len(t, done.Attempts, 1)
	s.agrees()

	id, block = s.sending()
	s.must(olga, commands.CancelTransfer{Transfer: id, Reason: "not wanted"})
	require.NoError(t, s.work()) // prepared
	require.NoError(t, s.work()) // signed
	s.node.Mine(1)
	s.until(id, treasury.Confirmed)
	s.one(id, block)
	s.agrees()
}

// "Rejecting a prepared cold transfer asks whether it was signed": what was signed can be
// sent by anybody who has it, so it is cancelled instead, with the key.
func TestAColdTransferThatMayHaveBeenSigned(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	yes, no := true, false
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	s.idle()
	s.refused(domain.CodeConflict, olga, commands.RejectTransfer{Transfer: id, Reason: "not wanted"})
	s.refused(domain.CodeConflict, olga, commands.RejectTransfer{Transfer: id, Reason: "not wanted", Signed: &yes})
	s.must(olga, commands.CancelTransfer{Transfer: id, Reason: "it was signed, and the stick is lost"})
	s.idle()
	require.True(t, s.offered(id).Cancels())
	s.bring(id)
	done := s.until(id, treasury.Failed)
	require.Equal(t, domain.FailedCancel, done.Code)
	require.Len(t, s.sent(s.cold.Address, block), 1)
	s.agrees()

	id = s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	s.idle()
	s.must(olga, commands.RejectTransfer{Transfer: id, Reason: "not wanted", Signed: &no})
	rejected := eventsOf[*domain.TransferRejected](s)
	require.True(t, rejected[len(rejected)-1].NotSigned)
	s.agrees()
}

// What was signed elsewhere, sent, and lost on its way back: two people name it, and the
// chain confirms what they say.
func TestAColdTransferThatWasSentAndNotImported(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	s.idle()
	require.NoError(t, s.chain().Send(s.ctx(), chainID, s.signedElsewhere(id)))
	s.node.Mine(4)
	sent := s.sent(s.cold.Address, 0)
	receipt, err := s.rpc().TransactionReceipt(t.Context(), sent[0].Hash())
	require.NoError(t, err)
	fee, err := s.registry.Assets[0].Amount(unitsOf(t, receipt))
	require.NoError(t, err)
	asked, err := s.custody.RequestOverride(s.ctx(), main, by(olga, commands.RequestOverride{
		Kind: domain.OverrideTransfer, Reason: "the stick is lost", Limits: settlement(id, "confirmed", sent[0].Hash().Hex(), receipt.BlockNumber.Uint64(), fee.String()),
	}))
	require.NoError(t, err)
	_, err = s.custody.ConfirmOverride(s.ctx(), main, by(paul, s.signed(commands.ConfirmOverride{Override: asked.ID})))
	require.NoError(t, err)
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	s.rechecked(0)
	s.agrees()
}

// "Nothing of a cancellation is signed while everything is stopped", and what it may cost is
// limited.
func TestACancellationSitsBehindTheStop(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory(func(o *custody.Options) { o.RepriceAfter = time.Hour })
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("100"), Reason: "a drill"})
	s.idle()
	s.node.Forget()
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
	s.refused(domain.CodeInvalid, olga, commands.CancelTransfer{Transfer: id, HighestFee: dec("1.1"), Reason: "too much"})
	s.stop()
	s.must(olga, commands.CancelTransfer{Transfer: id, Reason: "it goes no further"})
	s.idle()
	require.False(t, s.transfer(id).Last().Cancel, "stopped")
	asked := s.must(olga, commands.RequestClear{Reason: "over"})
	s.must(paul, commands.ConfirmClear{Request: asked.ID})
	done := s.until(id, treasury.Failed)
	require.Equal(t, domain.FailedCancel, done.Code)
	s.agrees()
}

// "The cancellation of a sweep or an evacuation does not wait": it frees the wallet for the
// next sweep, also during the stop.
func TestASweepIsCancelledDuringTheStop(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory(func(o *custody.Options) { o.RepriceAfter = time.Hour })
	s.stop()
	sweep := commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("100"), Reason: "a drill", Sweep: true}
	id := s.ask(sweep)
	s.idle()
	s.node.Forget()
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
	s.must(olga, commands.CancelTransfer{Transfer: id, Reason: "it goes no further"})
	require.Equal(t, domain.FailedCancel, s.until(id, treasury.Failed).Code)
	s.until(s.ask(sweep), treasury.Confirmed)
	s.agrees()
}

// "It lapses unless something was signed under it before": a transaction that was made under
// a higher fee that has lapsed is signed nowhere, and made again under the next one, which is
// lower. It is no breach: nobody changed anything.
func TestALapsedRaiseIsReplacedByTheNext(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"hot", "cold"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			block, sender := s.node.Head(), s.hot
			s.node.Mine(60) // the base fee falls to next to nothing
			ask := commands.RequestTransfer{From: from, To: "hot", Asset: coin, Amount: dec("1"), HighestFee: dec("0.000027")}
			if from == "hot" {
				ask.To = "cold"
			} else {
				sender = s.cold.Address
			}
			id := s.ask(ask)
			s.idle()
			if from == "cold" {
				s.bring(id)
			}
			s.refuseAll()
			s.idle()
			s.raised(id, "0.9")
			s.later(time.Hour)
			for n := 0; !s.transfer(id).Unsigned(); n++ {
				require.Less(t, n, 20)
				_, _ = s.custody.Work(s.ctx(), main)
			}
			lapsed := s.transfer(id).Attempts
			old := ""
			if from == "cold" {
				old = s.signedElsewhere(id)
			}
			s.later(24 * time.Hour)
			s.raised(id, "0.001")
			cmd := commands.SignTransfer{Transfer: id, Raw: old}
			var err error
			if from == "cold" {
				_, err = s.custody.ImportSigned(s.ctx(), main, by(olga, cmd))
			} else {
				_, _, err = s.custody.SignTransfer(s.ctx(), main, by(olga, cmd))
			}
			s.code(domain.CodeConflict, err)
			require.False(t, s.state().Stop.Engaged, "no breach")
			s.idle()
			require.False(t, s.state().Stop.Engaged, "no breach")
			require.Greater(t, len(s.transfer(id).Attempts), len(lapsed), "made again")
			if from == "cold" {
				require.NotEqual(t, lapsed[len(lapsed)-1].Digest, s.transfer(id).Last().Digest)
				s.bring(id)
			}
			s.acceptAll()
			s.idle()
			s.node.Mine(4)
			done := s.until(id, treasury.Confirmed)
			require.False(t, dec("0.001").Less(done.Fee))
			require.Len(t, s.sent(sender, block), 1)
			s.agrees()
		})
	}
}

// "It goes before what its wallet has under way, if need be with that nonce": what it overtook
// can not be sent any more, signed or not. It ends by itself, and nothing is counted twice: not
// the fee, and not the payment if the two are alike.
func TestAnEvacuationEndsWhatItOvertook(t *testing.T) {
	t.Parallel()
	for _, brought := range []bool{false, true} {
		s := newWorld(t).inMemory()
		s.node.Mine(60) // the base fee falls, and the evacuation offers much more
		pays := commands.RequestTransfer{From: "cold", To: s.partner.Hex(), Amount: dec("10"), HighestFee: dec("0.0002")}
		id := s.ask(pays)
		require.NoError(t, s.work())
		if brought {
			s.refuseAll()
			s.bring(id)
			s.idle()
			s.acceptAll()
		}
		s.stop()
		pays.Evacuate, pays.HighestFee = true, dec("0.5")
		evacuation := s.ask(pays)
		for range 30 {
			_, _ = s.custody.Work(s.ctx(), main) // the other one waits for the stop
			s.node.Mine(1)
			if e := s.transfer(evacuation); e.Status == treasury.Prepared {
				s.bring(evacuation)
			}
		}
		e, overtaken := s.transfer(evacuation), s.transfer(id)
		require.Equal(t, treasury.Confirmed, e.Status)
		require.Equal(t, e.Last().Nonce, overtaken.Last().Nonce)
		require.Equal(t, treasury.Failed, overtaken.Status)
		require.Equal(t, domain.FailedReplaced, overtaken.Code)
		require.Equal(t, e.TxHash, overtaken.TxHash)
		require.True(t, overtaken.Fee.IsZero())
		s.rechecked(0)
		s.agrees()
	}
}

// A transaction of one transfer is not the outcome of another one, whatever two people say.
func TestNoOutcomeIsCountedTwice(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	first := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	done := s.until(first, treasury.Confirmed)
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	require.NoError(t, s.work())
	s.refused(domain.CodeConflict, olga, commands.RequestOverride{
		Kind: domain.OverrideTransfer, Reason: "it looks alike", Limits: settlement(id, "confirmed", done.TxHash, done.Block, done.Fee.String()),
	})
	s.until(id, treasury.Confirmed)
	s.agrees()
}

// "A key that was revoked since may be the one that asked", from each person's own act on: who
// got a new key after the transfer was asked for asks for its higher fee all the same, and
// counts as the first of two approvers.
func TestANewKeyAsksForAHigherFee(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory(func(o *custody.Options) { o.RepriceAfter = 100 * time.Hour })
	issued := 0
	key := func(user string, role domain.Role) string {
		issued++
		a, err := s.engine.System(s.ctx(), by(alice, commands.IssueKey{User: user, Role: role, Hash: fmt.Sprintf("%064x", issued)}))
		require.NoError(t, err)
		return a.ID
	}
	key("alice", domain.RoleAdmin)
	olgas, pauls := key("olga", domain.RoleOperator), key("paul", domain.RoleApprover)
	key("petra", domain.RoleApprover)
	key("otto", domain.RoleOperator)
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10"), HighestFee: dec("0.1")})
	two := s.must(domain.Caller{User: "otto", Role: domain.RoleOperator}, commands.RequestTransfer{From: "hot", To: s.partner.Hex(), Amount: dec("10"), Reason: "rent"}).ID
	key("olga", domain.RoleOperator) // before the old one ends: who comes back after a while waits a day
	key("paul", domain.RoleApprover)
	for _, old := range []string{olgas, pauls} {
		_, err := s.engine.System(s.ctx(), by(alice, commands.RevokeKey{Key: old}))
		require.NoError(t, err)
	}
	s.idle()
	s.raised(id, "0.2")
	if s.transfer(two).Approvals > 1 {
		s.must(paul, commands.ApproveTransfer{Transfer: two, Hash: s.transfer(two).Hash})
	}
	s.must(domain.Caller{User: "petra", Role: domain.RoleApprover}, commands.ApproveTransfer{Transfer: two, Hash: s.transfer(two).Hash})
	require.Equal(t, treasury.Approved, s.transfer(two).Status)
	require.Equal(t, paul.User, s.transfer(two).FirstApprovedBy)
}
