package replay_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
	"pets/replay/scenario"
)

// go test ./replay -rewrite writes the output of every example anew. Read the difference
// before you keep it.
var rewrite = flag.Bool("rewrite", false, "write the expected output of examples anew")

const semantics = "../docs/semantics.md"

// Every example of the page is a scenario that holds. Each stands for itself:
// its own portfolio, its own clock.
func TestSemanticsExamples(t *testing.T) {
	page, err := os.ReadFile(semantics)
	require.NoError(t, err)
	var out []string
	block, first, blocks := []string(nil), 0, 0
	for i, text := range strings.Split(string(page), "\n") {
		switch {
		case text == "```scenario":
			out = append(out, text)
			block, first = []string{}, i+2
		case block != nil && text == "```":
			var got strings.Builder
			o := scenario.Options{Name: "docs/semantics.md", First: first}
			require.NoError(t, scenario.Run(t.Context(), o, strings.NewReader(strings.Join(block, "\n")+"\n"), &got))
			out = append(append(out, strings.Split(strings.TrimSuffix(got.String(), "\n"), "\n")...), text)
			block = nil
			blocks++
		case block != nil:
			block = append(block, text)
		default:
			out = append(out, text)
		}
	}
	require.Nil(t, block, "a block is not closed")
	require.Greater(t, blocks, 10)
	got := strings.Join(out, "\n")
	if *rewrite {
		require.NoError(t, os.WriteFile(semantics, []byte(got), 0o600))
		return
	}
	require.Equal(t, string(page), got, "go test ./replay -rewrite writes what is now")
}

// undocumented is what the page does not have of a breaker: its row in the table of
// breakers, and that of its key.
func undocumented(page string, r *risk.Rule) []string {
	var missing []string
	for _, text := range []string{"| `" + r.Name + "` |", "| `" + r.Key + "` |", "`" + strings.ToUpper(r.Key) + "`"} {
		if !strings.Contains(page, text) {
			missing = append(missing, text)
		}
	}
	return missing
}

// The page has every name of the closed lists of the code.
func TestSemanticsIsComplete(t *testing.T) {
	bytes, err := os.ReadFile(semantics)
	require.NoError(t, err)
	page := string(bytes)
	for _, eventType := range domain.EventTypes() {
		require.Contains(t, page, "`"+domain.EventName(eventType)+"`")
	}
	lists := []struct {
		file, form string
		least      int
	}{
		{"../domain/events_risk.go", `ReasonCode = "([a-z_]+)"`, 11},
		{"../domain/events_trading.go", `Flag\w+\s+= "([a-z_]+)"`, 7},
		{"../domain/errors.go", `Code = "([a-z_]+)"`, 14},
		{"../domain/policy.go", "json:\"([a-z_]+)\"", 13},
		{"../domain/events_risk.go", `Stop\w+\s+= "([a-z_]+)"`, 4},
	}
	for _, l := range lists {
		source, err := os.ReadFile(l.file)
		require.NoError(t, err)
		found := regexp.MustCompile(l.form).FindAllStringSubmatch(string(source), -1)
		require.GreaterOrEqual(t, len(found), l.least, l.form)
		for _, m := range found {
			require.Contains(t, page, "`"+m[1]+"`", "of %s", l.file)
		}
	}
	for r := range risk.Rules() {
		require.Empty(t, undocumented(page, r))
	}
	require.Equal(t, []string{"| `market_loss` |", "| `max_market_loss_pct` |", "`MAX_MARKET_LOSS_PCT`"},
		undocumented(page, &risk.Rule{Name: "market_loss", Key: "max_market_loss_pct"}), "a breaker that nobody has described")
	for _, word := range scenario.Words() {
		require.Regexp(t, `\b`+word+`\b`, page, "the words of scenarios")
	}
}

// The page names tests, files and folders that are there.
func TestArchitecturePage(t *testing.T) {
	bytes, err := os.ReadFile("../docs/architecture.md")
	require.NoError(t, err)
	page := string(bytes)
	tests := testNames(t)
	for _, name := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(page, -1) {
		require.True(t, tests[name[1]], "there is no %s", name[1])
	}
	paths := regexp.MustCompile("`((?:domain|eventstore|commands|projections|replay|internal|cmd)/[a-z_./]*)`").FindAllStringSubmatch(page, -1)
	require.Greater(t, len(paths), 20)
	for _, path := range paths {
		_, err := os.Stat("../" + path[1])
		require.NoError(t, err)
	}
	for _, folder := range []string{"../domain", "../eventstore", "../internal"} {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		for _, e := range entries {
			name := strings.TrimPrefix(folder, "../") + "/" + e.Name()
			if e.IsDir() && e.Name() != "testdata" && e.Name() != "shareddata" {
				require.True(t, strings.Contains(page, "`"+name+"`"), "%s is not in the table", name)
			}
		}
	}
}

// testNames are the tests of the whole tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	form := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	require.NoError(t, filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), ".") && e.Name() != "..":
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range form.FindAllStringSubmatch(string(source), -1) {
			names[m[1]] = true
		}
		return nil
	}))
	return names
}
