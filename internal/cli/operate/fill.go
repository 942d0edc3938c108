package operate

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
)

func (a *app) fillCommand() *cobra.Command {
	c := a.Sends(a.recordFillCommand())
	c.AddCommand(a.Sends(a.endFillCommand("confirm", "A provisional fill is final")),
		a.Sends(a.endFillCommand("void", "A provisional fill never happened")))
	return c
}

func (a *app) recordFillCommand() *cobra.Command {
	body := commands.RecordFill{}
	var f orderFlags
	var notional cli.DecimalFlag
	var effective string
	c := &cobra.Command{
		Use: "fill", Short: "Record that an order was filled, wholly or in part", Args: cobra.NoArgs,
		Long: "A fill is a fact: it is recorded whatever limits it breaks, and flagged. It is identified by bot, venue,\n" +
			"trade id and leg, and under the second edition of the rules by its market: a repeat is ignored. A rebate is\n" +
			"a negative fee (--fee=-0.05).",
		Example: "  pets fill --bot alpha --market rain --outcome YES --side buy --quantity 100 --price 0.39 --fee 0.10 --trade-id v-1 --permit-id p5\n" +
			"  pets fill confirm v-1 --bot alpha",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := cli.Needed(c, "bot", "market", "outcome", "side", "quantity", "price", "trade-id"); err != nil {
				return err
			}
			body.Instrument, body.Side = domain.Instrument{Market: f.market, Outcome: f.outcome}, domain.Side(f.side)
			body.Quantity, body.Price, body.Fee, body.Notional = f.quantity.Decimal, f.price.Decimal, f.fee.Decimal, notional.Given(c, "notional")
			if body.EffectiveAt, err = instantFlag("--effective-at", effective); err != nil {
				return err
			}
			return a.recordFill(c.Context(), body, fmt.Sprintf("%s: %s at %s is recorded", body.TradeID, &f, body.Price))
		},
	}
	fillIDFlags(c, &body.FillID)
	c.Flags().StringVar(&body.TradeID, "trade-id", "", "what the venue calls it")
	f.flags(c, "price", "the price it was filled at")
	c.Flags().Var(&notional, "notional", "the cash that moved, where the venue says it (quantity × price by default)")
	c.Flags().StringVar(&body.FeeAsset, "fee-asset", "", "what the fee was paid in: another asset, or shares of what was bought (the base asset by default)")
	c.Flags().StringVar(&body.PermitID, "permit-id", "", "the permit that it was filled under")
	c.Flags().StringVar(&body.Status, "status", "", "confirmed (the default), or provisional")
	c.Flags().StringVar(&effective, "effective-at", "", "when it happened, as an RFC 3339 time (now by default)")
	return c
}

func fillIDFlags(c *cobra.Command, id *domain.FillID) {
	c.Flags().StringVar(&id.Bot, "bot", "", "whose fill it is")
	c.Flags().StringVar(&id.Venue, "venue", "", "where it was traded")
	c.Flags().IntVar(&id.Leg, "leg", 0, "its number, where one trade id has several")
}

// recordFill records it, and reads back what was booked and how it was flagged.
func (a *app) recordFill(ctx context.Context, body commands.RecordFill, what string) error {
	return a.postWarned(ctx, "/fills", body, domain.FillRecordedType, "how it was flagged", func(e domain.Event) string {
		switch fill := e.(type) {
		case *domain.FillRecorded:
			what += booked(fill)
		case *domain.FillReinstated:
			what += booked(&fill.FillRecorded) + ". It had been voided, and lives again"
		}
		return what
	})
}

// booked is the cash that moved by a fill.
func booked(e *domain.FillRecorded) string {
	text := fmt.Sprintf(": %s moved, fee %s", e.Notional, e.Fee)
	if e.FeeAsset != "" {
		text += " " + e.FeeAsset
	}
	if usual := e.Quantity.Mul(e.Price); usual != e.Notional {
		text += fmt.Sprintf(" (quantity × price is %s)", usual)
	}
	return text
}

// endFillCommand makes an end of a provisional fill.
func (a *app) endFillCommand(verb, short string) *cobra.Command {
	var id domain.FillID
	var market string
	c := &cobra.Command{
		Use: verb + " TRADE_ID", Short: short, Args: cobra.ExactArgs(1),
		Example: "  pets fill " + verb + " v-1 --bot alpha",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.Needed(c, "bot"); err != nil {
				return err
			}
			body := struct {
				Bot    string `json:"bot"`
				Venue  string `json:"venue,omitempty"`
				Market string `json:"market,omitempty"`
				Leg    int    `json:"leg,omitempty"`
			}{id.Bot, id.Venue, market, id.Leg}
			path := "/fills/" + url.PathEscape(args[0]) + "/" + verb
			if verb == "confirm" {
				return a.Post(c.Context(), path, body, args[0]+" is final")
			}
			return a.postWarned(c.Context(), path, body, domain.FillVoidedType, "whether there was such a fill", func(e domain.Event) string {
				void, is := e.(*domain.FillVoided)
				switch {
				case !is:
					return args[0] + " is voided"
				case void.Unknown:
					return "the name is voided"
				}
				return args[0] + " never happened: it is taken out of the books"
			})
		},
	}
	fillIDFlags(c, &id)
	c.Flags().StringVar(&market, "market", "", "where, needed if the trade id is unknown, or that of fills of several markets")
	return c
}

