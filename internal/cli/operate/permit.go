package operate

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
)

func (a *app) permitCommand() *cobra.Command {
	return cli.Group("permit", "Permits: ask for one, say that its order rests, release it (pets permits lists them)",
		a.Sends(a.askPermitCommand()), a.Sends(a.placePermitCommand()), a.Sends(a.releasePermitCommand()))
}

// orderFlags are the flags that describe an order, named as in the API.
type orderFlags struct {
	market, outcome, side string
	quantity, price, fee  cli.DecimalFlag
}

func (f *orderFlags) flags(c *cobra.Command, price, priceDoc string) {
	c.Flags().StringVar(&f.market, "market", "", "the market")
	c.Flags().StringVar(&f.outcome, "outcome", "", "its outcome, such as YES; of a spot or perp the asset")
	c.Flags().StringVar(&f.side, "side", "", "buy or sell")
	c.Flags().Var(&f.quantity, "quantity", "shares, or units of the asset")
	c.Flags().Var(&f.price, price, priceDoc)
	c.Flags().Var(&f.fee, "fee", "the fee of all of it")
}

func (f *orderFlags) String() string {
	return fmt.Sprintf("%s %s %s", f.side, f.quantity, domain.Instrument{Market: f.market, Outcome: f.outcome})
}

func (a *app) askPermitCommand() *cobra.Command {
	body := commands.AskPermit{}
	var f orderFlags
	var kind, intent, ttl, legTimeout, inForce string
	var legs []string
	var preview bool
	c := &cobra.Command{
		Use: "ask", Short: "Ask whether a bot may trade: a check and a reservation in one", Args: cobra.NoArgs,
		Long: "Asks for the permit of one order, or with --leg of the orders of an arbitrage, all or none. A denial\n" +
			"is printed with every reason, and exits with 1. --preview records nothing.",
		Example: "  pets permit ask --bot alpha --market rain --outcome YES --side buy --quantity 100 --limit-price 0.40 --fee 0.10\n" +
			"  pets permit ask --bot alpha --market rain --outcome YES --side sell --quantity 100 --limit-price 0.60 --reduce-only --group exit\n" +
			"  pets permit ask --bot alpha --leg \"buy 100 rain YES 0.48\" --leg \"buy 100 rain NO 0.49\" --leg-timeout 20s",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cli.Needed(c, "bot"); err != nil {
				return err
			}
			var err error
			if body.Legs, err = legsOf(legs); err != nil {
				return err
			}
			if len(legs) == 0 {
				if err := cli.Needed(c, "market", "outcome", "side", "quantity", "limit-price"); err != nil {
					return err
				}
			} else if intent == "" {
				intent = string(domain.IntentArbitrage)
			}
			for _, d := range []struct {
				flag, text string
				into       *domain.Duration
			}{{"--ttl", ttl, &body.TTL}, {"--leg-timeout", legTimeout, &body.LegTimeout}} {
				if err := durationFlag(d.flag, d.text, d.into); err != nil {
					return err
				}
			}
			body.Instrument, body.Side = domain.Instrument{Market: f.market, Outcome: f.outcome}, domain.Side(f.side)
			body.Quantity, body.LimitPrice, body.Fee = f.quantity.Decimal, f.price.Decimal, f.fee.Given(c, "fee")
			body.Kind, body.Intent, body.TimeInForce = domain.MarketKind(kind), domain.Intent(intent), domain.TimeInForce(inForce)
			return a.askPermit(c, body, preview)
		},
	}
	c.Flags().StringVar(&body.Bot, "bot", "", "the bot that asks")
	f.flags(c, "limit-price", "the worst price that the order may be filled at")
	c.Flags().BoolVar(&body.ReduceOnly, "reduce-only", false, "it may only reduce what the bot holds")
	c.Flags().StringVar(&ttl, "ttl", "", "how long until it is placed, such as 10s (permit_ttl of the limits at most)")
	c.Flags().StringVar(&kind, "kind", "", "outcome, spot or perp, to have it compared with the market")
	c.Flags().StringVar(&intent, "intent", "", "market_making or arbitrage; nothing for a directional order")
	c.Flags().StringVar(&body.Group, "group", "", "a name that reducing orders share of which one is to be filled, such as take-profit and stop")
	c.Flags().StringVar(&inForce, "time-in-force", "", "gtc (the default), gtd, ioc or fok: what of an ioc or fok is not filled is gone after permit_ttl")
	c.Flags().BoolVar(&body.PaperFill, "paper-fill", false, "of a paper portfolio: the engine fills it at the mark")
	c.Flags().StringArrayVar(&legs, "leg", nil, "an order of an arbitrage: `\"buy 100 MARKET OUTCOME 0.48 [FEE]\"`; 2 to 16 of them")
	c.Flags().StringVar(&legTimeout, "leg-timeout", "", "how long until all legs are to be filled, such as 20s")
	c.Flags().BoolVar(&preview, "preview", false, "run every check, and record and reserve nothing")
	return c
}

