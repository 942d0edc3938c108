package cli_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets"
)

// spoken are mentions of a command in a sentence that nobody copies as they stand: of help, of a
// process, or of what was typed.
var spoken = []string{
	"pets stop --store finds this one",      // a line of the server's log, about PETS_DIR
	"pets override request clock -p NAME, ", // another, about several portfolios
	"pets limits lists them",                // every portfolio has the same ones
	"pets %s (%s, %s)\n",                    // the version
	"pets serve",                            // a process
}

// help is where a command is explained, whatever it works on.
var help = regexp.MustCompile(`\bpets [a-z -]+ --help`)

// named are the commands of a text, by what follows the name of the program.
var named = regexp.MustCompile(`\bpets ((?:[a-z-]+ ?)+|%|$)`)

// "Every command line that is printed as advice is built by ONE helper", which names its
// portfolio: no text has a command of its own that works on a portfolio, or one that something
// is put into.
func TestCommandsThatArePrintedAreMadeInOnePlace(t *testing.T) {
	t.Parallel()
	root := pets.Root(&cli.App{})
	aimed := func(words string) bool {
		if words == "" || words == "%" {
			return true
		}
		c, _, err := root.Find(strings.Fields(words))
		return err == nil && c != root && !slices.ContainsFunc(cli.Unaimed, func(of string) bool {
			return strings.HasPrefix(c.CommandPath()+" ", "pets "+of+" ")
		})
	}
	read, told := 0, map[ast.Expr]bool{}
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
			case *ast.CallExpr: // so do the flags
				of, is := n.Fun.(*ast.SelectorExpr)
				if is && (strings.HasSuffix(of.Sel.Name, "Var") || strings.HasSuffix(of.Sel.Name, "VarP")) {
					return false
				}
				if is && of.Sel.Name == "Group" && len(n.Args) > 1 { // and what a group is for
					told[n.Args[1]] = true
				}
				if is && of.Sel.Name == "Prompter" { // it says what asks
					return false
				}
			case *ast.SelectorExpr:
				if of, is := n.X.(*ast.Ident); is && of.Name == "a" && n.Sel.Name == "Name" && filepath.Base(path) != "typed.go" {
					t.Errorf("%s: make the command with App.Advise", set.Position(n.Pos()))
				}
			case *ast.BasicLit:
				text, err := strconv.Unquote(n.Value)
				if n.Kind != token.STRING || err != nil || told[n] || path == "print.go" { // which knows a command by its name
					return true
				}
				for _, not := range spoken {
					text = strings.ReplaceAll(text, not, "")
				}
				text = help.ReplaceAllString(text, "")
				for _, found := range named.FindAllStringSubmatch(text, -1) {
					if aimed(strings.TrimSpace(found[1])) {
						t.Errorf("%s: %q: make the command with App.Typed or App.Advise", set.Position(n.Pos()), text)
					}
				}
			}
			return true
		})
		return nil
	}))
	require.Greater(t, read, 50)
}

// "Every command names the portfolio and target that are meant": each command of the program
// does, except for those that none is named to, and these are all known.
func TestEveryPrintedCommandNamesItsPortfolio(t *testing.T) {
	root := pets.Root(&cli.App{})
	for _, of := range cli.Unaimed {
		c, rest, err := root.Find(strings.Fields(of))
		require.NoError(t, err, of)
		require.Empty(t, rest, of)
		require.NotEqual(t, root, c, of)
	}
	a := &cli.App{}
	a.Config.Portfolio = "second"
	for _, command := range leaves(root, "") {
		none := slices.ContainsFunc(cli.Unaimed, func(of string) bool { return strings.HasPrefix(command+" ", of+" ") })
		require.Equal(t, !none, strings.Contains(a.Typed(strings.Fields(command)...), " -p second"), command)
	}
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	runbooks, err := filepath.Glob("../../docs/runbooks/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, runbooks...) { // sudo drops the settings
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, typed := range regexp.MustCompile("sudo pets stop [^`]+").FindAllString(string(text), -1) {
			require.Regexp(t, ` -p | --everywhere`, typed, page)
		}
	}
	require.Equal(t, "pets clear --confirm c1 -p other", a.AdviseIn("other", "clear", "--confirm", "c1").String())
	require.Equal(t, "pets stop --emergency --everywhere", a.Typed("stop", "--emergency", "--everywhere"))
	require.Equal(t, `pets clear --reason "…" -p second`, a.Typed("clear", "--reason", cli.Unsaid))
	require.Equal(t, `pets stop alpha --reason '' -p second`, a.Typed("stop", "alpha", "--reason", ""))
}
