package money

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
)

func (a *app) rebalanceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rebalance", Short: "Propose a move between the wallets where one is due (through the server)", Args: cobra.NoArgs,
		Long: "The server proposes by itself what is due; this asks for it now, and shows every number of it.",
		RunE: func(c *cobra.Command, _ []string) error { return a.rebalance(c.Context()) },
	}
}

func (a *app) rebalance(ctx context.Context) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	t, err := a.request(ctx, "/rebalance", struct{}{})
	switch {
	case err != nil:
		return err
	case t == nil:
		return a.whyNoProposal(ctx)
	case a.JSON:
		return a.PrintJSON(t)
	}
	return a.showRequested(ctx, t)
}

// whyNoProposal prints why nothing is proposed, and an open proposal if there is one.
func (a *app) whyNoProposal(ctx context.Context) error {
	var v show.TreasuryView
	if err := a.ToServer(ctx, http.MethodGet, "/treasury", nil, &v); err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(v)
	}
	p := a.Printer()
	p.Line("nothing new is proposed: %s", v.Why)
	list, err := a.transfersNow(ctx, 0)
	if err != nil {
		return err
	}
	for i := range list.Transfers {
		if t := &list.Transfers[i]; t.Kind == domain.TransferRebalance && !show.IsOver(t) {
			p.Line("")
			if p.Err != nil {
				return p.Err
			}
			return a.showTransfer(ctx, t.Transfer, "")
		}
	}
	return p.Err
}

func (a *app) reconcileCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reconcile", Short: "Reconcile the ledger with the chain; exit 1 when they differ (through the server)", Args: cobra.NoArgs,
		Long: "A difference is checked three times before it is recorded. It stops outgoing transfers until an\n" +
			"adjustment explains it, or ledger and chain agree again.",
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := a.reconciled(c.Context())
			if err != nil {
				return err
			}
			if err := a.printReconciled(e); err != nil {
				return err
			}
			return differs(e)
		},
	}
}

// reconciled makes the server reconcile, and reads what it recorded.
func (a *app) reconciled(ctx context.Context) (*domain.BalanceReconciled, error) {
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, "/reconcile", struct{}{}, &answer); err != nil {
		return nil, err
	}
	for _, ref := range answer.Events {
		if ref.Type != domain.BalanceReconciledType || ref.Revision == 0 {
			continue
		}
		var list struct {
			Events []cli.EventLine `json:"events"`
		}
		path := fmt.Sprintf("/events?after=%d&limit=1&min_revision=%d", ref.Revision-1, ref.Revision)
		if err := a.ToServer(ctx, http.MethodGet, path, nil, &list); err != nil {
			return nil, err
		}
		if len(list.Events) != 1 || list.Events[0].Revision != ref.Revision {
			break
		}
		e, err := domain.Decode(list.Events[0].Type, list.Events[0].Data)
		if err != nil {
			return nil, err
		}
		if reconciled, is := e.(*domain.BalanceReconciled); is {
			return reconciled, nil
		}
		break
	}
	return nil, domain.Errorf(domain.CodeInternal, "the server answered, but its record of the comparison was not found (revision %d)", answer.Revision)
}

func (a *app) printReconciled(e *domain.BalanceReconciled) error {
	if a.JSON {
		return a.PrintJSON(e)
	}
	p := a.Printer()
	p.Line("block %d of %s UTC", e.Block, cli.Clock(e.BlockTime))
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	rows := [][]string{{"PLACE", "ASSET", "LEDGER", "CHAIN", "ON ITS WAY", "DIFFERENCE", "WALLETS", ""}}
	for i := range e.Lines {
		l := &e.Lines[i]
		wallets := make([]string, 0, len(l.Wallets))
		for _, w := range l.Wallets {
			wallets = append(wallets, w.Wallet+" "+w.Amount.String())
		}
		verdict := "agrees"
		switch {
		case l.Skipped != "":
			verdict = "not judged: " + l.Skipped
		case !l.Difference.IsZero():
			verdict = "DIFFERS"
		}
		rows = append(rows, []string{
			l.Place, l.Asset, l.Ledger.String(), l.Chain.String(), l.InTransit.String(), l.Difference.String(), strings.Join(wallets, ", "), verdict,
		})
	}
	return a.Table(rows)
}

// differs returns an error if ledger and chain differ.
func differs(e *domain.BalanceReconciled) error {
	var found []string
	for i := range e.Lines {
		if l := &e.Lines[i]; !l.Difference.IsZero() {
			found = append(found, fmt.Sprintf("in %s the chain has %s", l.Place, show.MoreOrLess(l.Difference, l.Asset)))
		}
	}
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("ledger and chain differ: %s; outgoing transfers wait until it is explained (docs/runbooks/transfers.md)", strings.Join(found, "; "))
}
