package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// The content of a fill is the digest of its parts, however they are written down: it is stored,
// and compared with what later reports say.
func TestContentOfFill(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("", 3600))
	fill := domain.FillRecorded{
		Instrument: domain.Instrument{Market: "will-it-rain", Outcome: "YES"}, Side: domain.Sell,
		Quantity: dec("12.5"), Price: dec("0.525"), Notional: dec("6.5625"), Fee: dec("-0.01"), Permit: "p17", Status: domain.FillConfirmedStatus,
	}
	parts := []string{"will-it-rain", "YES", "sell", "12.5", "0.525", "6.5625", "-0.01", "p17", domain.FillConfirmedStatus}
	require.Equal(t, digest(parts...), contentOfFill(&fill))
	fill.FeeAsset = "POL"
	require.Equal(t, digest(append(parts, "fee in POL")...), contentOfFill(&fill))
	fill.EffectiveAt = &at
	require.Equal(t, digest(append(parts, "fee in POL", at.UTC().String())...), contentOfFill(&fill))
	fill.FeeAsset = ""
	require.Equal(t, digest(append(parts, at.UTC().String())...), contentOfFill(&fill))
}
