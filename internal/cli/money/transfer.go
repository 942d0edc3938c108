package money

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) transferCommand() *cobra.Command {
	body := commands.RequestTransfer{}
	var amount, fee cli.DecimalFlag
	var wait bool
	c := &cobra.Command{
		Use: "transfer --from WALLET --to WALLET|ADDRESS --amount N --reason TEXT", Args: cobra.NoArgs,
		Short: "Ask for money to be moved between wallets, or to an address of the book (through the server)",
		Long: "Asks the server to move money. Nothing moves before a second person has agreed where one has to:\n" +
			"see pets approve. What is needed next is printed.",
		Example: "  pets transfer --from hot --to cold --amount 250 --reason \"more than the bots need\"\n" +
			"  pets transfer --from hot --to 0x… --asset USDC --amount 100 --highest-fee 0.5 --reason \"invoice 17\" --wait",
		RunE: func(c *cobra.Command, _ []string) error {
			body.Amount, body.HighestFee = amount.Decimal, fee.Decimal
			if c.Flags().Changed("highest-fee") && fee.Sign() <= 0 {
				return cli.Usage(domain.Invalid("--highest-fee", "must be above 0; leave it out for max_transfer_fee"))
			}
			if err := checkTransfer(&body); err != nil {
				return err
			}
			return a.requestTransfer(c.Context(), body, wait)
		},
	}
	c.Flags().StringVar(&body.From, "from", "", "hot, cold, or the name of a wallet")
	c.Flags().StringVar(&body.To, "to", "", "hot, cold, the name of a wallet, or an address of the book")
	c.Flags().StringVar(&body.Asset, "asset", "", "its name in the ledger (the base asset by default)")
	c.Flags().Var(&amount, "amount", "how much of it")
	c.Flags().Var(&fee, "highest-fee", "the most that may be paid for it, in the chain's coin (max_transfer_fee by default)")
	c.Flags().StringVar(&body.Reason, "reason", "", "why; it is kept with the record")
	c.Flags().BoolVar(&wait, "wait", false, "follow it until it is over, as pets transfers ID --follow does")
	c.AddCommand(a.waysOut()...)
	return c
}

func checkTransfer(t *commands.RequestTransfer) error {
	for _, f := range []struct{ flag, value string }{{"--from", t.From}, {"--to", t.To}} {
		if f.value == "" {
			return cli.Usage(domain.Invalid(f.flag, "is needed: hot, cold, or the name of a wallet"))
		}
	}
	if t.Amount.Sign() <= 0 {
		return cli.Usage(domain.Invalid("--amount", "must be above 0"))
	}
	return cli.ReasonNeeded(t.Reason)
}

// requestTransfer requests a transfer and prints what was recorded.
func (a *app) requestTransfer(ctx context.Context, body commands.RequestTransfer, wait bool) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	t, err := a.requestOne(ctx, body)
	if err != nil {
		return err
	}
	if a.JSON && !wait {
		return a.PrintJSON(t)
	}
	if !a.JSON {
		if err := a.showRequested(ctx, t); err != nil {
			return err
		}
	}
	if !wait {
		return nil
	}
	return a.followTransfer(ctx, t.Transfer)
}

// requestOne requests one transfer.
func (a *app) requestOne(ctx context.Context, body commands.RequestTransfer) (*projections.Transfer, error) {
	t, err := a.request(ctx, "/transfers", body)
	if err == nil && t == nil {
		err = domain.Errorf(domain.CodeInternal, "the server has answered, and names no transfer; see %s", a.Typed("transfers"))
	}
	return t, err
}

// request sends a command that may record a transfer, and reads the transfer back; nil if none
// was recorded.
func (a *app) request(ctx context.Context, path string, body any) (*projections.Transfer, error) {
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, path, body, &answer); err != nil {
		return nil, err
	}
	if a.Replayed() {
		a.Tell("%s", a.Before(answer.Revision))
	}
	if answer.ID == "" {
		return nil, nil
	}
	v, err := a.transfersNow(ctx, answer.Revision)
	if err != nil {
		return nil, err
	}
	return v.Named(a.App, answer.ID)
}

// showRequested prints a transfer that was just requested, and the next step.
func (a *app) showRequested(ctx context.Context, t *projections.Transfer) error {
	n, err := a.namesAt(ctx, "")
	if err != nil {
		return err
	}
	p := a.Messages()
	p.Line("%s is asked for: %s", t.Transfer, show.InWords(t))
	p.Line("")
	showPayment(p, t, n)
	showApproval(p, t)
	showRebalance(p, t)
	p.Line("")
	return a.sayWaysAndNext(ctx, "", p, t)
}
