package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/eventstore"
	"pets/projections"
	"pets/replay"
)

func (a *app) stateCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "state", Short: "Equity, drawdown, breakers, bots and positions, now or as of any moment", Args: cobra.NoArgs,
		Example: "  pets state\n  pets state --at 2026-01-15T12:00:00Z --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.lookEither(c.Context(), moment, nil, func() error { return a.askState(c.Context(), moment) }, func(s *portfolio.State) error {
				v := projections.StateOf(s)
				if a.json {
					return a.printJSON(v)
				}
				return a.printState(v, stateExtra{projections.PermitsOf(s, "", a.asOf(s, moment)), clearOf(s), moment != ""})
			})
		},
	}
	at(c, &moment)
	return c
}

// askState shows the state as a server has it. A bot's key is told its own share.
func (a *app) askState(ctx context.Context, moment string) error {
	var raw json.RawMessage
	if err := a.view(ctx, moment, "/state", nil, &raw); err != nil {
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
		if a.json {
			return a.printJSON(v)
		}
		b, err := a.askExtra(ctx, moment, projections.EmergencyStop{})
		if err != nil {
			return err
		}
		return a.printOwnState(v, b.permits)
	}
	var v projections.State
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(v)
	}
	b, err := a.askExtra(ctx, moment, v.EmergencyStop)
	if err != nil {
		return err
	}
	return a.printState(v, b)
}

// printOwnState is printState without the portfolio's money.
func (a *app) printOwnState(v projections.OwnState, permits []projections.Permit) error {
	p := a.printer()
	p.line("%s  (%s, clock %s)  revision %d  %s UTC", v.Portfolio, v.Mode, v.Clock, v.Revision, clock(v.Time))
	sayStop(p, v.EmergencyStop, clearRequest{})
	p.line("")
	if p.err != nil {
		return p.err
	}
	return a.printTables(p, v.Breakers, v.Bots, v.Positions, permits)
}

func sayStop(p *printer, stop projections.EmergencyStop, open clearRequest) {
	if stop.Engaged {
		p.line("")
		p.line("EMERGENCY STOP  %s since %s UTC", *stop.Kind, clock(*stop.Since))
		p.line("                %s", *stop.Reason)
		if open.id != "" {
			p.line("                %s asked to clear it (%s): a second person has to confirm", open.user, open.id)
		}
		if stop.Pending {
			p.line("                HOLDS, but is not recorded yet")
		}
	}
}

// noPortfolio says which portfolios there are instead.
func (a *app) noPortfolio(ctx context.Context, store eventstore.Store) error {
	ids, err := replay.Portfolios(ctx, store)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return domain.Errorf(domain.CodeNotFound, "the store is empty; import something first")
	}
	return notThere(a.config.Portfolio, ids)
}

func (a *app) printState(v projections.State, b stateExtra) error {
	p := a.printer()
	p.line("%s  (%s, clock %s)  revision %d  %s UTC", v.Portfolio, v.Mode, v.Clock, v.Revision, clock(v.Time))
	p.line("")
	p.line("equity    %s %s   (realised %s)", money(v.Equity), v.BaseAsset, money(v.RealisedEquity))
	p.line("drawdown  %s from peak %s   (lifetime peak %s)", percent(v.Drawdown), money(v.Peak), money(v.LifetimePeak))
	p.line("day       %s opened at %s, loss %s", v.Day.Date, money(v.Day.Open), percent(v.Day.Loss))
	sayStop(p, v.EmergencyStop, b.clear)
	p.line("")
	if p.err != nil {
		return p.err
	}
	if err := a.printTables(p, v.Breakers, v.Bots, v.Positions, b.permits); err != nil {
		return err
	}
	if !b.past {
		a.sayWayOut(p, stepsOf(v, b.clear))
	}
	return p.err
}

func (a *app) printTables(p *printer, breakers []projections.Breaker, bots []projections.Bot, positions []projections.Position, permits []projections.Permit) error {
	if err := a.table(breakerRows(breakers)); err != nil {
		return err
	}
	p.line("")
	if err := a.table(botRows(bots)); err != nil {
		return err
	}
	p.line("")
	if p.err != nil {
		return p.err
	}
	if err := a.printPositions(positions); err != nil {
		return err
	}
	if len(permits) == 0 {
		p.line("no live orders")
		return p.err
	}
	p.line("")
	if p.err != nil {
		return p.err
	}
	return a.table(permitRows(permits))
}

func breakerRows(all []projections.Breaker) [][]string {
	rows := [][]string{{"BREAKER", "BOT", "STATUS", "VALUE", "LIMIT", "SINCE"}}
	for _, b := range all {
		bot, since := "-", ""
		if b.Bot != nil {
			bot = *b.Bot
		}
		if b.Revision != nil {
			since = fmt.Sprintf("revision %d", *b.Revision)
		}
		status := string(b.Status)
		if b.Status == risk.Tripped {
			status = "TRIPPED"
		}
		rows = append(rows, []string{b.Breaker, bot, status, plain(b.Value), plain(b.Limit), since})
	}
	return rows
}

// plain shows a streak as it is and a ratio as a percentage. A ratio that a server sent
// comes as text.
func plain(v any) string {
	switch v := v.(type) {
	case nil: // of a breaker that this build does not know
		return "-"
	case domain.Decimal:
		return percent(v)
	case string:
		if d, err := domain.ParseDecimal(v); err == nil {
			return percent(d)
		}
	}
	return fmt.Sprint(v)
}

func botRows(all []projections.Bot) [][]string {
	rows := [][]string{{"BOT", "STATUS", "EQUITY", "CASH", "DRAWDOWN", "STREAK", "W/L/N", "REALISED"}}
	for _, b := range all {
		status := string(b.Status)
		if b.Pending {
			status += ", not recorded yet"
		}
		rows = append(rows, []string{
			b.Bot, status, money(b.Equity), money(b.Cash), percent(b.Drawdown), fmt.Sprint(b.ConsecutiveLosses),
			fmt.Sprintf("%d/%d/%d", b.Wins, b.Losses, b.Neutral), money(b.RealisedPnL),
		})
	}
	return rows
}

func positionRows(all []projections.Position) [][]string {
	rows := [][]string{{"BOT", "MARKET", "QUANTITY", "COST", "MARK", "UNREALISED", ""}}
	for _, p := range all {
		mark, note := "-", ""
		if p.Mark != nil {
			mark = money(*p.Mark)
		}
		if p.Oversold {
			note = "oversold"
		}
		rows = append(rows, []string{
			cut(p.Bot, 12), instrument(p.Market, p.Outcome), money(p.Quantity), money(p.Cost), mark, money(p.UnrealisedPnL), note,
		})
	}
	return rows
}
