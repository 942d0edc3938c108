package operate

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) botCommand() *cobra.Command {
	return cli.Group("bot", "Bots: add, list, give them capital; pets start and pets stop let them trade",
		a.Sends(a.addBotCommand()), cli.Views(a.listBotsCommand()), a.Sends(a.allocateCommand()))
}

func (a *app) addBotCommand() *cobra.Command {
	body := struct {
		ID           string         `json:"id"`
		Strategy     string         `json:"strategy,omitempty"`
		Kind         string         `json:"kind,omitempty"`
		Capital      domain.Decimal `json:"capital"`
		InventoryCap domain.Decimal `json:"inventory_cap,omitzero"`
	}{}
	var capital, inventory cli.DecimalFlag
	c := &cobra.Command{
		Use: "add NAME --capital N", Short: "Register a bot with its capital, out of the hot wallet", Args: cobra.ExactArgs(1),
		Example: "  pets bot add alpha --capital 2000 --strategy breakout\n  pets bot add beta --capital 1000 --kind market_maker --inventory-cap 500",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.Needed(c, "capital"); err != nil {
				return err
			}
			body.ID, body.Capital, body.InventoryCap = args[0], capital.Decimal, inventory.Decimal
			if err := a.Post(c.Context(), "/bots", body, fmt.Sprintf("%s has %s, and is stopped", body.ID, body.Capital)); err != nil {
				return err
			}
			return a.Next("let it ask for permits", "start", body.ID)
		},
	}
	c.Flags().Var(&capital, "capital", "what it may trade with")
	c.Flags().StringVar(&body.Strategy, "strategy", "", "a word for what it does")
	c.Flags().StringVar(&body.Kind, "kind", "", "directional (the default) or market_maker")
	c.Flags().Var(&inventory, "inventory-cap", "of a market maker: the most shares of one market it may be exposed to")
	return c
}

func (a *app) listBotsCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "list", Short: "The bots, with their capital and results", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var v struct {
				Bots  []projections.Bot
				Clock domain.Clock
			}
			if err := a.LookEither(c.Context(), moment, nil, func() error {
				return a.View(c.Context(), moment, "/state", nil, &v)
			}, func(s *portfolio.State) error {
				v.Bots, v.Clock = projections.StateOf(s).Bots, s.Clock
				return nil
			}); err != nil {
				return err
			}
			switch {
			case a.JSON:
				return a.PrintJSON(struct {
					Bots []projections.Bot `json:"bots"`
				}{v.Bots})
			case len(v.Bots) == 0:
				return a.Next("there is no bot yet; add one", "bot", "add", "NAME", "--capital", "N")
			}
			return a.Table(show.BotRows(show.Halted(v.Bots, v.Clock)))
		},
	}
	cli.AtFlag(c, &moment)
	return c
}

func (a *app) allocateCommand() *cobra.Command {
	var back bool
	c := &cobra.Command{
		Use: "allocate BOT AMOUNT", Short: "Move capital from the treasury to a bot, or back", Args: cobra.ExactArgs(2),
		Example: "  pets bot allocate alpha 500\n  pets bot allocate alpha 500 --back",
		RunE: func(c *cobra.Command, args []string) error {
			bot := args[0]
			amount, err := cli.AmountArg("AMOUNT", args[1])
			if err != nil {
				return err
			}
			if amount.Sign() <= 0 {
				return cli.Usage(domain.Invalid("AMOUNT", "must be above 0; --back moves it back"))
			}
			what := fmt.Sprintf("%s got %s", bot, amount)
			if back {
				what = fmt.Sprintf("%s gave %s back", bot, amount)
				amount = amount.Neg()
			}
			err = a.Post(c.Context(), "/bots/"+url.PathEscape(bot)+"/allocate", map[string]domain.Decimal{"amount": amount}, what)
			if err == nil && !a.Replayed() {
				show.WarnOfMoney(c.Context(), a.App, "")
			}
			return err
		},
	}
	c.Flags().BoolVar(&back, "back", false, "from the bot to the treasury")
	return c
}

func (a *app) marketCommand() *cobra.Command {
	return cli.Group("market", "Markets: add, list", a.Sends(a.addMarketCommand()), cli.Views(a.listMarketsCommand()))
}

func (a *app) addMarketCommand() *cobra.Command {
	body := commands.RegisterMarket{}
	var kind string
	var tokens []string
	var exclusive bool
	c := &cobra.Command{
		Use: "add NAME", Aliases: []string{"register"}, Short: "Register a market: its kind, outcomes and category", Args: cobra.ExactArgs(1),
		Long: "A market of outcome shares need not be registered to be traded; one of kind spot or perp has to be.\n" +
			"Arbitrage needs all outcomes, a limit by category the category, a signature the tokens.\n" +
			"Under the second edition of the rules a market of two outcomes or more is exclusive, unless it says\n" +
			"--exclusive=false: one share of each pays 1 together, so what a bot holds there is valued as a whole.",
		Example: "  pets market add rain-tomorrow --outcomes YES,NO --category weather\n  pets market add who-scores --outcomes ANN,BOB --exclusive=false\n  pets market add ETH-USDC --kind spot --outcomes ETH",
		RunE: func(c *cobra.Command, args []string) error {
			body.Market, body.Kind = args[0], domain.MarketKind(kind)
			for i, outcome := range body.Outcomes {
				body.Outcomes[i] = strings.TrimSpace(outcome)
			}
			var err error
			if body.Tokens, err = cli.NamedPairs("--token", "OUTCOME=ID", tokens); err != nil {
				return err
			}
			if c.Flags().Changed("exclusive") {
				body.Exclusive = &exclusive
			}
			return a.registerMarket(c.Context(), body)
		},
	}
	c.Flags().StringVar(&kind, "kind", string(domain.KindOutcome), "outcome, spot or perp")
	c.Flags().StringSliceVar(&body.Outcomes, "outcomes", nil, "all of its outcomes, or the asset of a spot or perp")
	c.Flags().BoolVar(&exclusive, "exclusive", true, "of its outcomes exactly one comes: one share of each pays 1 together")
	c.Flags().StringVar(&body.Category, "category", "", "a name; the markets of a category share a limit")
	c.Flags().StringVar(&body.Condition, "condition", "", "the id of its condition on the chain, which the tokens are compared with")
	c.Flags().StringArrayVar(&tokens, "token", nil, "the token of an outcome on the chain, as `OUTCOME=ID`; may be given again")
	return c
}

