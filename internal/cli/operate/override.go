package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/internal/cli"
)

// overrideKinds maps each kind of override to the function that reads its KEY=VALUE pairs.
var overrideKinds = map[string]func(pairs []string) (map[string]any, error){
	domain.OverrideGoLive:   noPairs,
	domain.OverrideClock:    noPairs,
	domain.OverrideSigned:   noPairs,
	domain.OverrideLimits:   func(pairs []string) (map[string]any, error) { return limitsPatch("", pairs) },
	domain.OverrideTreasury: cli.TreasuryPatch,
	domain.OverrideTransfer: settlementPatch,
	domain.OverrideTokens:   tokensPatch,

	domain.OverridePayouts:    func(pairs []string) (map[string]any, error) { return payoutsPatch(pairs) },
	domain.OverrideSettlement: func(pairs []string) (map[string]any, error) { return payoutsPatch(pairs, "void", "rebase") },

	domain.OverrideAdjustment: adjustmentPatch,
}

// aboutKinds lists the kinds for the help.
func aboutKinds() string {
	var b strings.Builder
	for _, k := range portfolio.OverrideKinds() {
		fmt.Fprintf(&b, "  %-17s%s\n", k.Name, k.About)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func noPairs(pairs []string) (map[string]any, error) {
	if len(pairs) > 0 {
		return nil, cli.Usage(domain.Invalid(pairs[0], "does not go with this kind: it takes no KEY=VALUE"))
	}
	return nil, nil
}

// settlementPatch reads what became of a transfer.
func settlementPatch(pairs []string) (map[string]any, error) {
	body, err := cli.PairsOf([]string{"transfer", "outcome", "tx_hash", "block", "fee"}, pairs)
	if block, is := body["block"].(string); is && err == nil {
		if body["block"], err = strconv.ParseUint(block, 10, 64); err != nil {
			return nil, cli.Usage(domain.Invalid("block", "must be a whole number"))
		}
	}
	return body, err
}

// adjustmentPatch reads a correction of the books; of=REVISION makes it one of a deposit or a
// withdrawal.
func adjustmentPatch(pairs []string) (map[string]any, error) {
	body, err := cli.PairsOf([]string{"account", "asset", "amount", "of"}, pairs)
	if of, is := body["of"].(string); is && err == nil {
		if body["of"], err = strconv.ParseUint(of, 10, 64); err != nil {
			return nil, cli.Usage(domain.Invalid("of", "must be the revision of a deposit or withdrawal, a whole number"))
		}
		body["flow"] = true
	}
	return body, err
}

// paid is what a live portfolio counts in, if orders of the chain are known: the registry's
// last, which is the newest, of what they are paid in.
func (a *app) paid() []string {
	pay := a.Paid()
	if len(pay) == 0 {
		return nil
	}
	return []string{"--asset", pay[len(pay)-1]}
}

// tokensPatch reads which tokens a market is to have: market=NAME, condition=ID where that is
// another one, and OUTCOME=TOKEN for each.
func tokensPatch(pairs []string) (map[string]any, error) {
	market, condition, tokens := "", "", map[string]string{}
	for i, pair := range pairs {
		at := strings.LastIndex(pair, "=") // a token has none
		switch {
		case at <= 0 || at == len(pair)-1:
			return nil, cli.Usage(domain.Invalid("KEY=VALUE", "must be market=NAME first, then OUTCOME=TOKEN for each outcome"))
		case i == 0:
			name, is := strings.CutPrefix(pair, "market=")
			if !is {
				return nil, cli.Usage(domain.Invalid("market", "is needed, before the outcomes: market=NAME"))
			}
			market = name
		case i == 1 && strings.HasPrefix(pair, "condition=0x"): // no token begins so
			condition = pair[len("condition="):]
		default:
			if _, twice := tokens[pair[:at]]; twice {
				return nil, cli.Usage(domain.Invalid(pair[:at], "is given twice"))
			}
			tokens[pair[:at]] = pair[at+1:]
		}
	}
	if market == "" {
		return nil, cli.Usage(domain.Invalid("market", "is needed: market=NAME"))
	}
	body := map[string]any{"market": market, "tokens": tokens}
	if condition != "" {
		body["condition"] = condition
	}
	return body, nil
}

// payoutsPatch reads what a market pays: market=NAME, then OUTCOME=PAYOUT for each outcome.
// Of the given words each may be said as WORD=yes, which is no payout.
func payoutsPatch(pairs []string, words ...string) (map[string]any, error) {
	body, payouts := map[string]any{}, map[string]string{}
	for i, pair := range pairs {
		at := strings.LastIndex(pair, "=")
		switch {
		case at <= 0 || at == len(pair)-1 || i == 0 && pair[:at] != "market":
			return nil, cli.Usage(domain.Invalid("KEY=VALUE", "must be market=NAME first, then OUTCOME=PAYOUT for each outcome"))
		case i == 0:
			body["market"] = pair[at+1:]
		case slices.Contains(words, pair[:at]) && pair[at+1:] == "yes":
			body[pair[:at]] = true
		case payouts[pair[:at]] != "":
			return nil, cli.Usage(domain.Invalid(pair[:at], "is given twice"))
		default:
			payouts[pair[:at]] = pair[at+1:]
		}
	}
	if len(payouts) > 0 {
		body["payouts"] = payouts
	}
	if body["market"] == nil {
		return nil, cli.Usage(domain.Invalid("market", "is needed: market=NAME"))
	}
	return body, nil
}

func (a *app) overrideCommand() *cobra.Command {
	return cli.Group("override", "What takes two people: one requests it, another confirms", a.Sends(a.requestOverrideCommand()), a.Sends(a.confirmOverrideCommand()))
}

func (a *app) requestOverrideCommand() *cobra.Command {
	var live, reason string
	c := &cobra.Command{
		Use: "request KIND [KEY=VALUE…]", Short: "Ask, as the first of two people, to set a rule aside", Args: cobra.MinimumNArgs(1),
		Long: "The kinds:\n" + aboutKinds(),
		Example: "  pets override request go_live --for real --reason \"a month on paper\"\n" +
			"  pets override request limits max_daily_loss_pct=0.10 --reason \"agreed on 3 March\"\n" +
			"  pets override request payouts market=cup A=0.5 B=0.4 --reason \"the venue keeps the rest\"\n" +
			"  pets override request settlement market=cup void=yes --reason cancelled\n" +
			"  pets override request clock --reason \"the clock was an hour ahead\"",
		RunE: func(c *cobra.Command, args []string) error {
			kind := strings.ReplaceAll(args[0], "-", "_")
			read := overrideKinds[kind]
			switch {
			case read == nil:
				return cli.Usage(domain.Invalid("KIND", "must be %s", portfolio.NamedOverrides()))
			case kind == domain.OverrideGoLive:
				if err := cli.Needed(c, "for"); err != nil {
					return err
				}
			}
			limits, err := read(args[1:])
			if err != nil {
				return err
			}
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			body := commands.RequestOverride{Kind: kind, Portfolio: live, Reason: reason}
			if limits != nil {
				if body.Limits, err = json.Marshal(limits); err != nil {
					return err
				}
			}
			return a.requestOverride(c, body)
		},
	}
	c.Flags().StringVar(&live, "for", "", "with go_live: the live portfolio that is to be opened")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

func (a *app) requestOverride(c *cobra.Command, body commands.RequestOverride) error {
	var answer commands.Answer
	if err := a.ToServer(c.Context(), http.MethodPost, "/overrides", body, &answer); err != nil {
		return err
	}
	what := fmt.Sprintf("%s: override %s is asked for; it waits for 24 h", answer.ID, body.Kind)
	if len(answer.Replaces) > 0 {
		what += ". It REPLACES what waited: " + strings.Join(answer.Replaces, ", ")
	}
	if err := a.Done(answer, what); err != nil {
		return err
	}
	return a.Next("another user, with a key of role approver, confirms it", "override", "confirm", answer.ID)
}

func (a *app) confirmOverrideCommand() *cobra.Command {
	var with string
	c := &cobra.Command{
		Use: "confirm ID", Short: "Agree, as the second of two people (an approver)", Args: cobra.ExactArgs(1),
		Long: "Look at the request first: pets approvals. Of a live portfolio, and for go_live, the lines that are\n" +
			"signed are shown, and the passphrase of your approver's key is asked for.",
		Example: "  pets override confirm o57",
		RunE: func(c *cobra.Command, args []string) error {
			a.Once = true
			signature, err := a.signed(c.Context(), approval.KindOverride, args[0], with)
			if err != nil {
				return err
			}
			body := cli.Signed{Signature: signature}
			var answer commands.Answer
			if err := a.ToServer(c.Context(), http.MethodPost, "/overrides/"+url.PathEscape(args[0])+"/confirm", body, &answer); err != nil {
				return err
			}
			if err := a.Done(answer, args[0]+" is confirmed"); err != nil || a.JSON {
				return err
			}
			var v struct {
				Overrides []struct{ Override, Kind, Portfolio string }
			}
			if err := a.View(c.Context(), "", "/state", nil, &v); err != nil {
				return cli.Told(args[0]+" is confirmed", err)
			}
			for _, o := range v.Overrides {
				if o.Override == args[0] && o.Kind == domain.OverrideGoLive {
					words := []string{"portfolio", "open", o.Portfolio, "--mode", "live", "--gate", fmt.Sprintf("%s@%d", a.Config.Portfolio, answer.Revision)}
					return a.Next("open it within 7 days, with a key of role operator or admin", append(words, a.paid()...)...)
				}
			}
			return nil
		},
	}
	cli.WithKey(c, &with)
	return c
}

// signed returns the signature that an approval needs, nil if it needs none.
func (a *app) signed(ctx context.Context, kind, id, with string) (*domain.ApprovalSignature, error) {
	if err := a.ActsOnServer(); err != nil {
		return nil, err
	}
	sign, err := a.ToSign(ctx, kind, id, with, nil)
	if err != nil {
		return nil, err
	}
	return sign.Sign(ctx)
}
