package archtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// example is a source that breaks a rule (want is part of the complaint), or
// keeps it where that is easily got wrong (want is empty).
type example struct {
	rule, path, text, want string
}

var examples = []example{
	{"imports follow the table", "domain/a.go", `import "pets/eventstore"`, "domain may not import eventstore"},
	{"imports follow the table", "domain/ledger/a.go", `import "pets/domain/risk"`, "may not import domain/risk"},
	{"imports follow the table", "domain/tradestats/a.go", `import "pets/domain/risk"`, ""},
	{"imports follow the table", "domain/portfolio/a.go", `import ("pets/domain"; "pets/domain/risk")`, ""},
	{"imports follow the table", "eventstore/memory/a.go", `import "pets/domain"`, "may not import domain"},
	{"imports follow the table", "eventstore/memory/a_test.go", `import "pets/eventstore/storetest"`, ""},
	{"imports follow the table", "commands/a.go", `import p "pets/projections"`, "commands may not import projections"},
	{"imports follow the table", "commands/a.go", `import "pets/eventstore/embedded"`, "may not import eventstore/embedded"},
	{"imports follow the table", "commands/a_test.go", `import "pets/eventstore/embedded"`, ""},
	{"imports follow the table", "commands/a_test.go", `import "pets/projections"`, "may not import projections"},
	{"imports follow the table", "projections/a.go", `import "pets/commands"`, "may not import commands"},
	{"imports follow the table", "replay/a.go", `import _ "pets/internal/vault"`, "may not import internal/vault"},
	{"imports follow the table", "replay/a.go", `import "pets/internal/chain"`, "may not import internal/chain"},
	{"imports follow the table", "replay/a.go", `import "pets/internal/alert"`, "may not import internal/alert"},
	{"imports follow the table", "replay/a.go", `import "pets/commands"`, "may not import commands"},
	{"imports follow the table", "replay/scenario/a.go", `import "pets/eventstore/memory"`, ""},
	{"imports follow the table", "internal/config/a.go", `import "pets/internal/snapshot"`, "may not import internal/snapshot"},
	{"imports follow the table", "internal/tradefile/a.go", `import "pets/commands"`, "may not import commands"},
	{"imports follow the table", "internal/importer/a.go", `import "pets/internal/tradefile"`, ""},
	{"imports follow the table", "internal/snapshot/a.go", `import "pets/domain"`, "may not import domain"},
	{"imports follow the table", "internal/config/a.go", `import "pets/internal/shareddata"`, "may not import"},
	{"imports follow the table", "internal/config/a_test.go", `import "pets/internal/shareddata"`, ""},
	{"imports follow the table", "cmd/pets/a.go", `import "pets/eventstore/embedded"`, "may not import eventstore/embedded"},
	{"imports follow the table", "internal/cli/look/a.go", `import "pets/eventstore/embedded"`, "may not import eventstore/embedded"},
	{"imports follow the table", "internal/cli/a.go", `import "pets/eventstore/esdb"`, "may not import eventstore/esdb"},
	{"imports follow the table", "internal/open/a.go", `import "pets/eventstore/embedded"`, ""},
	{"imports follow the table", "internal/cli/look/a.go", `import "pets/internal/cli/operate"`, "may not import internal/cli/operate"},
	{"imports follow the table", "internal/cli/money/a.go", `import "pets/internal/cli"`, ""},
	{"only internal/open opens stores, engines and keystores", "internal/cli/keys/a.go", `import "pets/internal/vault"; var k = vault.Open`, "vault.Open"},
	{"only internal/open opens stores, engines and keystores", "internal/cli/serve/a.go", `import "pets/commands"; var e = commands.NewEngine`, "commands.NewEngine"},
	{"only internal/open opens stores, engines and keystores", "internal/cli/keys/a_test.go", `import "pets/internal/vault"; var k = vault.Open`, ""},
	{"only internal/open opens stores, engines and keystores", "internal/bench/a.go", `import "pets/eventstore/embedded"; var s = embedded.Open`, ""},
	{"only internal/open opens stores, engines and keystores", "internal/open/a.go", `import "pets/commands"; var e = commands.NewEngine`, ""},
	{"imports follow the table", "internal/other/a.go", ``, "add it to the table"},
	{"imports follow the table", "a.go", ``, "add it to the table"},
	{"imports follow the table", "domain/a_test.go", `import "pets/domain"`, ""},

	{"the domain does no input or output", "domain/risk/a.go", `import "os"`, "may not import os"},
	{"the domain does no input or output", "domain/a.go", `import "net/http"`, "may not import net/http"},
	{"the domain does no input or output", "domain/a.go", `import "math/rand/v2"`, "may not import math/rand/v2"},
	{"the domain does no input or output", "domain/a.go", `import "crypto/rand"`, "may not import crypto/rand"},
	{"the domain does no input or output", "domain/a.go", `import "sync/atomic"`, "may not import sync/atomic"},
	{"the domain does no input or output", "domain/a_test.go", `import "os"`, ""},
	{"the domain does no input or output", "commands/a.go", `import "os"`, ""},

	{"the domain reads no clock and no randomness", "domain/a.go", `import "time"; var t = time.Now()`, "time.Now"},
	{"the domain reads no clock and no randomness", "domain/a.go", `import clock "time"; var now = clock.Now`, "clock.Now"},
	{"the domain reads no clock and no randomness", "domain/risk/a.go", `import "time"; func f(t time.Time) { _ = time.Since(t) }`, "time.Since"},
	{"the domain reads no clock and no randomness", "domain/a.go", `import . "time"; var t = Now()`, "dot import"},
	{"the domain reads no clock and no randomness", "domain/a.go", `import "github.com/google/uuid"; var id = uuid.New()`, "uuid.New"},
	{"the domain reads no clock and no randomness", "domain/a.go", `import "time"; var t = time.Unix(0, 0)`, ""},
	{"the domain reads no clock and no randomness", "commands/a.go", `import "time"; var t = time.Now()`, ""},

	{"the domain starts no goroutine", "domain/a.go", `func f() { go f() }`, "go statement"},
	{"the domain starts no goroutine", "domain/keys/a.go", `var c chan int`, "channel"},
	{"the domain starts no goroutine", "commands/a.go", `func f() { go f() }`, ""},

	{"no float touches money", "domain/ledger/a.go", `var price float64`, "float64"},
	{"no float touches money", "domain/a.go", `func (d Decimal) Float() float64 { return 0 }`, "float64"},
	{"no float touches money", "domain/decimal.go", `func (d Decimal) Float() float64 { return d.d.InexactFloat64() }`, ""},
	{"no float touches money", "domain/decimal.go", `func (d Decimal) Other() float32 { return 0 }`, "float32"},
	{"no float touches money", "commands/a.go", `var fee = 0.01`, "0.01 is a float"},
	{"no float touches money", "commands/client/a.go", `import "strconv"; var x, _ = strconv.ParseFloat("1", 64)`, "ParseFloat"},
	{"no float touches money", "projections/stats.go", `func f(d D) bool { return d.Float() > 0 }`, "Float"},
	{"no float touches money", "projections/equity_chart.go", `var y float64`, ""},
	{"no float touches money", "domain/chart.go", `var y float64`, "float64"},
	{"no float touches money", "internal/bench/a.go", `var y float64`, ""},

	{"users are compared by SameUser", "domain/portfolio/a.go", `var x = d.caller.User == d.s.Stop.Requester`, "User is compared by =="},
	{"users are compared by SameUser", "internal/httpapi/a.go", `var x = name != t.ApprovedBy`, "ApprovedBy is compared by !="},
	{"users are compared by SameUser", "commands/a.go", `var x = c.User == domain.ServerUser`, "use domain.SameUser"},
	{"users are compared by SameUser", "commands/a.go", `var x = c.User == "" || u.User != nil || domain.SameUser(a.User, b.User)`, ""},

	{"only custody uses the seam of commands", "internal/legs/a.go", `func f() { _ = e.AtHead(ctx, "main", nil) }`, "AtHead is for commands/custody"},
	{"only custody uses the seam of commands", "commands/client/a.go", `var x = commands.CheckRequest(r)`, "CheckRequest"},
	{"only custody uses the seam of commands", "commands/custody/a.go", `var x = commands.CheckRequest(r)`, ""},

	{"functions have at most 70 lines", "cmd/pets/a.go", "func f() {" + strings.Repeat("\n", 72) + "}", "f has 71 lines"},
	{"functions have at most 70 lines", "cmd/pets/a.go", "func f() {" + strings.Repeat("\n", 71) + "}", ""},
	{"functions have at most 70 lines", "cmd/pets/a_test.go", "var f = func() {" + strings.Repeat("\n", 72) + "}", "literal has 71 lines"},

	{"source files have at most 600 lines", "cmd/pets/a.go", strings.Repeat("// x\n", 600), "has 601 lines"},
	{"source files have at most 600 lines", "cmd/pets/a.go", strings.Repeat("// x\n", 599), ""},
	{"functions have at most 70 lines", "domain/a_generated.go", "func f() {" + strings.Repeat("\n", 72) + "}", "f has 71 lines"},
	{"source files have at most 600 lines", "domain/a_generated.go", strings.Repeat("// x\n", 600), "has 601 lines"},
	{"source files have at most 600 lines", "cmd/pets/a_test.go", strings.Repeat("// x\n", 600), ""},
}

