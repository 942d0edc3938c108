package treasury

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// rules are the defaults with another share.
func rules(share string) *domain.TreasuryPolicy {
	p := domain.DefaultTreasuryPolicy()
	p.HotWalletPercentage = dec(share)
	return &p
}

// lying is money in hot, deployed, in cold and on its way; all of hot and cold is free.
func lying(hot, deployed, cold, transit string) Holdings {
	return Holdings{HotCash: dec(hot), Deployed: dec(deployed), Cold: dec(cold), Transit: dec(transit), FreeHot: dec(hot), FreeCold: dec(cold)}
}

const (
	down = "hot → cold"
	up   = "cold → hot"
)

func told(m Move) (direction, amount string) {
	if m == (Move{}) {
		return "", "0"
	}
	return m.From + " → " + m.To, m.Amount.String()
}

// “Total = hot + cold + positions at cost + transit. Target hot =
// hot_wallet_percentage (0.15) × total. Hot value counts deployed positions. hot <
// 0.8 × target → propose cold → hot up to target. hot > U = min(1.2 × target, 0.20 ×
// total) → propose hot → cold down to target (to 0.95 × target where U < 1.05 ×
// target), limited by free hot cash. smallest move min_rebalance_usd (50).” Worked
// out by hand.
func TestPropose(t *testing.T) {
	for name, c := range map[string]struct {
		share             string
		h                 Holdings
		direction, amount string
	}{
		// Of 10,000 at 0.15: target 1,500, low 1,200, high 1,800.
		"at the target":                   {"0.15", lying("1500", "0", "8500", "0"), "", "0"},
		"a cent above low":                {"0.15", lying("1200.01", "0", "8799.99", "0"), "", "0"},
		"at low":                          {"0.15", lying("1200", "0", "8800", "0"), "", "0"},
		"a cent below low":                {"0.15", lying("1199.99", "0", "8800.01", "0"), up, "300.01"},
		"a cent below high":               {"0.15", lying("1799.99", "0", "8200.01", "0"), "", "0"},
		"at high":                         {"0.15", lying("1800", "0", "8200", "0"), "", "0"},
		"a cent above high":               {"0.15", lying("1800.01", "0", "8199.99", "0"), down, "300.01"},
		"nothing in hot":                  {"0.15", lying("0", "0", "10000", "0"), up, "1500"},
		"nothing in cold":                 {"0.15", lying("10000", "0", "0", "0"), down, "8500"},
		"deployed capital counts as hot":  {"0.15", lying("700", "800", "8500", "0"), "", "0"},
		"deployed, and a cent above high": {"0.15", lying("1000.01", "800", "8199.99", "0"), down, "300.01"},
		"deployed, and below low":         {"0.15", lying("100", "900", "9000", "0"), up, "500"},
		"transit counts in the total":     {"0.15", lying("1200", "0", "7800", "1000"), "", "0"},
		"transit is not hot":              {"0.15", lying("1199.99", "0", "0.01", "8800"), "", "0"}, // 0.01 in cold is below 50
		// At 0.20: target and U are both 2,000, and U < 1.05 × target = 2,100.
		"0.20, at the upper limit":     {"0.20", lying("2000", "0", "8000", "0"), "", "0"},
		"0.20, a cent above it":        {"0.20", lying("2000.01", "0", "7999.99", "0"), down, "100.01"}, // to 0.95 × 2,000
		"0.20, below low":              {"0.20", lying("1599.99", "0", "8400.01", "0"), up, "400.01"},
		"0.20, at low":                 {"0.20", lying("1600", "0", "8400", "0"), "", "0"},
		"0.1905, the last that is not": {"0.1905", lying("2000.01", "0", "7999.99", "0"), down, "190.26"}, // 1.05 × 1,905 = 2,000.25 > U: to 1,809.75
		// 1.05 × 1,904 = 1,999.20 < U = 2,000: down to the target itself.
		"0.1904":                  {"0.1904", lying("2000.01", "0", "7999.99", "0"), down, "96.01"},
		"0.19":                    {"0.19", lying("2000.01", "0", "7999.99", "0"), down, "100.01"},
		"0.19, at U":              {"0.19", lying("2000", "0", "8000", "0"), "", "0"},
		"0.10, high is 1,200":     {"0.10", lying("1200.01", "0", "8799.99", "0"), down, "200.01"},
		"0.10, low is 800":        {"0.10", lying("799.99", "0", "9200.01", "0"), up, "200.01"},
		"0.1666, U is 1.2 × it":   {"0.1666", lying("1999.20", "0", "8000.80", "0"), "", "0"},
		"0.1666, a cent above":    {"0.1666", lying("1999.21", "0", "8000.79", "0"), down, "333.21"},
		"0.1667, U is 0.20 of it": {"0.1667", lying("2000.01", "0", "7999.99", "0"), down, "333.01"},
		// The smallest move. Of 1,000 at 0.15: target 150, low 120, high 180.
		"small: a move of 49.999999": {"0.15", Holdings{HotCash: dec("200"), Cold: dec("800"), FreeHot: dec("49.999999")}, "", "0"},
		"small: a move of 50":        {"0.15", Holdings{HotCash: dec("200"), Cold: dec("800"), FreeHot: dec("50")}, down, "50"},
		"small: all of 50.000001":    {"0.15", Holdings{HotCash: dec("200.000001"), Cold: dec("799.999999"), FreeHot: dec("50.000001")}, down, "50.000001"},
		"small: up by 30":            {"0.15", lying("119.99", "0", "880.01", "0"), "", "0"},
		// What can be given.
		"limited by free hot cash":   {"0.15", Holdings{HotCash: dec("500"), Deployed: dec("4500"), Cold: dec("5000"), FreeHot: dec("123.456789")}, down, "123.456789"},
		"no free hot cash":           {"0.15", Holdings{HotCash: dec("5000"), Cold: dec("5000")}, "", "0"},
		"free hot cash below 0":      {"0.15", Holdings{HotCash: dec("5000"), Cold: dec("5000"), FreeHot: dec("-1")}, "", "0"},
		"limited by free cold":       {"0.15", Holdings{HotCash: dec("500"), Cold: dec("9500"), FreeCold: dec("700")}, up, "700"},
		"free cold below 0":          {"0.15", Holdings{HotCash: dec("500"), Cold: dec("9500"), FreeCold: dec("-0.01")}, "", "0"},
		"less than the smallest":     {"0.15", Holdings{HotCash: dec("500"), Cold: dec("9500"), FreeCold: dec("49.99")}, "", "0"},
		"hot below 0":                {"0.15", lying("-100", "0", "1100", "0"), up, "250"},
		"nothing at all":             {"0.15", Holdings{}, "", "0"},
		"a total below 0":            {"0.15", lying("-100", "0", "50", "0"), "", "0"},
		"a total of 0":               {"0.15", lying("100", "0", "-100", "0"), "", "0"},
		"rounded down to 6 decimals": {"0.15", lying("0", "0", "1000.00001", "0"), up, "150.000001"}, // 150.0000015
	} {
		_, m := Propose(c.h, rules(c.share), 6)
		direction, amount := told(m)
		require.Equal(t, [2]string{c.direction, c.amount}, [2]string{direction, amount}, name)
	}
}

