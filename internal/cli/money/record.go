package money

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/show"
)

// flow holds the flags of money that came in from outside, or went out.
type flow struct {
	wallet, asset, tx string
	leg               int
}

func (f *flow) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.wallet, "wallet", domain.WalletHot, "hot or cold")
	c.Flags().StringVar(&f.asset, "asset", "", "its name in the ledger (the base asset by default)")
	c.Flags().StringVar(&f.tx, "tx", "", "its transaction on the chain, or any other reference")
	c.Flags().IntVar(&f.leg, "leg", 0, "its number, where one transaction moves the asset several times")
}

// recordFlow records it, and warns where its reference was recorded before: under the first
// edition of the rules a deposit that is typed twice counts twice.
func (a *app) recordFlow(ctx context.Context, path, eventType string, of show.Flow, asset string, body any, what string) error {
	answer, err := a.Posted(ctx, path, body, func(commands.Answer) string { return what })
	if err != nil || a.Replayed() || cli.Noted(answer.Events) {
		return err
	}
	if of.Revision = answer.Revision; of.Tx != "" {
		show.WarnOfSameTx(ctx, a.App, eventType, of)
	}
	show.WarnOfMoney(ctx, a.App, asset)
	return nil
}

// show is the reference by which an earlier record of the same money is found.
func (f *flow) show() show.Flow { return show.Flow{Tx: f.tx, Leg: f.leg} }

// postMoney is Post, and warns where it has left an account in doubt.
func (a *app) postMoney(ctx context.Context, path, asset string, body any, what string) error {
	err := a.Post(ctx, path, body, what)
	if err == nil && !a.Replayed() {
		show.WarnOfMoney(ctx, a.App, asset)
	}
	return err
}

// ofAsset is the name of an asset behind an amount, where one was given.
func ofAsset(asset string) string {
	if asset == "" {
		return ""
	}
	return " " + asset
}

func (a *app) depositCommand() *cobra.Command {
	var f flow
	c := &cobra.Command{
		Use: "deposit AMOUNT", Short: "Record money that came in from outside", Args: cobra.ExactArgs(1),
		Example: "  pets deposit 10000\n  pets deposit 0.5 --asset ETH --wallet cold --tx 0x…",
		RunE: func(c *cobra.Command, args []string) error {
			amount, err := cli.AmountArg("AMOUNT", args[0])
			if err != nil {
				return err
			}
			return a.recordFlow(c.Context(), "/deposits", domain.DepositRecordedType, f.show(), f.asset, commands.RecordDeposit{Wallet: f.wallet, Asset: f.asset, Amount: amount, Tx: f.tx, Leg: f.leg},
				fmt.Sprintf("%s%s came into the %s wallet of %s", amount, ofAsset(f.asset), f.wallet, a.Config.Portfolio))
		},
	}
	f.flags(c)
	return c
}

func (a *app) withdrawCommand() *cobra.Command {
	var f flow
	c := &cobra.Command{
		Use: "withdraw AMOUNT", Short: "Record money that went out; it sends nothing", Args: cobra.ExactArgs(1),
		Long:    "Records a withdrawal that has happened. To have money moved between wallets, see pets transfer.",
		Example: "  pets withdraw 250 --tx 0x…",
		RunE: func(c *cobra.Command, args []string) error {
			amount, err := cli.AmountArg("AMOUNT", args[0])
			if err != nil {
				return err
			}
			return a.recordFlow(c.Context(), "/withdrawals", domain.WithdrawalRecordedType, f.show(), f.asset, commands.RecordWithdrawal{Wallet: f.wallet, Asset: f.asset, Amount: amount, Tx: f.tx, Leg: f.leg},
				fmt.Sprintf("%s%s went out of the %s wallet of %s", amount, ofAsset(f.asset), f.wallet, a.Config.Portfolio))
		},
	}
	f.flags(c)
	return c
}

func (a *app) feeCommand() *cobra.Command {
	body := commands.RecordFee{}
	c := &cobra.Command{
		Use: "fee AMOUNT", Short: "Record a fee, or a rebate, that belongs to no fill", Args: cobra.ExactArgs(1),
		Example: "  pets fee 1.25 --kind gas\n  pets fee 0.40 --kind rebate --bot alpha",
		RunE: func(c *cobra.Command, args []string) (err error) {
			if body.Amount, err = cli.AmountArg("AMOUNT", args[0]); err != nil {
				return err
			}
			if err := cli.Needed(c, "kind"); err != nil {
				return err
			}
			payer := "the treasury"
			if body.Bot != "" {
				payer = body.Bot
			}
			what := fmt.Sprintf("%s paid %s%s (%s)", payer, body.Amount, ofAsset(body.Asset), body.Kind)
			if body.Kind == domain.FeeRebate {
				what = fmt.Sprintf("%s got %s%s (%s)", payer, body.Amount, ofAsset(body.Asset), body.Kind)
			}
			return a.postMoney(c.Context(), "/fees", body.Asset, body, what)
		},
	}
	c.Flags().StringVar(&body.Kind, "kind", "", "trading, gas or rebate")
	c.Flags().StringVar(&body.Bot, "bot", "", "the bot that paid it (the treasury by default)")
	c.Flags().StringVar(&body.Asset, "asset", "", "its name in the ledger (the base asset by default)")
	return c
}

