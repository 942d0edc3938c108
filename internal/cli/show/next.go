package show

import (
	"context"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/internal/cli"
	"pets/projections"
)

// Extra is what a person has to know besides the state: the orders that may still be filled, and
// an open request to clear the emergency stop.
type Extra struct {
	Permits []projections.Permit
	Stop    StopStory
	Stops   BotStops
	Past    bool // of a moment that is over: nothing can be done about it
}

// ClearRequest is an open request to clear the emergency stop; empty for none.
type ClearRequest struct {
	ID, User string
	Ends     time.Time // zero if it does not end
}

// until says when the request ends.
func (r ClearRequest) until() string {
	if r.Ends.IsZero() {
		return ""
	}
	return ", until " + cli.Clock(r.Ends) + " UTC"
}

// StopStory is what the records tell of the emergency stop: the open request to clear it, and
// the record whose kind and reason are shown.
type StopStory struct {
	Clear  ClearRequest
	By     string // who stopped it
	At     time.Time
	Reason string
}

// Follow is told of each record.
func (s *StopStory) Follow(e domain.Event, at time.Time, user string) {
	switch e := e.(type) {
	case *domain.EmergencyStopEngaged: // it ends the request
		s.Clear = ClearRequest{}
		if e.RequestedKind == "" && e.Reason != s.Reason || s.By == "" { // a less severe one, and one without a reason, leave the reason
			s.By, s.At, s.Reason = user, at, e.Reason
		}
	case *domain.EmergencyStopCleared:
		*s = StopStory{}
	case *domain.EmergencyStopClearRequested:
		s.Clear = ClearRequest{e.Request, e.User, e.ExpiresAt}
	}
}

// ClearOf is the open request of a portfolio.
func ClearOf(s *portfolio.State) ClearRequest {
	if !s.Stop.Engaged {
		return ClearRequest{}
	}
	return ClearRequest{s.Stop.Request, s.Stop.Requester, s.Stop.RequestEnds}
}

// BotStops are the bots that a person stopped, and that were not started since.
type BotStops map[string]BotStop

// BotStop is who stopped a bot, when and why.
type BotStop struct {
	By     string
	At     time.Time
	Reason string
	Full   bool
}

// Follow is told of each record.
func (s BotStops) Follow(e domain.Event, at time.Time, user string) {
	switch e := e.(type) {
	case *domain.BotStopped:
		s[e.Bot] = BotStop{user, at, e.Reason, e.Full}
	case *domain.BotStarted:
		delete(s, e.Bot)
	}
}

// AskStops finds them among the events, where a bot is stopped. Who may not see them is shown the
// state without.
func AskStops(ctx context.Context, a *cli.App, moment string, bots []projections.Bot) BotStops {
	stops := BotStops{}
	if !AnyStopped(bots) {
		return stops
	}
	_ = a.EachEvent(ctx, cli.EventQuery{At: moment, After: -1, Types: []string{"bot.started", "bot.stopped"}}, func(line cli.EventLine) error {
		e, err := domain.Decode(line.Type, line.Data)
		if err == nil {
			stops.Follow(e, line.Time, line.User)
		}
		return nil
	})
	return stops
}

// AnyStopped reports whether a bot is stopped. One that was never started is not.
func AnyStopped(bots []projections.Bot) bool {
	return slices.ContainsFunc(bots, func(b projections.Bot) bool { return b.Status == portfolio.Stopped })
}

// AskExtra asks a server. A bot's key sees its own orders, and no request.
func AskExtra(ctx context.Context, a *cli.App, moment string, stop projections.EmergencyStop) (Extra, error) {
	var v struct{ Permits []projections.Permit }
	if err := a.View(ctx, moment, "/permits", nil, &v); err != nil {
		return Extra{}, err
	}
	story, err := AskStory(ctx, a, moment, stop)
	return Extra{Permits: v.Permits, Stop: story, Past: moment != ""}, err
}

// AskStory finds it among the events: no view of a server has it.
func AskStory(ctx context.Context, a *cli.App, moment string, stop projections.EmergencyStop) (StopStory, error) {
	var story StopStory
	if !stop.Engaged {
		return story, nil
	}
	err := a.EachEvent(ctx, cli.EventQuery{At: moment, After: -1, Types: []string{"emergency_stop."}}, func(line cli.EventLine) error {
		e, err := domain.Decode(line.Type, line.Data)
		if err != nil {
			return err
		}
		story.Follow(e, line.Time, line.User)
		return nil
	})
	return story, err
}

// nextSteps is what determines the next steps of a person.
type nextSteps struct {
	stop     projections.EmergencyStop
	Clear    ClearRequest
	breakers []projections.Breaker
	bots     []projections.Bot
	// imported means that the portfolio keeps the clock of its files and only shows what would
	// have happened: its bots are not started again, and its stop is not cleared.
	imported bool
	equity   domain.Decimal
	day      string // of the state
	live     bool
	permits  []projections.Permit
	// positions are what the bots hold.
	positions []projections.Position
	// stops are the stops of bots by people.
	stops BotStops
	// markets are what they hold of exclusive markets as a whole.
	markets []portfolio.MarketHolding
	// waiting are the marks that wait, and for how long at most.
	waiting []projections.WaitingMark
	after   time.Duration
	// second means that the portfolio lives by the second edition of the rules.
	second bool
}

