package look

import (
	"github.com/spf13/cobra"

	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) positionsCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "positions", Short: "Open positions with cost, mark and unrealised P&L", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.LookEither(c.Context(), moment, nil, func() error {
				var v struct{ Positions []projections.Position }
				if err := a.View(c.Context(), moment, "/positions", nil, &v); err != nil {
					return err
				}
				return a.showPositions(v.Positions)
			}, func(s *portfolio.State) error { return a.showPositions(projections.PositionsOf(s)) })
		},
	}
	cli.AtFlag(c, &moment)
	return c
}

func (a *app) showPositions(v []projections.Position) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	return show.PrintPositions(a.App, v)
}
