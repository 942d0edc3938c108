// Package testenv owns the tests' knowledge of their environment: whether a tool is
// installed, whether a missing one is a failure, whether the race detector is on, and
// whether there is time for long tests.
//
// It is for test files only, and refuses to know what is tested. Two variables configure
// it: PETS_REQUIRE_TOOLS=1, set in CI, makes a test with a missing tool fail instead of
// skip; PETS_LONG_TESTS=1, set by the last step of CI and by make torture, runs the tests
// that take minutes.
package testenv

import (
	"flag"
	"os"
	"os/exec"
	"testing"
)

// The variables are read by the tests, and not when the package is initialised: go test
// knows then that its cached results hold for one of their values only.

// RequireTools reports whether a test that cannot run must fail: in CI, which installs all
// tools.
func RequireTools() bool { return os.Getenv("PETS_REQUIRE_TOOLS") == "1" }

// Long reports whether tests may take as long as they need.
func Long() bool { return os.Getenv("PETS_LONG_TESTS") == "1" }

// Need skips a test that lacks a tool, or fails it if RequireTools is set. It returns the
// path of the last tool.
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

// Lacks skips a test because the machine lacks something, or fails it if RequireTools is
// set.
func Lacks(t testing.TB, format string, args ...any) {
	t.Helper()
	if RequireTools() {
		t.Fatalf(format+", and PETS_REQUIRE_TOOLS=1", args...)
	}
	t.Skipf(format, args...)
}

// Patient runs the tests of a package whose parallel tests mostly wait. It runs eight at a
// time, however few processors there are, unless -parallel is given or the race detector,
// which makes them work more, is on. A test that runs a program that it has just written must
// not be parallel: between fork and exec, a child process of another test holds the file open
// for writing. (Locks are given back before their file is closed, for the same reason.)
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

// Rounds returns how often a test repeats itself, or the size of its steps: few under the
// race detector and with -short, long if Long is set, otherwise usual, which fits a run of
// all tests.
func Rounds(few, usual, long int) int {
	switch {
	case testing.Short() || Race:
		return few
	case Long():
		return long
	}
	return usual
}

// OnlyLong skips a test that takes too long for a run of all tests. what says what the test
// does.
func OnlyLong(t testing.TB, what string) {
	t.Helper()
	if !Long() || Race || testing.Short() {
		t.Skipf("%s; with PETS_LONG_TESTS=1 it does", what)
	}
}
