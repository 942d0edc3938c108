package look

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) stateCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "state", Short: "Equity, drawdown, breakers, bots and positions, now or as of any moment", Args: cobra.NoArgs,
		Example: "  pets state\n  pets state --at 2026-01-15T12:00:00Z --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.LookEither(c.Context(), moment, nil, func() error { return a.askState(c.Context(), moment) }, func(s *portfolio.State) error {
				v := projections.StateAt(s, a.asOf(s, moment))
				if moment == "" && s.Clock != domain.ClockImported {
					_, behind := s.ClockAt(a.Clock()())
					v.ClockBehind = domain.Duration(behind)
				}
				if a.JSON {
					return a.PrintJSON(v)
				}
				story := a.storyOf(c.Context(), moment, s, v.Bots)
				return show.PrintState(a.App, v, show.Extra{
					Permits: projections.PermitsOf(s, "", a.asOf(s, moment)), Stop: story.StopStory, Stops: story.stops, Past: moment != "",
				})
			})
		},
	}
	cli.AtFlag(c, &moment)
	return c
}

// askState prints the state from a server. A bot's key sees only the bot's own part.
func (a *app) askState(ctx context.Context, moment string) error {
	var raw json.RawMessage
	if err := a.View(ctx, moment, "/state", nil, &raw); err != nil {
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
		if a.JSON {
			return a.PrintJSON(v)
		}
		b, err := show.AskExtra(ctx, a.App, moment, projections.EmergencyStop{})
		if err != nil {
			return err
		}
		return show.PrintOwnState(a.App, v, b.Permits)
	}
	var v projections.State
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(v)
	}
	b, err := show.AskExtra(ctx, a.App, moment, v.EmergencyStop)
	if err != nil {
		return err
	}
	b.Stops = show.AskStops(ctx, a.App, moment, v.Bots)
	return show.PrintState(a.App, v, b)
}

// stopStory follows the records of a folder.
type stopStory struct {
	show.StopStory
	stops show.BotStops
}

func (s *stopStory) Apply(rec eventstore.Record, e domain.Event, _ *portfolio.State) {
	m, _ := domain.DecodeMetadata(rec.Metadata) // what cannot be read names nobody
	s.Follow(e, rec.Time, m.Actor)
	s.stops.Follow(e, rec.Time, m.Actor)
}

// storyOf is the story of a folder's portfolio. It is read only where there is a stop; where
// that fails, what the state has is shown without it.
func (a *app) storyOf(ctx context.Context, moment string, s *portfolio.State, bots []projections.Bot) stopStory {
	story := stopStory{stops: show.BotStops{}}
	if !s.Stop.Engaged && !show.AnyStopped(bots) {
		return story
	}
	if err := a.Look(ctx, moment, []projections.Projection{&story}, func(*portfolio.State) error { return nil }); err != nil {
		story = stopStory{}
	}
	story.Clear = show.ClearOf(s)
	return story
}
