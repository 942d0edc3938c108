package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/eventstore/embedded"
)

// order is what an operator wants done: as a request to the server that holds the
// store, or as a command where none does.
type order struct {
	path    string // below the portfolio, or a whole one that begins with /v1
	body    any
	command commands.Command
}

// carryOut sends an order to the server when one holds the store, and else opens
// the folder as os:<user>, role operator.
func (a *app) carryOut(ctx context.Context, o order) (commands.Answer, error) {
	store, err := a.openWriter()
	var locked *embedded.LockedError
	if errors.As(err, &locked) {
		if a.config.Key.Reveal() == "" {
			return commands.Answer{}, viaServer(locked)
		}
		var answer commands.Answer
		return answer, a.toServer(ctx, http.MethodPost, o.path, o.body, &answer)
	}
	if err != nil {
		return commands.Answer{}, err
	}
	dir, err := a.config.StoreDir()
	if err != nil {
		return commands.Answer{}, errors.Join(err, store.Close())
	}
	watch, err := a.watchFor(ctx, store, o.command)
	if err != nil {
		return commands.Answer{}, errors.Join(err, store.Close())
	}
	engine := commands.NewEngine(store, commands.EngineOptions{
		Options: commands.Options{Now: a.clock(), Snapshots: watch.snapshots()}, Latch: commands.NewLatchFile(filepath.Join(dir, latchName)),
	})
	answer, err := a.byEngine(ctx, engine, o.command)
	engine.Close()
	watch.close()
	return answer, errors.Join(err, store.Close())
}

// byEngine carries out a command here. A stop that a server could not record
// comes first, and one that cannot be recorded now holds in its marker file.
func (a *app) byEngine(ctx context.Context, engine *commands.Engine, c commands.Command) (commands.Answer, error) {
	if err := engine.Load(ctx, nil); err != nil {
		return commands.Answer{}, err
	}
	r := commands.Request{Caller: domain.Caller{User: osUser(), Role: domain.RoleOperator}, Key: uuid.NewString(), Command: c}
	if _, stops := c.(commands.EngageStop); !stops {
		return engine.Do(ctx, a.config.Portfolio, r)
	}
	answer, recorded, err := engine.Stop(ctx, a.config.Portfolio, r)
	if err == nil && !recorded {
		err = domain.Errorf(domain.CodeUnavailable, "the store cannot take the stop now; it is marked, and the next start records it before anything else")
	}
	return answer, err
}

// viaServer says how to write to a store that somebody else holds.
func viaServer(locked *embedded.LockedError) error {
	return fmt.Errorf("%w; where that is pets serve, set PETS_KEY, and this goes through it", locked)
}

// toServer sends one request with PETS_KEY to PETS_SERVER.
func (a *app) toServer(ctx context.Context, method, path string, body, into any) error {
	if a.config.Key.Reveal() == "" {
		return errUsage{domain.Invalid("PETS_KEY", "is needed: this goes to the running server, with an API key")}
	}
	c, err := client.New(client.Options{URL: a.serverURL(), Key: a.config.Key.Reveal(), CAFile: a.config.CAFile, Patience: a.patience})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // nothing is kept
	if !strings.HasPrefix(path, "/v1/") {
		path = "/v1/portfolios/" + url.PathEscape(a.config.Portfolio) + path
	}
	if method == http.MethodGet {
		return c.Get(ctx, path, into)
	}
	return c.Send(ctx, method, path, uuid.NewString(), body, into)
}

// defaultServer is asked where no server is named and one holds the folder.
const defaultServer = "http://127.0.0.1:7433"

func (a *app) serverURL() string {
	if a.config.Server == "" {
		return defaultServer
	}
	return a.config.Server
}

