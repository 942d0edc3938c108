package portfolio_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// "The inverse of TransferLines": what is read back writes the same lines, and lines
// that say anything else, or are cut short, are none of a transfer.
func TestTransferOfLines(t *testing.T) {
	asked := &domain.TransferRequested{
		Transfer: "x12", Kind: domain.TransferWithdrawal, Wallet: "vault", FromPlace: domain.WalletCold, ToPlace: domain.PlaceExternal, Asset: "USDC", GasAsset: "POL",
		Payment: domain.Payment{
			Chain: "eip155:137", AssetID: "eip155:137/slip44:966", From: "0x1111111111111111111111111111111111111111", To: "0x2222222222222222222222222222222222222222",
			Amount: domain.MustDecimal("12.5"), HighestFee: domain.MustDecimal("0.05"),
		},
		Reason: "rent: \"March\", the cold wallet", User: "olga", Hash: "ab", ApprovalFor: []string{"it leaves", "above the threshold"}, ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 1, time.UTC),
	}
	ofTwo, raised := *asked, *asked
	ofTwo.Approvals, raised.HighestFee = 2, domain.MustDecimal("0.1")
	named := raised
	named.ToName, named.ToSince = `vault "two"`, time.Date(2026, 3, 1, 8, 0, 0, 5, time.UTC)
	raisedOfTwo := raised
	raisedOfTwo.Approvals = 2
	for name, c := range map[string]struct {
		asked  *domain.TransferRequested
		former domain.Decimal
	}{
		"a transfer":        {asked, domain.Zero},
		"two approvers":     {&ofTwo, domain.Zero},
		"a highest fee":     {&raised, domain.MustDecimal("0.05")},
		"one of two":        {&raisedOfTwo, domain.MustDecimal("0.05")},
		"a lower one, read": {asked, domain.MustDecimal("0.1")},
		"a name and an age": {&named, domain.Zero},
		"a raise of these":  {&named, domain.MustDecimal("0.05")},
	} {
		t.Run(name, func(t *testing.T) { readsBack(t, c.asked, c.former) })
	}
}

func readsBack(t *testing.T, asked *domain.TransferRequested, former domain.Decimal) {
	lines := portfolio.ApprovedLines(asked, former)
	read, was, err := portfolio.TransferOfLines(lines)
	require.NoError(t, err)
	require.Equal(t, asked, read)
	require.Equal(t, former, was)
	for i := range lines {
		if i < 12 { // the reasons why it needs approval may be fewer
			_, _, err = portfolio.TransferOfLines(lines[:i])
			require.Error(t, err, "%d lines", i)
		}
		for _, change := range []func([]string) []string{
			func(l []string) []string { l[i] = "x" + l[i]; return l },
			func(l []string) []string { l[i] += "\nx: y"; return l },
			func(l []string) []string { return slices.Insert(l, i, "reason: \"x\"") },
			func(l []string) []string { return append(l, l[i]) },
		} {
			other := change(slices.Clone(lines))
			if read, was, err := portfolio.TransferOfLines(other); err == nil {
				require.Equal(t, other, portfolio.ApprovedLines(read, was))
				require.NotEqual(t, []any{asked, former}, []any{read, was})
			}
		}
	}
}
