package money

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
)

func (a *app) treasuryCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "treasury", Short: "Where the money lies, where it should, and what stands in the way", Args: cobra.NoArgs,
		Long:    "Asks the server of --server or PETS_SERVER, else reads the folder.",
		Example: "  pets treasury\n  pets treasury --at 2026-01-15T12:00:00Z --json\n  pets treasury set min_rebalance_usd=100 --reason \"fees have gone up\"",
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := readView(c.Context(), a, moment, "/treasury", show.TreasuryOf)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(v)
			}
			return a.printTreasury(&v)
		},
	}
	cli.AtFlag(c, &moment)
	c.AddCommand(a.Sends(a.treasurySetCommand()))
	return c
}

func (a *app) printTreasury(v *show.TreasuryView) error {
	p := a.Printer()
	f := &v.Figures
	p.Line("%s  revision %d  %s UTC, amounts in the base asset", v.Portfolio, v.Revision, cli.Clock(v.Time))
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	rows := [][]string{{"WHERE", "AMOUNT", "SHARE"}}
	for _, l := range []struct {
		where  string
		amount domain.Decimal
	}{
		{"hot, cash", f.HotCash},
		{"hot, positions at cost", f.Deployed},
		{"hot together", f.Hot},
		{"cold", f.Cold},
		{"on its way", f.Transit},
		{"total", f.Total},
	} {
		rows = append(rows, []string{l.where, cli.Money(l.amount), cli.Percent(show.ShareOf(l.amount, f.Total))})
	}
	if err := a.Table(rows); err != nil {
		return err
	}
	p.Line("")
	for _, l := range drawShares(f) {
		p.Line("%s", l)
	}
	p.Line("")
	switch {
	case v.Proposal != nil:
		p.Line("proposal    %s from %s to %s: %s", v.Proposal.Amount, v.Proposal.From, v.Proposal.To, a.Typed("rebalance"))
		for _, l := range explainRebalance(f, &v.Proposal.Amount, v.Proposal.From == domain.WalletCold) {
			p.Line("            %s", l)
		}
	default:
		p.Line("proposal    none: %s", v.Why)
	}
	a.printWatch(p, v)
	return p.Err
}

// printWatch prints what has to be watched, and the rules.
func (a *app) printWatch(p *cli.Printer, v *show.TreasuryView) {
	p.Line("hot share   %s", show.HotShare(v))
	if v.ReconciledAt == nil {
		p.Line("reconciled  never: %s", a.Typed("reconcile"))
	} else {
		p.Line("reconciled  %s UTC", cli.Clock(*v.ReconciledAt))
	}
	for _, d := range v.Differences {
		show.SayDifference(a.App, p, d, v.ReconciledAt)
	}
	r := &v.Policy
	p.Line("rules       hot_wallet_percentage=%s min_rebalance_usd=%s approval_threshold_usd=%s approval_ttl=%s max_transfer_fee=%s",
		r.HotWalletPercentage, r.MinRebalanceUSD, r.ApprovalThresholdUSD, r.ApprovalTTL, r.MaxTransferFee)
}

// The chart of the hot share: one character is half a percent.
const (
	shareWidth = 60
	sharePerUp = 0.5
)

// drawShares draws the share of the hot wallet and its bounds. Floats are for the picture only.
func drawShares(f *domain.Rebalance) []string {
	if f.Total.Sign() <= 0 {
		return []string{"no money yet"}
	}
	column := func(amount domain.Decimal) int {
		return int(math.Round(amount.Float() / f.Total.Float() * 100 / sharePerUp))
	}
	hot := max(column(f.Hot), 0)
	bar := strings.Repeat("█", min(hot, shareWidth))
	if hot > shareWidth {
		bar = bar[:len(bar)-len("█")] + "▶"
	}
	bounds := []rune(strings.Repeat(" ", shareWidth+1))
	for _, m := range []struct {
		at   domain.Decimal
		mark rune
	}{{domain.MaxHotShare.Mul(f.Total), '!'}, {f.High, ']'}, {f.Low, '['}, {f.Target, '^'}} {
		bounds[min(max(column(m.at), 0), shareWidth)] = m.mark
	}
	return []string{
		fmt.Sprintf("hot  %8s │%s", cli.Percent(show.ShareOf(f.Hot, f.Total)), bar),
		fmt.Sprintf("%13s │%s", "", strings.TrimRight(string(bounds), " ")),
		fmt.Sprintf("%13s └%s", "", strings.Repeat("─", shareWidth+1)),
		fmt.Sprintf("%13s  0 %%%16s10 %%%16s20 %%%16s30 %%", "", "", "", ""),
		fmt.Sprintf("%13s  [ low %s  ^ target %s  ] high %s  ! 20 %%", "", cli.Percent(show.ShareOf(f.Low, f.Total)), cli.Percent(show.ShareOf(f.Target, f.Total)), cli.Percent(show.ShareOf(f.High, f.Total))),
	}
}

func (a *app) treasurySetCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "set KEY=VALUE…", Short: "Change rules of the treasury (through the server)", Args: cobra.MinimumNArgs(1),
		Long:    "The keys: " + strings.Join(cli.TreasuryKeys, ", ") + ".\nIn a live portfolio, a rule looser than its default takes two people.",
		Example: "  pets treasury set approval_threshold_usd=0 --reason \"every transfer is approved\"",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			body, err := cli.TreasuryPatch(args)
			if err != nil {
				return err
			}
			return a.changeTreasury(c.Context(), body, reason)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

func (a *app) changeTreasury(ctx context.Context, body map[string]any, reason string) error {
	changed := make([]string, 0, len(body))
	for _, key := range cli.TreasuryKeys {
		if v := body[key]; v != nil {
			changed = append(changed, fmt.Sprintf("%s=%v", key, v))
		}
	}
	body["reason"] = reason
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, "/treasury-policy", body, &answer); err != nil {
		return err
	}
	return a.Done(answer, "the treasury's rules are changed: "+strings.Join(changed, ", "))
}
