// Command pets is the only binary of the product; internal/pets has its command line.
package main

import (
	"os"

	"pets/internal/pets"
)

// version is set by the linker; a plain `go build` takes it from the module.
var version = ""

func main() { os.Exit(pets.Main(version)) }