func (a *app) fundingCommand() *cobra.Command {
	body := commands.RecordFunding{}
	c := &cobra.Command{
		Use: "funding AMOUNT", Short: "Record what holding a position brought, or cost (negative)", Args: cobra.ExactArgs(1),
		Long: "Funding is a fact: it is in the bot's equity, and in the P&L of the trade that the open position becomes.\n" +
			"It is identified by bot, market and funding id: a repeat is ignored. A negative amount stands behind --.",
		Example: "  pets funding --bot alpha --market ETH-PERP --outcome ETH --funding-id f-1 0.35\n" +
			"  pets funding --bot alpha --market ETH-PERP --outcome ETH --funding-id f-2 -- -1.20",
		RunE: func(c *cobra.Command, args []string) (err error) {
			if err := cli.Needed(c, "bot", "market", "outcome", "funding-id"); err != nil {
				return err
			}
			if body.Amount, err = cli.AmountArg("AMOUNT", args[0]); err != nil {
				return err
			}
			what := fmt.Sprintf("%s: %s of %s in %s is recorded", body.FundingID, body.Amount, body.Bot, body.Instrument)
			return a.Post(c.Context(), "/funding", body, what)
		},
	}
	c.Flags().StringVar(&body.Bot, "bot", "", "whose position it is")
	c.Flags().StringVar(&body.Market, "market", "", "where")
	c.Flags().StringVar(&body.Outcome, "outcome", "", "what is held there")
	c.Flags().StringVar(&body.FundingID, "funding-id", "", "what the venue calls the payment")
	return c
}

func (a *app) tradeCommand() *cobra.Command {
	body := commands.RecordTrade{}
	var pnl, fee cli.DecimalFlag
	var effective string
	c := &cobra.Command{
		Use: "trade", Short: "Record a closed trade of a bot that only knows results", Args: cobra.NoArgs,
		Example: "  pets trade --bot alpha --market rain --pnl=-30 --fee 0.20 --trade-id loss-1",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := cli.Needed(c, "bot", "market", "pnl", "trade-id"); err != nil {
				return err
			}
			body.PnL, body.Fee = pnl.Decimal, fee.Decimal
			if body.EffectiveAt, err = instantFlag("--effective-at", effective); err != nil {
				return err
			}
			return a.postWarned(c.Context(), "/trades", body, domain.TradeClosedType, "how it was flagged", func(domain.Event) string {
				return fmt.Sprintf("%s: %s of %s in %s is recorded", body.TradeID, body.PnL, body.Bot, body.Market)
			})
		},
	}
	c.Flags().StringVar(&body.Bot, "bot", "", "whose trade it was")
	c.Flags().StringVar(&body.Market, "market", "", "where")
	c.Flags().Var(&pnl, "pnl", "what it won, or lost (--pnl=-30), after fees")
	c.Flags().Var(&fee, "fee", "how much of that was fees")
	c.Flags().StringVar(&body.TradeID, "trade-id", "", "what the venue calls it")
	c.Flags().StringVar(&effective, "effective-at", "", "when it was closed, as an RFC 3339 time (now by default)")
	return c
}

func (a *app) markCommand() *cobra.Command {
	var asset string
	c := &cobra.Command{
		Use: "mark MARKET OUTCOME PRICE | --asset NAME PRICE", Short: "Value what is held: the price of an outcome, or of an asset", Args: cobra.RangeArgs(1, 3),
		Example: "  pets mark rain-tomorrow YES 0.45\n  pets mark ETH-PERP ETH 2490\n  pets mark --asset ETH 2490",
		RunE: func(c *cobra.Command, args []string) error {
			price, err := cli.AmountArg("PRICE", args[len(args)-1])
			if err != nil {
				return err
			}
			mark, what := domain.Mark{Asset: asset, Price: price}, asset
			switch {
			case asset != "" && len(args) == 1:
			case asset == "" && len(args) == 3:
				mark.Market, mark.Outcome = args[0], args[1]
				what = domain.Instrument{Market: args[0], Outcome: args[1]}.String()
			default:
				return cli.Usage(fmt.Errorf("name MARKET OUTCOME PRICE, or --asset NAME PRICE; see %s --help", c.CommandPath()))
			}
			return a.postWarned(c.Context(), "/marks", commands.MarkPrices{Marks: []domain.Mark{mark}}, domain.PriceMarkedType, "whether the mark waits", func(e domain.Event) string {
				if marked, is := e.(*domain.PriceMarked); is && markedWords(marked) != "" {
					return fmt.Sprintf("a mark of %s is recorded", what)
				}
				return fmt.Sprintf("%s is marked at %s", what, price)
			})
		},
	}
	c.Flags().StringVar(&asset, "asset", "", "an asset of the ledger, instead of an outcome")
	return c
}
