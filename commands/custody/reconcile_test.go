package custody_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore/memory"
)

// "A difference is an event, an alert, and stops outgoing transfers until explained by a
// recorded adjustment."
func TestADifferenceStopsTransfers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	s.agrees()
	require.Empty(t, s.watched)
	before := w.holds(w.hot, coin)
	w.foreign(0, 10*params.GWei) // a thief takes a coin
	w.node.Mine(1)
	by1 := w.holds(w.hot, coin).Sub(before)

	ask := by(olga, commands.Reconcile{})
	first, err := s.custody.Reconcile(s.ctx(), main, ask)
	require.NoError(t, err)
	require.Equal(t, map[string]domain.Decimal{"hot|" + coin: by1}, s.state().Custody.Differences)
	require.True(t, s.heard("ledger and chain differ: COIN in hot: by "+by1.String()))
	again, err := s.custody.Reconcile(s.ctx(), main, ask)
	require.NoError(t, err)
	require.Equal(t, first.Revision, again.Revision, "the same request is answered with the first answer")
	require.Len(t, s.watched, 1)

	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	s.code(domain.CodeHalted, s.work())
	require.Equal(t, treasury.Approved, s.transfer(id).Status)

	s.refused(domain.CodeDenied, alice, commands.PostAdjustment{Account: "hot:treasury", Asset: coin, Amount: by1, Reason: "taken by somebody"})
	asked := s.must(alice, commands.RequestOverride{
		Kind: domain.OverrideAdjustment, Reason: "taken by somebody", Limits: json.RawMessage(fmt.Sprintf(`{"account":"hot:treasury","asset":%q,"amount":%q}`, coin, by1)),
	})
	s.must(paul, commands.ConfirmOverride{Override: asked.ID})
	require.Empty(t, s.state().Custody.Differences)
	s.until(id, treasury.Confirmed)
	s.agrees()
}

// "A shortage of the base asset on the chain beyond what live permits reserve, found by two
// reconciliations in a row, denies increases and signatures of orders that open
// (`unreconciled`) until one finds none": with a chain, up to the signature.
func TestAShortageOpensNothing(t *testing.T) {
	t.Parallel()
	s := newWorld(t).serve(memory.New())
	s.open(`{"rules":2}`)
	placed := s.permit(domain.Buy, "10") // reserves 5 of what is missing
	s.must(olga, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: dec("5.000001")})
	reconcile := func() {
		t.Helper()
		_, err := s.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
		require.NoError(t, err)
	}
	opens := func() []domain.ReasonCode {
		t.Helper()
		a := s.must(botA, commands.AskPermit{Bot: "a", Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: dec("1"), LimitPrice: dec("0.5")})
		var codes []domain.ReasonCode
		for _, r := range a.Permit.Reasons {
			codes = append(codes, r.Code)
		}
		if a.Permit.Allowed {
			s.must(botA, commands.ReleasePermit{Permit: a.Permit.PermitID})
		}
		return codes
	}
	reconcile()
	require.Empty(t, opens(), "found once")
	reconcile()
	require.True(t, s.state().Custody.Unreconciled())
	require.Equal(t, []domain.ReasonCode{domain.ReasonUnreconciled}, opens())
	a, signature, err := s.sign(someKey(), placed, tenShares)
	require.NoError(t, err)
	require.Empty(t, signature)
	require.Equal(t, domain.SignUnreconciled, a.Signature.Reasons[0].Code)

	s.must(olga, commands.RecordWithdrawal{Wallet: domain.WalletHot, Amount: dec("5.000001")})
	require.Equal(t, []domain.ReasonCode{domain.ReasonUnreconciled}, opens(), "until a reconciliation finds none")
	reconcile()
	require.Empty(t, opens())
	s.signs(someKey(), placed, tenShares)
}

// A transfer under way is not a difference, whatever its status.
func TestATransferUnderWayIsNoDifference(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, _ := s.sending()
	for blocks := range 4 {
		a, err := s.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
		require.NoError(t, err)
		require.NotZero(t, a.Revision)
		require.Empty(t, s.state().Custody.Differences, "%d blocks after it was sent", blocks)
		s.node.Mine(1)
	}
	s.until(id, treasury.Confirmed)
	require.Empty(t, s.watched)
	s.agrees()
}

// pausing is a chain in which something happens after each reading of balances.
type pausing struct {
	custody.Chain
	reads int
	then  func(n int)
}

func (p *pausing) Balances(ctx context.Context, wallets []*treasury.Wallet) (custody.Balances, error) {
	b, err := p.Chain.Balances(ctx, wallets)
	p.reads++
	if p.then != nil {
		p.then(p.reads)
	}
	return b, err
}

// "A difference that is still there at the third comparison is recorded": one that a fill
// explains a moment later is not.
func TestADifferenceIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &pausing{}
	s := w.inMemory(func(o *custody.Options) { p.Chain, o.Chain = o.Chain, p })
	w.token.Mint(w.hot, 5_000_000)
	p.reads = 0 // loading the wallets has read some
	p.then = func(n int) {
		if n == 2 {
			s.must(olga, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: dec("5")})
		}
	}
	s.agrees()
	require.Equal(t, 2, p.reads)

	// The other way round: the balance is read before the chain has the fill, and the fill is
	// recorded before the comparison.
	p.reads = 0
	p.then = func(n int) {
		if n == 1 {
			w.token.Mint(w.hot, 7_000_000)
			s.must(olga, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: dec("7")})
		}
	}
	s.agrees()
	require.Equal(t, 2, p.reads)
	require.Empty(t, s.watched)

	p.reads, p.then = 0, nil
	w.token.Mint(w.hot, 1)
	_, err := s.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
	require.NoError(t, err)
	require.Equal(t, 3, p.reads)
	require.Equal(t, dec("0.000001"), s.state().Custody.Differences["hot|USDC"])
}

// Readings that agreed when they were compared, and no longer do when they are decided,
// only mean that the ledger has changed: they are compared again.
func TestALedgerThatMovesOnIsReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	p := &pausing{Chain: w.chain()}
	racing := &overtaking{Store: s.truth, of: domain.BalanceReconciledType, first: func() {
		w.token.Mint(w.hot, 3_000_000)
		s.must(olga, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: dec("3")})
	}}
	other := w.serve(racing, func(o *custody.Options) { o.Chain = p })
	_, err := other.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
	require.NoError(t, err)
	require.True(t, racing.late.Load())
	require.Equal(t, 2, p.reads)
	require.Empty(t, s.state().Custody.Differences)
	require.Len(t, eventsOf[*domain.BalanceReconciled](s), 1)
}

// "Endpoints disagreeing → deny": nothing is recorded.
func TestNothingIsReconciledWithLiars(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	s.b.Set(lieAboutBalances)
	_, err := s.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
	require.ErrorIs(t, err, custody.ErrChainDisagrees)
	require.Empty(t, eventsOf[*domain.BalanceReconciled](s))
}
