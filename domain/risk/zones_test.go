package risk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Zones: an order's price per outcome share, [lo,hi), last closed: Z1 .05–.20,
// Z2 .20–.40, Z3 .40–.60, Z4 .60–.80, Z5 .80–.98 (zone_bounds)."
func TestZonesAndTheirBorders(t *testing.T) {
	p := policy()
	borders := []struct {
		price       string
		below, here int
	}{
		{"0.05", 0, 1}, {"0.2", 1, 2}, {"0.4", 2, 3}, {"0.6", 3, 4}, {"0.8", 4, 5},
	}
	for _, b := range borders {
		require.Equal(t, b.below, p.Zone(dec(b.price).Sub(step)), "just below %s", b.price)
		require.Equal(t, b.here, p.Zone(dec(b.price)), "lo is inclusive, hi exclusive: %s", b.price)
		require.Equal(t, b.here, p.Zone(dec(b.price).Add(step)), "just above %s", b.price)
	}
	require.Equal(t, 5, p.Zone(dec("0.98").Sub(step)))
	require.Equal(t, 5, p.Zone(dec("0.98")), "the last zone is closed")
	require.Equal(t, 0, p.Zone(dec("0.98").Add(step)))
	for _, outside := range []string{"-0.1", "0", "0.000000000000000001", "0.99", "1", "1.5"} {
		require.Equal(t, 0, p.Zone(dec(outside)), outside)
	}
}

func TestZoneBoundsAreConfigured(t *testing.T) {
	p := policy(func(p *domain.Policy) {
		p.ZoneBounds = []domain.Decimal{domain.Zero, dec("0.1"), dec("0.2"), dec("0.3"), dec("0.4"), domain.One}
	})
	require.NoError(t, p.Validate())
	require.Equal(t, 1, p.Zone(domain.Zero))
	require.Equal(t, 5, p.Zone(dec("0.4")))
	require.Equal(t, 5, p.Zone(domain.One))
	require.Equal(t, 0, (&domain.Policy{}).Zone(dec("0.5")), "without borders nothing is inside")

	wrong := map[string][]domain.Decimal{
		"too few":    {dec("0.1"), dec("0.2"), dec("0.3"), dec("0.4"), dec("0.5")},
		"not rising": {dec("0.1"), dec("0.2"), dec("0.2"), dec("0.4"), dec("0.5"), dec("0.6")},
		"above 1":    {dec("0.1"), dec("0.2"), dec("0.3"), dec("0.4"), dec("0.5"), dec("1.000000000000000001")},
		"below 0":    {dec("-0.1"), dec("0.2"), dec("0.3"), dec("0.4"), dec("0.5"), dec("0.6")},
	}
	for name, bounds := range wrong {
		p := policy(func(p *domain.Policy) { p.ZoneBounds = bounds })
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(p.Validate()), name)
	}
	for _, z := range []int{0, 6, -1} {
		p := policy(func(p *domain.Policy) { p.BlockedZones = []int{z} })
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(p.Validate()), "%d", z)
	}
}

// "Judged on the worst price the permit allows, of the outcome acquired: an
// opening sell of YES at .85 is a buy of NO at .15 (Z1)."
func TestPriceOfTheOutcomeAcquired(t *testing.T) {
	p := policy()
	order := func(side domain.Side, limit string) domain.Order {
		return domain.Order{Side: side, Quantity: domain.One, LimitPrice: dec(limit)}
	}
	require.Equal(t, dec("0.15"), AcquiredPrice(order(domain.Sell, "0.85")))
	require.Equal(t, 1, p.Zone(AcquiredPrice(order(domain.Sell, "0.85"))))
	require.Equal(t, 5, p.Zone(AcquiredPrice(order(domain.Buy, "0.85"))))
	// Every border, seen from the other side: what was inclusive is still at 1 − price.
	for limit, zone := range map[string]int{
		"0.95": 1, "0.950000000000000001": 0, "0.8": 2, "0.800000000000000001": 1, "0.6": 3, "0.4": 4, "0.2": 5,
		"0.02": 5, "0.019999999999999999": 0, "1": 0,
	} {
		require.Equal(t, zone, p.Zone(AcquiredPrice(order(domain.Sell, limit))), "sell at %s", limit)
	}
}
