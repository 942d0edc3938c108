package torture

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReliabilityNamesTests: a promise whose test has gone or has another name
// is a promise without a test.
func TestReliabilityNamesTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/reliability.md")
	require.NoError(t, err)
	there := map[string]bool{}
	for _, folder := range []string{".", "../../eventstore", "../../eventstore/embedded", "../httpapi", "../owner", "../cli/bench", "../cli/serve", "../../domain/portfolio", "../../commands"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		require.NoError(t, err)
		for _, path := range files {
			source, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
				there[string(m[1])] = true
			}
		}
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	require.Greater(t, len(named), 30)
	for _, m := range named {
		require.True(t, there[string(m[1])], "docs/reliability.md names %s, which is no test", m[1])
	}
	// And the other way round: each test in here keeps a promise of that page.
	own, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, path := range own {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t `).FindAllSubmatch(source, -1) {
			require.Contains(t, string(page), "`"+string(m[1])+"`")
		}
	}
}
