package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/cli/clitest"
	"pets/internal/open"
)

// The middle of long names is cut first; then the columns are split into blocks, each starting with
// the columns that tell the rows apart. No number is cut.
func TestTableThatIsTooWide(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	var out strings.Builder
	p := &Printer{w: &out, Width: 30}
	p.Line("missing    it lies there: pets verify --store embedded:/somewhere/else")
	require.Equal(t, "missing    it lies there:\n           pets verify \\\n             --store embedded:/somewhere/else\n", out.String())
	out.Reset()
	p.Line("asked; another user confirms with: pets clear --confirm c35 (revision 35)")
	require.Equal(t, "asked; another user confirms\n  with (revision 35):\n  pets clear --confirm c35\n", out.String())
}

// A printed command names the portfolio and the store of this run.
func TestCommandsThatAreSaid(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	a := &App{Place: open.Place{StoreFlag: "embedded:/var/my store"}, Out: &out, Environ: []string{"COLUMNS=60"}}
	a.Config.Portfolio = "other"
	p := a.Printer()
	a.Command(p, "reset", "consecutive_losses", "--bot", "alpha", "--dry-run")
	require.Equal(t, "    pets reset consecutive_losses --bot alpha --dry-run \\\n      -p other --store 'embedded:/var/my store'\n", out.String())
	require.Equal(t, `'it'\''s'`, Quoted("it's"))
}

// The numbers of a column are aligned; a ratio is truncated, not rounded, so that a value below a
// limit never looks as if it had reached it.
func TestTable(t *testing.T) {
	t.Parallel()
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

// "Print commands whole or with a backslash": where a text ends with one, where a line is one,
// and within a sentence.
func TestCommandsArePrintedWhole(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("7e", 32)
	for width := 40; width < 110; width++ {
		var out strings.Builder
		p := &Printer{w: &out, Width: width}
		p.Line("x8 is asked for; somebody else approves it: pets approve x8 --hash %s (revision 12)", hash)
		p.Line("somebody else than ann:\n        pets approve x21 --hash %s --reason \"it is right\"", hash)
		p.Say(2, "Look at it there. On the machine with the key, pets cold sign /media/stick/x8.json --yes signs it.")
		clitest.WholeCommands(t, out.String())
		require.Contains(t, out.String(), "pets cold sign /media/stick/x8.json --yes")
		typed := strings.NewReplacer("\\\n", " ").Replace(out.String())
		typed = strings.Join(strings.Fields(typed), " ")
		require.Contains(t, typed, "pets approve x8 --hash "+hash)
		require.Contains(t, typed, "pets approve x21 --hash "+hash+` --reason "it is right"`)
		for _, line := range strings.Split(out.String(), "\n") {
			require.False(t, strings.HasSuffix(line, "--hash") || strings.HasSuffix(line, "pets"), line)
		}
	}
}

// Two names that differ anywhere are told apart in a table, however narrow it is.
func TestWhatIsCutStillDiffers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("will-it-rain-in-london-on-the-first-day-of-", 2)
	cells := []string{"MARKET", "eth/NO", long + "may/YES", long + "may/NO", long + "march/YES", "x" + long + "may/YES", long + "may/YES"}
	for i := range 40 { // in the middle, where the cut is
		cells = append(cells, fmt.Sprintf("%s%02d-%s/YES", long, i, long))
	}
	for width := 12; width < 100; width += 11 {
		cut := toldApart(cells, width)
		of := map[string]string{}
		for i, cell := range cells {
			require.LessOrEqual(t, len([]rune(cut[i])), width, "%s", cell)
			if other, is := of[cut[i]]; is {
				require.Equal(t, other, cell, "both are %s", cut[i])
			}
			of[cut[i]] = cell
		}
		require.Equal(t, []string{"MARKET", "eth/NO"}, cut[:2], "what fits stays whole")
	}
	// More names than a width has room for: it is widened.
	cells = []string{"MARKET"}
	for i := range 3000 {
		cells = append(cells, fmt.Sprintf("%s%04d-%s%04d", long, i/50, long, i%50))
	}
	cut := toldApart(cells, 12)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(cut))), len(cells))
	require.Less(t, widest(cut), 24)
}
