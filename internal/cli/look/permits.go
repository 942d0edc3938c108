package look

import (
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) permitsCommand() *cobra.Command {
	var moment, bot string
	c := &cobra.Command{
		Use: "permits", Short: "Permits that are live: granted, or working at a venue", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.LookEither(c.Context(), moment, nil, func() error {
				var about struct{ Bots []string }
				if err := a.View(c.Context(), moment, "", nil, &about); err != nil {
					return err
				}
				if err := a.hasBot(bot, about.Bots); err != nil {
					return err
				}
				var v struct{ Permits []projections.Permit }
				if err := a.View(c.Context(), moment, "/permits", cli.OnlyBot(bot), &v); err != nil {
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
	cli.AtFlag(c, &moment)
	c.Flags().StringVar(&bot, "bot", "", "only this bot's")
	return c
}

// asOf returns the time at which permits count as live or expired, and marks as stale: that of
// the clock, as at a server, because a feed that is dead records nothing.
func (a *app) asOf(s *portfolio.State, moment string) time.Time {
	if moment != "" || s.Clock == domain.ClockImported {
		return s.Time // as of the last record
	}
	now, _ := s.ClockAt(a.Clock()())
	return now
}

func (a *app) showPermits(v []projections.Permit) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	if len(v) == 0 {
		p := a.Printer()
		p.Line("no live permits")
		return p.Err
	}
	return a.Table(show.PermitRows(v))
}
