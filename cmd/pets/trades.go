package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) tradesCommand() *cobra.Command {
	var moment, bot string
	c := &cobra.Command{
		Use: "trades", Short: "Closed trades in closing order", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trades := projections.NewTrades()
			return a.look(c.Context(), moment, []projections.Projection{trades}, func(s *portfolio.State) error {
				if bot != "" && s.Bots[bot] == nil {
					return domain.Errorf(domain.CodeNotFound, "there is no bot %s in portfolio %s; it has %s", bot, s.Portfolio, strings.Join(s.BotIDs(), ", "))
				}
				v := trades.List(bot)
				if a.json {
					return a.printJSON(v)
				}
				return a.table(tradeRows(v))
			})
		},
	}
	at(c, &moment)
	c.Flags().StringVar(&bot, "bot", "", "only this bot's")
	return c
}

// tradeRows leaves entry and exit to --json: a row is to fit a terminal.
func tradeRows(all []projections.Trade) [][]string {
	rows := [][]string{{"#", "CLOSED", "BOT", "MARKET", "OUTCOME", "QUANTITY", "FEE", "P&L", "RESULT"}}
	for _, t := range all {
		result := string(t.Result)
		if t.Revised {
			result += " (revised)"
		}
		rows = append(rows, []string{
			fmt.Sprint(t.Number), clock(t.ClosedAt), cut(t.Bot, 12), cut(t.Market, 24), cut(t.Outcome, 8),
			money(t.Quantity), money(t.Fee), money(t.PnL), result,
		})
	}
	return rows
}
