package main

import "os"

// version is set by the linker; a plain `go build` takes it from the module.
var version = ""

func main() { os.Exit(mainOfPets(version)) }
