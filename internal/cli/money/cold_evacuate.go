package money

import (
	"github.com/spf13/cobra"

	"pets/domain"
	"pets/internal/cli"
)

func (a *app) coldEvacuateCommand() *cobra.Command {
	o := outflow{kind: domain.TransferEvacuation, place: domain.WalletCold}
	var fee cli.DecimalFlag
	var yes bool
	c := &cobra.Command{
		Use: "evacuate --to ADDRESS|WALLET --reason TEXT", Args: cobra.NoArgs,
		Short: "Empty the cold wallets whose words may have leaked, each transfer with an approval and signed by hand (through the server)",
		Long: "Reads from the chain what the cold wallets hold, prints what would be moved, asks, and requests one\n" +
			"transfer for each asset, the coin that fees are paid in last. Each takes two people, and is signed by hand:\n" +
			"pets cold export, sign, import. It needs an emergency stop or a retired wallet, and then waits for no breaker\n" +
			"or difference. The recipient is an address of the book or another cold wallet; during a stop one that was\n" +
			"known before it.",
		Example: "  pets cold evacuate --to 0x… --reason \"the safe was opened\"\n  pets cold evacuate --wallet vault-1 --to vault-2 --reason \"the safe was opened\"",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.to == "" {
				return cli.Usage(domain.Invalid("--to", "is needed: an address of the book, or the name of another cold wallet"))
			}
			if err := cli.ReasonNeeded(o.reason); err != nil {
				return err
			}
			o.fee = fee.Decimal
			return a.sweep(c.Context(), o, yes)
		},
	}
	c.Flags().StringVar(&o.to, "to", "", "an address of the book, or the name of another cold wallet")
	c.Flags().StringVar(&o.wallet, "wallet", "", "the only cold `wallet` to empty (by default all of them)")
	c.Flags().StringVar(&o.reason, "reason", "", "why; it is kept with the record")
	c.Flags().Var(&fee, "highest-fee", "the most that each transfer may cost, in the chain's coin (by default max_transfer_fee, or less where the wallet has less)")
	cli.AskFirst(c, &yes, "do not ask")
	return c
}
