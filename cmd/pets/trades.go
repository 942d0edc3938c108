package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) tradesCommand() *cobra.Command {
	var moment, bot string
	c := &cobra.Command{
		Use: "trades", Short: "Closed trades in closing order", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trades := projections.NewTrades()
			return a.look(c.Context(), moment, []projections.Projection{trades}, func(*portfolio.State) error {
				v := trades.List(bot)
				if a.json {
					return a.printJSON(v)
				}
				rows := [][]string{{"#", "CLOSED", "BOT", "MARKET", "OUTCOME", "QUANTITY", "ENTRY", "EXIT", "FEE", "P&L", "RESULT", "BY"}}
				for _, t := range v {
					rows = append(rows, []string{
						fmt.Sprint(t.Number), clock(t.ClosedAt), t.Bot, cut(t.Market, 40), cut(t.Outcome, 14), money(t.Quantity),
						money(t.EntryNotional), money(t.ExitNotional), money(t.Fee), money(t.PnL), string(t.Result), t.ClosedBy,
					})
				}
				return a.table(rows)
			})
		},
	}
	at(c, &moment)
	c.Flags().StringVar(&bot, "bot", "", "only this bot's")
	return c
}
