package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{place: place{err: os.Stderr}, in: os.Stdin, out: os.Stdout, environ: os.Environ(), dir: ".", version: version}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// version is set by the linker; a plain `go build` takes it from the module.
var version = ""