// Every rule finds what it is there to find, and only that.
func TestRulesFindViolations(t *testing.T) {
	caught := map[string]bool{}
	for _, r := range rules {
		for _, e := range examples {
			if e.rule != r.name {
				continue
			}
			s, err := parse(e.path, []byte("package p\n"+e.text))
			require.NoError(t, err, e.text)
			found := strings.Join(r.check(s), "\n")
			if e.want == "" {
				require.Empty(t, found, "%s: %s", e.path, e.text)
				continue
			}
			require.Contains(t, found, e.want, "%s: %s", e.path, e.text)
			require.Contains(t, found, e.path+":")
			caught[r.name] = true
		}
		require.True(t, caught[r.name], "no example breaks the rule %q", r.name)
	}
}

// An example of a rule that was renamed would test nothing.
func TestExamplesNameRules(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules {
		names[r.name] = true
	}
	for _, e := range examples {
		require.True(t, names[e.rule], e.rule)
	}
}

// treeOf makes a tree of files in memory, as readTree would.
func treeOf(t *testing.T, files map[string]string) tree {
	t.Helper()
	out := tree{text: map[string][]byte{}}
	for name, text := range files {
		folder, _, below := strings.Cut(name, "/")
		if below {
			out.folders = append(out.folders, folder)
		}
		out.text[name] = []byte(text)
		if strings.HasSuffix(name, ".go") {
			s, err := parse(name, []byte(text))
			require.NoError(t, err)
			out.sources = append(out.sources, s)
		}
	}
	return out
}

