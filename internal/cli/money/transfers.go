package money

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) transfersCommand() *cobra.Command {
	var moment string
	var open, follow bool
	c := &cobra.Command{
		Use: "transfers [ID]", Short: "The transfers, or one of them with all of its numbers", Args: cobra.MaximumNArgs(1),
		Long:    "Asks the server of --server or PETS_SERVER, else reads the folder.",
		Example: "  pets transfers --open\n  pets transfers x41\n  pets transfers x41 --follow",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case follow && (len(args) == 0 || moment != ""):
				return cli.Usage(errors.New("--follow needs the id of one transfer, and does not go with --at"))
			case follow:
				return a.followTransfer(c.Context(), args[0])
			case len(args) == 1 && open:
				return cli.Usage(errors.New("--open goes with the list, not with one transfer"))
			case len(args) == 1:
				return a.showTransfer(c.Context(), args[0], moment)
			}
			return a.listTransfers(c.Context(), moment, func(t *projections.Transfer) bool { return !open || !show.IsOver(t) })
		},
	}
	cli.AtFlag(c, &moment)
	c.Flags().BoolVar(&open, "open", false, "only those that are not over")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "look at it each second until it is over (through the server)")
	return c
}

func (a *app) approvalsCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "approvals", Short: "What waits for a second person: transfers, overrides and the clearing of a stop", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.listApprovals(c.Context(), moment) },
	}
	cli.AtFlag(c, &moment)
	return c
}

func (a *app) listTransfers(ctx context.Context, moment string, keep func(*projections.Transfer) bool) error {
	v, err := readView(ctx, a, moment, "/transfers", show.TransfersOf)
	if err != nil {
		return err
	}
	v.Transfers = slices.DeleteFunc(v.Transfers, func(t projections.Transfer) bool { return !keep(&t) })
	if a.JSON {
		return a.PrintJSON(v)
	}
	if len(v.Transfers) == 0 {
		p := a.Printer()
		p.Line("no transfers")
		return p.Err
	}
	rows := [][]string{{"ID", "STATUS", "KIND", "AMOUNT", "ASSET", "FROM", "TO", "ASKED FOR BY", "AT", "APPROVED BY"}}
	for i := range v.Transfers {
		t := &v.Transfers[i]
		rows = append(rows, []string{
			t.Transfer, string(t.Status), t.Kind, t.Payment.Amount.String(), t.Asset, t.Wallet, recipient(t), t.RequestedBy, cli.Clock(t.RequestedAt), t.ApprovedBy,
		})
	}
	return a.Table(rows)
}

// recipient returns the place that a transfer goes to, or the address if it is external.
func recipient(t *projections.Transfer) string {
	if t.To == domain.PlaceExternal {
		return t.Payment.To
	}
	return t.To
}

// approvalsView is the answer of `pets approvals --json`: the transfers, and all that waits.
type approvalsView struct {
	show.TransfersView
	Approvals []projections.Approval `json:"approvals"`
}