// adjust corrects the books: by a request to a second person in a live portfolio, and at once
// on paper. The request goes first, because nothing is recorded of its refusal on paper, while
// that of the other one would be recorded as a denial. It is also refused while the clock is
// behind, and to the repeat of a correction on paper, whose key was used for that.
func (a *app) adjust(ctx context.Context, body commands.PostAdjustment, what string) error {
	limits, err := json.Marshal(portfolio.Adjustment{Account: body.Account, Asset: body.Asset, Amount: body.Amount, Flow: body.Flow, Of: body.Of})
	if err != nil {
		return err
	}
	answer, err := a.Posted(ctx, "/overrides", commands.RequestOverride{Kind: domain.OverrideAdjustment, Limits: limits, Reason: body.Reason}, func(answer commands.Answer) string {
		return answer.ID + ": asked for, so that " + what + "; nothing is corrected before another user confirms it, within 24 h"
	})
	if err == nil {
		return a.Next("another user, with a key of role approver, confirms it", "override", "confirm", answer.ID)
	}
	var p *client.Problem
	if !errors.As(err, &p) {
		return err
	}
	paper := p.Code() == domain.CodeConflict && strings.Contains(p.Detail, "POST …/adjustments")
	if !paper && p.Code() != domain.CodeIdempotencyMismatch && p.Code() != domain.CodeClock {
		return err
	}
	alone := a.postMoney(ctx, "/adjustments", body.Asset, body, what)
	if refused := (*client.Problem)(nil); !paper && errors.As(alone, &refused) && (refused.Code() == domain.CodeDenied || refused.Code() == domain.CodeIdempotencyMismatch) {
		return err
	}
	return alone
}

// onOf names the flag in a refusal of the record that an adjustment corrects.
func onOf(err error) error {
	var p *client.Problem
	if rest, is := "", false; errors.As(err, &p) && p.Field != "" {
		if rest, is = strings.CutPrefix(p.Detail, p.Field); is && (p.Field == "of" || p.Field == "limits.of") {
			named := *p
			named.Detail = "--of" + rest
			return &named
		}
	}
	return err
}

func (a *app) adjustCommand() *cobra.Command {
	body := commands.PostAdjustment{}
	var add, take cli.DecimalFlag
	var of uint64
	c := &cobra.Command{
		Use: "adjust ACCOUNT --add N | --take N", Short: "Correct an account of the books by hand (an admin)", Args: cobra.ExactArgs(1),
		Long: "Corrects what the books say of hot:treasury, cold:treasury or hot:bot/NAME where they are wrong:\n" +
			"pets balances shows them. It is for mistakes; money that moved is a deposit, a withdrawal or a fee.\n" +
			"In a live portfolio it takes two people: this asks for it, and an approver confirms it.\n" +
			"--flow --of REVISION takes back a part of one deposit or withdrawal, as if it had been typed right: then it\n" +
			"is neither a profit nor a loss. pets events --type deposit,withdrawal has the revisions.",
		Example: "  pets adjust hot:treasury --take 0.37 --reason \"deposit of 3 March was 9999.63\"\n" +
			"  pets adjust hot:treasury --add 8100 --flow --of 57 --reason \"9,000 typed for 900\"",
		RunE: func(c *cobra.Command, args []string) error {
			body.Account = args[0]
			switch {
			case c.Flags().Changed("add") == c.Flags().Changed("take"):
				return cli.Usage(domain.Invalid("--add", "or --take is needed, one of the two"))
			case add.Sign() < 0 || take.Sign() < 0:
				return cli.Usage(domain.Invalid("--add", "and --take must be above 0"))
			}
			if c.Flags().Changed("of") {
				body.Of = &of
			}
			if body.Flow != (body.Of != nil) {
				return cli.Usage(domain.Invalid("--flow", "and --of REVISION go together: the record of the deposit or withdrawal that it corrects; %s lists them", a.Typed("events", "--type", "deposit,withdrawal")))
			}
			if err := cli.ReasonNeeded(body.Reason); err != nil {
				return err
			}
			body.Amount = add.Sub(take.Decimal)
			what := fmt.Sprintf("%s has %s%s more", body.Account, body.Amount, ofAsset(body.Asset))
			if body.Amount.Sign() < 0 {
				what = fmt.Sprintf("%s has %s%s less", body.Account, body.Amount.Abs(), ofAsset(body.Asset))
			}
			if body.Flow {
				what += fmt.Sprintf(", which corrects revision %d and is no profit or loss", of)
			}
			return onOf(a.adjust(c.Context(), body, what))
		},
	}
	c.Flags().Var(&add, "add", "how much more it is to have")
	c.Flags().Var(&take, "take", "how much less it is to have")
	c.Flags().BoolVar(&body.Flow, "flow", false, "it corrects a deposit or withdrawal, and counts as a flow")
	c.Flags().Uint64Var(&of, "of", 0, "with --flow: the `REVISION` of that deposit or withdrawal")
	c.Flags().StringVar(&body.Asset, "asset", "", "its name in the ledger (the base asset by default)")
	c.Flags().StringVar(&body.Reason, "reason", "", "why; it is kept with the record")
	return c
}