func TestTreeRulesFindViolations(t *testing.T) {
	clean := map[string]string{
		"domain/doc.go":    "// Package domain owns words.\npackage domain",
		"domain/more.go":   "package domain",
		"cmd/pets/main.go": "// Command pets is the binary.\npackage main",
		".ci/run":          "# mentions " + "TO" + "DOS and a net" + "wo" + "rk/",
		"go.mod":           "module pets",
	}
	broken := map[string]map[string]string{
		"only the folders of the design":      {"util/util.go": "package util"},
		"every package has a package comment": {"domain/risk/a.go": "// package risk\npackage risk"},
		"nothing is left over":                {"docs/a.md": "a\nb (" + "TO" + "DO: c)"},
		"no path of one machine":              {"deploy/x.service": "ExecStart=/ro" + "ot/go/bin/pets"},
	}
	for _, r := range treeRules {
		require.Empty(t, r.check(treeOf(t, clean)), r.name)
		require.Len(t, r.check(treeOf(t, broken[r.name])), 1, r.name)
	}
}

func TestPackageCommentOfCommandNamesIt(t *testing.T) {
	found := checkPackageComments(treeOf(t, map[string]string{"cmd/pets/main.go": "// Package main does it.\npackage main"}))
	require.Equal(t, []string{"cmd/pets: no package comment (what it owns, what it refuses)"}, found)
}

func TestEveryLeftOverAndPathIsFound(t *testing.T) {
	for _, word := range leftOvers {
		require.Len(t, checkLeftOvers(treeOf(t, map[string]string{"a": "// " + word + ": x"})), 1, word)
	}
	for _, p := range machinePaths {
		require.Len(t, checkMachinePaths(treeOf(t, map[string]string{"a": "x" + p + "y"})), 1, p)
	}
}

// The walk sees what git would track, and leaves out what .gitignore names.
func TestUntracked(t *testing.T) {
	for name, want := range map[string]bool{
		".env": true, ".env.local": true, "deploy/.env": true, ".env.example": false, "pets": true,
		"cmd/pets": false, "a.test": true, "cpu.prof": true, "cover.out": true, "a_test.go": false,
	} {
		require.Equal(t, want, untracked(name), name)
	}
}

// A row that no pattern reaches, or that stands twice, would be dead.
func TestTableHasEachPackageOnce(t *testing.T) {
	for i, row := range table {
		got, ok := rowOf(strings.TrimSuffix(row.pkg, "...") + map[bool]string{true: "x"}[strings.HasSuffix(row.pkg, "...")])
		require.True(t, ok)
		require.Equal(t, row.pkg, got.pkg, fmt.Sprintf("row %d", i))
	}
}
