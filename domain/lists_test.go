package domain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A list that the API document is made of has every constant of its type: one that is
// added and forgotten there would be sent, and not be promised.
func TestListsAreComplete(t *testing.T) {
	lists := map[string][]string{}
	for _, c := range ReasonCodes() {
		lists["ReasonCode"] = append(lists["ReasonCode"], string(c))
	}
	for _, c := range Codes() {
		lists["Code"] = append(lists["Code"], string(c))
	}
	for name, list := range lists {
		require.ElementsMatch(t, constantsOf(t, name), list, name)
	}
}

// constantsOf reads the constants of a type from the source of this package.
func constantsOf(t *testing.T, typeName string) []string {
	t.Helper()
	packages, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // one folder, no build tags
	require.NoError(t, err)
	var values []string
	ast.Inspect(packages["domain"], func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); ok && of.Name == typeName && len(spec.Values) == 1 {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok, spec.Names)
			value, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			values = append(values, value)
		}
		return true
	})
	require.NotEmpty(t, values)
	return values
}
