// Package operate has the commands of people who run bots: start, stop, reset and clear, and
// those for portfolios, limits, bots, markets, marks, permits and fills.
//
// It owns the ways on which a stop reaches the process that can carry it out, and how the
// result is reported. It refuses to let any other problem prevent a stop: it reports the
// problem and goes on.
package operate

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line; this package's commands are its methods.
type app struct{ *cli.App }

// Commands returns the commands of this package.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.Operate, a.Looks(a.startCommand()), a.stopCommand(), a.Looks(a.resetCommand()), a.Sends(a.clearCommand()),
		a.portfolioCommand(), cli.Views(a.limitsCommand()), a.overrideCommand(), a.botCommand(), a.marketCommand(), a.Sends(a.markCommand()), a.Sends(a.settleCommand()), a.Sends(a.correctCommand()), a.setsCommand(),
		a.permitCommand(), a.fillCommand(), a.Sends(a.fundingCommand()), a.Sends(a.tradeCommand()), a.Sends(a.signCommand()), a.Sends(a.batchCommand()))
}
