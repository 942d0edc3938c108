package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
)

// mainOfPets is the command line of this process; version is that of the build.
func mainOfPets(version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{place: place{err: os.Stderr}, in: os.Stdin, out: os.Stdout, environ: os.Environ(), dir: ".", version: version}
	return run(ctx, a, os.Args[1:])
}

// run runs the whole command line.
func run(ctx context.Context, a *app, args []string) int {
	return a.runCommands(ctx, args, allCommands(a)...)
}

// root is the whole command line.
func root(a *app) *cobra.Command { return a.root(allCommands(a)...) }

// allCommands are those of all rooms.
func allCommands(a *app) []*cobra.Command {
	return slices.Concat(lookCommands(a), operateCommands(a), moneyCommands(a), keyCommands(a), setupCommands(a), serveCommands(a, serveDemo), benchCommands(a))
}
