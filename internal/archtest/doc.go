// Package archtest is the shape of this repository as a test: which package may
// import which, what the pure core may not touch, and the few limits on size
// and text that keep the code readable.
//
// It holds tests only. The import table is in table_test.go, the rules are in
// rules_test.go (one file) and tree_test.go (the whole repository), and each
// rule is itself tested on small sources that break it, in examples_test.go,
// so that none can pass by finding nothing. It refuses to know what the code
// does.
package archtest
