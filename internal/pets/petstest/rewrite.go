package petstest

import (
	"flag"
	"regexp"
)

// go test ./internal/cli/setup -run ImportDocs -rewrite writes the answers in
// docs/import.md anew. Read the difference before you keep it.
var Rewrite = flag.Bool("rewrite", false, "write the answers in docs/import.md anew")

// Speed is what an import says about the machine it ran on.
var Speed = regexp.MustCompile(`\d+\.\d+ s \(\d+ events/s\)`)