func durationFlag(flag, text string, into *domain.Duration) error {
	if text == "" {
		return nil
	}
	if err := into.UnmarshalText([]byte(text)); err != nil {
		return cli.Usage(domain.Invalid(flag, "must be a duration, such as 30s"))
	}
	return nil
}

// legsOf parses the orders of an arbitrage.
func legsOf(texts []string) ([]commands.Leg, error) {
	var out []commands.Leg
	for i, text := range texts {
		wrong := cli.Usage(domain.Invalid("--leg", "%d must be \"SIDE QUANTITY MARKET OUTCOME LIMIT_PRICE [FEE]\", such as \"buy 100 rain YES 0.48\"", i+1))
		words := strings.Fields(text)
		if len(words) != 5 && len(words) != 6 {
			return nil, wrong
		}
		leg := commands.Leg{Instrument: domain.Instrument{Market: words[2], Outcome: words[3]}, Side: domain.Side(words[0])}
		var fee domain.Decimal
		for _, d := range []struct {
			at   int
			into *domain.Decimal
		}{{1, &leg.Quantity}, {4, &leg.LimitPrice}, {5, &fee}} {
			if d.at >= len(words) {
				continue
			}
			amount, err := domain.ParseDecimal(words[d.at])
			if err != nil {
				return nil, wrong
			}
			*d.into = amount
		}
		if len(words) == 6 {
			leg.Fee = &fee
		}
		out = append(out, leg)
	}
	return out, nil
}

// permitAnswer is a permit, or the preview of one.
type permitAnswer struct {
	client.Permit
	Preview bool `json:"preview,omitempty"`
	// Replayed: an earlier run has asked under the same key.
	Replayed bool `json:"replayed,omitempty"`
}

func (a *app) askPermit(c *cobra.Command, body commands.AskPermit, preview bool) error {
	var v permitAnswer
	switch {
	case preview:
		if err := a.NeedsServer(); err != nil {
			return err
		}
		if err := a.Exchange(c.Context(), a.Found, http.MethodPost, "/permits?preview=true", body, &v); err != nil {
			return err
		}
	default:
		if err := a.ToServer(c.Context(), http.MethodPost, "/permits", body, &v); err != nil {
			return err
		}
	}
	v.Replayed = a.Replayed()
	err := a.printPermit(&v, body.Legs)
	if err == nil && !v.Allowed {
		return cli.ErrNotPermitted
	}
	return cli.Told("the permit was asked for", err)
}

func (a *app) printPermit(v *permitAnswer, legs []commands.Leg) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	p := a.Printer()
	if v.Replayed {
		p.Line("%s:", a.Before(v.Revision))
	}
	p.Line("%s", permitHead(v))
	permitDetails(p, v, legs)
	for _, d := range v.Directives {
		p.Line("  %s", cli.Directed(d))
	}
	a.SayTripped(p, v.Revision, v.Events)
	if p.Err == nil && v.Allowed && !v.Preview && v.Fill == nil && len(v.Legs) == 0 {
		return a.Next("place the order; once it rests at the venue", "permit", "place", v.PermitID)
	}
	return p.Err
}

// permitHead says in a line what was answered.
func permitHead(v *permitAnswer) string {
	switch {
	case !v.Allowed:
		return "DENIED" + permitStatus(v)
	case v.Preview:
		return fmt.Sprintf("it would be permitted, and reserve %s; nothing was recorded", v.Reserved)
	case len(v.Legs) > 0:
		return fmt.Sprintf("%s is permitted: %s reserved (revision %d)", v.Arbitrage, v.Reserved, v.Revision)
	}
	return fmt.Sprintf("%s is permitted: %s reserved%s%s (revision %d)", v.PermitID, v.Reserved, until(v.ExpiresAt), filledAs(v.Fill), v.Revision)
}

