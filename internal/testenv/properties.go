package testenv

import (
	"flag"
	"runtime/debug"
	"strconv"
)

// checksFlag is that of pgregory.net/rapid, which this package does not import: it says how many
// cases a property draws.
const checksFlag = "rapid.checks"

// Checks makes every property of a package draw so many cases as Rounds returns, and returns what
// puts back what was before. It does nothing if -rapid.checks is given: that is what a person
// wants.
func Checks(few, usual, long int) (restore func()) {
	if !flag.Parsed() {
		flag.Parse()
	}
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == checksFlag })
	f := flag.Lookup(checksFlag)
	if asked || f == nil {
		return func() {}
	}
	was := f.Value.String()
	set := func(to string) {
		// Not flag.Set: the flag would count as given from then on.
		if err := f.Value.Set(to); err != nil {
			panic(err)
		}
	}
	set(strconv.Itoa(Rounds(few, usual, long)))
	return func() { set(was) }
}

// Roomy lets the heap of this process grow to five times what is used before it is collected: a
// package whose tests make much that does not last spends a tenth of its time on that otherwise. It
// is not for tests that measure memory.
func Roomy() { debug.SetGCPercent(400) }
