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

// semanticsPages are the index and its pages, by their names in docs.
func semanticsPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../docs/semantics/*.md")
	require.NoError(t, err)
	require.Len(t, pages, 6)
	return append([]string{"../docs/semantics.md"}, pages...)
}

// semantics returns all of those pages, one after another.
func semantics(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range semanticsPages(t) {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(page)
	}
	return all.String()
}

// Every example of the pages is a scenario that holds. Each has its own portfolio and
// its own clock.
func TestSemanticsExamples(t *testing.T) {
	blocks := 0
	for _, name := range semanticsPages(t) {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		got, n := runExamples(t, strings.TrimPrefix(name, "../"), string(page))
		blocks += n
		if *rewrite {
			require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
			continue
		}
		require.Equal(t, string(page), got, "go test ./replay -rewrite writes what is now")
	}
	require.GreaterOrEqual(t, blocks, 27)
}

// runExamples returns a page with what its examples answer now, and how many it has.
func runExamples(t *testing.T, name, page string) (got string, blocks int) {
	t.Helper()
	var out []string
	block, first := []string(nil), 0
	for i, text := range strings.Split(page, "\n") {
		switch {
		case text == "```scenario":
			out = append(out, text)
			block, first = []string{}, i+2
		case block != nil && text == "```":
			var got strings.Builder
			o := scenario.Options{Name: name, First: first, New: true}
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
	require.Nil(t, block, "%s: a block is not closed", name)
	return strings.Join(out, "\n"), blocks
}

// undocumented is what the pages do not say about a breaker: its row in the table of
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

// The pages have every name of the closed lists of the code.
func TestSemanticsIsComplete(t *testing.T) {
	page := semantics(t)
	for _, eventType := range domain.EventTypes() {
		require.Contains(t, page, "`"+domain.EventName(eventType)+"`")
	}
	lists := []struct {
		file, form string
		least      int
	}{
		{"../domain/events_risk.go", `ReasonCode = "([a-z_]+)"`, 11},
		{"../domain/events_trading.go", `Flag\w+\s+= "([a-z_]+)"`, 7},
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
	api, err := os.ReadFile("../docs/api.md")
	require.NoError(t, err)
	for _, code := range domain.Codes() {
		require.Contains(t, string(api), "\n| `"+string(code)+"` |")
	}
	for r := range risk.Rules() {
		require.Empty(t, undocumented(page, r))
	}
	require.Equal(t, []string{"| `market_loss` |", "| `max_market_loss_pct` |", "`MAX_MARKET_LOSS_PCT`"},
		undocumented(page, &risk.Rule{Name: "market_loss", Key: "max_market_loss_pct"}), "a breaker that is not documented")
	for _, word := range scenario.Words() {
		require.Regexp(t, `\b`+word+`\b`, page, "the words of scenarios")
	}
}

// The page names tests, files, folders and functions that are there.
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
	functions := regexp.MustCompile("`([a-z_./]+\\.go)`: `(?:\\w+\\.)?(\\w+)`").FindAllStringSubmatch(page, -1)
	require.Greater(t, len(functions), 8)
	for _, m := range functions {
		source, err := os.ReadFile("../" + m[1])
		require.NoError(t, err)
		require.Regexp(t, `(?m)^func (\([^)]*\) )?`+m[2]+`[\[(]`, string(source), "there is no %s in %s", m[2], m[1])
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
