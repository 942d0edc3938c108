package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/replay"
)

func (a *app) portfolioCommand() *cobra.Command {
	return cli.Group("portfolio", "Portfolios: open, list", a.Sends(a.openPortfolioCommand()), cli.Views(a.listPortfoliosCommand()))
}

// portfolioBody is the body of POST /v1/portfolios.
type portfolioBody struct {
	ID           string         `json:"id"`
	Mode         domain.Mode    `json:"mode"`
	BaseAsset    string         `json:"base_asset,omitempty"`
	BaseDecimals *int           `json:"base_decimals,omitempty"`
	Limits       map[string]any `json:"limits,omitempty"`
	Gate         *domain.Gate   `json:"gate,omitempty"`
}

func (a *app) openPortfolioCommand() *cobra.Command {
	var body portfolioBody
	var mode, gate string
	var decimals int
	var limits []string
	c := &cobra.Command{
		Use: "open NAME", Short: "Open a portfolio", Args: cobra.ExactArgs(1),
		Long: "Opens a portfolio with the limits of --limit and, for the others, the limits that the server was\n" +
			"started with. From then on they are part of its history: pets limits shows them. To open one in mode\n" +
			"live takes two people: see pets override request --help. A live one counts in what the venue's orders are\n" +
			"paid in, such as pUSD: in another asset no order would be signed, and it is refused.",
		Example: "  pets portfolio open main\n  pets portfolio open main --limit max_daily_loss_pct=0.03 --limit fee_bps=10\n  pets portfolio open real --mode live --gate main@812 --asset pUSD",
		RunE: func(c *cobra.Command, args []string) (err error) {
			body.ID, body.Mode = args[0], domain.Mode(mode)
			if a.PortfolioFlag != "" && a.PortfolioFlag != body.ID {
				return cli.Usage(fmt.Errorf("NAME is %s, and --portfolio is %s: leave --portfolio out", body.ID, a.PortfolioFlag))
			}
			if c.Flags().Changed("decimals") {
				body.BaseDecimals = &decimals
			}
			if body.Limits, err = limitsPatch("--limit", limits); err != nil {
				return err
			}
			if body.Gate, err = gateOf(gate); err != nil {
				return err
			}
			return a.openPortfolio(c.Context(), body)
		},
	}
	c.Flags().StringVar(&mode, "mode", string(domain.ModePaper), "paper or live")
	c.Flags().StringVar(&body.BaseAsset, "asset", "", "what it counts in (USDC by default); for live, what orders are paid in")
	c.Flags().IntVar(&decimals, "decimals", 6, "the decimals of that asset")
	c.Flags().StringArrayVar(&limits, "limit", nil, "a limit, as `KEY=VALUE`; may be given again")
	c.Flags().StringVar(&gate, "gate", "", "for live: `PORTFOLIO@REVISION` of the override that lets it go live")
	return c
}

func (a *app) openPortfolio(ctx context.Context, body portfolioBody) error {
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, "/v1/portfolios", body, &answer); err != nil {
		return err
	}
	if err := a.Done(answer, fmt.Sprintf("portfolio %s is open, mode %s", body.ID, body.Mode)); err != nil {
		return err
	}
	if err := a.sayLimits(ctx, body); err != nil {
		return cli.Told("it is open", err)
	}
	return a.NextIn(body.ID, "record the money that it has", "deposit", "10000")
}

// mainLimits are those that are shown of a new portfolio.
var mainLimits = []string{
	"max_consecutive_losses", "max_daily_loss_pct", "max_bot_drawdown_pct", "max_portfolio_drawdown_pct", "max_order_usd", "max_position_usd", "fee_bps",
}

// sayLimits says what the main limits of a new portfolio are, and which of the settings of
// this run did not become its limits: the server was started with others.
func (a *app) sayLimits(ctx context.Context, body portfolioBody) error {
	var v struct {
		Policy domain.Policy `json:"policy"`
	}
	if err := a.ToServer(ctx, http.MethodGet, "/v1/portfolios/"+url.PathEscape(body.ID), nil, &v); err != nil {
		a.Tell("warning: its limits cannot be read: %v", err)
		return nil
	}
	asset := cmp.Or(body.BaseAsset, "USDC")
	is, usual := limitsOf(&v.Policy), domain.NewPolicy(body.Mode, domain.ClockWall, asset)
	meant, err := a.Config.Policy(body.Mode, domain.ClockWall, asset)
	if err != nil { // the server did not ask for it
		meant = usual
	}
	set, unset := limitsOf(&meant), limitsOf(&usual)
	var shown []string
	for i, l := range is {
		if slices.Contains(mainLimits, l[0]) {
			shown = append(shown, l[0]+" "+l[1])
		}
		if _, given := body.Limits[l[0]]; !given && set[i] != unset[i] && set[i] != l {
			a.Tell("warning: %s is %s, as the server has it: %s=%s of the settings here is that of a server which is started with them. To change it: %s",
				l[0], l[1], strings.ToUpper(l[0]), set[i][1], a.AdviseIn(body.ID, "limits", "set", l[0]+"="+set[i][1], "--reason", cli.Unsaid))
		}
	}
	if a.JSON {
		return nil
	}
	p := a.Printer()
	p.Say(0, "its limits: %s; all of them: %s", strings.Join(shown, ", "), a.AdviseIn(body.ID, "limits"))
	return p.Err
}

// gateOf reads PORTFOLIO@REVISION.
func gateOf(text string) (*domain.Gate, error) {
	if text == "" {
		return nil, nil
	}
	id, at, found := strings.Cut(text, "@")
	revision, err := strconv.ParseUint(at, 10, 64)
	if !found || err != nil || domain.CheckID("--gate", id) != nil {
		return nil, cli.Usage(domain.Invalid("--gate", "must be PORTFOLIO@REVISION, as it is printed when the override is confirmed"))
	}
	return &domain.Gate{Portfolio: id, Revision: revision}, nil
}

func (a *app) listPortfoliosCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The portfolios there are", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := a.portfolios(c.Context())
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(v)
			}
			if len(v.Portfolios) == 0 {
				return a.Next("there is no portfolio yet; open one", "portfolio", "open", a.Config.Portfolio)
			}
			rows := [][]string{{"PORTFOLIO", "MODE", "REVISION"}}
			for _, one := range v.Portfolios {
				rows = append(rows, []string{one.Portfolio, string(one.Mode), strconv.FormatUint(one.Revision, 10)})
			}
			return a.Table(rows)
		},
	}
}

// portfolios lists the portfolios of the named server or of the folder.
func (a *app) portfolios(ctx context.Context) (show.PortfolioList, error) {
	var v show.PortfolioList
	asks, err := a.AsksServer()
	if err != nil {
		return v, err
	}
	if asks {
		return v, a.View(ctx, "", "/v1/portfolios", nil, &v)
	}
	v.Portfolios = []show.ListedPortfolio{}
	store, err := a.OpenLooker(ctx)
	if err != nil {
		return v, err
	}
	ids, err := replay.Portfolios(ctx, store)
	if err := errors.Join(err, store.Close()); err != nil {
		return v, err
	}
	defer func(id string) { a.Config.Portfolio = id }(a.Config.Portfolio)
	for _, id := range ids {
		a.Config.Portfolio = id
		if err := a.Look(ctx, "", nil, func(s *portfolio.State) error {
			v.Portfolios = append(v.Portfolios, show.ListedPortfolio{Portfolio: id, Mode: s.Mode, Revision: s.Next - 1})
			return nil
		}); err != nil {
			return v, err
		}
	}
	return v, nil
}
