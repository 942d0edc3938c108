package money

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/cli/show"
	"pets/projections"
)

// "`treasury` prints 100 % beside “not above 20 %”"
func TestHotShareIsTrue(t *testing.T) {
	t.Parallel()
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

// "Name the commands, and say as of when": a difference is no dead end, and what was recorded
// since the last reconciliation is not recorded twice.
func TestADifferenceNamesTheWayOut(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 19, 24, 0, 0, time.UTC)
	for _, c := range []struct{ place, difference, want string }{
		{"hot", "25", `pets deposit 25 --asset USDC --key [0-9a-f-]{36} -p main`},
		{"cold", "25", `pets deposit 25 --asset USDC --wallet cold --key [0-9a-f-]{36} -p main`},
		{"hot", "-3.5", `pets withdraw 3.5 --asset USDC --key [0-9a-f-]{36} -p main`},
	} {
		var out clitest.Buffer
		a := &app{&cli.App{Out: &out}}
		a.Config.Portfolio = "main"
		v := &show.TreasuryView{}
		v.ReconciledAt, v.Differences = &at, []projections.Difference{{Place: c.place, Asset: "USDC", Difference: domain.MustDecimal(c.difference)}}
		a.printWatch(a.Printer(), v)
		require.Regexp(t, c.want, strings.Join(strings.Fields(strings.ReplaceAll(out.String(), "\\\n", "")), " "), "copied twice, it happens once")
		require.Contains(t, out.String(), "    pets reconcile -p main\n")
		text := strings.Join(strings.Fields(out.String()), " ")
		require.Contains(t, text, "(as of the last reconciliation, 2026-03-02 19:24:00 UTC)")
		require.Contains(t, text, "If what explains it was recorded since, only reconcile.")
		clitest.WholeCommands(t, out.String())

		out = clitest.Buffer{}
		v.Differences[0].Unsure = "transfer x9 is on its way"
		a.printWatch(a.Printer(), v)
		text = strings.Join(strings.Fields(out.String()), " ")
		require.Contains(t, text, "Book nothing for it now: transfer x9 is on its way.")
		require.Contains(t, text, "pets reconcile -p main")
		require.NotContains(t, text, "pets deposit")
		require.NotContains(t, text, "pets withdraw")
	}
}