// Resting are the orders that may still be filled although their bot, or everything, is stopped:
// a stop revokes what was not placed, and does not reach a venue. One on paper is filled, too, when
// the mark reaches its limit. Orders that only reduce, such as a stop-loss, are left where they rest:
// every halt directs bots to cancel those that open.
func Resting(all []projections.Permit, stop projections.EmergencyStop, bots []projections.Bot) []projections.Permit {
	stopped := map[string]bool{}
	for _, b := range bots {
		stopped[b.Bot] = b.Status == portfolio.Stopped
	}
	return slices.DeleteFunc(slices.Clone(all), func(p projections.Permit) bool {
		return p.Status != "working" || p.Reduces || !stop.Engaged && !stopped[p.Bot]
	})
}

// sayResting prints what to do about the orders that still rest.
func sayResting(a *cli.App, p *cli.Printer, n nextSteps) {
	resting := Resting(n.permits, n.stop, n.bots)
	if len(resting) == 0 || n.imported {
		return
	}
	p.Say(2, "Orders of stopped bots may still be filled: a stop does not reach a venue. Cancel them there, then release their permits:")
	if len(resting) > MostPrinted {
		a.Command(p, "permits")
		a.Command(p, "permit", "release", "PERMIT")
		return
	}
	for _, one := range resting {
		a.Command(p, "permit", "release", one.Permit)
	}
}

// MostPrinted is how many commands that differ in a name only are printed.
const MostPrinted = 5

// sayWayOut prints the commands that lead out of a stop, in the order in which they work:
// breakers first, because the emergency stop cannot be cleared while a breaker that engages it
// is tripped; bots last.
func sayWayOut(a *cli.App, p *cli.Printer, n nextSteps) {
	tripped := TrippedOf(n.breakers)
	if len(tripped) == 0 && !n.stop.Engaged && !n.held() && (n.imported || !AnyStopped(n.bots)) {
		return
	}
	p.Line("")
	p.Line("WHAT TO DO NEXT")
	sayResting(a, p, n)
	if n.held() {
		sayHeld(a, p)
		return
	}
	sayStopped(p, n)
	sayWaysToFlat(a, p, n)
	sayResets(a, p, n, tripped)
	if n.imported {
		p.Say(2, "This portfolio shows what would have happened: its bots are not started again, and its emergency stop is not cleared.")
		return
	}
	if n.stop.Engaged {
		sayClear(a, p, n)
	}
	sayStarts(a, p, n.bots)
}

// sayStopped says who stopped which bots, when and why.
func sayStopped(p *cli.Printer, n nextSteps) {
	said := 0
	for _, b := range n.bots {
		s, known := n.stops[b.Bot]
		if b.Status != portfolio.Stopped || !known {
			continue
		}
		if said++; said > MostPrinted {
			p.Say(2, "Others were stopped by people, too: their events (bot.stopped) say by whom, when and why.")
			return
		}
		fully, why := "", ""
		if s.Full {
			fully = " fully: it may not even reduce"
		}
		if s.Reason != "" {
			why = ". Why: " + s.Reason
		}
		p.Say(2, "%s was stopped by %s at %s UTC%s%s", b.Bot, s.By, cli.Clock(s.At), fully, why)
	}
}

// held reports whether a stop holds that is not recorded yet: nothing lets trading go on then.
func (n nextSteps) held() bool {
	return n.stop.Pending || slices.ContainsFunc(n.bots, func(b projections.Bot) bool { return b.Pending })
}

// sayHeld: what is not recorded cannot be cleared.
func sayHeld(a *cli.App, p *cli.Printer) {
	p.Say(2, "A stop that is not recorded yet cannot be cleared. See why it is not:")
	a.Command(p, "status")
	p.Say(2, "Where the store takes no more events: stop the server, look at its store on its machine, and start it again. It records the stop before anything else.")
	p.Advice(a.AdviseElsewhere("", "verify", "--store", "embedded:DIR"))
}

// TrippedOf are the breakers that are tripped.
func TrippedOf(all []projections.Breaker) []projections.Breaker {
	var tripped []projections.Breaker
	for _, b := range all {
		if b.Status == risk.Tripped {
			tripped = append(tripped, b)
		}
	}
	return tripped
}

func sayResets(a *cli.App, p *cli.Printer, n nextSteps, tripped []projections.Breaker) {
	if len(tripped) == 0 {
		return
	}
	p.Say(2, "Look at what tripped, and at what a reset would do:")
	a.Command(p, "events", "--type", "breaker,trade")
	for _, b := range tripped {
		a.Command(p, append(ResetOf(b), "--dry-run")...)
	}
	SayMoney(a, p, n.Lacking(tripped))
	tripped = sayWaiting(a, p, n, tripped)
	if len(tripped) == 0 {
		return
	}
	p.Say(2, "Then reset it, as an operator, and say why. If it would trip again at once, --rebase counts from the current equity:")
	for _, b := range tripped {
		words := ResetOf(b)
		if atLimit(b) {
			words = append(words, "--rebase")
		}
		a.Command(p, append(words, "--reason", cli.Unsaid)...)
	}
}

