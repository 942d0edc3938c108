package money

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

// waysOut are the commands for a transfer that stands still.
func (a *app) waysOut() []*cobra.Command {
	return []*cobra.Command{a.raiseCommand(), a.cancelCommand(), a.prepareCommand()}
}

func (a *app) raiseCommand() *cobra.Command {
	var fee cli.DecimalFlag
	var reason string
	c := &cobra.Command{
		Use: "raise ID --highest-fee N --reason TEXT", Args: cobra.ExactArgs(1),
		Short: "Ask for a higher fee for a transfer that is stuck (through the server)",
		Long: "Asks for a higher fee than was approved. It is a new approval: somebody else has to agree to the\n" +
			"transfer with that fee, by its new hash. Then a hot wallet's transaction is replaced by the server;\n" +
			"one of a cold wallet has to be exported and signed once more.",
		Example: "  pets transfer raise x41 --highest-fee 0.8 --reason \"the base fee has doubled\"",
		RunE: func(c *cobra.Command, args []string) error {
			if fee.Sign() <= 0 {
				return cli.Usage(domain.Invalid("--highest-fee", "is needed: the most that may be paid for it, in the chain's coin"))
			}
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			body := struct {
				HighestFee domain.Decimal `json:"highest_fee"`
				Reason     string         `json:"reason"`
			}{fee.Decimal, a.Printable(reason)}
			return a.wayOut(c.Context(), args[0], "/raise", body, "a highest fee of "+fee.String()+" is asked for")
		},
	}
	c.Flags().Var(&fee, "highest-fee", "the most that may be paid for it, in the chain's coin: at least a tenth more than was approved")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

func (a *app) cancelCommand() *cobra.Command {
	var fee cli.DecimalFlag
	var reason string
	c := &cobra.Command{
		Use: "cancel ID --reason TEXT", Args: cobra.ExactArgs(1),
		Short: "Use the nonce of a transfer for nothing, so that it can not be made any more (through the server)",
		Long: "Has the wallet send 0 coins to itself with the nonce of the transfer, at a higher fee. The chain takes\n" +
			"one of the two: the transfer ends cancelled, or confirmed if it was faster. The transaction of a cold\n" +
			"wallet has to be exported and signed. Where nothing was signed, pets reject does it without a fee.",
		Example: "  pets transfer cancel x41 --reason \"it was signed, and is not wanted any more\"",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			if c.Flags().Changed("highest-fee") && fee.Sign() <= 0 {
				return cli.Usage(domain.Invalid("--highest-fee", "must be above 0; leave it out for max_transfer_fee"))
			}
			body := struct {
				HighestFee domain.Decimal `json:"highest_fee,omitzero"`
				Reason     string         `json:"reason"`
			}{fee.Decimal, a.Printable(reason)}
			return a.wayOut(c.Context(), args[0], "/cancel", body, "it is being cancelled")
		},
	}
	c.Flags().Var(&fee, "highest-fee", "the most that the cancellation may cost, in the chain's coin (max_transfer_fee by default)")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

func (a *app) prepareCommand() *cobra.Command {
	return &cobra.Command{
		Use: "prepare ID", Args: cobra.ExactArgs(1),
		Short: "Prepare the unsigned transaction of a cold wallet again, with the fees of now (through the server)",
		Long: "Makes the transaction again, with the same nonce and within the approved fee. A file that was exported\n" +
			"before is out of date then: export the new one.",
		Example: "  pets transfer prepare x41",
		RunE: func(c *cobra.Command, args []string) error {
			return a.wayOut(c.Context(), args[0], "/prepare", struct{}{}, "it is prepared again")
		},
	}
}

// wayOut sends a command about one transfer, and prints what comes next.
func (a *app) wayOut(ctx context.Context, id, path string, body any, done string) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, transferPath(id, path), body, &answer); err != nil {
		return err
	}
	v, err := a.transfersNow(ctx, answer.Revision)
	if err != nil {
		return err
	}
	t, err := v.Named(a.App, id)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(t)
	}
	p := a.Messages()
	p.Line("%s: %s", id, done)
	return a.sayWaysAndNext(ctx, "", p, t)
}

// pending returns a transfer as a second person would approve it: with the higher fee that
// was asked for, if there is one.
func pending(t *projections.Transfer) *projections.Transfer {
	if t.Raise == nil {
		return t
	}
	raised := *t
	raised.Payment.HighestFee, raised.Hash, raised.Reason = t.Raise.HighestFee, t.Raise.Hash, t.Raise.Reason
	raised.RequestedBy, raised.ExpiresAt, raised.ApprovedBy = t.Raise.RequestedBy, t.Raise.ExpiresAt, ""
	raised.ApprovalFor = []string{fmt.Sprintf("its highest fee is raised from %s %s", t.Payment.HighestFee, t.GasAsset)}
	return &raised
}

// waits reports whether a second person has to approve something of a transfer.
func waits(t *projections.Transfer) bool {
	return t.Status == treasury.Requested || t.Raise != nil
}

// elsewhere reports whether the latest transaction waits for the machine with the key.
func elsewhere(t *projections.Transfer) bool {
	last := show.LastAttempt(t)
	underWay := t.Status == treasury.Prepared || t.Status == treasury.Signed || t.Status == treasury.Broadcast
	return t.From == domain.WalletCold && underWay && last != nil && last.TxHash == ""
}

// cancelling returns the line that says what cancels a transfer; "" if nothing does.
func cancelling(t *projections.Transfer) string {
	if t.Cancel == nil || show.IsOver(t) {
		return ""
	}
	return fmt.Sprintf("being cancelled by %s: %s", t.Cancel.RequestedBy, t.Cancel.Reason)
}
