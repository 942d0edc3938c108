package look

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/domain/tradestats"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) statsCommand() *cobra.Command {
	var moment string
	var limits []string
	c := &cobra.Command{
		Use: "stats", Short: "Statistics of closed trades, and where each breaker would first have tripped", Args: cobra.NoArgs,
		Long: "Statistics of closed trades alone. closed_breakers says where each breaker would first\n" +
			"trip on that series by the limits in force, and the drawdown of the merged series by that\n" +
			"of a single bot, unless --limit says otherwise. Under the first edition of the rules the\n" +
			"merged series is compared with 3, 0.05 and 0.25.",
		Example: "  pets stats\n  pets stats --limit MAX_DAILY_LOSS_PCT=0.03 --json",
		RunE: func(c *cobra.Command, _ []string) error {
			held, err := parseLimits(limits)
			if err != nil {
				return cli.Usage(err)
			}
			fold := projections.NewStats(nil)
			riders := []projections.Projection{fold}
			show := func(s *portfolio.State) error {
				v, err := fold.View(s, held)
				if err != nil {
					return err
				}
				if a.JSON {
					return a.PrintJSON(v)
				}
				return a.printStats(v)
			}
			return a.LookEither(c.Context(), moment, riders, func() error {
				if len(limits) > 0 { // a server only knows the limits in force
					return a.LookThere(c.Context(), moment, riders, show)
				}
				return a.askStats(c.Context(), moment)
			}, show)
		},
	}
	cli.AtFlag(c, &moment)
	c.Flags().StringArrayVar(&limits, "limit", nil, "limit of the portfolio's merged series, NAME=VALUE with one of "+limitVariables())
	return c
}

// limitRule returns the rule whose limit a policy key names. For the portfolio's merged series
// the drawdown limit is the one of a bot.
func limitRule(key string) (*risk.Rule, bool) {
	if key == "max_portfolio_drawdown_pct" {
		return risk.RuleOf(domain.BotDrawdown)
	}
	for r := range risk.Rules() {
		if r.OnClosed && r.Key == key {
			return r, true
		}
	}
	return nil, false
}

