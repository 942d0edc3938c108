// Package look has the commands that only read: the views of a portfolio, its history, what
// needs a person (pets status), and the full check (pets verify).
//
// It owns which views there are, and how each is requested and printed. It refuses to change
// anything: it reads a folder beside a running writer, or asks a server.
package look

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line; this package's commands are its methods.
type app struct{ *cli.App }

// Commands returns the commands of this package.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.LookBack,
		cli.Views(a.statusCommand()), cli.Views(a.stateCommand()), cli.Views(a.statsCommand()), cli.Views(a.balancesCommand()), cli.Views(a.positionsCommand()), cli.Views(a.tradesCommand()),
		cli.Views(a.equityCommand()), cli.Views(a.eventsCommand()), cli.Views(a.permitsCommand()), cli.Views(a.breakersCommand()), cli.Local(a.verifyCommand()))
}
