package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// importing returns an imported portfolio of the second edition with a bot that has 1,000.
func importing(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	p := domain.DefaultPolicy(domain.ModePaper).Adopted(domain.ModePaper, domain.ClockImported, "USDC")
	quietPolicy(&p)
	h.must(func(d *Decision) error {
		return d.Open(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockImported, BaseAsset: "USDC", BaseDecimals: 6, Policy: p}, nil)
	})
	h.deposit("1000")
	h.bot("a", "1000")
	return h
}

// A wallet's ledger says what came in, and not which outcome won. Of what is held of an
// exclusive market, the cash tells it if only one payout brings that cash.
func TestTheCashOfARedeemTellsWhoWon(t *testing.T) {
	const yes, no = "YES", "NO"
	for _, c := range []struct {
		name     string
		outcomes []string
		held     map[string]string
		cash     string
		payouts  map[string]string // none: refused
	}{
		{"one side", []string{yes, no}, map[string]string{yes: "10", no: "4"}, "10", map[string]string{yes: "1", no: "0"}},
		{"the other side", []string{yes, no}, map[string]string{yes: "10", no: "4"}, "4", map[string]string{yes: "0", no: "1"}},
		{"a half each", []string{yes, no}, map[string]string{yes: "10", no: "4"}, "7", map[string]string{yes: "0.5", no: "0.5"}},
		{"beside a half", []string{yes, no}, map[string]string{yes: "10", no: "4"}, "7.000001", nil},
		{"as many of both", []string{yes, no}, map[string]string{yes: "10", no: "10"}, "10", nil},
		{"none of them", []string{yes, no}, map[string]string{yes: "10", no: "4"}, "0", nil},
		{"one of three", []string{"A", "B", "C"}, map[string]string{"A": "10", "B": "4"}, "4", map[string]string{"A": "0", "B": "1", "C": "0"}},
		{"the one that is not held", []string{"A", "B", "C"}, map[string]string{"A": "10", "B": "4"}, "0", map[string]string{"A": "0", "B": "0", "C": "1"}},
		{"a complement", []string{"A", "B", "C"}, map[string]string{"!A": "10", "B": "4"}, "14", map[string]string{"A": "0", "B": "1", "C": "0"}},
		{"two ways", []string{"A", "B", "C"}, map[string]string{"A": "10", "B": "10"}, "10", nil},
		{"a half of three", []string{"A", "B", "C"}, map[string]string{"A": "10", "B": "4"}, "7", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := importing(t)
			h.exclusive("m", c.outcomes...)
			for _, outcome := range append([]string{"!A"}, c.outcomes...) {
				if q := c.held[outcome]; q != "" {
					h.fill("a", "m", outcome, buy, q, "0.25")
				}
			}
			redeem := func(d *Decision) error { _, err := d.Redeem("a", "m", dec(c.cash), dec(c.cash)); return err }
			if c.payouts == nil {
				h.refused(domain.CodeInvalid, redeem)
				return
			}
			before := h.botOf("a").Cash
			h.must(redeem)
			e := lastOf[*domain.MarketPaidOut](h)
			for outcome, payout := range c.payouts {
				h.equal(payout, e.Payouts[outcome], outcome)
			}
			require.False(t, e.Finding)
			h.equal(c.cash, h.botOf("a").Cash.Sub(before), "what the row says has come in")
		})
	}
}
