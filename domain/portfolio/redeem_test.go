package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// A redeem settles all that is held at cash ÷ quantity. Where another quantity was
// reported than is held, other cash moved than is booked: a finding. A quantity of
// 0 says nothing about what was held.
func TestARedeemOfAnotherQuantityIsAFinding(t *testing.T) {
	for _, c := range []struct {
		quantity, cash, payout string
		finding                bool
	}{
		{"10", "10", "1", false},
		{"10.000", "5", "0.5", false},
		{"0", "0", "0", false},
		{"9.99", "9.99", "1", true},
		{"10.01", "10.01", "1", true},
		{"20", "0", "0", true},
	} {
		h := trading(t)
		h.fill("a", "m", "YES", buy, "10", "0.5")
		_, err := h.try(func(d *Decision) error {
			_, err := d.Redeem("a", "m", dec(c.quantity), dec(c.cash))
			return err
		})
		require.NoError(t, err)
		settled := lastOf[*domain.MarketSettled](h)
		h.equal(c.payout, settled.Payout)
		require.Equal(t, c.finding, settled.Finding, "%v", c)
		require.Len(t, settled.Holders, 1)
	}
}

// What is held short cannot be redeemed: nothing is booked, silently or otherwise.
func TestAShortHoldingIsNotRedeemed(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", sell, "10", "0.5")
	for _, c := range [][2]string{{"10", "10"}, {"10", "0"}, {"0", "0"}} {
		_, err := h.try(func(d *Decision) error {
			_, err := d.Redeem("a", "m", dec(c[0]), dec(c[1]))
			return err
		})
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), "%v", c)
		require.ErrorContains(t, err, "no long holding")
	}
}
