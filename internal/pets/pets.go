// Package pets is the whole command line: it combines the commands of all packages below
// internal/cli.
//
// It owns the list of those packages. It refuses to hold a command of its own.
package pets

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	measured "pets/internal/bench"
	"pets/internal/cli"
	"pets/internal/cli/bench"
	"pets/internal/cli/demo"
	"pets/internal/cli/keys"
	"pets/internal/cli/look"
	"pets/internal/cli/money"
	"pets/internal/cli/operate"
	"pets/internal/cli/serve"
	"pets/internal/cli/setup"
	"pets/internal/open"
)

// Main runs the command line of this process; version is the version of the build.
func Main(version string) int { return Beside(version, measured.Rivals{}) }

// Beside is Main with rivals that pets bench measures beside the product.
func Beside(version string, rivals measured.Rivals) int {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		ends = append(ends, syscall.SIGHUP) // a terminal that is gone leaves no words on its screen
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	a := &cli.App{Place: open.Place{Err: os.Stderr}, In: os.Stdin, Out: os.Stdout, Environ: os.Environ(), Dir: ".", Version: version, Called: os.Args[0]}
	return a.RunCommands(ctx, os.Args[1:], allCommands(a, rivals)...)
}

// Run runs the whole command line.
func Run(ctx context.Context, a *cli.App, args []string) int {
	return a.RunCommands(ctx, args, allCommands(a, measured.Rivals{})...)
}

// Root returns the whole command line.
func Root(a *cli.App) *cobra.Command { return a.Root(allCommands(a, measured.Rivals{})...) }

// allCommands returns the commands of every package.
func allCommands(a *cli.App, rivals measured.Rivals) []*cobra.Command {
	return slices.Concat(look.Commands(a), operate.Commands(a), money.Commands(a), keys.Commands(a), setup.Commands(a), serve.Commands(a, demo.Play), bench.Commands(a, rivals))
}