// “rounded down”: to the decimals that the chain has, none as well.
func TestProposeDecimals(t *testing.T) {
	h := lying("0", "0", "1000.99999", "0") // target 150.1499985
	for decimals, want := range map[int]string{0: "150", 2: "150.14", 6: "150.149998", 18: "150.1499985"} {
		_, m := Propose(h, rules("0.15"), decimals)
		require.Equal(t, want, m.Amount.String(), decimals)
	}
}

// “every number explained in the proposal”
func TestFigures(t *testing.T) {
	r, m := Propose(Holdings{HotCash: dec("1500"), Deployed: dec("600"), Cold: dec("7400"), Transit: dec("500"), FreeHot: dec("900"), FreeCold: dec("7400")}, rules("0.15"), 6)
	require.Equal(t, domain.Rebalance{
		Hot: dec("2100"), HotCash: dec("1500"), Deployed: dec("600"), Cold: dec("7400"), Transit: dec("500"), Total: dec("10000"), Share: dec("0.21"),
		Target: dec("1500"), Low: dec("1200"), High: dec("1800"), GoesTo: dec("1500"), Available: dec("900"), Smallest: dec("50"),
	}, r)
	require.Equal(t, Move{domain.WalletHot, domain.WalletCold, dec("600")}, m)
	require.Equal(t, "0", Figures(Holdings{}, rules("0.15")).Share.String(), "of nothing there is no share")
}

