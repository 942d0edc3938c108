package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/projections"
)

// order is what an operator wants done: as a request to the server that holds the
// store, or as a command where none does.
type order struct {
	path    string // below the portfolio, or a whole one that begins with /v1
	body    any
	command commands.Command
}

// carryOut sends an order to the server that is named or holds the folder, and else opens
// the folder as os:<user>, role operator.
func (a *app) carryOut(ctx context.Context, o order) (commands.Answer, error) {
	var answer commands.Answer
	a.once = commands.SpecOf(o.command).GoesOn
	err := a.way(ctx, aPortfolio, commands.ClassOf(o.command) == commands.ClassStop, func(e *commands.Engine) error {
		var err error
		answer, err = e.Do(ctx, a.config.Portfolio, a.own(o.command))
		return err
	}, func() error { return a.toServer(ctx, http.MethodPost, o.path, o.body, &answer) })
	return answer, err
}

// own is a command of the person at this machine.
func (a *app) own(c commands.Command) commands.Request {
	return commands.Request{Caller: domain.Caller{User: osUser(), Role: domain.RoleOperator}, Key: uuid.NewString(), Command: c}
}

// done says what an order recorded.
func (a *app) done(answer commands.Answer, what string) error {
	if a.json {
		return told(what, a.printJSON(answer))
	}
	p := a.printer()
	p.line("%s (revision %d)", what, answer.Revision)
	if answer.ClockBehind > 0 {
		p.line("  the clock is %s behind the last record, whose time this has", answer.ClockBehind)
	}
	for _, d := range answer.Directives {
		p.line("  %s: %v (%s)", d.Action, d.Bots, d.Reason)
	}
	return told(what, p.err)
}

func (a *app) startCommand() *cobra.Command {
	return &cobra.Command{
		Use: "start BOT", Short: "Let a bot ask for permits", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			bot := args[0]
			answer, err := a.carryOut(c.Context(), order{"/bots/" + url.PathEscape(bot) + "/start", struct{}{}, commands.StartBot{Bot: bot}})
			if err != nil {
				return err
			}
			return a.done(answer, bot+" may ask for permits")
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
			answer, err := a.carryOut(c.Context(), order{
				"/breakers/" + url.PathEscape(args[0]) + "/reset", body,
				commands.ResetBreaker{Breaker: args[0], Bot: bot, Reason: reason, Rebase: rebase},
			})
			if err != nil {
				return err
			}
			return a.done(answer, args[0]+" is reset; start the bots one by one")
		},
	}
	c.Flags().StringVar(&bot, "bot", "", "whose breaker, of those that are kept per bot")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().BoolVar(&rebase, "rebase", false, "count from the equity now")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would happen, and do nothing")
	return c
}

func (a *app) clearCommand() *cobra.Command {
	var reason, confirm string
	c := &cobra.Command{
		Use: "clear", Short: "Clear the emergency stop: an operator asks, an approver confirms (through the server)", Args: cobra.NoArgs,
		Example: "  pets clear --reason \"the feed is back\"\n  pets clear --confirm c812",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer commands.Answer
			if confirm != "" {
				a.once = true
				if err := a.toServer(c.Context(), http.MethodPost, "/emergency-stop/clear/"+url.PathEscape(confirm)+"/confirm", struct{}{}, &answer); err != nil {
					return err
				}
				return a.done(answer, "the emergency stop is cleared; start the bots one by one")
			}
			if err := a.toServer(c.Context(), http.MethodPost, "/emergency-stop/clear", reasonOf(reason), &answer); err != nil {
				return err
			}
			return a.done(answer, fmt.Sprintf("asked; another user, with a key of role approver, confirms with: pets clear --confirm %s", answer.ID))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().StringVar(&confirm, "confirm", "", "confirm this `request` of another user, with a key of role approver")
	return c
}

// previewReset asks what a reset would do; it reads.
func (a *app) previewReset(ctx context.Context, breaker, bot string, rebase bool) error {
	if asks, err := a.asksServer(); err != nil || asks {
		return a.askPreview(ctx, breaker, bot, rebase, err)
	}
	return a.look(ctx, "", nil, func(s *portfolio.State) error {
		now, _ := s.ClockAt(a.clock()())
		v, err := s.PreviewReset(risk.Key{Breaker: breaker, Bot: bot}, rebase, now)
		if err != nil {
			return err
		}
		answer := resetPreview{
			Breaker: breaker, Bot: bot, Tripped: v.Tripped, Before: v.Before.Ratio(), After: v.After.Ratio(), Limit: v.Limit,
			WouldRetrip: v.WouldRetrip, OpenPositions: v.OpenPositions, EventsSince: v.Since,
		}
		return a.printPreview(answer, func() (projections.State, error) { return projections.StateOf(s), nil })
	})
}

// askPreview asks the server, which records nothing of it.
func (a *app) askPreview(ctx context.Context, breaker, bot string, rebase bool, err error) error {
	if err == nil {
		err = a.needsServer()
	}
	if err != nil {
		return err
	}
	body := map[string]any{"rebase": rebase, "dry_run": true}
	if bot != "" {
		body["bot"] = bot
	}
	var v resetPreview
	if err := a.exchange(ctx, a.found, http.MethodPost, "/breakers/"+url.PathEscape(breaker)+"/reset", body, &v); err != nil {
		return err
	}
	return a.printPreview(v, func() (state projections.State, err error) { return state, a.view(ctx, "", "/state", nil, &state) })
}

// printPreview says what a reset would do, and looks at the state where it would be refused.
func (a *app) printPreview(v resetPreview, look func() (projections.State, error)) error {
	if a.json {
		return a.printJSON(v)
	}
	p := a.printer()
	verdict, short := "it would hold", lack{}
	switch {
	case !v.Tripped:
		verdict = "it is not tripped: a reset would be refused"
	case v.WouldRetrip:
		verdict = "it would trip again at once: a reset would be refused; see --rebase"
		state, err := look()
		if err != nil {
			return err
		}
		if short = stepsOf(state, clearRequest{}).lacking([]projections.Breaker{v.breaker()}); short.any() {
			verdict = "it would trip again at once, with --rebase and without: a reset would be refused while the equity is not above 0"
		}
	}
	p.line("%s: %s → %s, limit %s: %s", risk.Key{Breaker: v.Breaker, Bot: v.Bot}, v.Before, v.After, v.Limit, verdict)
	p.line("%d open positions, %d events since the trip", v.OpenPositions, v.EventsSince)
	if a.sayMoney(p, short); short.any() {
		p.say(2, "Then reset it:")
		a.command(p, append(resetOf(v.breaker()), "--rebase", "--reason", `"…"`)...)
	}
	return p.err
}

func (v resetPreview) breaker() projections.Breaker {
	b := projections.Breaker{Breaker: v.Breaker}
	if v.Bot != "" {
		b.Bot = &v.Bot
	}
	return b
}

// resetPreview is what `pets reset --dry-run --json` prints.
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
}