// limitVariables lists the names that --limit accepts.
func limitVariables() string {
	var names []string
	for r := range risk.Rules() {
		if r.OnClosed {
			names = append(names, strings.ToUpper(r.Key))
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// parseLimits parses NAME=VALUE pairs, each limit at most once.
func parseLimits(flags []string) (tradestats.Limits, error) {
	held := tradestats.Limits{}
	pairs, err := cli.Pairs("--limit", "NAME=VALUE, such as MAX_DAILY_LOSS_PCT=0.03", flags)
	for _, pair := range pairs {
		name := strings.ToLower(pair.Key)
		rule, known := limitRule(name)
		if !known {
			return held, domain.Invalid("--limit", "knows %s", limitVariables())
		}
		limit, err := parseLimit(rule, "--limit "+name, pair.Value)
		if err != nil {
			return held, err
		}
		held[rule.Name] = limit
	}
	return held, err
}

func parseLimit(r *risk.Rule, field, text string) (domain.Decimal, error) {
	if !r.Whole {
		return domain.ParseRatio(field, text)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return domain.Zero, domain.Invalid(field, "must be a whole number, 1 to 1000")
	}
	return domain.FromInt(int64(n)), nil
}

// askStats prints the server's statistics. A bot's key sees only the bot's own part.
func (a *app) askStats(ctx context.Context, moment string) error {
	var v struct {
		Portfolio *projections.ScopeStats `json:"portfolio,omitempty"`
		Bots      []projections.BotStats  `json:"bots"`
	}
	if err := a.View(ctx, moment, "/stats", nil, &v); err != nil {
		return err
	}
	switch {
	case a.JSON:
		return a.PrintJSON(v)
	case v.Portfolio != nil:
		return a.printStats(projections.Stats{Portfolio: *v.Portfolio, Bots: v.Bots})
	}
	if err := a.Table(botStatRows(v.Bots)); err != nil {
		return err
	}
	return a.printClosedBreakers(projections.Stats{Bots: v.Bots})
}

// printStats prints the portfolio in full, and one row per bot.
func (a *app) printStats(v projections.Stats) error {
	s := &v.Portfolio
	p := a.Printer()
	p.Line("trades              %s: %d wins, %d losses, %d neutral; win rate %s", tradesOf(s), s.Wins, s.Losses, s.Neutral, optional(s.WinRate, cli.Percent))
	p.Line("net P&L             %s = profit %s - loss %s; profit factor %s; fees %s", cli.Money(s.NetPnL), cli.Money(s.GrossProfit), cli.Money(s.GrossLoss), optional(s.ProfitFactor, factor), cli.Money(s.Fees))
	p.Line("equity              %s at the opening, %s after the last close (closed trades only)", cli.Money(s.OpeningCapital), cli.Money(s.FinalEquity))
	p.Line("longest loss streak %d%s; %d reached the limit of %s", s.LongestLossStreak, streakEnd(s.LossStreakEnd), s.StreaksAtLimit, limitOf(s, domain.ConsecutiveLosses))
	p.Line("days                best %s, worst %s", statsDay(s.BestDay), statsDay(s.WorstDay))
	p.Line("max drawdown        %s", closedDrawdown(s.MaxDrawdown))
	if s.MaxDrawdownAbs.TroughTrade != s.MaxDrawdown.TroughTrade || s.MaxDrawdownAbs.Abs != s.MaxDrawdown.Abs {
		p.Line("  largest amount    %s", closedDrawdown(s.MaxDrawdownAbs))
	}
	p.Line("  at marks          %s", markedDrawdown(s.MaxDrawdownMarked))
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	if err := a.Table(botStatRows(v.Bots)); err != nil {
		return err
	}
	return a.printClosedBreakers(v)
}

// tradesOf counts the trades, and the results if several trades came to one.
func tradesOf(s *projections.ScopeStats) string {
	if s.Results == s.Trades {
		return fmt.Sprint(s.Trades)
	}
	return fmt.Sprintf("%d, in %d results", s.Trades, s.Results)
}

// limitOf returns the limit of a breaker that the trades were judged by. An older server
// does not say.
func limitOf(s *projections.ScopeStats, breaker string) string {
	for _, l := range s.JudgedBy {
		if l.Breaker == breaker {
			return show.Plain(l.Limit)
		}
	}
	return "-"
}

// judgedBy lists the limits of the portfolio, or where only one bot is seen of that.
func judgedBy(v projections.Stats) string {
	limits := v.Portfolio.JudgedBy
	if len(limits) == 0 && len(v.Bots) > 0 {
		limits = v.Bots[0].JudgedBy
	}
	var all []string
	for _, l := range limits {
		all = append(all, l.Breaker+" "+show.Plain(l.Limit))
	}
	if len(all) == 0 {
		return ""
	}
	return " (limits: " + strings.Join(all, ", ") + ")"
}

func streakEnd(e *projections.StreakEnd) string {
	if e == nil {
		return ""
	}
	return fmt.Sprintf(", ended with trade %d at %s", e.Trade, cli.Clock(e.Time))
}

func statsDay(d *projections.StatsDay) string {
	if d == nil {
		return "-"
	}
	return d.Date + " " + cli.Money(d.PnL)
}

func botStatRows(bots []projections.BotStats) [][]string {
	rows := [][]string{{"BOT", "W/L/N", "WIN RATE", "FACTOR", "NET P&L", "FEES", "STREAK", "MAX DD", "AT MARKS"}}
	for _, b := range bots {
		rows = append(rows, []string{
			b.Bot, fmt.Sprintf("%d/%d/%d", b.Wins, b.Losses, b.Neutral),
			optional(b.WinRate, cli.Percent), optional(b.ProfitFactor, factor), cli.Money(b.NetPnL), cli.Money(b.Fees),
			fmt.Sprint(b.LongestLossStreak), cli.Percent(b.MaxDrawdown.Ratio), cli.Percent(b.MaxDrawdownMarked.Ratio),
		})
	}
	return rows
}

func closedDrawdown(m projections.ClosedDrawdown) string {
	if m.Ratio.IsZero() {
		return "none"
	}
	from := "at the opening"
	if m.PeakTrade > 0 {
		from = fmt.Sprintf("after trade %d", m.PeakTrade)
	}
	return fmt.Sprintf("%s (%s), from %s %s to %s after trade %d", cli.Money(m.Abs), cli.Percent(m.Ratio), cli.Money(m.Peak), from, cli.Money(m.Trough), m.TroughTrade)
}

func markedDrawdown(m risk.Drawdown) string {
	if m.Ratio.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%s (%s), from %s to %s", cli.Money(m.Abs), cli.Percent(m.Ratio), cli.Money(m.Peak), cli.Money(m.Trough))
}

func factor(d domain.Decimal) string { return d.Round(4).String() }

func (a *app) printClosedBreakers(v projections.Stats) error {
	rows := [][]string{{"WOULD FIRST TRIP", "IN", "AT TRADE", "TIME", "VALUE", "LIMIT"}}
	add := func(name string, all []projections.ClosedBreaker) {
		for _, b := range all {
			rows = append(rows, []string{b.Breaker, name, fmt.Sprint(b.Trade), cli.Clock(b.Time), show.Plain(b.Value), show.Plain(b.Limit)})
		}
	}
	add("portfolio", v.Portfolio.ClosedBreakers)
	for _, b := range v.Bots {
		add(b.Bot, b.ClosedBreakers)
	}
	p := a.Printer()
	p.Line("")
	if len(rows) == 1 {
		p.Line("no breaker would have tripped on the closed trades alone%s", judgedBy(v))
		return p.Err
	}
	return a.Table(rows)
}

func optional(d *domain.Decimal, show func(domain.Decimal) string) string {
	if d == nil {
		return "-"
	}
	return show(*d)
}
