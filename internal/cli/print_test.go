package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/open"
)

// The middle of long names is cut first; then the columns are split into blocks, each starting with
// the columns that tell the rows apart. No number is cut.
func TestTableThatIsTooWide(t *testing.T) {
	var out strings.Builder
	a := &App{Out: &out, Environ: []string{"COLUMNS=200", "COLUMNS=30"}}
	require.NoError(t, a.Table([][]string{
		{"BOT", "MARKET", "QUANTITY", "P&L"},
		{"alpha", "btc-up-thursday-19h/NO", "123456789", "-0.5"},
		{"beta", "eth/NO", "1", "12.25"},
	}))
	require.Equal(t, strings.Join([]string{
		"BOT    MARKET         QUANTITY",
		"alpha  btc-up-t…/NO  123456789",
		"beta   eth/NO                1",
		"",
		"BOT      P&L",
		"alpha  -0.5",
		"beta   12.25",
		"",
	}, "\n"), out.String())
	out.Reset()
	require.NoError(t, a.Table([][]string{
		{"PLACE", "ASSET", "LEDGER", "CHAIN"}, {"hot", "COIN", "1.999912132928140073", "2"}, {"hot", "USDC", "0", "0"},
	}))
	require.Equal(t, 2, strings.Count(out.String(), "hot    USDC"), "a place alone does not tell them apart")
}

// A command in a sentence is not broken, because it is copied.
func TestACommandStaysWhole(t *testing.T) {
	var out strings.Builder
	p := &Printer{w: &out, Width: 30}
	p.Line("missing    it lies there: pets verify --store embedded:/somewhere/else")
	require.Equal(t, "missing    it lies there:\n           pets verify --store embedded:/somewhere/else\n", out.String())
	out.Reset()
	p.Line("asked; another user confirms with: pets clear --confirm c35 (revision 35)")
	require.Equal(t, "asked; another user confirms\n  with (revision 35):\n  pets clear --confirm c35\n", out.String())
}

// A printed command names the portfolio and the store of this run.
func TestCommandsThatAreSaid(t *testing.T) {
	var out strings.Builder
	a := &App{Place: open.Place{StoreFlag: "embedded:/var/my store"}, Out: &out, Environ: []string{"COLUMNS=60"}, PortfolioFlag: "other"}
	p := a.Printer()
	a.Command(p, "reset", "consecutive_losses", "--bot", "alpha", "--dry-run")
	require.Equal(t, "    pets reset consecutive_losses --bot alpha --dry-run \\\n      -p other --store 'embedded:/var/my store'\n", out.String())
	require.Equal(t, `'it'\''s'`, Quoted("it's"))
}

// The numbers of a column are aligned; a ratio is truncated, not rounded, so that a value below a
// limit never looks as if it had reached it.
func TestTable(t *testing.T) {
	var out strings.Builder
	a := &App{Out: &out}
	require.NoError(t, a.Table([][]string{
		{"NAME", "VALUE", "RATIO", "W/L"},
		{"é…", "12.5", Percent(domain.MustDecimal("0.04999999")), "1/2"},
		{"bot", "-1003", Percent(domain.MustDecimal("0.00001")), "10/2"},
		{"none", "-", Percent(domain.Zero), ""},
	}))
	require.Equal(t, strings.Join([]string{
		"NAME    VALUE    RATIO  W/L",
		"é…       12.5   4.99 %  1/2",
		"bot   -1003    <0.01 %  10/2",
		"none      -     0.00 %",
		"",
	}, "\n"), out.String())
	require.Equal(t, "5.00 %", Percent(domain.MustDecimal("0.05")))
	require.Equal(t, "100.00 %", Percent(domain.One))
	require.Equal(t, "-0.5", fmt.Sprint(Money(domain.MustDecimal("-0.5"))))
}
