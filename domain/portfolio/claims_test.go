package portfolio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// "D = q(YES) − q(NO). An order reduces as far as it moves D toward 0: selling the larger
// side … or buying the smaller, up to |D| less what live reducing permits of that bot in
// that market take."
func TestWhatReducesAPair(t *testing.T) {
	for _, tc := range []struct {
		side              domain.Side
		outcome, quantity string
		reducing          string
	}{
		{sell, "YES", "60", "60"},
		{sell, "YES", "60.000001", "60"},
		{sell, "YES", "59.999999", "59.999999"},
		{buy, "NO", "60", "60"},
		{buy, "NO", "61", "60"},
		{sell, "NO", "10", "0"},
		{buy, "YES", "10", "0"},
		{buy, "!YES", "60", "60"}, // the same as NO
	} {
		h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.BlockedZones = nil })
		h.exclusive("rain", "YES", "NO")
		h.fill("a", "rain", "YES", buy, "100", "0.30")
		h.fill("a", "rain", "NO", buy, "40", "0.30")
		h.permit("a", "rain", tc.outcome, tc.side, tc.quantity, "0.30")
		h.equal(tc.reducing, lastOf[*domain.PermitGranted](h).Reducing, "%+v", tc)
	}
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.30")
	h.permit("a", "rain", "YES", sell, "70", "0.30")
	h.permit("a", "rain", "NO", buy, "50", "0.30")
	h.equal("30", lastOf[*domain.PermitGranted](h).Reducing, "the other order takes 70 of the 100")
}

// "Selling one half of a set opens the other: zones judge it at 1 − the limit, limits and
// inventory bind it. Buying NO to flatten YES reduces: zones and limits do not bind it; its
// cash is needed." The worst case of an opening sell "is *reserved* only for shares not
// held, or promised to another live sell."
func TestSellingHalfOfASetOpens(t *testing.T) {
	h := second(t, "1000", func(p *domain.Policy) { quietPolicy(p); p.MaxOrderUSD = dec("30") })
	h.exclusive("rain", "YES", "NO")
	h.must(h.sets("a", "rain", domain.SplitSets, "100", "s1"))
	ask := func(side domain.Side, outcome, quantity, limit string) []domain.ReasonCode {
		h.ask(order("a", "rain", outcome, side, quantity, limit))
		return h.reasons()
	}
	require.Equal(t, []domain.ReasonCode{domain.ReasonZoneBlocked, domain.ReasonMaxOrder}, ask(sell, "NO", "100", "0.25"), "it acquires YES at 0.75")
	require.Equal(t, []domain.ReasonCode{domain.ReasonMaxOrder}, ask(sell, "NO", "100", "0.69"), "100 × 0.31")
	require.Empty(t, ask(sell, "NO", "100", "0.70"))
	h.equal("0", lastOf[*domain.PermitGranted](h).Reserved, "the shares are held")
	require.Empty(t, ask(sell, "NO", "10", "0.70"))
	h.equal("3", lastOf[*domain.PermitGranted](h).Reserved, "they are promised to the other sell")

	h = second(t, "1000", func(p *domain.Policy) { quietPolicy(p); p.MaxOrderUSD = dec("1") })
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.10")
	h.ask(order("a", "rain", "NO", buy, "100", "0.90"))
	require.Empty(t, h.reasons(), "in zone 5, 90 times the largest order: it flattens")
	h.equal("90", lastOf[*domain.PermitGranted](h).Reserved)
}

// "max_position_usd, max_open_positions, inventory_cap count markets": a riskless pair
// exposes nothing, and is one market.
func TestLimitsCountMarkets(t *testing.T) {
	h := second(t, "1000", func(p *domain.Policy) {
		quietPolicy(p)
		p.MaxPositionUSD, p.MaxOpenPositions = dec("20"), 1
	})
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.45")
	h.fill("a", "rain", "NO", buy, "100", "0.45")
	f, _ := h.s.Figures("a", "rain")
	h.equal("0", f.Exposure)
	h.ask(order("a", "rain", "YES", buy, "50", "0.40"))
	require.Empty(t, h.reasons(), "50 × 0.40 is the limit, and there is one market")
	h.ask(order("a", "rain", "YES", buy, "1", "0.10"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonMaxPosition}, h.reasons(), "0.1 above it")
	h.ask(order("a", "snow", "YES", buy, "1", "0.10"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonMaxOpenPositions}, h.reasons(), "a second market")
}

// "permits granted as reducing, filled in any order and any subset, never lower min P".
func TestReducingPermitsNeverLowerTheWorst(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		outcomes := []string{"A", "B", "C", "D"}[:rapid.IntRange(2, 4).Draw(r, "outcomes")]
		h := second(r, "100000", quietPolicy, func(p *domain.Policy) { p.BlockedZones = nil })
		h.exclusive("cup", outcomes...)
		names := append([]string{}, outcomes...)
		if len(outcomes) > 2 {
			names = append(names, "!A", "!B")
		}
		for i := range rapid.IntRange(1, 5).Draw(r, "fills") {
			side := rapid.SampledFrom([]domain.Side{buy, buy, sell}).Draw(r, "side")
			h.fill("a", "cup", rapid.SampledFrom(names).Draw(r, "of"), side, fmt.Sprint(rapid.IntRange(1, 50).Draw(r, fmt.Sprint("q", i))), "0.30")
		}
		var permits []*domain.PermitGranted
		for range rapid.IntRange(1, 5).Draw(r, "orders") {
			side := rapid.SampledFrom([]domain.Side{buy, sell}).Draw(r, "way")
			o := order("a", "cup", rapid.SampledFrom(names).Draw(r, "name"), side, fmt.Sprint(rapid.IntRange(1, 40).Draw(r, "n")), "0.30")
			h.ask(o)
			if len(h.reasons()) == 0 {
				if e := lastOf[*domain.PermitGranted](h); e.Reducing == e.Quantity {
					permits = append(permits, e)
				}
			}
		}
		min := func() domain.Decimal { f, _ := h.s.Figures("a", "cup"); return f.PayoffMin }
		before := min()
		for _, n := range rapid.Permutation(permits).Draw(r, "order of fills") {
			if rapid.Bool().Draw(r, "filled") {
				h.fill("a", "cup", n.Outcome, n.Side, n.Quantity.String(), n.LimitPrice.String(), withPermit(n.Permit))
				require.Empty(r, h.flags())
			}
		}
		require.False(r, min().Less(before), "%s fell to %s", before, min())
	})
}
