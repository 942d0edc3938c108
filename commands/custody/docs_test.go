package custody_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every test that the page about custody names exists.
func TestCustodyPageNamesTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/custody.md")
	require.NoError(t, err)
	var all strings.Builder
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(named), 30)
	for _, m := range named {
		require.Contains(t, all.String(), "\nfunc "+m[1]+"(t *testing.T)", m[1])
	}
}
