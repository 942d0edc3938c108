package look_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain/risk"
	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// "Correct beats fast, refuse beats guess … and a person can always stop, and always get out":
// what is printed under WHAT TO DO NEXT leads out, run as it stands and in its order, for every
// breaker, with equity left and without.
func TestWhatToDoNextLeadsOut(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "sh")
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	w := p.TwoPeople(folder)
	bin, n := t.TempDir(), 0
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(bin, "pets")))
	for r := range risk.Rules() {
		var value any = "0.07"
		if r.Whole {
			value = 1
		}
		for _, c := range []struct {
			deposit, pnl string
			nothing      risk.Scope // of whom nothing is left: "`reset` with `rebase` is possible whenever the scope has equity ≠ 0"
		}{
			{"2000", "-700", ""},                // some equity is left
			{"9000", "-1000", risk.OfBot},       // nothing is left of the bot, and the treasury pays
			{"9000", "-5400", ""},               // the bot has a debt
			{"1000", "-1000", risk.OfPortfolio}, // nothing is left at all
			{"2000", "-5400", ""},               // the portfolio has a debt
		} {
			n++
			if n%testenv.Rounds(3, 3, 1) != 0 {
				continue // every rule has one or two of these, and all of them in a long run
			}
			id := "p" + strconv.Itoa(n)
			about := []any{"%s after a loss of %s of 1000, with a deposit of %s", r.Name, c.pnl, c.deposit}
			open := map[string]any{"id": id, "mode": "paper", "limits": map[string]any{r.Key: value}}
			require.NoError(t, p.Client(w.Olga).Send(t.Context(), http.MethodPost, "/v1/portfolios", id, open, nil))
			main := p.Client(w.Olga).Portfolio(id)
			post := func(path, key string, body map[string]any) {
				require.NoError(t, main.Post(t.Context(), path, key, body, nil), about...)
			}
			post("/deposits", id+"d", map[string]any{"wallet": "hot", "amount": c.deposit})
			post("/bots", id+"a", map[string]any{"id": "a", "capital": "1000"})
			post("/bots", id+"b", map[string]any{"id": "b", "capital": "0"})
			post("/bots/a/start", id+"s", map[string]any{})
			post("/trades", id+"t", map[string]any{"bot": "a", "market": "m", "pnl": c.pnl, "trade_id": "t1"})

			text := w.Ok(w.Olga, "state", "-p", id)
			require.Contains(t, text, "WHAT TO DO NEXT", about...)
			if r.Rebase != nil && (c.nothing == risk.OfPortfolio || c.nothing == risk.OfBot && r.Scope == risk.OfBot) {
				require.Contains(t, strings.Join(printedCommands(text), "\n"), "pets deposit", about...)
				moneyHasKeys(t, text)
			}
			clitest.Fits(t, 80, strings.ReplaceAll(text, p.URL, "http://127.0.0.1:7433"))
			request := ""
			for _, line := range printedCommands(text) {
				key := w.Olga
				if strings.Contains(line, "--confirm") {
					key = w.Bob
				}
				line = strings.NewReplacer("REQUEST", request, "…", "looked at it").Replace(line)
				cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
				cmd.Dir = bin
				cmd.Env = []string{petstest.AsCommand + "=1", petstest.EndsAtOnce, "PATH=" + bin + ":" + os.Getenv("PATH"), "PETS_SERVER=" + p.URL, "PETS_KEY=" + key}
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s, deposit %s, loss %s: %s\n%s\nof\n%s", r.Name, c.deposit, c.pnl, line, out, text)
				if id := regexp.MustCompile(`--confirm (c\d+)`).FindSubmatch(out); id != nil {
					request = string(id[1])
				}
			}
			text = w.Ok(w.Olga, "state", "-p", id)
			require.NotContains(t, text, "WHAT TO DO NEXT", about...)
			require.Regexp(t, `(?m)^a +running`, text, about...)
		}
	}
}

// moneyHasKeys: "safe to run twice", what is printed to move money has a key, and nothing else.
func moneyHasKeys(t *testing.T, text string) {
	t.Helper()
	for _, line := range printedCommands(text) {
		money := strings.HasPrefix(line, "pets deposit") || strings.HasPrefix(line, "pets bot allocate")
		require.Equal(t, money, strings.Contains(line, " --key "), line)
	}
}

// printedCommands are the lines of a shell under WHAT TO DO NEXT.
func printedCommands(text string) []string {
	_, text, _ = strings.Cut(text, "WHAT TO DO NEXT\n")
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		if command := strings.TrimPrefix(line, "    "); command != line {
			all = append(all, strings.TrimSpace(command))
		}
	}
	return all
}

// The refusal and the dry run name the same way out: a rebase alone does not help.
func TestARefusedResetSaysTheWayOut(t *testing.T) {
	t.Parallel()
	for pnl, all := range map[string]map[string][]string{ // "`reset` with `rebase` is possible whenever the scope has equity ≠ 0"
		"-500": {"bot_drawdown --bot alpha": {"the bot's equity is 0", "Allocate more than 0 to it (POST /v1/portfolios/main/bots/alpha/allocate", "POST /v1/portfolios/main/deposits"}},
		"-1000": {
			"daily_loss":         {"the portfolio's equity is 0", "Record a deposit of more than 0 once it has arrived (POST /v1/portfolios/main/deposits)"},
			"portfolio_drawdown": {"the portfolio's equity is 0", "Record a deposit of more than 0"},
		},
	} {
		refusedReset(t, pnl, all)
	}
}

func refusedReset(t *testing.T, pnl string, all map[string][]string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	w := p.TwoPeople(folder)
	main := p.Client(w.Olga).Portfolio("main")
	require.NoError(t, main.Post(t.Context(), "/trades", "t", map[string]any{"bot": "alpha", "market": "m", "pnl": pnl, "trade_id": "t1"}, nil))
	for _, rebase := range [][]string{nil, {"--rebase"}} {
		for breaker, words := range all {
			reset := append(append([]string{"reset"}, strings.Fields(breaker)...), rebase...)
			r := p.Pets(folder, w.Olga, append(reset, "--reason", "x")...)
			require.NotEqual(t, 0, r.Code)
			flat := strings.Join(strings.Fields(r.Err), " ")
			for _, word := range words {
				require.Contains(t, flat, word)
			}
			for _, where := range [][]string{{}, {"--store=embedded:" + folder}} {
				dry := w.Ok(w.Olga, append(append(where, reset...), "--dry-run")...)
				require.Contains(t, dry, "    pets deposit 1")
				require.Contains(t, dry, "pets reset "+breaker+" --rebase")
				require.Contains(t, strings.Join(strings.Fields(dry), " "), "with --rebase and without")
			}
		}
	}
}