// registerMarket registers a market, and says what its registration means.
func (a *app) registerMarket(ctx context.Context, body commands.RegisterMarket) error {
	var failed error
	var m *domain.MarketRegistered
	what := ""
	_, err := a.Posted(ctx, "/markets", body, func(answer commands.Answer) string {
		what = fmt.Sprintf("market %s is registered, kind %s", body.Market, body.Kind)
		e, err := a.Recorded(ctx, answer, domain.MarketRegisteredType)
		if failed = err; e != nil {
			m, _ = e.(*domain.MarketRegistered)
		}
		if m != nil && m.Exclusive {
			what += ", exclusive: one share of each outcome pays 1 together"
		}
		return what
	})
	if err != nil || a.JSON {
		return err
	}
	p := a.Printer()
	switch {
	case failed != nil:
		p.Say(2, "how it was registered cannot be read: %v", failed)
	case m != nil:
		sayRegistered(p, m, len(body.Tokens) > 0)
	}
	return cli.Told(what, p.Err)
}

func sayRegistered(p *cli.Printer, m *domain.MarketRegistered, tokens bool) {
	if tokens {
		p.Say(0, "its tokens: %s", portfolio.TokensSaid(m.Checked))
	}
	for _, change := range m.Changes {
		of := change.Bot
		if of == "" {
			of = "the portfolio"
		}
		p.Say(2, "what is held there is valued as a whole from now on: the equity of %s changes by %s, which counts as a flow and trips nothing", of, change.Amount)
	}
}

// listedMarket is a registered market, with how far its tokens were checked.
type listedMarket struct {
	commands.RegisterMarket
	Checked *domain.TokensCheck `json:"checked,omitempty"`
}

func (a *app) listMarketsCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "list", Short: "The markets that were registered", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var all []listedMarket
			if err := a.LookEither(c.Context(), moment, nil, func() (err error) {
				all, err = a.askMarkets(c.Context(), moment)
				return err
			}, func(s *portfolio.State) error {
				for id, m := range s.Markets {
					all = append(all, listedMarket{commands.RegisterMarket{
						Market: id, Kind: m.Kind, Outcomes: m.Outcomes, Category: m.Category, Tokens: m.Tokens, Condition: m.Condition, Exclusive: ifSo(m.Exclusive),
					}, m.Checked})
				}
				return nil
			}); err != nil {
				return err
			}
			slices.SortFunc(all, func(x, y listedMarket) int { return strings.Compare(x.Market, y.Market) })
			switch {
			case a.JSON:
				return a.PrintJSON(map[string]any{"markets": append([]listedMarket{}, all...)})
			case len(all) == 0:
				p := a.Printer()
				p.Line("no market is registered; one of outcome shares need not be")
				return p.Err
			}
			rows := [][]string{{"MARKET", "KIND", "OUTCOMES", "CATEGORY", "TOKENS", "CHECKED"}}
			for _, m := range all {
				tokens, checked := "-", "-"
				if len(m.Tokens) > 0 {
					tokens, checked = fmt.Sprint(len(m.Tokens)), portfolio.TokensSaid(m.Checked)
				}
				kind := string(m.Kind)
				if m.Exclusive != nil {
					kind = "exclusive"
				}
				rows = append(rows, []string{m.Market, kind, cli.Cut(strings.Join(m.Outcomes, ","), 40), m.Category, tokens, checked})
			}
			return a.Table(rows)
		},
	}
	cli.AtFlag(c, &moment)
	return c
}

// ifSo points to true, or is nil: a market that is not exclusive does not say so.
func ifSo(is bool) *bool {
	if !is {
		return nil
	}
	return &is
}

// askMarkets reads the markets from the history, because no view of a server lists them.
func (a *app) askMarkets(ctx context.Context, moment string) ([]listedMarket, error) {
	last := map[string]listedMarket{}
	err := a.EachEvent(ctx, cli.EventQuery{At: moment, After: -1, Types: []string{domain.EventName(domain.MarketRegisteredType)}}, func(line cli.EventLine) error {
		e, err := domain.Decode(line.Type, line.Data)
		if m, is := e.(*domain.MarketRegistered); is {
			last[m.Market] = listedMarket{commands.RegisterMarket{
				Market: m.Market, Kind: m.Kind, Outcomes: m.Outcomes, Category: m.Category, Tokens: m.Tokens, Condition: m.Condition, Exclusive: ifSo(m.Exclusive),
			}, m.Checked}
		}
		return err
	})
	return slices.Collect(maps.Values(last)), err
}
