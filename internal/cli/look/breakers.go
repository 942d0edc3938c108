package look

import (
	"github.com/spf13/cobra"

	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

// breakersView is the answer of `pets breakers --json`.
type breakersView struct {
	EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	Breakers      []projections.Breaker     `json:"breakers"`
}

func (a *app) breakersCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "breakers", Short: "Every breaker: status, value, limit; and the emergency stop", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.LookEither(c.Context(), moment, nil, func() error {
				var v breakersView
				if err := a.View(c.Context(), moment, "/breakers", nil, &v); err != nil {
					return err
				}
				story, _ := show.AskStory(c.Context(), a.App, moment, v.EmergencyStop) // it is shown without, where the key may not see it
				return a.showBreakers(v, story)
			}, func(s *portfolio.State) error {
				return a.showBreakers(breakersView{projections.EmergencyStopOf(s), projections.BreakersOf(s)}, a.storyOf(c.Context(), moment, s, nil).StopStory)
			})
		},
	}
	cli.AtFlag(c, &moment)
	return c
}

func (a *app) showBreakers(v breakersView, story show.StopStory) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	if err := a.Table(show.BreakerRows(v.Breakers)); err != nil {
		return err
	}
	p := a.Printer()
	story.Clear = show.ClearRequest{} // state says so
	show.SayStop(p, v.EmergencyStop, story)
	if v.EmergencyStop.Engaged || len(show.TrippedOf(v.Breakers)) > 0 {
		p.Line("")
		p.Line("See what to do next at the end of:")
		a.Command(p, "state")
	}
	return p.Err
}
