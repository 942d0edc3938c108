// Package operate is the room of those who run bots: start, stop, reset and clear, and the
// portfolios, limits, bots, markets, marks, permits and fills that a person types.
//
// It owns the ways that a stop takes to whoever can carry it out, and what is said of it. It
// refuses to keep anybody from stopping: what is wrong elsewhere is said, and gone around.
package operate

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line, as this room has it.
type app struct{ *cli.App }

// Commands are the commands of this room.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.Operate, a.Looks(a.startCommand()), a.stopCommand(), a.Looks(a.resetCommand()), a.Sends(a.clearCommand()),
		a.portfolioCommand(), cli.Views(a.limitsCommand()), a.overrideCommand(), a.botCommand(), a.marketCommand(), a.Sends(a.markCommand()), a.Sends(a.settleCommand()),
		a.permitCommand(), a.fillCommand(), a.Sends(a.tradeCommand()), a.Sends(a.signCommand()), a.Sends(a.batchCommand()))
}
