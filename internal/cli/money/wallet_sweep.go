package money

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) walletSweepCommand() *cobra.Command {
	var to, reason string
	var fee cli.DecimalFlag
	var yes bool
	c := &cobra.Command{
		Use: "sweep --to cold|ADDRESS --reason TEXT", Args: cobra.NoArgs,
		Short: "Empty the hot wallets in an emergency stop, each transfer with an approval (through the server)",
		Long: "Reads from the chain what the hot wallets hold, prints what would be moved, asks, and requests one\n" +
			"transfer for each asset of each wallet, the coin that fees are paid in last. The recipient has to have\n" +
			"been known before the stop: a cold wallet, or an address of the book. Run again it asks for what is left.",
		Example: "  pets stop --emergency --kind security_breach --reason \"a key leaked\"\n  pets wallet sweep --to cold --reason \"a key leaked\"",
		RunE: func(c *cobra.Command, _ []string) error {
			if to == "" {
				return cli.Usage(domain.Invalid("--to", "is needed: cold, the name of a cold wallet, or an address of the book"))
			}
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			return a.sweep(c.Context(), to, reason, fee.Decimal, yes)
		},
	}
	c.Flags().StringVar(&to, "to", "", "cold, the name of a cold wallet, or an address of the book")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().Var(&fee, "highest-fee", "the most that each transfer may cost, in the chain's coin (by default max_transfer_fee, or less where the wallet has less)")
	cli.AskFirst(c, &yes, "do not ask")
	return c
}

// sweep plans, asks, and requests the transfers.
func (a *app) sweep(ctx context.Context, to, reason string, fee domain.Decimal, yes bool) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	plan, err := a.planSweep(ctx, fee)
	if err != nil {
		return err
	}
	if !a.JSON {
		if err := a.printSweep(plan, to); err != nil {
			return err
		}
	}
	moves := plan.moves()
	if len(moves) == 0 {
		return domain.Errorf(domain.CodeConflict, "there is nothing to sweep")
	}
	question := cli.Question{Text: fmt.Sprintf("Ask for what is to be moved (%d)?", len(moves)), Yes: yes, Flag: "--yes, once the plan was looked at"}
	if err := a.Agree(ctx, question); err != nil {
		return err
	}
	requested, err := a.requestSweeps(ctx, moves, to, reason)
	return errors.Join(a.printSwept(requested), err)
}

// planSweep reads the balances from the chain, through the server. The chain decides: what a
// thief has taken cannot be moved, whatever the ledger says.
func (a *app) planSweep(ctx context.Context, fee domain.Decimal) (*sweepPlan, error) {
	var state struct {
		EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	}
	if err := a.ToServer(ctx, http.MethodGet, "/state", nil, &state); err != nil {
		return nil, err
	}
	if !state.EmergencyStop.Engaged {
		return nil, domain.Errorf(domain.CodeConflict, "a sweep needs an engaged emergency stop: %s; without one ask for a transfer", a.Typed("stop", "--emergency", "--kind", "security_breach"))
	}
	var wallets show.WalletsView
	if err := a.ToServer(ctx, http.MethodGet, "/wallets", nil, &wallets); err != nil {
		return nil, err
	}
	var rules show.TreasuryView
	if err := a.ToServer(ctx, http.MethodGet, "/treasury", nil, &rules); err != nil {
		return nil, err
	}
	found, err := a.reconciled(ctx)
	if err != nil {
		return nil, fmt.Errorf("what the hot wallets hold cannot be read: %w", err)
	}
	open, err := a.transfersNow(ctx, 0)
	if err != nil {
		return nil, err
	}
	if fee.IsZero() {
		fee = rules.Policy.MaxTransferFee
	}
	return newSweepPlan(wallets.Wallets, found, open.Transfers, fee), nil
}

func (a *app) printSweep(plan *sweepPlan, to string) error {
	p := a.Messages()
	p.Line("sweep to %s, by the balances of block %d:", to, plan.block)
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	rows := [][]string{{"WALLET", "ASSET", "CHAIN", "LEDGER (ALL OF HOT)", "MOVES", "KEPT FOR FEES", ""}}
	for _, l := range plan.lines {
		rows = append(rows, []string{
			l.wallet, l.asset, l.chain.String(), l.ledger.String(), l.amount.String(), l.kept.String(), strings.Join(l.notes, "; "),
		})
	}
	if err := a.Table(rows); err != nil {
		return err
	}
	p.Line("")
	return p.Err
}

// requestSweeps requests one transfer after another. A refused item, such as a token that the
// cold wallet is not registered for, does not block the others.
func (a *app) requestSweeps(ctx context.Context, moves []sweepLine, to, reason string) ([]*projections.Transfer, error) {
	var done []*projections.Transfer
	var failed []error
	for _, m := range moves {
		t, err := a.requestOne(ctx, commands.RequestTransfer{
			From: m.wallet, To: to, Asset: m.asset, Amount: m.amount, HighestFee: m.fee, Reason: reason, Sweep: true,
		})
		if err == nil {
			done = append(done, t)
			continue
		}
		failed = append(failed, fmt.Errorf("%s of wallet %s was not asked for: %w", m.asset, m.wallet, err))
		if client.CodeOf(err) == "" { // the server does not answer
			break
		}
	}
	return done, errors.Join(failed...)
}

func (a *app) printSwept(requested []*projections.Transfer) error {
	if a.JSON {
		return a.PrintJSON(requested)
	}
	p := a.Messages()
	for _, t := range requested {
		p.Line("%s  %s", t.Transfer, show.InWords(t))
		p.Line("     to %s, at most %s %s for fees", t.Payment.To, t.Payment.HighestFee, t.GasAsset)
	}
	if len(requested) > 0 {
		p.Line("")
		p.Line("next: someone other than %s, with the role approver, until %s UTC:", requested[0].RequestedBy, cli.Clock(requested[0].ExpiresAt))
		for _, t := range requested {
			a.Command(p, "approve", t.Transfer, "--hash", t.Hash)
		}
		p.Line("They go one after the other: each wallet sends one at a time. How far they are: %s", a.Typed("transfers", "--open"))
	}
	return p.Err
}
