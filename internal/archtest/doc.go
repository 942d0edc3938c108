// Package archtest checks the structure of this repository: which package may
// import which, what the pure core may not use, and limits on size and text that
// keep the code readable.
//
// It holds only tests. The import table is in table_test.go, the rules are in
// rules_test.go (one file) and tree_test.go (the whole repository), and each rule
// is itself tested on small sources that break it, in examples_test.go, so that
// none can pass by finding nothing. It refuses to know what the code does.
package archtest
