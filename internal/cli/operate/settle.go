package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
)

func (a *app) settleCommand() *cobra.Command {
	body := commands.SettleMarket{}
	var payouts []string
	c := &cobra.Command{
		Use: "settle MARKET --payouts OUTCOME=N,… | --void | OUTCOME PAYOUT", Short: "Pay out a market to its holders", Args: cobra.RangeArgs(1, 3),
		Long: "--payouts says what a share of each outcome pays: 1 for the one that came, 0 for the others. It names all\n" +
			"outcomes of a registered market. --void gives every holder the cost back. OUTCOME PAYOUT settles one outcome;\n" +
			"of two that exclude each other it settles both, and of more than two 1 settles the others at 0. An outcome\n" +
			"that begins with ! is quoted for the shell: '!A'. What was settled wrongly, pets correct mends.",
		Example: "  pets settle rain-tomorrow --payouts YES=1,NO=0\n  pets settle cup --void\n  pets settle rain-tomorrow YES 1",
		RunE: func(c *cobra.Command, args []string) (err error) {
			body.Market = args[0]
			if body.Payouts, err = payoutsOf("--payouts", payouts); err != nil {
				return err
			}
			whole := body.Void || len(payouts) > 0
			switch {
			case body.Void && len(payouts) > 0:
				return cli.Usage(domain.Invalid("--void", "gives every holder the cost back, so it does not go with --payouts"))
			case whole && len(args) > 1:
				return cli.Usage(fmt.Errorf("%s is one word too many: with --payouts or --void only MARKET is named", cli.Quoted(args[1])))
			case !whole && len(args) != 3:
				return cli.Usage(fmt.Errorf("say what %s pays: --payouts YES=1,NO=0 for all outcomes, --void, or OUTCOME PAYOUT for one", cli.Quoted(args[0])))
			case !whole:
				body.Outcome = args[1]
				if body.Payout, err = cli.AmountArg("PAYOUT", args[2]); err != nil {
					return err
				}
			}
			return a.ofTwo(domain.OverridePayouts, portfolio.Correction{Market: body.Market, Payouts: body.Payouts}, a.settle(c.Context(), body))
		},
	}
	payoutFlags(c, &payouts, &body.Void)
	c.Flags().StringVar(&body.Bot, "bot", "", "pay only this holder, in a market that is not exclusive; the payout is settled for everybody all the same")
	return c
}

func payoutFlags(c *cobra.Command, payouts *[]string, void *bool) {
	c.Flags().StringArrayVar(payouts, "payouts", nil, "what a share of each outcome pays, as `OUTCOME=N`, with commas between them")
	c.Flags().BoolVar(void, "void", false, "give every holder the cost back; the results are neutral")
}

