package main

import (
	"github.com/spf13/cobra"

	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) positionsCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "positions", Short: "Open positions with cost, mark and unrealised P&L", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.look(c.Context(), moment, nil, func(s *portfolio.State) error {
				v := projections.PositionsOf(s)
				if a.json {
					return a.printJSON(v)
				}
				if len(v) == 0 {
					p := &printer{w: a.out}
					p.line("no open positions")
					return p.err
				}
				return a.table(positionRows(v))
			})
		},
	}
	at(c, &moment)
	return c
}
