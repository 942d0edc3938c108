package main

import (
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) permitsCommand() *cobra.Command {
	var moment, bot string
	c := &cobra.Command{
		Use: "permits", Short: "Permits that are live: granted, or working at a venue", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.lookEither(c.Context(), moment, nil, func() error {
				var about struct{ Bots []string }
				if err := a.view(c.Context(), moment, "", nil, &about); err != nil {
					return err
				}
				if err := a.hasBot(bot, about.Bots); err != nil {
					return err
				}
				var v struct{ Permits []projections.Permit }
				if err := a.view(c.Context(), moment, "/permits", onlyBot(bot), &v); err != nil {
					return err
				}
				return a.showPermits(v.Permits)
			}, func(s *portfolio.State) error {
				if err := a.hasBot(bot, s.BotIDs()); err != nil {
					return err
				}
				return a.showPermits(projections.PermitsOf(s, bot, a.asOf(s, moment)))
			})
		},
	}
	at(c, &moment)
	c.Flags().StringVar(&bot, "bot", "", "only this bot's")
	return c
}

// asOf is the time by which a permit of a state is live or has expired.
func (a *app) asOf(s *portfolio.State, moment string) time.Time {
	if moment != "" || s.Clock == domain.ClockImported {
		return s.Time // what was live then
	}
	now, _ := s.ClockAt(a.clock()())
	return now
}

func (a *app) showPermits(v []projections.Permit) error {
	if a.json {
		return a.printJSON(v)
	}
	if len(v) == 0 {
		p := a.printer()
		p.line("no live permits")
		return p.err
	}
	return a.table(permitRows(v))
}