// payoutPairs takes OUTCOME=N,… apart. The name of an outcome may have a comma in it: only what
// has an = is a pair.
func payoutPairs(texts []string) []string {
	var pairs []string
	for _, text := range texts {
		pair := ""
		for part := range strings.SplitSeq(text, ",") {
			if pair += part; strings.Contains(part, "=") {
				pairs, pair = append(pairs, pair), ""
				continue
			}
			pair += ","
		}
		if pair = strings.TrimSuffix(pair, ","); pair != "" {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// payoutsOf reads what the outcomes of a market pay. The name of an outcome may have an = in it.
func payoutsOf(flag string, texts []string) (map[string]domain.Decimal, error) {
	var payouts map[string]domain.Decimal
	for _, text := range payoutPairs(texts) {
		at := strings.LastIndex(text, "=")
		if at <= 0 {
			return nil, cli.Usage(domain.Invalid(flag+" "+cli.Quoted(text), "must be OUTCOME=N, such as YES=1"))
		}
		outcome := strings.TrimSpace(text[:at])
		payout, err := cli.AmountArg(flag+" "+outcome, strings.TrimSpace(text[at+1:]))
		if err != nil {
			return nil, err
		}
		if _, twice := payouts[outcome]; twice {
			return nil, cli.Usage(domain.Invalid(flag+" "+outcome, "is given twice"))
		}
		if payouts == nil {
			payouts = map[string]domain.Decimal{}
		}
		payouts[outcome] = payout
	}
	return payouts, nil
}

// ofTwo adds to a refusal of payouts that two people may agree on how one of them asks for it.
func (a *app) ofTwo(kind string, c portfolio.Correction, err error) error {
	var p *client.Problem
	if !errors.As(err, &p) || p.Code() != domain.CodePayoutsSum || len(c.Payouts) == 0 {
		return err
	}
	said := *p
	said.Detail = strings.ReplaceAll(p.Detail, "an override of kind "+kind, a.Typed(append(append([]string{"override", "request", kind}, pairsOf(c)...), "--reason", cli.Unsaid)...))
	return &said
}

// pairsOf are the words by which pets override request names payouts.
func pairsOf(c portfolio.Correction) []string {
	words := []string{"market=" + c.Market}
	for _, outcome := range byPayout(c.Payouts) {
		words = append(words, outcome+"="+c.Payouts[outcome].String())
	}
	if c.Void {
		words = append(words, "void=yes")
	}
	if c.Rebase {
		words = append(words, "rebase=yes")
	}
	return words
}

// byPayout are the outcomes, the one that pays most first.
func byPayout(payouts map[string]domain.Decimal) []string {
	names := make([]string, 0, len(payouts))
	for outcome := range payouts {
		names = append(names, outcome)
	}
	slices.SortFunc(names, func(x, y string) int {
		if c := payouts[y].Cmp(payouts[x]); c != 0 {
			return c
		}
		return strings.Compare(x, y)
	})
	return names
}

// settle pays out a market, and says who was paid.
func (a *app) settle(ctx context.Context, body commands.SettleMarket) error {
	return a.postPaid(ctx, "/settlements", body, func(r *paidRecord) string {
		if r.out != nil {
			return fmt.Sprintf("%s is settled: %s", r.out.Market, a.paysWhat(r.out.Payouts, r.out.Void))
		}
		if body.Outcome == "" {
			return fmt.Sprintf("%s is settled: %s", body.Market, a.paysWhat(body.Payouts, body.Void))
		}
		return settledWords(body, r.settled)
	})
}

// mostPaying is how many outcomes that pay something are named.
const mostPaying = 8

// paysWhat says what the outcomes pay.
func (a *app) paysWhat(payouts map[string]domain.Decimal, void bool) string {
	if void {
		return "void, every holder has the cost back"
	}
	var said []string
	nothing, names := 0, byPayout(payouts)
	for _, outcome := range names {
		if len(said) == mostPaying || len(names) > mostPaying && payouts[outcome].IsZero() {
			nothing++
			continue
		}
		said = append(said, fmt.Sprintf("%s pays %s", outcome, payouts[outcome]))
	}
	if nothing > 0 {
		said = append(said, fmt.Sprintf("%d more: %s", nothing, a.Typed("events", "--type", "market")))
	}
	return strings.Join(said, ", ")
}

// settledWords says who was paid how much for one outcome by itself; settled is nil where that
// cannot be read.
func settledWords(body commands.SettleMarket, settled *domain.MarketSettled) string {
	fixed := fmt.Sprintf("the outcome is settled at %s a share from now on, for everybody", body.Payout)
	if settled == nil || len(settled.Holders) == 0 {
		return fmt.Sprintf("%s: %s", body.Instrument, fixed)
	}
	paid := make([]string, len(settled.Holders))
	for i, h := range settled.Holders {
		paid[i] = fmt.Sprintf("%s got %s for %s", h.Bot, h.Quantity.Mul(settled.Payout), h.Quantity)
		if h.Quantity.Sign() < 0 { // it was sold without being held
			paid[i] = fmt.Sprintf("%s paid %s for the %s that it had sold and not held", h.Bot, h.Quantity.Mul(settled.Payout).Abs(), h.Quantity.Abs())
		}
	}
	only := ""
	if body.Bot != "" {
		only = " (no other holder)"
	}
	return fmt.Sprintf("%s: %s%s; %s", body.Instrument, strings.Join(paid, ", "), only, fixed)
}

func (a *app) correctCommand() *cobra.Command {
	body := portfolio.Correction{}
	var payouts []string
	var reason string
	c := &cobra.Command{
		Use: "correct MARKET --payouts OUTCOME=N,… | --void", Short: "Correct what a settled market has paid", Args: cobra.ExactArgs(1),
		Long: "Each trade that the settlement closed changes by its quantity × the difference. It may trip a breaker, and\n" +
			"resets none. --payouts names all outcomes of an exclusive market, elsewhere those that change; --void gives\n" +
			"every holder the cost back. --rebase measures losses from the equity after it, of all that it moved.\n" +
			"In a live portfolio it takes two people: this asks for it, and an approver confirms it.",
		Example: "  pets correct rain-tomorrow --payouts YES=0,NO=1 --reason \"the venue has changed its answer\"\n  pets correct cup --void --rebase --reason \"cancelled\"",
		RunE: func(c *cobra.Command, args []string) (err error) {
			body.Market = args[0]
			if body.Payouts, err = payoutsOf("--payouts", payouts); err != nil {
				return err
			}
			if body.Void == (len(payouts) > 0) {
				return cli.Usage(domain.Invalid("--payouts", "or --void is needed, one of the two: what the market pays after all"))
			}
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			return a.ofTwo(domain.OverrideSettlement, body, a.correct(c, body, reason))
		},
	}
	payoutFlags(c, &payouts, &body.Void)
	c.Flags().BoolVar(&body.Rebase, "rebase", false, "make the equity after it what losses are measured from, of all that it moved")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

// correct corrects a settlement: at once on paper, by a request to a second person in a live
// portfolio. The mode is asked for first: sent the wrong way, the one is recorded as a denial and
// the other as a request.
func (a *app) correct(c *cobra.Command, body portfolio.Correction, reason string) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	var about struct{ Mode domain.Mode }
	if err := a.View(c.Context(), "", "", nil, &about); err != nil {
		return err
	}
	if about.Mode == domain.ModeLive {
		content, err := json.Marshal(body)
		if err != nil {
			return err
		}
		return a.requestOverride(c, commands.RequestOverride{Kind: domain.OverrideSettlement, Limits: content, Reason: reason})
	}
	send := commands.CorrectSettlement{Market: body.Market, Payouts: body.Payouts, Void: body.Void, Rebase: body.Rebase, Reason: reason}
	return a.postPaid(c.Context(), "/settlements/correct", send, func(*paidRecord) string {
		what := fmt.Sprintf("%s is corrected: %s", body.Market, a.paysWhat(body.Payouts, body.Void))
		if body.Rebase {
			what += "; losses are measured from the equity after it"
		}
		return what
	})
}

func (a *app) setsCommand() *cobra.Command {
	return cli.Group("sets", "Complete sets of an exclusive market: split cash into them, merge them into cash",
		a.Sends(a.changeSetsCommand(domain.SplitSets, "Record that cash became complete sets, 1 for each")),
		a.Sends(a.changeSetsCommand(domain.MergeSets, "Record that complete sets became cash, 1 for each")))
}

func (a *app) changeSetsCommand(action, short string) *cobra.Command {
	body := commands.ChangeSets{Action: action}
	var quantity, fee cli.DecimalFlag
	c := &cobra.Command{
		Use: action, Short: short, Args: cobra.NoArgs,
		Long: "Records what was done at the venue: one share of each outcome is worth 1, so but for the fee no equity\n" +
			"moves. It is refused beyond what the bot holds: report its fills first. It is identified by bot and set id:\n" +
			"a repeat is ignored.",
		Example: "  pets sets " + action + " --bot alpha --market rain-tomorrow --quantity 100 --set-id s-1",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cli.Needed(c, "bot", "market", "quantity", "set-id"); err != nil {
				return err
			}
			body.Quantity, body.Fee = quantity.Decimal, fee.Decimal
			return a.postWarned(c.Context(), "/sets", body, domain.SetsChangedType, "how it was booked", func(e domain.Event) string {
				changed, _ := e.(*domain.SetsChanged)
				return setsWords(body, changed)
			})
		},
	}
	c.Flags().StringVar(&body.Bot, "bot", "", "whose sets they are")
	c.Flags().StringVar(&body.Market, "market", "", "an exclusive market")
	c.Flags().Var(&quantity, "quantity", "how many sets: so much cash, and so many shares of each outcome")
	c.Flags().Var(&fee, "fee", "what it cost besides")
	c.Flags().StringVar(&body.SetID, "set-id", "", "what the venue calls it, such as its transaction")
	return c
}

// setsWords says how a change of sets was booked; changed is nil where that cannot be read.
func setsWords(body commands.ChangeSets, changed *domain.SetsChanged) string {
	said := fmt.Sprintf("%s: %s has split %s into %s of each outcome of %s", body.SetID, body.Bot, body.Quantity, body.Quantity, body.Market)
	part := "%s at a cost of %s"
	if body.Action == domain.MergeSets {
		said = fmt.Sprintf("%s: %s has merged %s of each outcome of %s into %s", body.SetID, body.Bot, body.Quantity, body.Market, body.Quantity)
		part = "%s for %s"
	}
	if !body.Fee.IsZero() {
		said += fmt.Sprintf(", fee %s", body.Fee)
	}
	if changed == nil || len(changed.Parts) > mostPaying {
		return said
	}
	parts := make([]string, len(changed.Parts))
	for i, p := range changed.Parts {
		parts[i] = fmt.Sprintf(part, p.Outcome, p.Cash)
	}
	return said + ": " + strings.Join(parts, ", ")
}

// postPaid is Post for a command that pays out a market, or corrects that: it reads back who was
// paid, and says so below what was done.
func (a *app) postPaid(ctx context.Context, path string, body any, say func(*paidRecord) string) error {
	var failed error
	var r paidRecord
	what := ""
	answer, err := a.Posted(ctx, path, body, func(answer commands.Answer) string {
		failed = a.readPaid(ctx, answer, &r)
		what = say(&r)
		return what
	})
	switch {
	case err != nil || cli.Noted(answer.Events):
		return err
	case failed != nil:
		return cli.Told(what, a.warn("  ", fmt.Sprintf("who was paid cannot be read: %v; see %s", failed, a.Typed("events", "--type", "market,trade,breaker"))))
	}
	return cli.Told(what, a.sayPaid(ctx, &r))
}
