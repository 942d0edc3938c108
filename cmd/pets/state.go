package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) stateCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "state", Short: "Equity, drawdown, breakers, bots and positions, now or as of any moment", Args: cobra.NoArgs,
		Example: "  pets state\n  pets state --at 2026-01-15T12:00:00Z --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.lookEither(c.Context(), moment, nil, func() error { return a.askState(c.Context(), moment) }, func(s *portfolio.State) error {
				v := projections.StateOf(s)
				if a.json {
					return a.printJSON(v)
				}
				return printState(a, v, stateExtra{projections.PermitsOf(s, "", a.asOf(s, moment)), clearOf(s), moment != ""})
			})
		},
	}
	at(c, &moment)
	return c
}

// askState shows the state as a server has it. A bot's key is told its own share.
func (a *app) askState(ctx context.Context, moment string) error {
	var raw json.RawMessage
	if err := a.view(ctx, moment, "/state", nil, &raw); err != nil {
		return err
	}
	var whole struct{ Equity *domain.Decimal }
	if err := json.Unmarshal(raw, &whole); err != nil {
		return err
	}
	if whole.Equity == nil {
		var v projections.OwnState
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		b, err := askExtra(ctx, a, moment, projections.EmergencyStop{})
		if err != nil {
			return err
		}
		return printOwnState(a, v, b.permits)
	}
	var v projections.State
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(v)
	}
	b, err := askExtra(ctx, a, moment, v.EmergencyStop)
	if err != nil {
		return err
	}
	return printState(a, v, b)
}
