// Command codecgen writes domain/codec_generated.go: how each event of the registry, and the
// metadata of records, is written to JSON and read from it without reflection.
//
// It owns the form of that file. It reads the source of package domain and does not compile it,
// because it is needed most when the old file no longer fits the structs. It refuses whatever it
// cannot write exactly as encoding/json would.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// output is the generated file, in the folder of package domain.
const output = "codec_generated.go"

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "codecgen: "+err.Error())
		os.Exit(1)
	}
}

// run writes the file of the package in a folder.
func run(dir string) error {
	text, err := generate(os.DirFS(dir))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, output), text, 0o644) //nolint:gosec // a source file, as readable as the others
}
