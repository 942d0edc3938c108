package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fits holds every line of a text to a width.
func fits(t *testing.T, width int, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		require.LessOrEqual(t, len([]rune(line)), width, "%s", line)
		require.Equal(t, strings.TrimRight(line, " "), line)
	}
}

// readingCommands are those that look back at a portfolio.
var readingCommands = []string{
	"state", "stats", "balances", "positions", "trades", "equity", "events", "permits", "breakers", "treasury", "transfers", "approvals",
	"wallet list", "address-book", "verify",
}

// A person reads it on a terminal of 80 columns, or of 120.
func TestTextFitsATerminal(t *testing.T) {
	demo := newShell(t)
	demo.playedDemo(filepath.Join(demo.dir, "week"))
	demo.env = []string{"PETS_STORE=embedded:" + filepath.Join(demo.dir, "week"), "PETS_PORTFOLIO=demo"}
	for name, s := range map[string]*shell{"demo": demo, "small": small(t), "wallet": wallet(t, "250"), "tape": tapeShell(t)} {
		env := slices.Clip(s.env)
		for _, width := range []int{80, 120} {
			s.env = append(env, "COLUMNS="+strconv.Itoa(width))
			for _, command := range readingCommands {
				if name == "tape" && command != "state" && command != "stats" { // the others take long on it
					continue
				}
				t.Run(name+" "+command+" "+strconv.Itoa(width), func(t *testing.T) { fits(t, width, s.ok(strings.Fields(command)...)) })
			}
		}
	}
}

// The middle of long names goes first; then the columns go on below, each block with those
// that tell the rows apart. No number is cut.
func TestTableThatIsTooWide(t *testing.T) {
	var out strings.Builder
	a := &app{out: &out, environ: []string{"COLUMNS=200", "COLUMNS=30"}}
	require.NoError(t, a.table([][]string{
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
	require.NoError(t, a.table([][]string{
		{"PLACE", "ASSET", "LEDGER", "CHAIN"}, {"hot", "COIN", "1.999912132928140073", "2"}, {"hot", "USDC", "0", "0"},
	}))
	require.Equal(t, 2, strings.Count(out.String(), "hot    USDC"), "a place alone does not tell them apart")
}

// Lines go on below their label; a word that is too long stays whole.
func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"hot share   not above it", 80, "hot share   not above it"},
		{"hot share   not above it at all", 20, "hot share   not\n            above it\n            at all"},
		{"  Look at what tripped", 14, "  Look at what\n    tripped"},
		{"one 0x0123456789abcdef two", 10, "one\n  0x0123456789abcdef\n  two"},
		{"any width there is", 0, "any width there is"},
		{"0123456789", 5, "0123456789"},
	} {
		require.Equal(t, c.want, strings.Join(wrap(c.text, c.width, hanging(c.text)), "\n"))
	}
}

// A command is copied: it is not broken where it is said in a sentence.
func TestACommandStaysWhole(t *testing.T) {
	var out strings.Builder
	p := &printer{w: &out, width: 30}
	p.line("missing    it lies there: pets verify --store embedded:/somewhere/else")
	require.Equal(t, "missing    it lies there:\n           pets verify --store embedded:/somewhere/else\n", out.String())
	out.Reset()
	p.line("asked; another user confirms with: pets clear --confirm c35 (revision 35)")
	require.Equal(t, "asked; another user confirms\n  with (revision 35):\n  pets clear --confirm c35\n", out.String())
}

// What is said to be typed names the portfolio and the store of this run.
func TestCommandsThatAreSaid(t *testing.T) {
	var out strings.Builder
	a := &app{place: place{store: "embedded:/var/my store"}, out: &out, environ: []string{"COLUMNS=60"}, portfolio: "other"}
	p := a.printer()
	a.command(p, "reset", "consecutive_losses", "--bot", "alpha", "--dry-run")
	require.Equal(t, "    pets reset consecutive_losses --bot alpha --dry-run \\\n      -p other --store 'embedded:/var/my store'\n", out.String())
	require.Equal(t, `'it'\''s'`, quoted("it's"))
}