// “Above 0.20”: of the total, deployed positions included.
func TestAboveShare(t *testing.T) {
	require.False(t, AboveShare(lying("2000", "0", "8000", "0")), "at 0.20")
	require.True(t, AboveShare(lying("2000.01", "0", "7999.99", "0")))
	require.False(t, AboveShare(lying("1999.99", "0", "8000.01", "0")))
	require.True(t, AboveShare(lying("0.01", "2000", "7999.99", "0")), "deployed")
	require.False(t, AboveShare(lying("2000.01", "0", "0", "8000.04")), "transit counts in the total")
	require.False(t, AboveShare(Holdings{}))
	require.False(t, AboveShare(lying("1", "0", "-1", "0")), "of nothing there is no share")
}

// A proposal never asks for more than there is, never goes past what it aims at, and
// once it is carried out none follows: money is not sent to and fro.
func TestProposalsSettle(t *testing.T) {
	cents := func(r *rapid.T, name string) domain.Decimal {
		return domain.FromInt(rapid.Int64Range(-10_000, 2_000_000).Draw(r, name)).Mul(dec("0.01"))
	}
	rapid.Check(t, func(r *rapid.T) {
		p := rules("0.15")
		p.HotWalletPercentage = domain.FromInt(rapid.Int64Range(1_000, 2_000).Draw(r, "share")).Mul(dec("0.0001"))
		p.MinRebalanceUSD = domain.FromInt(rapid.Int64Range(0, 100).Draw(r, "smallest"))
		h := Holdings{HotCash: cents(r, "hot"), Deployed: cents(r, "deployed"), Cold: cents(r, "cold"), Transit: cents(r, "transit").Max(domain.Zero)}
		h.FreeHot, h.FreeCold = h.HotCash, h.Cold
		if rapid.Bool().Draw(r, "claimed") {
			h.FreeHot = h.FreeHot.Sub(cents(r, "by others").Max(domain.Zero))
		}
		figures, m := Propose(h, p, 6)
		again, same := Propose(h, p, 6)
		require.Equal(r, figures, again)
		require.Equal(r, m, same, "the same question has the same answer")
		if m == (Move{}) {
			return
		}
		require.False(r, figures.Available.Less(m.Amount), "more than there is")
		require.False(r, m.Amount.Less(p.MinRebalanceUSD), "less than the smallest move")
		require.Equal(r, m.Amount, m.Amount.Trunc(6))
		after := h
		if m.From == domain.WalletCold {
			after.HotCash, after.Cold = h.HotCash.Add(m.Amount), h.Cold.Sub(m.Amount)
			require.False(r, figures.GoesTo.Less(after.HotCash.Add(after.Deployed)), "goes past the target")
		} else {
			after.HotCash, after.Cold = h.HotCash.Sub(m.Amount), h.Cold.Add(m.Amount)
			require.False(r, after.HotCash.Add(after.Deployed).Less(figures.GoesTo), "goes past the target")
		}
		after.FreeHot, after.FreeCold = h.FreeHot.Add(after.HotCash).Sub(h.HotCash), h.FreeCold.Add(after.Cold).Sub(h.Cold)
		_, next := Propose(after, p, 6)
		require.Equal(r, Move{}, next, "a second proposal follows the first: %+v of %+v", m, h)
	})
}
