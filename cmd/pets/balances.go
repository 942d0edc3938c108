package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) balancesCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "balances", Short: "The double-entry books: every account, and what they sum to", Args: cobra.NoArgs,
		Long: "The double-entry books. Debits are positive: assets and expenses normally are;\nexternal and income normally are negative. Each asset sums to zero.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.lookEither(c.Context(), moment, nil, func() error {
				var v projections.Balances
				if err := a.view(c.Context(), moment, "/balances", nil, &v); err != nil {
					return err
				}
				return a.showBalances(v)
			}, func(s *portfolio.State) error { return a.showBalances(projections.BalancesOf(s)) })
		},
	}
	at(c, &moment)
	return c
}

func (a *app) showBalances(v projections.Balances) error {
	if a.json {
		return a.printJSON(v)
	}
	rows := [][]string{{"ASSET", "ACCOUNT", "BALANCE"}}
	for _, b := range v.Accounts {
		rows = append(rows, []string{b.Asset, cut(b.Account, 70), b.Balance.String()})
	}
	for _, asset := range slices.Sorted(maps.Keys(v.Sums)) {
		rows = append(rows, []string{asset, "sum", v.Sums[asset].String()})
	}
	return a.table(rows)
}

// lookCommands are the commands of this room.
func lookCommands(a *app) []*cobra.Command {
	return under(lookBack,
		views(a.stateCommand()), views(a.statsCommand()), views(a.balancesCommand()), views(a.positionsCommand()), views(a.tradesCommand()),
		views(a.equityCommand()), views(a.eventsCommand()), views(a.permitsCommand()), views(a.breakersCommand()), local(a.verifyCommand()))
}
