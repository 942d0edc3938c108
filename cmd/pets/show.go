package main

import (
	"fmt"

	"pets/domain"
	"pets/domain/risk"
	"pets/projections"
)

func printState(a *app, v projections.State, b stateExtra) error {
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
	if err := printTables(a, p, v.Breakers, v.Bots, v.Positions, b.permits); err != nil {
		return err
	}
	if !b.past {
		sayWayOut(a, p, stepsOf(v, b.clear))
	}
	return p.err
}

func printTables(a *app, p *printer, breakers []projections.Breaker, bots []projections.Bot, positions []projections.Position, permits []projections.Permit) error {
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
	if err := printPositions(a, positions); err != nil {
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

// printOwnState is printState without the portfolio's money.
func printOwnState(a *app, v projections.OwnState, permits []projections.Permit) error {
	p := a.printer()
	p.line("%s  (%s, clock %s)  revision %d  %s UTC", v.Portfolio, v.Mode, v.Clock, v.Revision, clock(v.Time))
	sayStop(p, v.EmergencyStop, clearRequest{})
	p.line("")
	if p.err != nil {
		return p.err
	}
	return printTables(a, p, v.Breakers, v.Bots, v.Positions, permits)
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

func permitRows(all []projections.Permit) [][]string {
	rows := [][]string{{"PERMIT", "BOT", "MARKET", "SIDE", "QUANTITY", "LEFT", "LIMIT", "RESERVED", "STATUS", "EXPIRES"}}
	for _, p := range all {
		expires := "-"
		if p.ExpiresAt != nil {
			expires = clock(*p.ExpiresAt)
		}
		rows = append(rows, []string{
			p.Permit, cut(p.Bot, 12), instrument(p.Market, p.Outcome), string(p.Side), money(p.Quantity), money(p.Left),
			money(p.LimitPrice), money(p.Reserved), p.Status, expires,
		})
	}
	return rows
}

func printPositions(a *app, v []projections.Position) error {
	if len(v) == 0 {
		p := a.printer()
		p.line("no open positions")
		return p.err
	}
	return a.table(positionRows(v))
}