// permitDetails prints what belongs to it: why it was denied, or its orders.
func permitDetails(p *cli.Printer, v *permitAnswer, legs []commands.Leg) {
	switch {
	case !v.Allowed:
		for _, r := range v.Reasons {
			p.Line("  %s: %s%s", r.Code, r.Message, against(r.Value, r.Limit))
		}
	case v.Preview:
		printLegs(p, &permitAnswer{Permit: client.Permit{PermitAnswer: commands.PermitAnswer{Cost: v.Cost, SurePayout: v.SurePayout, Deadline: v.Deadline}}}, nil)
	case len(v.Legs) > 0:
		printLegs(p, v, legs)
	}
}

// printLegs prints the permits of an arbitrage, each with its order, and what all of them
// are for.
func printLegs(p *cli.Printer, v *permitAnswer, legs []commands.Leg) {
	for i, leg := range v.Legs {
		order := ""
		if i < len(legs) {
			order = fmt.Sprintf("  %s %s %s at %s", legs[i].Side, legs[i].Quantity, legs[i].Instrument, legs[i].LimitPrice)
		}
		p.Line("  leg %d  %s%s%s", i+1, leg.PermitID, order, filledAs(leg.Fill))
	}
	if v.Cost != nil && v.SurePayout != nil {
		p.Line("  they cost %s, and pay at least %s", v.Cost, v.SurePayout)
	}
	if v.ExpiresAt != nil {
		p.Line("  each order is to be placed by %s UTC", cli.Clock(*v.ExpiresAt))
	}
	if v.Deadline != nil {
		p.Line("  all of them are to be filled by %s UTC", cli.Clock(*v.Deadline))
	}
}

func permitStatus(v *permitAnswer) string {
	if v.Status == "" {
		return ""
	}
	return fmt.Sprintf(": %s has changed since it was granted (%s)", v.PermitID, v.Status)
}

// against formats the value and the limit of a reason, as far as it has them.
func against(value, limit string) string {
	switch {
	case value == "" && limit == "":
		return ""
	case limit == "":
		return " (" + value + ")"
	}
	return fmt.Sprintf(" (%s, limit %s)", value, limit)
}

func until(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " until " + cli.Clock(*t) + " UTC"
}

func filledAs(f *commands.PaperFill) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("; filled on paper: %s at %s, fee %s", f.Quantity, f.Price, f.Fee)
}

func (a *app) placePermitCommand() *cobra.Command {
	var expires string
	c := &cobra.Command{
		Use: "place PERMIT", Short: "Say that the permitted order rests at the venue", Args: cobra.ExactArgs(1),
		Example: "  pets permit place p5\n  pets permit place p5 --expires-at 2026-03-01T18:00:00Z",
		RunE: func(c *cobra.Command, args []string) error {
			at, err := instantFlag("--expires-at", expires)
			if err != nil {
				return err
			}
			body := struct {
				ExpiresAt *time.Time `json:"expires_at,omitempty"`
			}{at}
			return a.Post(c.Context(), "/permits/"+url.PathEscape(args[0])+"/placed", body, args[0]+" rests at the venue"+until(at))
		},
	}
	c.Flags().StringVar(&expires, "expires-at", "", "the order's own expiry, as an RFC 3339 time (none by default)")
	return c
}

// instantFlag parses a time; nil if the flag was not given.
func instantFlag(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, cli.Usage(domain.Invalid(flag, "must be an RFC 3339 time, such as 2026-03-01T18:00:00Z"))
	}
	return &t, nil
}

func (a *app) releasePermitCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "release PERMIT", Short: "Say that the order was cancelled, or never placed", Args: cobra.ExactArgs(1),
		Example: "  pets permit release p5 --reason \"cancelled at the venue\"",
		RunE: func(c *cobra.Command, args []string) error {
			return a.Post(c.Context(), "/permits/"+url.PathEscape(args[0])+"/release", cli.ReasonOf(reason), args[0]+" is released")
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}
