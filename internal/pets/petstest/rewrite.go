package petstest

import (
	"flag"
	"regexp"
)

// Rewrite makes tests write the outputs quoted in the docs instead of comparing them, as in
// go test ./internal/cli/setup -run ImportDocs -rewrite. Read the difference before you keep it.
var Rewrite = flag.Bool("rewrite", false, "write the answers in docs/import.md anew")

// Speed matches what an import prints about the speed of its machine.
var Speed = regexp.MustCompile(`\d+\.\d+ s \(\d+ events/s\)`)
