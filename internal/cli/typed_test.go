package cli_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// "Every command line that is printed as advice is built by ONE helper": no text has a command
// of its own that something is put into, or that acts on a portfolio.
func TestCommandsThatArePrintedAreMadeInOnePlace(t *testing.T) {
	t.Parallel()
	filled := regexp.MustCompile(`\bpets [a-z]+(?: [a-z]+)*(?: --[a-z-]+)* (?:%|$)`)
	acting := regexp.MustCompile(`\bpets (?:stop|clear|reset|start|approve|reject) --?[a-z]`)
	notCommands := []string{"pets serve ended", "pets serve did not", "pets serve is not", "pets stop --store finds"}
	read := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		read++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr: // the help shows how a command is typed
				if key, is := n.Key.(*ast.Ident); is && (key.Name == "Example" || key.Name == "Long" || key.Name == "Short") {
					return false
				}
			case *ast.BasicLit:
				text, err := strconv.Unquote(n.Value)
				if n.Kind != token.STRING || err != nil {
					return true
				}
				for _, not := range notCommands {
					text = strings.ReplaceAll(text, not, "")
				}
				if filled.MatchString(text) || acting.MatchString(text) {
					t.Errorf("%s: %q: make the command with App.Typed", set.Position(n.Pos()), text)
				}
			}
			return true
		})
		return nil
	}))
	require.Greater(t, read, 50)
}
