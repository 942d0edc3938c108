// Package show prints the state of a portfolio for a person: its tables, and the commands that
// lead out of a stop.
//
// It owns what is printed and in which order. It refuses to fold or to decide: it prints what
// a projection returns.
package show

import (
	"fmt"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/internal/cli"
	"pets/projections"
)

// PrintState prints a state and, if something is stopped, what to do next.
func PrintState(a *cli.App, v projections.State, b Extra) error {
	p := a.Printer()
	p.Line("%s  (%s, clock %s)  revision %d  %s UTC", v.Portfolio, v.Mode, v.Clock, v.Revision, cli.Clock(v.Time))
	p.Line("")
	p.Line("equity    %s %s   (realised %s)", cli.Money(v.Equity), v.BaseAsset, cli.Money(v.RealisedEquity))
	p.Line("drawdown  %s from peak %s   (lifetime peak %s)", cli.Percent(v.Drawdown), cli.Money(v.Peak), cli.Money(v.LifetimePeak))
	p.Line("day       %s opened at %s, loss %s", v.Day.Date, cli.Money(v.Day.Open), cli.Percent(v.Day.Loss))
	sayEdition(p, &v)
	if v.ClockBehind > 0 {
		p.Say(0, "CLOCK     the wall clock is %s behind the last record. Starts, resets, clearing, and all that opens are refused (clock) until it is right, or until two people accept it (%s); what stops or reduces is taken", time.Duration(v.ClockBehind).Round(time.Second), a.Typed("override", "request", "clock", "--reason", cli.Unsaid))
	}
	SayStop(p, v.EmergencyStop, b.Stop)
	if len(v.Doubts) > 0 || len(v.WaitingMarks) > 0 || v.Stale || len(v.PartlyMarked) > 0 || v.Unreconciled {
		p.Line("")
	}
	sayMarks(p, &v)
	for _, d := range v.Doubts {
		p.Line("IN DOUBT  %s", InDoubt(a, d, v.BaseAsset))
	}
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	if err := printTables(a, p, tables{v.Breakers, Halted(v.Bots, v.Clock), v.Positions, v.Markets, b.Permits}); err != nil {
		return err
	}
	if !b.Past {
		if v.Clock != domain.ClockImported {
			sayLate(a, p, v.Positions)
		}
		steps := StepsOf(v, b.Stop.Clear)
		steps.permits, steps.stops = b.Permits, b.Stops
		sayWayOut(a, p, steps)
	}
	return p.Err
}

// tables are what a state shows as tables.
type tables struct {
	breakers  []projections.Breaker
	bots      []projections.Bot
	positions []projections.Position
	markets   []portfolio.MarketHolding
	permits   []projections.Permit
}

func printTables(a *cli.App, p *cli.Printer, v tables) error {
	if err := a.Table(BreakerRows(v.breakers)); err != nil {
		return err
	}
	p.Line("")
	if err := a.Table(BotRows(v.bots)); err != nil {
		return err
	}
	sayHalts(p, v.bots)
	sayOwnWords(p, v.bots, v.positions)
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	if err := PrintPositions(a, v.positions, v.markets); err != nil {
		return err
	}
	permits := v.permits
	if len(permits) == 0 {
		p.Line("no live orders")
		return p.Err
	}
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	return a.Table(PermitRows(permits))
}

// PrintOwnState is PrintState without the portfolio's money.
func PrintOwnState(a *cli.App, v projections.OwnState, permits []projections.Permit) error {
	p := a.Printer()
	p.Line("%s  (%s, clock %s)  revision %d  %s UTC", v.Portfolio, v.Mode, v.Clock, v.Revision, cli.Clock(v.Time))
	SayStop(p, v.EmergencyStop, StopStory{})
	p.Line("")
	if p.Err != nil {
		return p.Err
	}
	return printTables(a, p, tables{v.Breakers, Halted(v.Bots, v.Clock), v.Positions, v.Markets, permits})
}

// SayStop prints the emergency stop, where one is engaged.
func SayStop(p *cli.Printer, stop projections.EmergencyStop, story StopStory) {
	if stop.Engaged {
		open := story.Clear
		when, before := story.When(stop)
		p.Line("")
		p.Line("EMERGENCY STOP  %s since %s", *stop.Kind, when)
		p.Line("                %s", *stop.Reason)
		if before != "" {
			p.Line("                %s", before)
		}
		if open.ID != "" {
			p.Line("                %s asked to clear it (%s): a second person has to confirm%s", open.User, open.ID, open.until())
		}
		if stop.Pending {
			p.Line("                HOLDS, but is not recorded yet")
		}
	}
}

