// Package money has the commands for money: transfers and their approval, the treasury, the
// reconciliation with the chain, the address book, wallets and cold signing, and money that is
// recorded by hand.
//
// It owns what a person sees before money moves. It refuses to approve anything other than what
// was shown, and to print a key or its words.
package money

import (
	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line; this package's commands are its methods.
type app struct{ *cli.App }

// Commands returns the commands of this package.
func Commands(c *cli.App) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.MoneyTopic,
		a.Sends(a.transferCommand()), a.transfersCommand(), a.approvalsCommand(), a.Sends(a.approveCommand()), a.Sends(a.rejectCommand()),
		a.treasuryCommand(), a.rebalanceCommand(), a.reconcileCommand(), a.addressBookCommand(), a.walletCommand(), a.coldCommand(),
		a.Sends(a.depositCommand()), a.Sends(a.withdrawCommand()), a.Sends(a.feeCommand()), a.Sends(a.adjustCommand()))
}
