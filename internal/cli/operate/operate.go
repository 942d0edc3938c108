package operate

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) startCommand() *cobra.Command {
	return &cobra.Command{
		Use: "start BOT", Short: "Let a bot ask for permits", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			bot := args[0]
			answer, err := a.CarryOut(c.Context(), cli.Order{Path: "/bots/" + url.PathEscape(bot) + "/start", Body: struct{}{}, Command: commands.StartBot{Bot: bot}})
			if err != nil {
				return err
			}
			return a.Done(answer, bot+" may ask for permits")
		},
	}
}

func (a *app) resetCommand() *cobra.Command {
	var bot, reason string
	var rebase, dry bool
	c := &cobra.Command{
		Use: "reset BREAKER", Short: "Reset a tripped breaker; bots are then started one by one", Args: cobra.ExactArgs(1),
		Example: "  pets reset consecutive_losses --bot alpha --reason \"looked at the three trades\"\n  pets reset daily_loss --rebase --dry-run",
		RunE: func(c *cobra.Command, args []string) error {
			if dry {
				return a.previewReset(c.Context(), args[0], bot, rebase)
			}
			body := map[string]any{"reason": reason, "rebase": rebase}
			if bot != "" {
				body["bot"] = bot
			}
			answer, err := a.CarryOut(c.Context(), cli.Order{
				Path: "/breakers/" + url.PathEscape(args[0]) + "/reset", Body: body,
				Command: commands.ResetBreaker{Breaker: args[0], Bot: bot, Reason: reason, Rebase: rebase},
			})
			if err != nil {
				return err
			}
			said := args[0] + " is reset; "
			if n := len(answer.WaitingMarks); n > 0 {
				said += fmt.Sprintf("a mark of what it holds (%s) waited, and what it measures from was valued at the price in force: look again when it is confirmed; ", show.MarksOf(answer.WaitingMarks))
			}
			return a.Done(answer, said+a.afterwards(c.Context()))
		},
	}
	c.Flags().StringVar(&bot, "bot", "", "whose breaker, of those that are kept per bot")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().BoolVar(&rebase, "rebase", false, "measure from the current equity")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would happen, and do nothing")
	return c
}

