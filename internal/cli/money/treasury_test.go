package money

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli/show"
)

// "`treasury` prints 100 % beside “not above 20 %”"
func TestHotShareIsTrue(t *testing.T) {
	n := domain.MustDecimal
	view := func(hot, total string) *show.TreasuryView {
		v := &show.TreasuryView{}
		v.Figures.Hot, v.Figures.Total = n(hot), n(total)
		return v
	}
	require.Equal(t, "not above 20 %", show.HotShare(view("20", "100")))
	require.Equal(t, "25.00 % by the figures above; the 24 h after which increases are denied are not running", show.HotShare(view("25", "100")))
	alone := view("100", "100")
	alone.Why = portfolio.NoTwoWallets
	require.Equal(t, "100.00 %, and no rule limits it: the limit of 20 % is for a live portfolio that has a hot and a cold wallet", show.HotShare(alone))
	above, since := view("25", "100"), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	above.HotAboveSince = &since
	require.Equal(t, "ABOVE 20 % since 2026-03-02 00:00:00 UTC; after 24 h increases are denied", show.HotShare(above))
	above.IncreasesDenied = true
	require.Contains(t, show.HotShare(above), "for 24 h and more: increases are denied")
}