// listApprovals leaves out requests that have lapsed, because their approval would be refused.
func (a *app) listApprovals(ctx context.Context, moment string) error {
	var v approvalsView
	there := func() error { return a.View(ctx, moment, "/approvals", nil, &v) }
	err := a.LookLedger(ctx, moment, there, func(ledger string, s *portfolio.State) error {
		now := s.Time
		if moment == "" {
			now = a.Clock()()
		}
		v.ViewHead = show.HeadOf(s)
		v.Transfers = projections.TransfersOf(s, func(t *treasury.Transfer) bool { return t.Pending(now) != nil })
		v.Approvals = projections.ApprovalsOf(s, ledger, now)
		return nil
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(v)
	}
	p := a.Printer()
	if len(v.Approvals) == 0 {
		p.Line("nothing waits for an approval")
	}
	for i := range v.Approvals {
		a.printApproval(p, &v, &v.Approvals[i])
	}
	return p.Err
}

// printApproval prints what waits, and the lines that its approver is shown.
func (a *app) printApproval(p *cli.Printer, v *approvalsView, w *projections.Approval) {
	approves := []string{"approve", w.ID}
	switch w.Kind {
	case approval.KindTransfer:
		t, err := v.Named(a.App, w.ID)
		if err != nil { // of another moment
			break
		}
		t = pending(t)
		p.Line("%s  %s, asked for by %s: %s", t.Transfer, show.InWords(t), t.RequestedBy, t.Reason)
		for _, why := range t.ApprovalFor {
			p.Line("     because %s", why)
		}
		if t.Approvals > 1 {
			p.Line("     %s", approvalsOf(t)+byFirst(t))
		}
	case approval.KindClear:
		p.Line("%s  the emergency stop is to be cleared, asked for by %s", w.ID, w.RequestedBy)
		approves = []string{"clear", "--confirm", w.ID}
	default:
		p.Line("%s  an override, asked for by %s", w.ID, w.RequestedBy)
		approves = []string{w.Kind, "confirm", w.ID}
	}
	if w.Signed || w.Kind != approval.KindTransfer {
		for _, line := range w.Subject.Lines {
			p.Whole("       " + line)
		}
	}
	until := ""
	if w.ExpiresAt != nil {
		until = "until " + cli.Clock(*w.ExpiresAt) + " UTC: "
	}
	p.Line("     %s%s", until, a.Typed(approves...))
}

func byFirst(t *projections.Transfer) string {
	if t.FirstApprovedBy == "" {
		return ""
	}
	return ", by " + t.FirstApprovedBy
}

func (a *app) showTransfer(ctx context.Context, id, moment string) error {
	v, err := readView(ctx, a, moment, "/transfers", show.TransfersOf)
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
	n, err := a.namesAt(ctx, moment)
	if err != nil {
		return err
	}
	p := a.Printer()
	p.Line("%s  %s", t.Transfer, show.InWords(t))
	p.Line("%s", statusLine(t))
	if line := cancelling(t); line != "" {
		p.Line("%s", line)
	}
	p.Line("")
	showPayment(p, t, n)
	showApproval(p, t)
	for i := range t.Attempts {
		showAttempt(p, i+1, &t.Attempts[i])
	}
	if t.TxHash != "" {
		p.Line("  on chain     %s, block %d, fee %s %s", t.TxHash, t.Block, t.Fee, t.GasAsset)
	}
	if t.EndedAt != nil {
		p.Line("  over since   %s UTC", cli.Clock(*t.EndedAt))
	}
	showRebalance(p, t)
	if !show.IsOver(t) {
		p.Line("")
		return a.sayWaysAndNext(ctx, moment, p, t)
	}
	return p.Err
}

func showAttempt(p *cli.Printer, n int, at *projections.Attempt) {
	state := "not signed"
	switch {
	case at.Sent:
		state = at.TxHash + ", sent"
	case at.TxHash != "":
		state = at.TxHash + ", not sent"
	}
	if at.Cancel {
		state += "; it pays nothing, and cancels the transfer"
	}
	p.Line("  attempt %-4d nonce %d, %s", n, at.Nonce, state)
}

// followEvery is the interval at which a transfer is read.
const followEvery = time.Second

// followTransfer prints each change of a transfer until it is over. It returns an error if the
// transfer failed, was rejected or has expired.
func (a *app) followTransfer(ctx context.Context, id string) error {
	if err := a.NeedsServer(); err != nil {
		return err
	}
	p := a.Printer()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for shown, waits := "", ""; ; {
		v, err := a.transfersNow(ctx, 0)
		if err != nil {
			return interrupted(ctx, err)
		}
		t, err := v.Named(a.App, id)
		if err != nil {
			return err
		}
		if line := statusLine(t); line != shown && !a.JSON {
			p.Line("%s UTC  %s  %s", cli.Clock(v.Time), id, line)
			shown, waits = line, ""
		} else if waits, err = a.sayWaits(ctx, p, t, waits); err != nil {
			return interrupted(ctx, err)
		}
		switch {
		case p.Err != nil:
			return p.Err
		case show.IsOver(t):
			return a.ended(t)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil // interrupted; the transfer goes on
		}
	}
}

// sayWaits says what a transfer waits for that stands still: once, and again when that is
// something else. It returns what is said by now.
func (a *app) sayWaits(ctx context.Context, p *cli.Printer, t *projections.Transfer, said string) (string, error) {
	if last := show.LastAttempt(t); a.JSON || last != nil && last.TxHash != "" {
		return said, nil
	}
	at, err := a.standingOf(ctx, "", t)
	if err != nil {
		return said, err
	}
	now := strings.Join(at.ways, "\n")
	if now != "" && now != said {
		p.Line("%s waits:\n%s", t.Transfer, now)
	}
	return now, nil
}

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (a *app) ended(t *projections.Transfer) error {
	if a.JSON {
		if err := a.PrintJSON(t); err != nil {
			return err
		}
	}
	if t.Status != treasury.Confirmed {
		return fmt.Errorf("transfer %s did not arrive: it is %s", t.Transfer, t.Status)
	}
	return nil
}
