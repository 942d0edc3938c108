package look

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/projections"
)

func (a *app) tradesCommand() *cobra.Command {
	var moment, bot string
	c := &cobra.Command{
		Use: "trades", Short: "Closed trades in closing order", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trades := projections.NewTrades(nil)
			return a.LookEither(c.Context(), moment, []projections.Projection{trades}, func() error {
				return a.askTrades(c.Context(), moment, bot)
			}, func(s *portfolio.State) error {
				if err := a.hasBot(bot, s.BotIDs()); err != nil {
					return err
				}
				all, err := trades.List(bot)
				if err != nil {
					return err
				}
				return a.showTrades(all)
			})
		},
	}
	cli.AtFlag(c, &moment)
	c.Flags().StringVar(&bot, "bot", "", "only this bot's")
	return c
}

// hasBot returns an error if the portfolio does not have the bot; "" means all bots.
func (a *app) hasBot(bot string, bots []string) error {
	if bot == "" || slices.Contains(bots, bot) {
		return nil
	}
	return domain.Errorf(domain.CodeNotFound, "there is no bot %s in portfolio %s; it has %s", bot, a.Config.Portfolio, strings.Join(bots, ", "))
}

// askTrades reads the trades from the server.
func (a *app) askTrades(ctx context.Context, moment, bot string) error {
	values := url.Values{"limit": {cli.MostInAPart}}
	if bot != "" {
		var about struct{ Bots []string }
		if err := a.View(ctx, moment, "", nil, &about); err != nil {
			return err
		}
		if err := a.hasBot(bot, about.Bots); err != nil {
			return err
		}
		values.Set("bot", bot)
	}
	var v struct{ Trades []projections.Trade }
	if err := a.View(ctx, moment, "/trades", values, &v); err != nil {
		return err
	}
	return a.showTrades(v.Trades)
}

func (a *app) showTrades(v []projections.Trade) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	return a.Table(tradeRows(v))
}

// tradeRows leaves entry, exit and fee to --json, so that a row fits a terminal.
func tradeRows(all []projections.Trade) [][]string {
	rows := [][]string{{"#", "CLOSED", "BOT", "MARKET", "QUANTITY", "P&L", "RESULT"}}
	for _, t := range all {
		result := string(t.Result)
		if t.ResultID != "" { // several trades are one result
			result += " (" + t.ResultID + ")"
		}
		if t.Revised {
			result += " (revised)"
		}
		rows = append(rows, []string{
			fmt.Sprint(t.Number), cli.Clock(t.ClosedAt), t.Bot, cli.Instrument(t.Market, t.Outcome),
			cli.Money(t.Quantity), cli.Money(t.PnL), result,
		})
	}
	return rows
}
