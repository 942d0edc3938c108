package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
)

// Limits of size.
const (
	maxFunctionLines = 70
	maxFileLines     = 600
)

// source is one parsed Go file.
type source struct {
	path string // relative to the repository, with slashes
	fset *token.FileSet
	file *ast.File
}

func parse(name string, text []byte) (source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{name, fset, file}, err
}

func (s source) pkg() string           { return packageOf(s.path) }
func (s source) test() bool            { return strings.HasSuffix(s.path, "_test.go") }
func (s source) line(p token.Pos) int  { return s.fset.Position(p).Line }
func (s source) under(dir string) bool { return s.pkg() == dir || strings.HasPrefix(s.pkg(), dir+"/") }

// at is the text of a violation.
func (s source) at(p token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.line(p), fmt.Sprintf(format, args...))
}

// rule is one sentence about a single file, and the check that finds where it
// does not hold.
type rule struct {
	name  string
	check func(source) []string
}

var rules = []rule{
	{"imports follow the table", checkImports},
	{"the domain does no input or output", checkDomainImports},
	{"the domain reads no clock and no randomness", checkDomainCalls},
	{"the domain starts no goroutine", checkDomainGoroutines},
	{"only internal/open opens stores, engines and keystores", checkOpeners},
	{"no float touches money", checkFloats},
	{"users are compared by SameUser", checkUsers},
	{"only custody uses the seam of commands", checkSeam},
	{"functions have at most 70 lines", checkFunctionLines},
	{"source files have at most 600 lines", checkFileLines},
}

func checkImports(s source) []string {
	row, ok := rowOf(s.pkg())
	if !ok {
		return []string{s.at(s.file.Package, "package %s is not in the import table: add it to the table in internal/archtest/table_test.go", s.pkg())}
	}
	var out []string
	for _, spec := range s.file.Imports {
		folder, ours := folderOf(importPath(spec))
		if !ours || folder == s.pkg() || row.mayImport(folder, s.test()) {
			continue
		}
		out = append(out, s.at(spec.Pos(), "%s may not import %s", s.pkg(), folder))
	}
	return out
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil { // the parser has accepted it
		return spec.Path.Value
	}
	return p
}

// ioPackages reach the world, or let goroutines share something.
var ioPackages = []string{
	"os", "os/...", "net", "net/...", "syscall", "io/fs", "io/ioutil", "log", "log/...", "database/...",
	"math/rand", "math/rand/...", "crypto/rand", "sync", "sync/...", "unsafe", "context",
}

func checkDomainImports(s source) []string {
	if !s.under("domain") || s.test() {
		return nil
	}
	var out []string
	for _, spec := range s.file.Imports {
		if p := importPath(spec); matchesAny(ioPackages, p) {
			out = append(out, s.at(spec.Pos(), "the domain may not import %s", p))
		}
	}
	return out
}

// impure are the functions that answer differently each time.
var impure = map[string][]string{
	"time":                   {"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"},
	"github.com/google/uuid": {"New", "NewString", "NewRandom", "NewUUID", "NewV6", "NewV7", "Must"},
}

func checkDomainCalls(s source) []string {
	if !s.under("domain") || s.test() {
		return nil
	}
	var out []string
	for _, spec := range s.file.Imports {
		p := importPath(spec)
		if impure[p] == nil {
			continue
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			out = append(out, s.at(spec.Pos(), "a dot import of %s hides its calls", p))
		}
		for _, function := range impure[p] {
			out = append(out, s.uses(name, function)...)
		}
	}
	return out
}

// openings are the functions that open what internal/open, and the store internal/bench, may open.
var openings = map[string]string{
	module + "/commands":            "NewEngine",
	module + "/eventstore/embedded": "Open",
	module + "/internal/vault":      "Open",
}

// checkOpeners: a store or a keystore that is opened past internal/open is opened without its
// lock, its witness and its marker of stops. The exception is internal/bench: it measures the
// store alone, in folders of its own.
func checkOpeners(s source) []string {
	if s.test() || s.pkg() == "internal/open" || s.under("internal/bench") {
		return nil
	}
	var out []string
	for _, spec := range s.file.Imports {
		p := importPath(spec)
		function := openings[p]
		if function == "" {
			continue
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == function {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == name {
					out = append(out, s.at(sel.Pos(), "only internal/open (and internal/bench) may use %s.%s", name, function))
				}
			}
			return true
		})
	}
	return out
}

// uses finds the selector pkg.name.
func (s source) uses(pkg, name string) []string {
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg {
				out = append(out, s.at(sel.Pos(), "the domain may not use %s.%s: it is handed in", pkg, name))
			}
		}
		return true
	})
	return out
}

