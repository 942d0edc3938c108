package main

import (
	"github.com/spf13/cobra"

	"pets/domain/portfolio"
	"pets/projections"
)

// breakersView is what `pets breakers --json` prints.
type breakersView struct {
	EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	Breakers      []projections.Breaker     `json:"breakers"`
}

func (a *app) breakersCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "breakers", Short: "Every breaker: status, value, limit; and the emergency stop", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.lookEither(c.Context(), moment, nil, func() error {
				var v breakersView
				if err := a.view(c.Context(), moment, "/breakers", nil, &v); err != nil {
					return err
				}
				return a.showBreakers(v)
			}, func(s *portfolio.State) error {
				return a.showBreakers(breakersView{projections.EmergencyStopOf(s), projections.BreakersOf(s)})
			})
		},
	}
	at(c, &moment)
	return c
}

func (a *app) showBreakers(v breakersView) error {
	if a.json {
		return a.printJSON(v)
	}
	if err := a.table(breakerRows(v.Breakers)); err != nil {
		return err
	}
	p := a.printer()
	sayStop(p, v.EmergencyStop, clearRequest{})
	if v.EmergencyStop.Engaged || len(trippedOf(v.Breakers)) > 0 {
		p.line("")
		p.line("What to do next stands at the end of:")
		a.command(p, "state")
	}
	return p.err
}