// When is the time of the record whose reason is shown, and who made it; and what to say where
// the portfolio was stopped before that.
func (s StopStory) When(stop projections.EmergencyStop) (when, before string) {
	if s.By == "" || stop.Pending || s.Reason != *stop.Reason {
		return cli.Clock(*stop.Since) + " UTC", ""
	}
	if stop.Since.Before(s.At) {
		before = fmt.Sprintf("it was stopped before that, at %s UTC", cli.Clock(*stop.Since))
	}
	return fmt.Sprintf("%s UTC, by %s", cli.Clock(s.At), s.By), before
}

// BreakerRows are breakers as a table.
func BreakerRows(all []projections.Breaker) [][]string {
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
		rows = append(rows, []string{b.Breaker, bot, status, Plain(b.Value), Plain(b.Limit), since})
	}
	return rows
}

// Plain formats a streak as a number and a ratio as a percentage. Ratios from a server are
// strings.
func Plain(v any) string {
	switch v := v.(type) {
	case nil: // a breaker that this build does not know
		return "-"
	case domain.Decimal:
		return cli.Percent(v)
	case string:
		if d, err := domain.ParseDecimal(v); err == nil {
			return cli.Percent(d)
		}
	}
	return fmt.Sprint(v)
}

// BotRows returns bots as the rows of a table.
func BotRows(all []projections.Bot) [][]string {
	halted := slices.ContainsFunc(all, func(b projections.Bot) bool { return isHalted(&b) })
	rows := [][]string{{"BOT", "STATUS", "EQUITY", "CASH", "DRAWDOWN", "STREAK", "W/L/N", "REALISED"}}
	if halted {
		rows[0] = append(rows[0], "MAY")
	}
	for _, b := range all {
		status := string(b.Status)
		if b.Pending {
			status += ", not recorded yet"
		}
		if b.Asleep {
			status += ", asleep"
		}
		rows = append(rows, []string{
			b.Bot, status, cli.Money(b.Equity), cli.Money(b.Cash), cli.Percent(b.Drawdown), fmt.Sprint(b.ConsecutiveLosses),
			fmt.Sprintf("%d/%d/%d", b.Wins, b.Losses, b.Neutral), cli.Money(b.RealisedPnL),
		})
		if last := len(rows) - 1; halted {
			rows[last] = append(rows[last], may(b.Halts))
		}
	}
	return rows
}

func positionRows(all []projections.Position) [][]string {
	rows := [][]string{{"BOT", "MARKET", "QUANTITY", "COST", "MARK", "UNREALISED", ""}}
	for _, p := range all {
		mark := "-"
		if p.Mark != nil {
			mark = cli.Money(*p.Mark)
		}
		rows = append(rows, []string{
			p.Bot, cli.Instrument(p.Market, p.Outcome), cli.Money(p.Quantity), cli.Money(p.Cost), mark, cli.Money(p.UnrealisedPnL), notes(&p),
		})
	}
	return rows
}

// PermitRows returns live orders as the rows of a table.
func PermitRows(all []projections.Permit) [][]string {
	special := slices.ContainsFunc(all, func(p projections.Permit) bool { return terms(&p) != "" })
	rows := [][]string{{"PERMIT", "BOT", "MARKET", "SIDE", "QUANTITY", "LEFT", "LIMIT", "RESERVED", "STATUS", "EXPIRES"}}
	if special {
		rows[0] = append(rows[0], "TERMS")
	}
	for _, p := range all {
		expires := "-"
		if p.ExpiresAt != nil {
			expires = cli.Clock(*p.ExpiresAt)
		}
		rows = append(rows, []string{
			p.Permit, p.Bot, cli.Instrument(p.Market, p.Outcome), string(p.Side), cli.Money(p.Quantity), cli.Money(p.Left),
			cli.Money(p.LimitPrice), cli.Money(p.Reserved), p.Status, expires,
		})
		if last := len(rows) - 1; special {
			rows[last] = append(rows[last], terms(&p))
		}
	}
	return rows
}

// PrintPositions prints the open positions, and what they are worth together in exclusive markets.
func PrintPositions(a *cli.App, v []projections.Position, markets []portfolio.MarketHolding) error {
	if len(v) == 0 {
		p := a.Printer()
		p.Line("no open positions")
		return p.Err
	}
	if err := a.Table(positionRows(v)); err != nil {
		return err
	}
	return printMarkets(a, markets)
}
