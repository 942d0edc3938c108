package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
)

// "The sum over all accounts of each asset is zero after every event, or the books are
// wrong": an event whose postings do not sum to zero refuses the whole decision.
func TestADecisionThatDoesNotBalanceIsRefused(t *testing.T) {
	s := New()
	s.Apply(domain.Stamp{Time: time.Unix(0, 0)}, &domain.PortfolioOpened{
		Portfolio: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper),
	})
	d := s.Begin(time.Unix(1, 0), domain.Caller{User: "olga", Role: domain.RoleOperator})
	deposit := &domain.DepositRecorded{Asset: "USDC", Wallet: domain.WalletHot, Amount: domain.FromInt(1)}
	d.emit(deposit)
	require.NoError(t, d.Finish())
	s.post(ledger.Posting{Account: ledger.Wallet("USDC", domain.WalletHot), Amount: domain.FromInt(1)}) // a defect in what an event does
	d.checkBalance(deposit)
	err := d.Finish()
	require.ErrorIs(t, err, ErrUnbalanced)
	require.Equal(t, domain.CodeInternal, domain.CodeOf(err))
	require.ErrorContains(t, err, deposit.EventType())
}
