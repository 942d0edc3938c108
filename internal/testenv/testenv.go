// Package testenv owns what the tests of all packages ask about where they run: whether a
// tool is there, whether a missing one is a failure, whether the race detector is on, and
// whether there is time for the long rounds.
//
// It is for test files only, and refuses to know what is tested. Two variables say what
// cannot be found out: PETS_REQUIRE_TOOLS=1, set in CI, makes a missing tool fail instead
// of skip; PETS_TORTURE=1, set by make torture, runs the rounds that take minutes.
package testenv

import (
	"flag"
	"os"
	"os/exec"
	"testing"
)

// RequireTools is set where a test that cannot run must fail: in CI, which installs all
// tools.
var RequireTools = os.Getenv("PETS_REQUIRE_TOOLS") == "1"

// Torture is set where tests may take as long as they need.
var Torture = os.Getenv("PETS_TORTURE") == "1"

// Need skips a test that lacks a tool, or fails it where all must be there. It returns the
// path of the last one.
func Need(t testing.TB, tools ...string) (path string) {
	t.Helper()
	for _, tool := range tools {
		var err error
		if path, err = exec.LookPath(tool); err != nil {
			Lacks(t, "%s is not installed", tool)
		}
	}
	return path
}

// Lacks skips a test for what the machine lacks, or fails it where nothing may be missing.
func Lacks(t testing.TB, format string, args ...any) {
	t.Helper()
	if RequireTools {
		t.Fatalf(format+", and PETS_REQUIRE_TOOLS=1", args...)
	}
	t.Skipf(format, args...)
}

// Patient runs the tests of a package whose parallel tests wait more than they work: eight
// at a time, however few processors there are, unless -parallel says otherwise.
func Patient(m *testing.M) (code int) {
	if !flag.Parsed() {
		flag.Parse()
	}
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// Rounds is how often a test repeats itself: few times under the race detector and with
// -short, as often as fits into a test run else, and very often in make torture.
func Rounds(few, usual, torture int) int {
	switch {
	case Torture:
		return torture
	case testing.Short() || Race:
		return few
	}
	return usual
}
