package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

func (a *app) treasuryCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "treasury", Short: "Where the money lies, where it should, and what stands in the way", Args: cobra.NoArgs,
		Long:    "Asks the server where PETS_KEY is set and --at is not, else reads the store.",
		Example: "  pets treasury\n  pets treasury --at 2026-01-15T12:00:00Z --json\n  pets treasury set min_rebalance_usd=100 --reason \"fees have gone up\"",
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := readView(c.Context(), a, moment, "/treasury", treasuryOf)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			return a.printTreasury(&v)
		},
	}
	at(c, &moment)
	c.AddCommand(a.sends(a.treasurySetCommand()))
	return c
}

func (a *app) printTreasury(v *treasuryView) error {
	p := a.printer()
	f := &v.Figures
	p.line("%s  revision %d  %s UTC, amounts in the base asset", v.Portfolio, v.Revision, clock(v.Time))
	p.line("")
	if p.err != nil {
		return p.err
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
		rows = append(rows, []string{l.where, money(l.amount), percent(shareOf(l.amount, f.Total))})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	p.line("")
	for _, l := range drawShares(f) {
		p.line("%s", l)
	}
	p.line("")
	switch {
	case v.Proposal != nil:
		p.line("proposal    %s from %s to %s: pets rebalance", v.Proposal.Amount, v.Proposal.From, v.Proposal.To)
		for _, l := range explainRebalance(f, &v.Proposal.Amount, v.Proposal.From == domain.WalletCold) {
			p.line("            %s", l)
		}
	default:
		p.line("proposal    none: %s", v.Why)
	}
	printWatch(p, v)
	return p.err
}

// printWatch prints what has to be watched, and the rules.
func printWatch(p *printer, v *treasuryView) {
	p.line("hot share   %s", hotShare(v))
	if v.ReconciledAt == nil {
		p.line("reconciled  never: pets reconcile")
	} else {
		p.line("reconciled  %s UTC", clock(*v.ReconciledAt))
	}
	for _, d := range v.Differences {
		p.line("DIFFERENCE  in %s the chain has %s; outgoing transfers wait until it is explained", d.Place, moreOrLess(d.Difference, d.Asset))
	}
	r := &v.Policy
	p.line("rules       hot_wallet_percentage=%s min_rebalance_usd=%s approval_threshold_usd=%s approval_ttl=%s max_transfer_fee=%s",
		r.HotWalletPercentage, r.MinRebalanceUSD, r.ApprovalThresholdUSD, r.ApprovalTTL, r.MaxTransferFee)
}

// hotShare says what the rule of 20 % makes of the hot wallet. It is judged after every
// record and only where there are two wallets; a transfer from hot to hot is as hot as before
// there, which is not so in the figures.
func hotShare(v *treasuryView) string {
	share := shareOf(v.Figures.Hot, v.Figures.Total)
	switch {
	case v.HotAboveSince != nil && v.IncreasesDenied:
		return fmt.Sprintf("ABOVE 20 %% since %s UTC, for 24 h and more: increases are denied", clock(*v.HotAboveSince))
	case v.HotAboveSince != nil:
		return fmt.Sprintf("ABOVE 20 %% since %s UTC; after 24 h increases are denied", clock(*v.HotAboveSince))
	case v.Why == portfolio.NoTwoWallets:
		return fmt.Sprintf("%s, and no rule limits it: the limit of 20 %% is for a live portfolio that has a hot and a cold wallet", percent(share))
	case domain.MaxHotShare.Less(share):
		return fmt.Sprintf("%s by the figures above; the 24 h after which increases are denied are not running", percent(share))
	}
	return "not above 20 %"
}

func moreOrLess(difference domain.Decimal, asset string) string {
	word := "more"
	if difference.Sign() < 0 {
		word = "less"
	}
	return fmt.Sprintf("%s %s %s than the ledger", difference.Abs(), asset, word)
}

// The picture of the hot share: half a percent a character.
const (
	shareWidth = 60
	sharePerUp = 0.5
)

// drawShares draws the share of the hot wallet against its bounds. Floats are for the
// eye only.
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
		fmt.Sprintf("hot  %8s │%s", percent(shareOf(f.Hot, f.Total)), bar),
		fmt.Sprintf("%13s │%s", "", strings.TrimRight(string(bounds), " ")),
		fmt.Sprintf("%13s └%s", "", strings.Repeat("─", shareWidth+1)),
		fmt.Sprintf("%13s  0 %%%16s10 %%%16s20 %%%16s30 %%", "", "", "", ""),
		fmt.Sprintf("%13s  [ low %s  ^ target %s  ] high %s  ! 20 %%", "", percent(shareOf(f.Low, f.Total)), percent(shareOf(f.Target, f.Total)), percent(shareOf(f.High, f.Total))),
	}
}

// treasuryKeys are the rules that can be set.
var treasuryKeys = []string{"hot_wallet_percentage", "min_rebalance_usd", "approval_threshold_usd", "approval_ttl", "max_transfer_fee"}

func (a *app) treasurySetCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "set KEY=VALUE…", Short: "Change rules of the treasury (through the server)", Args: cobra.MinimumNArgs(1),
		Long:    "The keys: " + strings.Join(treasuryKeys, ", ") + ".\nOf a live portfolio, what is looser than its default takes two people.",
		Example: "  pets treasury set approval_threshold_usd=0 --reason \"every transfer is approved\"",
		RunE: func(c *cobra.Command, args []string) error {
			if err := reasonNeeded(reason); err != nil {
				return err
			}
			body, err := treasuryPatch(args)
			if err != nil {
				return errUsage{err}
			}
			return a.changeTreasury(c.Context(), body, reason)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

func treasuryPatch(pairs []string) (map[string]any, error) {
	body := map[string]any{}
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		key = strings.ToLower(key)
		switch {
		case !found || !slices.Contains(treasuryKeys, key):
			return nil, domain.Invalid(pair, "must be KEY=VALUE with one of %s", strings.Join(treasuryKeys, ", "))
		case body[key] != nil:
			return nil, domain.Invalid(key, "stands twice")
		}
		body[key] = value
	}
	return body, nil
}

func (a *app) changeTreasury(ctx context.Context, body map[string]any, reason string) error {
	changed := make([]string, 0, len(body))
	for _, key := range treasuryKeys {
		if v := body[key]; v != nil {
			changed = append(changed, fmt.Sprintf("%s=%v", key, v))
		}
	}
	body["reason"] = reason
	var answer commands.Answer
	if err := a.toServer(ctx, http.MethodPost, "/treasury-policy", body, &answer); err != nil {
		return err
	}
	return a.done(answer, "the treasury's rules are changed: "+strings.Join(changed, ", "))
}
