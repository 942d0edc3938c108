package look

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/projections"
)

func (a *app) balancesCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "balances", Short: "The double-entry books: every account, and what they sum to", Args: cobra.NoArgs,
		Long: "The double-entry books. Debits are positive: assets and expenses normally are;\nexternal and income normally are negative. Each asset sums to zero.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.LookEither(c.Context(), moment, nil, func() error {
				var v projections.Balances
				if err := a.View(c.Context(), moment, "/balances", nil, &v); err != nil {
					return err
				}
				return a.showBalances(v)
			}, func(s *portfolio.State) error { return a.showBalances(projections.BalancesOf(s)) })
		},
	}
	cli.AtFlag(c, &moment)
	return c
}

func (a *app) showBalances(v projections.Balances) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	rows := [][]string{{"ASSET", "ACCOUNT", "BALANCE"}}
	for _, b := range v.Accounts {
		rows = append(rows, []string{b.Asset, cli.Cut(b.Account, 70), b.Balance.String()})
	}
	for _, asset := range slices.Sorted(maps.Keys(v.Sums)) {
		rows = append(rows, []string{asset, "sum", v.Sums[asset].String()})
	}
	return a.Table(rows)
}