// sayWaiting says which marks wait that may undo what tripped, and returns the breakers that can be
// reset now: a rebase would measure the day from the price that they are about to replace, and what
// is lost after it would trip nothing.
func sayWaiting(a *cli.App, p *cli.Printer, n nextSteps, tripped []projections.Breaker) (rest []projections.Breaker) {
	var waiting []projections.WaitingMark
	for _, b := range tripped {
		marks := n.waitingOf(b)
		if len(marks) == 0 || !atLimit(b) {
			rest = append(rest, b)
		}
		for _, w := range marks {
			if !slices.Contains(waiting, w) {
				waiting = append(waiting, w)
			}
		}
	}
	SayWaiting(a, p, waiting, n.after)
	return rest
}

// waitingOf lists the marks beyond the collar of what a breaker's scope holds.
func (n nextSteps) waitingOf(b projections.Breaker) []projections.WaitingMark {
	return slices.DeleteFunc(slices.Clone(n.waiting), func(w projections.WaitingMark) bool {
		return w.InForce == nil || w.Asset == "" && !slices.ContainsFunc(n.positions, func(h projections.Position) bool {
			return h.Market == w.Market && (b.Bot == nil || *b.Bot == h.Bot)
		})
	})
}

// SayWaiting prints marks that wait, of what a breaker's scope holds, and what confirms them.
func SayWaiting(a *cli.App, p *cli.Printer, waiting []projections.WaitingMark, after time.Duration) {
	if len(waiting) == 0 {
		return
	}
	p.Say(2, "A mark of what is held waits, and the breaker is measured at the price in force, which may be the wrong one. Do not rebase on it: wait until then, or confirm the mark if it is right. Then look again:")
	for _, w := range waiting[:min(len(waiting), MostPrinted)] {
		p.Line("    %s", Waiting(w, after))
		words := Named([]string{"mark"}, []string{w.Market, w.Outcome, w.Price.String()})
		if w.Asset != "" {
			words = []string{"mark", "--asset", w.Asset, w.Price.String()}
		}
		a.Command(p, words...)
	}
	a.Command(p, "state")
}

// MarksOf names marks with their prices.
func MarksOf(all []domain.ConfirmedMark) string {
	names := make([]string, len(all))
	for n, m := range all {
		if names[n] = m.Asset; m.Asset == "" {
			names[n] = cli.Instrument(m.Market, m.Outcome)
		}
		names[n] += " " + cli.Money(m.Price)
	}
	return some(names)
}

// ResetOf returns the command that resets a breaker, without --reason.
func ResetOf(b projections.Breaker) []string {
	words := []string{"reset", b.Breaker}
	if b.Bot != nil {
		words = append(words, "--bot", *b.Bot)
	}
	return words
}

func sayClear(a *cli.App, p *cli.Printer, n nextSteps) {
	open := n.Clear
	if n.live && *n.stop.Kind == domain.StopSecurityBreach {
		p.Say(2, "A key may have leaked. Bring the money to safety first, as docs/runbooks/security-breach.md says: the hot wallets are swept, once; of the coins that pay for it some stay behind. If the words of a cold wallet may have leaked, begin with docs/runbooks/leaked-cold-words.md:")
		a.Command(p, "wallet", "sweep", "--to", domain.WalletCold, "--reason", cli.Unsaid)
	}
	if open.ID != "" {
		p.Say(2, "%s asked to clear the emergency stop (%s). Another person confirms, as an approver%s:", open.User, open.ID, open.until())
		a.Command(p, "clear", "--confirm", open.ID)
		return
	}
	p.Say(2, "Clear the emergency stop, when its reason is gone. One person asks, as an operator or an approver:")
	a.Command(p, "clear", "--reason", cli.Unsaid)
	p.Say(2, "Another confirms, as an approver, what the first was answered:")
	a.Command(p, "clear", "--confirm", "REQUEST")
}

// sayStarts prints how to start the bots, which stay stopped after a reset or a clearing.
func sayStarts(a *cli.App, p *cli.Printer, bots []projections.Bot) {
	var stopped []string
	for _, b := range bots {
		if b.Status == portfolio.Stopped {
			stopped = append(stopped, b.Bot)
		}
	}
	switch {
	case len(stopped) == 0:
		return
	case len(stopped) > MostPrinted:
		p.Say(2, "The bots stay stopped until an operator starts them, one by one:")
		a.Command(p, "start", "BOT")
	default:
		p.Say(2, "The bots stay stopped until an operator starts them, one by one:")
		for _, bot := range stopped {
			a.Command(p, "start", bot)
		}
	}
}
