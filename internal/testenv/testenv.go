// Package testenv owns what the tests of all packages ask about where they run: whether a
// tool is there, whether a missing one is a failure, whether the race detector is on, and
// whether there is time for the long rounds.
//
// It is for test files only, and refuses to know what is tested. Two variables say what
// cannot be found out: PETS_REQUIRE_TOOLS=1, set in CI, makes a missing tool fail instead
// of skip; PETS_LONG_TESTS=1, set by the last step of CI and by make torture, runs what takes
// minutes.
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

// Long is set where tests may take as long as they need.
var Long = os.Getenv("PETS_LONG_TESTS") == "1"

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
// at a time, however few processors there are, unless -parallel says otherwise. Under the
// race detector they do work. A test that locks a folder in this process, or runs a program
// that it has just written, runs alone: between fork and exec the child of another test
// holds its files.
func Patient(m *testing.M) (code int) {
	if !flag.Parsed() {
		flag.Parse()
	}
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked && !Race {
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// Rounds is how often a test repeats itself, or in which steps it walks: few times under the
// race detector and with -short, as often as fits into a run of all tests, or in full.
func Rounds(few, usual, long int) int {
	switch {
	case testing.Short() || Race:
		return few
	case Long:
		return long
	}
	return usual
}

// OnlyLong skips a test that takes too long for a run of all tests, and says what it does.
func OnlyLong(t testing.TB, what string) {
	t.Helper()
	if !Long || Race || testing.Short() {
		t.Skipf("%s; with PETS_LONG_TESTS=1 it does", what)
	}
}
