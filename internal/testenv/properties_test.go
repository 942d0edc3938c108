package testenv

import (
	"flag"
	"testing"
)

// The cases of a property are those that fit the run, until they are put back, and a flag that
// nobody gave does not count as given.
func TestChecks(t *testing.T) {
	restoreNothing := Checks(1, 2, 3) // this package has no properties
	restoreNothing()
	checks := flag.Int(checksFlag, 100, "")
	for range 2 {
		restore := Checks(20, 40, 60)
		if want := Rounds(20, 40, 60); *checks != want {
			t.Fatalf("%d cases instead of %d", *checks, want)
		}
		inner := Checks(1, 2, 3)
		if want := Rounds(1, 2, 3); *checks != want {
			t.Fatalf("%d cases instead of %d", *checks, want)
		}
		inner()
		restore()
		if *checks != 100 {
			t.Fatalf("%d cases are left", *checks)
		}
	}
	if err := flag.Set(checksFlag, "7"); err != nil {
		t.Fatal(err)
	}
	Checks(20, 40, 60)()
	if *checks != 7 {
		t.Fatalf("%d cases, and the flag says 7", *checks)
	}
}
