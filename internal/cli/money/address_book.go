package money

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) addressBookCommand() *cobra.Command {
	var moment string
	list := func(c *cobra.Command, _ []string) error { return a.printBook(c.Context(), moment) }
	c := &cobra.Command{
		Use: "address-book", Short: "The addresses that transfers may go to", Args: cobra.NoArgs, RunE: list,
		Example: "  pets address-book\n  pets address-book add --chain eip155:137 --address 0x… --label exchange\n  pets address-book remove --address 0x… --reason \"account closed\"",
	}
	cli.AtFlag(c, &moment)
	ls := &cobra.Command{Use: "list", Short: "The addresses, by label", Args: cobra.NoArgs, RunE: list}
	cli.AtFlag(ls, &moment)
	c.AddCommand(ls, a.addAddressCommand(), a.removeAddressCommand())
	return c
}

func (a *app) printBook(ctx context.Context, moment string) error {
	v, err := readView(ctx, a, moment, "/address-book", show.BookOf)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(v)
	}
	if len(v.Addresses) == 0 {
		p := a.Printer()
		p.Line("the address book is empty: transfers go between wallets only")
		return p.Err
	}
	return a.Table(bookRows(v.Addresses))
}

func bookRows(all []projections.Contact) [][]string {
	rows := [][]string{{"LABEL", "CHAIN", "ADDRESS", "SINCE", "PUT THERE BY"}}
	for _, c := range all {
		rows = append(rows, []string{c.Label, c.Chain, c.Address, cli.Clock(c.AddedAt), c.AddedBy})
	}
	return rows
}

func (a *app) addAddressCommand() *cobra.Command {
	body := commands.AddAddress{}
	c := &cobra.Command{
		Use: "add --address 0x… --label TEXT", Short: "Put an address into the book (through the server, with an admin's key)", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if body.Address == "" || body.Label == "" {
				return cli.Usage(domain.Invalid("--address", "and --label are needed"))
			}
			if body.Chain == "" {
				body.Chain = a.Config.Chain
			}
			var answer commands.Answer
			if err := a.ToServer(c.Context(), http.MethodPost, "/address-book", body, &answer); err != nil {
				return err
			}
			return a.Done(answer, fmt.Sprintf("%s (%q on %s) is in the address book; each transfer there needs an approval, and two in the first 24 h", body.Address, body.Label, body.Chain))
		},
	}
	c.Flags().StringVar(&body.Chain, "chain", "", "its chain (PETS_CHAIN)")
	c.Flags().StringVar(&body.Address, "address", "", "with its checksum (EIP-55)")
	c.Flags().StringVar(&body.Label, "label", "", "what people call it")
	return c
}

func (a *app) removeAddressCommand() *cobra.Command {
	body := commands.RemoveAddress{}
	c := &cobra.Command{
		Use: "remove --address 0x… --reason TEXT", Short: "Take an address out of the book (through the server)", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if body.Address == "" {
				return cli.Usage(domain.Invalid("--address", "is needed"))
			}
			if err := cli.ReasonNeeded(body.Reason); err != nil {
				return err
			}
			if body.Chain == "" {
				body.Chain = a.Config.Chain
			}
			var answer commands.Answer
			if err := a.ToServer(c.Context(), http.MethodPost, "/address-book/remove", body, &answer); err != nil {
				return err
			}
			return a.Done(answer, body.Address+" is not in the address book any more")
		},
	}
	c.Flags().StringVar(&body.Chain, "chain", "", "its chain (PETS_CHAIN)")
	c.Flags().StringVar(&body.Address, "address", "", "the address")
	c.Flags().StringVar(&body.Reason, "reason", "", "why; it is kept with the record")
	return c
}