// done says what an order recorded.
func (a *app) done(answer commands.Answer, what string) error {
	if a.json {
		return a.printJSON(answer)
	}
	p := &printer{w: a.out}
	p.line("%s (revision %d)", what, answer.Revision)
	for _, d := range answer.Directives {
		p.line("  %s: %v (%s)", d.Action, d.Bots, d.Reason)
	}
	return p.err
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

func (a *app) stopCommand() *cobra.Command {
	var emergency, everywhere bool
	var kind, reason string
	c := &cobra.Command{
		Use: "stop BOT | --emergency", Short: "Take a bot out of trading, or stop everything at once", Args: cobra.MaximumNArgs(1),
		Example: "  pets stop alpha --reason \"odd fills\"\n  pets stop --emergency --reason \"the feed is lying\"\n  pets stop --emergency --everywhere --kind security_breach --reason \"a key leaked\"",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case emergency == (len(args) == 1):
				return errUsage{errors.New("name one bot, or --emergency")}
			case everywhere && !emergency:
				return errUsage{errors.New("--everywhere goes with --emergency")}
			case !emergency:
				answer, err := a.carryOut(c.Context(), order{"/bots/" + url.PathEscape(args[0]) + "/stop", reasonOf(reason), commands.StopBot{Bot: args[0], Reason: reason}})
				if err != nil {
					return err
				}
				return a.done(answer, args[0]+" is stopped")
			case everywhere:
				return a.stopEverywhere(c.Context(), kind, reason)
			}
			answer, err := a.carryOut(c.Context(), order{"/emergency-stop", stopOf(kind, reason), commands.EngageStop{Kind: kind, Reason: reason}})
			if err != nil {
				return err
			}
			return a.done(answer, "EMERGENCY STOP engaged in "+a.config.Portfolio)
		},
	}
	c.Flags().BoolVar(&emergency, "emergency", false, "stop everything in the portfolio; two people clear it")
	c.Flags().BoolVar(&everywhere, "everywhere", false, "with --emergency: in every portfolio (a running server does it)")
	c.Flags().StringVar(&kind, "kind", domain.StopManual, "manual, system_error or security_breach")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

func reasonOf(reason string) any {
	return struct {
		Reason string `json:"reason,omitempty"`
	}{reason}
}

func stopOf(kind, reason string) any {
	return struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
	}{kind, reason}
}

// stopEverywhere asks the server, which holds every portfolio at once.
func (a *app) stopEverywhere(ctx context.Context, kind, reason string) error {
	var answer struct {
		Portfolios []commands.Stopped `json:"portfolios"`
	}
	if err := a.toServer(ctx, http.MethodPost, "/v1/emergency-stop", stopOf(kind, reason), &answer); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(answer)
	}
	p := &printer{w: a.out}
	for _, s := range answer.Portfolios {
		state := "recorded"
		switch {
		case s.Refused != "":
			state = s.Refused
		case !s.Recorded:
			state = "HOLDS, but is not recorded yet"
		}
		p.line("EMERGENCY STOP engaged in %s: %s", s.Portfolio, state)
	}
	return p.err
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
		Use: "clear", Short: "Clear the emergency stop: one person asks, another confirms (through the server)", Args: cobra.NoArgs,
		Example: "  pets clear --reason \"the feed is back\"\n  pets clear --confirm c812",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer commands.Answer
			if confirm != "" {
				if err := a.toServer(c.Context(), http.MethodPost, "/emergency-stop/clear/"+url.PathEscape(confirm)+"/confirm", struct{}{}, &answer); err != nil {
					return err
				}
				return a.done(answer, "the emergency stop is cleared; start the bots one by one")
			}
			if err := a.toServer(c.Context(), http.MethodPost, "/emergency-stop/clear", reasonOf(reason), &answer); err != nil {
				return err
			}
			return a.done(answer, fmt.Sprintf("asked; another user confirms with: pets clear --confirm %s", answer.ID))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().StringVar(&confirm, "confirm", "", "confirm this `request` of another user")
	return c
}

// previewReset asks what a reset would do; it reads, so it needs no server.
func (a *app) previewReset(ctx context.Context, breaker, bot string, rebase bool) error {
	return a.look(ctx, "", nil, func(s *portfolio.State) error {
		v, err := s.PreviewReset(risk.Key{Breaker: breaker, Bot: bot}, rebase, a.clock()())
		if err != nil {
			return err
		}
		answer := resetPreview{
			Breaker: breaker, Bot: bot, Tripped: v.Tripped, Before: v.Before.Ratio(), After: v.After.Ratio(), Limit: v.Limit,
			WouldRetrip: v.WouldRetrip, OpenPositions: v.OpenPositions, EventsSince: v.Since,
		}
		if a.json {
			return a.printJSON(answer)
		}
		p := &printer{w: a.out}
		verdict := "it would hold"
		switch {
		case !v.Tripped:
			verdict = "it is not tripped: a reset would be refused"
		case v.WouldRetrip:
			verdict = "it would trip again at once: a reset would be refused; see --rebase"
		}
		p.line("%s: %s → %s, limit %s: %s", v.Key, answer.Before, answer.After, v.Limit, verdict)
		p.line("%d open positions, %d events since the trip", v.OpenPositions, v.Since)
		return p.err
	})
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
