package show

import (
	"fmt"

	"pets/commands"
	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
	"pets/internal/cli"
	"pets/projections"
)

// A rebase measures from the current equity, so it does not help while equity is not above 0:
// money has to come first.

// StepsOf returns what a state says about the way out of a stop.
func StepsOf(v projections.State, open ClearRequest) nextSteps {
	return nextSteps{
		stop: v.EmergencyStop, Clear: open, breakers: v.Breakers, bots: v.Bots, imported: v.Clock == domain.ClockImported, equity: v.Equity,
		day: v.Day.Date, live: v.Mode == domain.ModeLive, positions: v.Positions, markets: v.Markets, second: v.Policy.Second(),
		waiting: v.WaitingMarks, after: v.Policy.ConfirmAfter(),
	}
}

// Lack is the money without which tripped breakers cannot be reset.
type Lack struct {
	bots      []botLack
	portfolio bool
	deposit   domain.Decimal // a deposit that covers everything
	day       string         // of the state that it was computed from
}

type botLack struct {
	bot          string
	equity, give domain.Decimal
}

// Any reports whether anything is lacking.
func (l Lack) Any() bool { return l.portfolio || len(l.bots) > 0 }

// Lacking computes the money that is missing: one unit more than the gap lifts equity above 0.
func (n nextSteps) Lacking(tripped []projections.Breaker) Lack {
	l := Lack{day: n.day}
	seen := map[string]bool{}
	for _, b := range tripped {
		r, ok := risk.RuleOf(b.Breaker)
		switch {
		case !ok || r.Rebase == nil:
		case b.Bot == nil:
			l.portfolio = l.portfolio || n.lacks(n.equity)
		case !seen[*b.Bot]:
			seen[*b.Bot] = true
			l.bots = append(l.bots, n.lackOf(*b.Bot)...)
		}
	}
	for _, b := range l.bots {
		l.deposit = l.deposit.Add(b.give)
	}
	if l.portfolio {
		l.deposit = l.deposit.Max(domain.One.Sub(n.equity))
	}
	return l
}

// lacks reports whether no rebase can measure from an equity: under the second edition of the
// rules one can measure from a debt.
func (n nextSteps) lacks(equity domain.Decimal) bool {
	return equity.IsZero() || equity.Sign() < 0 && !n.second
}

func (n nextSteps) lackOf(bot string) []botLack {
	for _, b := range n.bots {
		if b.Bot == bot && n.lacks(b.Equity) {
			return []botLack{{bot, b.Equity, domain.One.Sub(b.Equity)}}
		}
	}
	return nil
}

// SayMoney prints the commands that have to come before a reset.
func SayMoney(a *cli.App, p *cli.Printer, l Lack) {
	if !l.Any() {
		return
	}
	p.Say(2, "A reset needs equity above 0, with --rebase and without. Money comes first, with the key of an operator, at a server:")
	if l.portfolio {
		p.Say(2, "Where a record is wrong, such as a withdrawal that was mistyped, make up no deposit: an admin corrects the books by as much as is wrong (%s).", a.Typed("adjust", ledger.PlaceHot+":"+ledger.Treasury, "--add", "N", "--reason", "TEXT"))
		p.Say(2, "Else record a deposit that has arrived (this much is the least that is enough):")
	} else {
		p.Say(2, "If hot:treasury (%s) has less than %s, record a deposit that has arrived:", a.Typed("balances"), l.deposit)
	}
	once(a, p, l.day, "deposit", l.deposit.String())
	for _, b := range l.bots {
		p.Say(2, "%s has an equity of %s; give it more than it lacks:", b.bot, b.equity)
		once(a, p, l.day, "bot", "allocate", b.bot, b.give.String())
	}
}

// once prints a command that moves money with a key that follows from what it books and from the
// day: copied and run again, by the same person or another one, it happens once.
func once(a *cli.App, p *cli.Printer, day string, words ...string) {
	key := commands.SuggestedKey(append([]string{"lack", a.Config.Portfolio, day}, words...)...)
	a.Command(p, append(words, "--key", key)...)
}

// atLimit reports whether a breaker that has tripped would trip again at once.
func atLimit(b projections.Breaker) bool {
	r, ok := risk.RuleOf(b.Breaker)
	if !ok || r.Rebase == nil {
		return false
	}
	value, err1 := domain.ParseDecimal(fmt.Sprint(b.Value))
	limit, err2 := domain.ParseDecimal(fmt.Sprint(b.Limit))
	return err1 == nil && err2 == nil && limit.Sign() > 0 && !value.Less(limit)
}