func checkDomainGoroutines(s source) []string {
	if !s.under("domain") || s.test() {
		return nil
	}
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.GoStmt:
			out = append(out, s.at(n.Pos(), "go statement in the domain"))
		case *ast.ChanType, *ast.SelectStmt:
			out = append(out, s.at(n.Pos(), "channel in the domain"))
		}
		return true
	})
	return out
}

// floatNames bring a float in, by type or by conversion.
var floatNames = []string{
	"float32", "float64", "complex64", "complex128",
	"ParseFloat", "FormatFloat", "AppendFloat", "InexactFloat64", "NewFromFloat64", "Float", "Float64",
}

// checkFloats covers the packages that money and ratios go through. A chart is
// drawn with floats; everything else is exact.
func checkFloats(s source) []string {
	covered := s.under("domain") || s.under("commands") || s.under("projections")
	if !covered || s.test() || (!s.under("domain") && strings.Contains(path.Base(s.path), "chart")) {
		return nil
	}
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			return s.path != "domain/decimal.go" || n.Name.Name != "Float"
		case *ast.Ident:
			if matchesAny(floatNames, n.Name) {
				out = append(out, s.at(n.Pos(), "%s: money, prices and ratios are exact", n.Name))
			}
		case *ast.BasicLit:
			if n.Kind == token.FLOAT || n.Kind == token.IMAG {
				out = append(out, s.at(n.Pos(), "%s is a float: write domain.MustDecimal(%q)", n.Value, n.Value))
			}
		}
		return true
	})
	return out
}

// generated reports whether a program wrote a file: nobody reads that in order, and its size
// follows from what it was made from.
func (s source) generated() bool {
	return strings.HasSuffix(s.path, "_generated.go") && ast.IsGenerated(s.file)
}

func checkFunctionLines(s source) []string {
	if s.generated() {
		return nil
	}
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		name, body := "function literal", (*ast.BlockStmt)(nil)
		switch n := n.(type) {
		case *ast.FuncDecl:
			name, body = n.Name.Name, n.Body
		case *ast.FuncLit:
			body = n.Body
		}
		if body == nil {
			return true
		}
		if lines := s.line(body.Rbrace) - s.line(body.Lbrace) - 1; lines > maxFunctionLines {
			out = append(out, s.at(n.Pos(), "%s has %d lines; the most is %d", name, lines, maxFunctionLines))
		}
		return true
	})
	return out
}

func checkFileLines(s source) []string {
	end := s.fset.Position(s.file.FileEnd)
	lines := end.Line
	if end.Column == 1 { // the last line ended before
		lines--
	}
	if !s.test() && !s.generated() && lines > maxFileLines {
		return []string{fmt.Sprintf("%s: has %d lines; the most is %d", s.path, lines, maxFileLines)}
	}
	return nil
}

// userNames end the fields that hold the name of a person.
var userNames = []string{"User", "Requester", "RequestedBy", "ConfirmedBy", "ApprovedBy", "Actor", "ServerUser"}

// checkUsers: two names of one person may differ in case, so == would take one person
// for two. To compare with "" is to ask whether there is a name.
func checkUsers(s source) []string {
	if s.test() {
		return nil
	}
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		e, ok := n.(*ast.BinaryExpr)
		if !ok || e.Op != token.EQL && e.Op != token.NEQ || isNothing(e.X) || isNothing(e.Y) {
			return true
		}
		for _, side := range []ast.Expr{e.X, e.Y} {
			if sel, ok := side.(*ast.SelectorExpr); ok && matchesAny(userNames, sel.Sel.Name) {
				out = append(out, s.at(e.Pos(), "%s is compared by %s: use domain.SameUser", sel.Sel.Name, e.Op))
				break
			}
		}
		return true
	})
	return out
}

// isNothing: nil or an empty text.
func isNothing(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil"
	case *ast.BasicLit:
		return e.Value == `""`
	}
	return false
}

// seam are the functions of commands/seam.go. They show the state at the head of a
// stream, or stop a portfolio in the name of the server.
var seam = []string{"AtHead", "CheckPendingStops", "WallClock", "EngageSecurityBreach", "SystemState", "CheckRequest", "DerivedKey", "ErrLedgerChanged"}

// checkSeam keeps it to those for whom it was made: whoever only reads follows the
// streams (internal/live), and whoever wants a change sends a command.
func checkSeam(s source) []string {
	if s.pkg() == "commands" || s.pkg() == "commands/custody" {
		return nil
	}
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && matchesAny(seam, sel.Sel.Name) {
			out = append(out, s.at(sel.Pos(), "%s is for commands/custody", sel.Sel.Name))
		}
		return true
	})
	return out
}
