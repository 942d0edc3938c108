package money

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/domain/treasury"
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
		Short: "Empty the hot wallets in an emergency stop, or retired ones, each transfer with an approval (through the server)",
		Long: "Reads from the chain what the hot wallets hold, prints what would be moved, asks, and requests one\n" +
			"transfer for each asset of each wallet, the coin that fees are paid in last. The recipient has to have\n" +
			"been known before the stop: a cold wallet, or an address of the book. Run again it asks for what is left.\n" +
			"Without a stop it empties retired wallets only, into a cold one.",
		Example: "  pets stop --emergency --kind security_breach --reason \"a key leaked\"\n  pets wallet sweep --to cold --reason \"a key leaked\"",
		RunE: func(c *cobra.Command, _ []string) error {
			if to == "" {
				return cli.Usage(domain.Invalid("--to", "is needed: cold, the name of a cold wallet, or an address of the book"))
			}
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			return a.sweep(c.Context(), hotOutflow(to, reason, fee.Decimal), yes)
		},
	}
	c.Flags().StringVar(&to, "to", "", "cold, the name of a cold wallet, or an address of the book")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().Var(&fee, "highest-fee", "the most that each transfer may cost, in the chain's coin (by default max_transfer_fee, or less where the wallet has less)")
	cli.AskFirst(c, &yes, "do not ask")
	return c
}

// outflow is a sweep of hot wallets, or an evacuation of cold ones.
type outflow struct {
	kind, place string
	to, reason  string
	wallet      string // the only one to empty, or ""
	fee         domain.Decimal
}

func hotOutflow(to, reason string, fee domain.Decimal) outflow {
	return outflow{kind: domain.TransferSweep, place: domain.WalletHot, to: to, reason: reason, fee: fee}
}

// sweep plans, asks, and requests the transfers.
func (a *app) sweep(ctx context.Context, o outflow, yes bool) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	if err := a.knownRecipient(ctx, o); err != nil {
		return err
	}
	plan, err := a.planSweep(ctx, o)
	if err != nil {
		return err
	}
	if !a.JSON {
		if err := a.printSweep(plan, o.to); err != nil {
			return err
		}
	}
	moves := plan.moves()
	if len(moves) == 0 {
		return domain.Errorf(domain.CodeConflict, "there is nothing to %s", verbOf(o.kind))
	}
	question := cli.Question{Text: fmt.Sprintf("Ask for what is to be moved (%d)?", len(moves)), Yes: yes, Flag: "--yes, once the plan was looked at"}
	if err := a.Agree(ctx, question); err != nil {
		return err
	}
	requested, err := a.requestSweeps(ctx, moves, o)
	return errors.Join(a.printSwept(requested), err)
}

// knownRecipient refuses a recipient that the server would refuse for every item, before anything is
// planned and asked. Where wallets and book cannot be read, the way out is not closed: the server
// decides.
func (a *app) knownRecipient(ctx context.Context, o outflow) error {
	var v show.WalletsView
	var book show.BookView
	if err := errors.Join(a.ToServer(ctx, http.MethodGet, "/wallets", nil, &v), a.ToServer(ctx, http.MethodGet, "/address-book", nil, &book)); err != nil {
		return ctx.Err()
	}
	known := []string{}
	for i := range v.Wallets {
		w := &v.Wallets[i]
		if w.RetiredAt != nil {
			continue
		}
		if w.Wallet == o.to || w.Place == o.to || treasury.SameAddress(w.Address, o.to) { // the server says which of them it may be
			return nil
		}
		if w.Place == domain.WalletCold {
			known = append(known, w.Wallet)
		}
	}
	for i := range book.Addresses {
		if treasury.SameAddress(book.Addresses[i].Address, o.to) {
			return nil
		}
		known = append(known, book.Addresses[i].Address)
	}
	if len(known) == 0 {
		return domain.Invalid("--to", "must be a cold wallet or an address of the book, and there is none: nothing was planned")
	}
	return domain.Invalid("--to", "must be cold, or one of these, and is none of them: %s. Nothing was planned", strings.Join(known, ", "))
}

func verbOf(kind string) string {
	if kind == domain.TransferEvacuation {
		return "evacuate"
	}
	return "sweep"
}

// emptied returns the wallets to empty: those of the place or, for a sweep without a stop, the
// retired ones of it.
func (a *app) emptied(ctx context.Context, o outflow) ([]projections.Wallet, error) {
	var state struct {
		EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	}
	if err := a.ToServer(ctx, http.MethodGet, "/state", nil, &state); err != nil {
		return nil, err
	}
	var v show.WalletsView
	if err := a.ToServer(ctx, http.MethodGet, "/wallets", nil, &v); err != nil {
		return nil, err
	}
	needsStop := o.kind == domain.TransferSweep && !state.EmergencyStop.Engaged
	left := slices.DeleteFunc(v.Wallets, func(w projections.Wallet) bool {
		return w.Place != o.place || o.wallet != "" && w.Wallet != o.wallet || needsStop && w.RetiredAt == nil
	})
	switch {
	case len(left) > 0:
		return left, nil
	case needsStop:
		return nil, domain.Errorf(domain.CodeConflict, "a sweep needs an engaged emergency stop (%s) or a retired wallet (%s); without one ask for a transfer", a.Typed("stop", "--emergency", "--kind", "security_breach"), a.Typed("wallet", "retire", cmp.Or(o.wallet, "WALLET")))
	case o.wallet != "":
		return nil, domain.Errorf(domain.CodeNotFound, "the portfolio has no %s wallet %s", o.place, o.wallet)
	}
	return nil, domain.Errorf(domain.CodeConflict, "the portfolio has no %s wallet", o.place)
}

// planSweep reads the balances from the chain, through the server. The chain decides: what a
// thief has taken cannot be moved, whatever the ledger says.
func (a *app) planSweep(ctx context.Context, o outflow) (*sweepPlan, error) {
	wallets, err := a.emptied(ctx, o)
	if err != nil {
		return nil, err
	}
	var rules show.TreasuryView
	if err := a.ToServer(ctx, http.MethodGet, "/treasury", nil, &rules); err != nil {
		return nil, err
	}
	found, err := a.reconciled(ctx)
	if err != nil {
		return nil, fmt.Errorf("what the %s wallets hold cannot be read: %w", o.place, err)
	}
	open, err := a.transfersNow(ctx, 0)
	if err != nil {
		return nil, err
	}
	if o.fee.IsZero() {
		o.fee = rules.Policy.MaxTransferFee
	}
	return newSweepPlan(o.place, o.kind, wallets, found, open.Transfers, o.fee), nil
}

func (a *app) printSweep(plan *sweepPlan, to string) error {
	p := a.Messages()
	p.Line("%s to %s, by the balances of block %d:", verbOf(plan.kind), to, plan.block)
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	rows := [][]string{{"WALLET", "ASSET", "CHAIN", "LEDGER (ALL OF " + strings.ToUpper(plan.place) + ")", "MOVES", "KEPT FOR FEES", ""}}
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
func (a *app) requestSweeps(ctx context.Context, moves []sweepLine, o outflow) ([]*projections.Transfer, error) {
	var done []*projections.Transfer
	var failed []error
	for _, m := range moves {
		t, err := a.requestOne(ctx, commands.RequestTransfer{
			From: m.wallet, To: o.to, Asset: m.asset, Amount: m.amount, HighestFee: m.fee, Reason: o.reason,
			Sweep: o.kind == domain.TransferSweep, Evacuate: o.kind == domain.TransferEvacuation,
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
