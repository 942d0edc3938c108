package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// The content of a fill is stored in snapshots and compared with later reports of it: it is the
// digest of these parts, whatever makes it.
func TestContentOfFillIsForEver(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 500, time.FixedZone("", 3600))
	for _, e := range []*domain.FillRecorded{
		{},
		{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Sell, Quantity: domain.MustDecimal("0.01"), Price: domain.One, Fee: domain.MustDecimal("-2.5")},
		{Notional: domain.MustDecimal("999999999999999.000000000000000001"), Permit: "p7", Status: domain.FillProvisionalStatus, FeeAsset: "BNB"},
		{EffectiveAt: &at, FeeAsset: domain.FeeShares},
		{EffectiveAt: &at},
	} {
		parts := []string{
			e.Market, e.Outcome, string(e.Side), e.Quantity.String(), e.Price.String(), e.Notional.String(), e.Fee.String(), e.Permit, e.Status,
		}
		if e.FeeAsset != "" {
			parts = append(parts, "fee in "+e.FeeAsset)
		}
		if e.EffectiveAt != nil {
			parts = append(parts, e.EffectiveAt.UTC().String())
		}
		require.Equal(t, digest(parts...), contentOfFill(e))
	}
}
