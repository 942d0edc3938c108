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
				var v holdings
				if err := a.View(c.Context(), moment, "/positions", nil, &v); err != nil {
					return err
				}
				return a.showPositions(v)
			}, func(s *portfolio.State) error {
				now := a.asOf(s, moment)
				return a.showPositions(holdings{projections.PositionsAt(s, now), s.MarketHoldings("", now)})
			})
		},
	}
	cli.AtFlag(c, &moment)
	return c
}

// holdings are positions, and what they are together in exclusive markets.
type holdings struct {
	Positions []projections.Position
	Markets   []portfolio.MarketHolding
}

// showPositions prints them. The JSON is the list of positions, as it always was; what they are
// together is in that of the state.
func (a *app) showPositions(v holdings) error {
	if a.JSON {
		return a.PrintJSON(v.Positions)
	}
	return show.PrintPositions(a.App, v.Positions, v.Markets)
}