// afterwards says what comes after a reset or a clearing: the bots are started, unless something
// else still keeps them from it.
func (a *app) afterwards(ctx context.Context) string {
	const start = "start the bots one by one"
	var left []string
	take := func(stop projections.EmergencyStop, breakers []projections.Breaker) {
		for _, b := range show.TrippedOf(breakers) {
			left = append(left, risk.Key{Breaker: b.Breaker, Bot: deref(b.Bot)}.String())
		}
		if stop.Engaged {
			left = append(left, "the emergency stop")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	err := a.LookEither(ctx, "", nil, func() error {
		var v struct {
			EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
			Breakers      []projections.Breaker     `json:"breakers"`
		}
		err := a.View(ctx, "", "/state", nil, &v)
		take(v.EmergencyStop, v.Breakers)
		return err
	}, func(s *portfolio.State) error {
		take(projections.EmergencyStopOf(s), projections.BreakersOf(s))
		return nil
	})
	switch {
	case err != nil:
		return "see what is left: " + a.Typed("state")
	case len(left) == 0:
		return start
	case len(left) > show.MostPrinted:
		left = append(left[:show.MostPrinted], "others")
	}
	return fmt.Sprintf("still to be reset or cleared before bots start: %s (%s)", strings.Join(left, ", "), a.Typed("state"))
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (a *app) clearCommand() *cobra.Command {
	var reason, confirm, with string
	c := &cobra.Command{
		Use: "clear", Short: "Clear the emergency stop: an operator asks, an approver confirms (through the server)", Args: cobra.NoArgs,
		Example: "  pets clear --reason \"the feed is back\"\n  pets clear --confirm c812",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer commands.Answer
			a.Once = confirm != ""
			if err := a.sayGoesOn(c.Context()); err != nil {
				return err
			}
			if confirm != "" {
				signature, err := a.signed(c.Context(), approval.KindClear, confirm, with)
				if err != nil {
					return err
				}
				body := cli.Signed{Signature: signature}
				if err := a.ToServer(c.Context(), http.MethodPost, "/emergency-stop/clear/"+url.PathEscape(confirm)+"/confirm", body, &answer); err != nil {
					return err
				}
				return a.Done(answer, "the emergency stop is cleared; "+a.afterwards(c.Context()))
			}
			if err := a.ToServer(c.Context(), http.MethodPost, "/emergency-stop/clear", cli.ReasonOf(reason), &answer); err != nil {
				return err
			}
			return a.Done(answer, "asked; another user, with a key of role approver, confirms with: "+a.Typed("clear", "--confirm", answer.ID))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().StringVar(&confirm, "confirm", "", "confirm this `request` of another user, with a key of role approver")
	cli.WithKey(c, &with)
	return c
}

// listWithin bounds the wait for that list.
const listWithin = 5 * time.Second

// sayGoesOn lists the transfers that go on once the stop is cleared, for both people to read
// before they agree.
func (a *app) sayGoesOn(ctx context.Context) error {
	if a.JSON {
		return nil
	}
	if a.Patience == 0 {
		a.Patience = listWithin
		defer func() { a.Patience = 0 }()
	}
	var v show.TransfersView
	err := a.ToServer(ctx, http.MethodGet, "/emergency-stop/goes-on", nil, &v)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		a.Tell("the transfers that go on once the stop is cleared cannot be listed: %v", err)
		return nil
	case len(v.Transfers) == 0:
		return nil
	}
	p := a.Messages()
	p.Line("once the stop is cleared, these go on, or may be on their way:")
	for i := range v.Transfers {
		t := &v.Transfers[i]
		if t.Cancel != nil {
			p.Line("  %s  is being cancelled, and may have been sent before: %s", t.Transfer, show.InWords(t))
			continue
		}
		p.Line("  %s  %s, %s", t.Transfer, t.Status, show.InWords(t))
	}
	return p.Err
}

// previewReset shows what a reset would do. It changes nothing.
func (a *app) previewReset(ctx context.Context, breaker, bot string, rebase bool) error {
	if asks, err := a.AsksServer(); err != nil || asks {
		return a.askPreview(ctx, breaker, bot, rebase, err)
	}
	return a.Look(ctx, "", nil, func(s *portfolio.State) error {
		now, _ := s.ClockAt(a.Clock()())
		v, err := s.PreviewReset(risk.Key{Breaker: breaker, Bot: bot}, rebase, now)
		if err != nil {
			return err
		}
		answer := resetPreview{
			Breaker: breaker, Bot: bot, Tripped: v.Tripped, Before: v.Before.Ratio(), After: v.After.Ratio(), Limit: v.Limit,
			WouldRetrip: v.WouldRetrip, OpenPositions: v.OpenPositions, EventsSince: v.Since, RebasesTo: v.RebasesTo,
			WaitingMarks: projections.Waiting(v.Waiting),
		}
		return a.printPreview(answer, func() (projections.State, error) { return projections.StateOf(s), nil })
	})
}

// askPreview asks the server for the preview; the server records nothing.
func (a *app) askPreview(ctx context.Context, breaker, bot string, rebase bool, err error) error {
	if err == nil {
		err = a.NeedsServer()
	}
	if err != nil {
		return err
	}
	body := map[string]any{"rebase": rebase, "dry_run": true}
	if bot != "" {
		body["bot"] = bot
	}
	var v resetPreview
	if err := a.Exchange(ctx, a.Found, http.MethodPost, "/breakers/"+url.PathEscape(breaker)+"/reset", body, &v); err != nil {
		return err
	}
	return a.printPreview(v, func() (state projections.State, err error) { return state, a.View(ctx, "", "/state", nil, &state) })
}

// printPreview prints what a reset would do, and reads the state if it would be refused.
func (a *app) printPreview(v resetPreview, look func() (projections.State, error)) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	p := a.Printer()
	verdict, short := "it would hold", show.Lack{}
	switch {
	case !v.Tripped:
		verdict = "it is not tripped: a reset would be refused"
	case v.WouldRetrip:
		verdict = "it would trip again at once: a reset would be refused; see --rebase"
		if len(v.WaitingMarks) > 0 {
			verdict = "it would trip again at once: a reset would be refused"
		}
		state, err := look()
		if err != nil {
			return err
		}
		if short = show.StepsOf(state, show.ClearRequest{}).Lacking([]projections.Breaker{v.breaker()}); short.Any() {
			verdict = "it would trip again at once, with --rebase and without: a reset would be refused while the equity is not above 0"
		}
	}
	p.Line("%s: %s → %s, limit %s: %s", risk.Key{Breaker: v.Breaker, Bot: v.Bot}, v.Before, v.After, v.Limit, verdict)
	if v.RebasesTo != nil {
		p.Line("it would be measured from an equity of %s", cli.Money(*v.RebasesTo))
	}
	p.Line("%d open positions, %d events since the trip", v.OpenPositions, v.EventsSince)
	if len(v.WaitingMarks) > 0 {
		state, err := look()
		if err != nil {
			return err
		}
		show.SayWaiting(a.App, p, v.WaitingMarks, state.Policy.ConfirmAfter())
	}
	if show.SayMoney(a.App, p, short); short.Any() {
		p.Say(2, "Then reset it:")
		a.Command(p, append(show.ResetOf(v.breaker()), "--rebase", "--reason", cli.Unsaid)...)
	}
	return p.Err
}

func (v resetPreview) breaker() projections.Breaker {
	b := projections.Breaker{Breaker: v.Breaker}
	if v.Bot != "" {
		b.Bot = &v.Bot
	}
	return b
}

// resetPreview is the answer of `pets reset --dry-run --json`.
type resetPreview struct {
	Breaker       string         `json:"breaker"`
	Bot           string         `json:"bot,omitempty"`
	Tripped       bool           `json:"tripped"`
	Before        domain.Decimal `json:"before"`
	After         domain.Decimal `json:"after"`
	Limit         domain.Decimal `json:"limit"`
	WouldRetrip   bool           `json:"would_retrip"`
	OpenPositions int            `json:"open_positions"`
	EventsSince   uint64         `json:"events_since"`

	RebasesTo    *domain.Decimal           `json:"rebases_to,omitempty"`
	WaitingMarks []projections.WaitingMark `json:"waiting_marks,omitempty"`
}
