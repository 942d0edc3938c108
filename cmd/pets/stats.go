package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/golive"
	"pets/domain/portfolio"
	"pets/projections"
)

func (a *app) statsCommand() *cobra.Command {
	var moment string
	var limits []string
	c := &cobra.Command{
		Use: "stats", Short: "Statistics of closed trades, and where each breaker would first have tripped", Args: cobra.NoArgs,
		Long: "Statistics of closed trades alone. closed_breakers says where each breaker would first\n" +
			"trip on that series: a bot against its own limits, the portfolio's merged series against\n" +
			"3, 0.05 and 0.25 unless --limit says otherwise.",
		Example: "  pets stats\n  pets stats --limit MAX_DAILY_LOSS_PCT=0.03 --json",
		RunE: func(c *cobra.Command, _ []string) error {
			held, err := parseLimits(limits)
			if err != nil {
				return errUsage{err}
			}
			fold := projections.NewStats()
			return a.look(c.Context(), moment, []projections.Projection{fold}, func(s *portfolio.State) error {
				v, err := fold.View(s, held)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(v)
				}
				return a.printStats(v)
			})
		},
	}
	at(c, &moment)
	c.Flags().StringArrayVar(&limits, "limit", nil, "limit of the portfolio's merged series, NAME=VALUE with MAX_CONSECUTIVE_LOSSES, MAX_DAILY_LOSS_PCT or MAX_BOT_DRAWDOWN_PCT")
	return c
}

// parseLimits reads NAME=VALUE; names as in the environment or the policy.
func parseLimits(flags []string) (golive.Limits, error) {
	held := golive.DefaultLimits()
	for _, f := range flags {
		name, text, ok := strings.Cut(f, "=")
		if !ok {
			return held, domain.Invalid("--limit", "must be NAME=VALUE, such as MAX_DAILY_LOSS_PCT=0.03")
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "max_consecutive_losses" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return held, domain.Invalid("--limit "+name, "must be a whole number above 0")
			}
			held.ConsecutiveLosses = n
			continue
		}
		ratio, err := domain.ParseRatio("--limit "+name, text)
		if err != nil {
			return held, err
		}
		switch name {
		case "max_daily_loss_pct":
			held.DailyLoss = ratio
		case "max_bot_drawdown_pct", "max_portfolio_drawdown_pct":
			held.Drawdown = ratio
		default:
			return held, domain.Invalid("--limit", "knows MAX_CONSECUTIVE_LOSSES, MAX_DAILY_LOSS_PCT and MAX_BOT_DRAWDOWN_PCT")
		}
	}
	return held, nil
}

func (a *app) printStats(v projections.Stats) error {
	rows := [][]string{{""}, {"trades"}, {"wins / losses / neutral"}, {"win rate"}, {"profit factor"}, {"net P&L"}, {"gross profit / loss"}, {"fees"}, {"longest loss streak"}, {"opening capital → final"}, {"max drawdown (closed)"}, {"max drawdown (marked)"}}
	add := func(name string, s *projections.ScopeStats) {
		cells := []string{
			name, fmt.Sprint(s.Trades), fmt.Sprintf("%d / %d / %d", s.Wins, s.Losses, s.Neutral), optional(s.WinRate, percent),
			optional(s.ProfitFactor, func(d domain.Decimal) string { return d.Round(4).String() }),
			money(s.NetPnL), money(s.GrossProfit) + " / " + money(s.GrossLoss), money(s.Fees), fmt.Sprint(s.LongestLossStreak),
			money(s.OpeningCapital) + " → " + money(s.FinalEquity),
			money(s.MaxDrawdown.Abs) + " (" + percent(s.MaxDrawdown.Ratio) + ")",
			money(s.MaxDrawdownMarked.Abs) + " (" + percent(s.MaxDrawdownMarked.Ratio) + ")",
		}
		for i, cell := range cells {
			rows[i] = append(rows[i], cell)
		}
	}
	add("PORTFOLIO", &v.Portfolio)
	for i := range v.Bots {
		add(v.Bots[i].Bot, &v.Bots[i].ScopeStats)
	}
	if err := a.table(rows); err != nil {
		return err
	}
	return a.printClosedBreakers(v)
}

func (a *app) printClosedBreakers(v projections.Stats) error {
	rows := [][]string{{"WOULD FIRST TRIP", "IN", "AT TRADE", "TIME", "VALUE"}}
	add := func(name string, all []projections.ClosedBreaker) {
		for _, b := range all {
			rows = append(rows, []string{b.Breaker, name, fmt.Sprint(b.Trade), clock(b.Time), plain(b.Value)})
		}
	}
	add("portfolio", v.Portfolio.ClosedBreakers)
	for _, b := range v.Bots {
		add(b.Bot, b.ClosedBreakers)
	}
	p := &printer{w: a.out}
	p.line("")
	if len(rows) == 1 {
		p.line("no breaker would have tripped on the closed trades alone")
		return p.err
	}
	return a.table(rows)
}

func optional(d *domain.Decimal, show func(domain.Decimal) string) string {
	if d == nil {
		return "-"
	}
	return show(*d)
}
