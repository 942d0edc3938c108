package main

import (
	"context"
	"strings"
	"unicode/utf8"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/projections"
)

// stateExtra is what a person has to know beside the state: which orders may still be
// filled, and whether somebody asked to clear the emergency stop.
type stateExtra struct {
	permits []projections.Permit
	clear   clearRequest
	past    bool // of a moment that is over: nothing can be done about it
}

// clearRequest is an open request to clear the emergency stop; empty for none.
type clearRequest struct{ id, user string }

func clearOf(s *portfolio.State) clearRequest {
	if !s.Stop.Engaged {
		return clearRequest{}
	}
	return clearRequest{s.Stop.Request, s.Stop.Requester}
}

// askExtra asks a server for it. A bot's key is told its own orders, and no request.
func (a *app) askExtra(ctx context.Context, moment string, stop projections.EmergencyStop) (stateExtra, error) {
	var v struct{ Permits []projections.Permit }
	if err := a.view(ctx, moment, "/permits", nil, &v); err != nil {
		return stateExtra{}, err
	}
	open, err := a.askClear(ctx, moment, stop)
	return stateExtra{v.Permits, open, moment != ""}, err
}

// askClear finds the open request among the events: no view of a server has it.
func (a *app) askClear(ctx context.Context, moment string, stop projections.EmergencyStop) (clearRequest, error) {
	var open clearRequest
	if !stop.Engaged {
		return open, nil
	}
	err := a.eachEvent(ctx, eventFilter{at: moment, after: -1, types: []string{"emergency_stop."}}, func(line eventLine) error {
		e, err := domain.Decode(line.Type, line.Data)
		if err != nil {
			return err
		}
		open = clearRequest{} // a new stop ends the request, and a clearing does
		if asked, ok := e.(*domain.EmergencyStopClearRequested); ok {
			open = clearRequest{asked.Request, asked.User}
		}
		return nil
	})
	return open, err
}

// nextSteps is what tells a person what to do next.
type nextSteps struct {
	stop     projections.EmergencyStop
	clear    clearRequest
	breakers []projections.Breaker
	bots     []projections.Bot
	// imported: the portfolio keeps the clock of its files. It shows what would have
	// happened: its bots are not started again, and its stop is not cleared.
	imported bool
	equity   domain.Decimal
}

// sayWayOut prints the commands that lead out of a stop, in the order in which they work:
// breakers first, for the emergency stop is not cleared while one of them is tripped that
// engages it; the bots last.
func (a *app) sayWayOut(p *printer, n nextSteps) {
	tripped := trippedOf(n.breakers)
	if len(tripped) == 0 && !n.stop.Engaged {
		return
	}
	p.line("")
	p.line("WHAT TO DO NEXT")
	a.sayResets(p, n, tripped)
	if n.imported {
		p.say(2, "This portfolio shows what would have happened: its bots are not started again, and its emergency stop is not cleared.")
		return
	}
	if n.stop.Engaged {
		a.sayClear(p, n.clear)
	}
	a.sayStarts(p, n.bots)
}

func trippedOf(all []projections.Breaker) []projections.Breaker {
	var tripped []projections.Breaker
	for _, b := range all {
		if b.Status == risk.Tripped {
			tripped = append(tripped, b)
		}
	}
	return tripped
}

func (a *app) sayResets(p *printer, n nextSteps, tripped []projections.Breaker) {
	if len(tripped) == 0 {
		return
	}
	p.say(2, "Look at what tripped, and at what a reset would do:")
	a.command(p, "events", "--type", "breaker,trade")
	for _, b := range tripped {
		a.command(p, append(resetOf(b), "--dry-run")...)
	}
	a.sayMoney(p, n.lacking(tripped))
	p.say(2, "Then reset it, as an operator, and say why. Where it would trip again at once, --rebase counts from the equity now:")
	for _, b := range tripped {
		words := resetOf(b)
		if atLimit(b) {
			words = append(words, "--rebase")
		}
		a.command(p, append(words, "--reason", `"…"`)...)
	}
}

func resetOf(b projections.Breaker) []string {
	words := []string{"reset", b.Breaker}
	if b.Bot != nil {
		words = append(words, "--bot", *b.Bot)
	}
	return words
}

func (a *app) sayClear(p *printer, open clearRequest) {
	if open.id != "" {
		p.say(2, "%s asked to clear the emergency stop (%s). Another person confirms, as an approver:", open.user, open.id)
		a.command(p, "clear", "--confirm", open.id)
		return
	}
	p.say(2, "Clear the emergency stop, when its reason is gone. One person asks, as an operator or an approver:")
	a.command(p, "clear", "--reason", `"…"`)
	p.say(2, "Another confirms, as an approver, what the first was answered:")
	a.command(p, "clear", "--confirm", "REQUEST")
}

// sayStarts: a reset and a clearing leave the bots stopped.
func (a *app) sayStarts(p *printer, bots []projections.Bot) {
	const most = 5
	var stopped []string
	for _, b := range bots {
		if b.Status == portfolio.Stopped {
			stopped = append(stopped, b.Bot)
		}
	}
	switch {
	case len(stopped) == 0:
		return
	case len(stopped) > most:
		p.say(2, "The bots stay stopped until an operator starts them, one by one:")
		a.command(p, "start", "BOT")
	default:
		p.say(2, "The bots stay stopped until an operator starts them, one by one:")
		for _, bot := range stopped {
			a.command(p, "start", bot)
		}
	}
}

// command prints a command as it has to be typed: with the flags of this run that say
// which portfolio of which store is meant. One that is too long goes on below.
func (a *app) command(p *printer, words ...string) {
	words = append([]string{a.name()}, words...)
	for _, f := range []struct{ name, value string }{{"-p", a.portfolio}, {"--server", a.server}, {"--store", a.store}} {
		if f.value != "" {
			words = append(words, f.name, quoted(f.value))
		}
	}
	p.command(words)
}

// command prints the words of one; what does not fit goes on below.
func (p *printer) command(words []string) {
	const indent, more = "    ", "      "
	line := indent + words[0]
	for _, w := range words[1:] {
		if p.width > 0 && utf8.RuneCountInString(line+" "+w+` \\`) > p.width && strings.TrimSpace(line) != "" {
			p.whole(line + ` \`)
			line = more + w
			continue
		}
		line += " " + w
	}
	p.whole(line)
}

// quoted is a word for a shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)
	}
	if strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
