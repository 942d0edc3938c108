package archtest

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// maxTextFile bounds what is read in search of words; larger files are data.
const maxTextFile = 1 << 20

// tree is the repository as a fresh clone would hold it.
type tree struct {
	folders []string          // at the top
	text    map[string][]byte // every text file, by path
	sources []source          // every Go file outside testdata
}

// readTree reads what git would track. It goes by name, not by asking git, so
// that a file is judged before it is added.
func readTree(t *testing.T, root string) tree {
	t.Helper()
	out := tree{text: map[string][]byte{}}
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			return out.addFolder(name)
		}
		if !d.Type().IsRegular() || untracked(name) {
			return nil
		}
		return out.addFile(root, name)
	}))
	return out
}

func (tr *tree) addFolder(name string) error {
	if slices.Contains([]string{".git", "bin", "pets-data"}, name) || path.Base(name) == "node_modules" || name == "docs/examples/typescript/dist" {
		return fs.SkipDir
	}
	if !strings.Contains(name, "/") {
		tr.folders = append(tr.folders, name)
	}
	return nil
}

func (tr *tree) addFile(root, name string) error {
	f, err := os.Open(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTextFile+1))
	if err != nil {
		return err
	}
	if len(text) > maxTextFile || bytes.IndexByte(text, 0) >= 0 {
		return nil // data
	}
	tr.text[name] = text
	if strings.HasSuffix(name, ".go") && !strings.Contains("/"+name, "/testdata/") {
		s, err := parse(name, text)
		if err != nil {
			return err
		}
		tr.sources = append(tr.sources, s)
	}
	return nil
}

// untracked follows .gitignore.
func untracked(name string) bool {
	base := path.Base(name)
	if name == ".git" || base == ".env" || (strings.HasPrefix(base, ".env.") && base != ".env.example") || name == "pets" {
		return true
	}
	return slices.Contains([]string{".test", ".out", ".prof"}, path.Ext(base))
}

// topFolders are the folders of docs/architecture.md.
var topFolders = []string{"domain", "eventstore", "projections", "commands", "cmd", "replay", "docs", "internal", "deploy"}

// checkTopFolders lets folders that begin with a dot pass: they belong to tools.
func checkTopFolders(tr tree) []string {
	var out []string
	for _, name := range tr.folders {
		if name[0] != '.' && !slices.Contains(topFolders, name) {
			out = append(out, name+"/: a top-level folder that the design does not have")
		}
	}
	return out
}

// checkPackageComments wants one comment for each package, which begins as godoc
// expects it.
func checkPackageComments(tr tree) []string {
	documented := map[string]bool{}
	for _, s := range tr.sources {
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(s.pkg()) + " "
		}
		documented[s.pkg()] = documented[s.pkg()] || strings.HasPrefix(s.file.Doc.Text(), want)
	}
	var out []string
	for pkg, ok := range documented {
		if !ok {
			out = append(out, pkg+": no package comment (what it owns, what it refuses)")
		}
	}
	return out
}

// leftOvers say that something is unfinished. They are put together here so
// that this file does not hold them.
var leftOvers = []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}

func checkLeftOvers(tr tree) []string {
	return tr.find(func(line string) string {
		for _, word := range leftOvers {
			if holdsWord(line, word) {
				return "left-over " + word
			}
		}
		return ""
	})
}

// machinePaths exist on one machine only.
var machinePaths = []string{"/ro" + "ot/", "/wo" + "rk/", "/fa" + "rm/"}

func checkMachinePaths(tr tree) []string {
	return tr.find(func(line string) string {
		for _, p := range machinePaths {
			if strings.Contains(line, p) {
				return "path of one machine: " + p
			}
		}
		return ""
	})
}

// find returns where the complaint about a line is not empty.
func (tr tree) find(complaint func(line string) string) []string {
	var out []string
	for name, text := range tr.text {
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			if c := complaint(line); c != "" {
				out = append(out, fmt.Sprintf("%s:%d: %s", name, number, c))
			}
		}
	}
	return out
}

// holdsWord finds a word that is not a part of a longer one.
func holdsWord(line, word string) bool {
	for rest := line; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(word):]
		if !endsInLetter(before) && !startsWithLetter(after) {
			return true
		}
		rest = after
	}
}

func endsInLetter(s string) bool     { return s != "" && partOfWord(rune(s[len(s)-1])) }
func startsWithLetter(s string) bool { return s != "" && partOfWord(rune(s[0])) }
func partOfWord(r rune) bool         { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// treeRule is one sentence about the repository as a whole.
type treeRule struct {
	name  string
	check func(tree) []string
}

var treeRules = []treeRule{
	{"only the folders of the design", checkTopFolders},
	{"every package has a package comment", checkPackageComments},
	{"nothing is left over", checkLeftOvers},
	{"no path of one machine", checkMachinePaths},
}

// root is the repository, seen from this package.
const root = "../.."

func TestArchitecture(t *testing.T) {
	tr := readTree(t, root)
	require.Contains(t, tr.text, "go.mod", "the repository was not found")
	require.Contains(t, tr.text, "domain/decimal.go")
	require.Greater(t, len(tr.sources), 10)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			var found []string
			for _, s := range tr.sources {
				found = append(found, r.check(s)...)
			}
			report(t, found)
		})
	}
	for _, r := range treeRules {
		t.Run(r.name, func(t *testing.T) { report(t, r.check(tr)) })
	}
}

func report(t *testing.T, found []string) {
	t.Helper()
	slices.Sort(found)
	for _, f := range found {
		t.Error(f)
	}
}
