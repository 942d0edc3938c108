package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// The current status of a permit, in a repeated answer.
const (
	// PermitWorking: an order was already placed under it.
	PermitWorking = "working"
	// PermitOver: it was used up, released or revoked, or has expired.
	PermitOver = "over"
	// PermitHeld: a stop that is in force but not recorded yet ends it.
	PermitHeld = "held"
)

// asOfNow updates answers before they are sent. The answer of an accepted command
// is permanent in its records, but what it allows is not. A caller that repeats a
// request gets the current directives, and no answer that suggests an order under
// an ended permit. If the current status cannot be determined there is no answer:
// the caller repeats the request with the same key.
func (e *Engine) asOfNow(ctx context.Context, id string, requests []Request, results []Result) {
	var again []int
	for i := range results {
		if results[i].Err == nil && results[i].Answer.Replayed {
			again = append(again, i)
		}
	}
	pending := e.Pending(id)
	e.addressed(ctx, id, results)
	if len(again) > 0 {
		err := e.renew(ctx, id, requests, results, again, pending)
		for _, i := range again {
			if err != nil && results[i].Answer.Permit != nil {
				results[i] = Result{Err: err}
			}
		}
	}
	// A stop that was recorded meanwhile is no longer pending, and may be missing from the
	// state if renew did not read it after that. So stops that were pending before count too.
	if pending = append(e.Pending(id), pending...); len(pending) == 0 {
		return
	}
	for i := range results {
		if a := &results[i].Answer; results[i].Err == nil {
			a.addPending(pending, botOf(&requests[i]))
		}
	}
}

// addressed sends what first answers direct to whom it concerns: to close positions, to bots that
// have something to close, and to cancel an order, to the bot whose order it is. The record of a
// halt names the bots that it stops, and the orders, not whose they are.
func (e *Engine) addressed(ctx context.Context, id string, results []Result) {
	var first []*Answer
	for i := range results {
		if a := &results[i].Answer; results[i].Err == nil && !a.Replayed && slices.ContainsFunc(a.Directives, halts) {
			first = append(first, a)
		}
	}
	if len(first) == 0 {
		return
	}
	w, err := e.writer(ctx, id, false)
	if err != nil {
		return
	}
	_ = w.lookAt(ctx, func(fold stateFold) error {
		if p, ok := fold.(*portfolioFold); ok {
			for _, a := range first {
				a.Directives = Addressed(p.s, a.Directives)
			}
		}
		return nil
	}) // what cannot be read takes nothing away
}

// halts reports whether a directive is of those that a halt gives to many bots.
func halts(d Directive) bool {
	return d.Action == ActionClosePositions || d.Action == ActionCancelOrders && len(d.Bots) > 0
}

// Addressed returns directives as they concern bots by a state. One for an order of which nothing
// is known any more stays as it is. In the first edition all do.
func Addressed(s *portfolio.State, all []Directive) []Directive {
	if !s.Policy.Second() {
		return all
	}
	out := make([]Directive, 0, len(all))
	for _, d := range all {
		switch d.Action {
		case ActionClosePositions:
			d.Bots = slices.DeleteFunc(slices.Clone(d.Bots), func(b string) bool { return !s.ToldToClose(b) })
			if len(d.Bots) > 0 {
				out = append(out, d)
			}
		case ActionCancelOrders:
			out = append(out, byOwner(s, d)...)
		default:
			out = append(out, d)
		}
	}
	return out
}

// byOwner splits a directive to cancel orders by whose they are, in the order of its permits.
func byOwner(s *portfolio.State, d Directive) (out []Directive) {
	for _, permit := range d.Permits {
		bots := d.Bots
		if p := s.Permits[permit]; p != nil {
			bots = []string{p.Bot}
		}
		if i := slices.IndexFunc(out, func(o Directive) bool { return slices.Equal(o.Bots, bots) }); i >= 0 {
			out[i].Permits = append(out[i].Permits, permit)
			continue
		}
		one := d
		one.Bots, one.Permits = bots, []string{permit}
		out = append(out, one)
	}
	return out
}

// botOf returns the bot that a command acts for, or "".
func botOf(r *Request) string {
	if bot := actor(r.Command); bot != "" {
		return bot
	}
	return r.Caller.Bot
}

// renew determines, at the head of the stream, the current status of earlier
// answers.
func (e *Engine) renew(ctx context.Context, id string, requests []Request, results []Result, again []int, pending []PendingStop) error {
	w, err := e.writer(ctx, id, false)
	if err != nil {
		return err
	}
	return w.lookAt(ctx, func(fold stateFold) error {
		p, ok := fold.(*portfolioFold)
		if !ok {
			return nil
		}
		standing := Standing(p.s, pending)
		live := w.livePermits(p.s)
		for _, i := range again {
			a, bot := &results[i].Answer, botOf(&requests[i])
			a.Directives = renewed(a.Directives, standing, bot, p.s)
			if a.Permit != nil && a.Permit.Allowed {
				a.Permit = a.Permit.renewed(live, obstacles(p.s, bot))
			}
		}
		return nil
	})
}

// livePermits returns the status of permits, as the next command would find them.
func (w *Writer) livePermits(s *portfolio.State) func(permit string, deadline *time.Time) (status string) {
	wall := w.options.Now()
	w.jump.compare(wall)
	now, behind := s.ClockAt(wall)
	w.still.readClocks(wall, behind)
	at := w.still.standing()
	ended := w.jump.pending().By != 0 || at.Entered // what is not placed ends with the next command
	return func(permit string, deadline *time.Time) string {
		p := s.Permits[permit]
		switch {
		case p == nil || !p.Live(now):
			return PermitOver
		case p.Working:
			return PermitWorking
		case ended || slices.Contains(at.Overdue, permit) || deadline != nil && !now.Before(*deadline):
			return PermitOver
		}
		return ""
	}
}

// renewed returns the current status of an earlier permit. Only an unchanged
// permit still allows an order; the engine fills paper orders itself.
func (p *PermitAnswer) renewed(live func(permit string, deadline *time.Time) string, why []domain.Reason) *PermitAnswer {
	c := *p
	c.Legs = slices.Clone(p.Legs)
	if p.Arbitrage == "" && p.Fill == nil {
		c.Status = live(p.PermitID, nil)
	}
	for i := range c.Legs {
		leg := &c.Legs[i]
		if leg.Fill == nil {
			leg.Status = live(leg.PermitID, p.Deadline)
		}
		if c.Status == "" || leg.Status == PermitOver {
			c.Status = leg.Status
		}
	}
	if c.Status != "" {
		c.Allowed, c.Reasons = false, why
	}
	return &c
}

// obstacles returns the reasons why a bot may not trade at all now.
func obstacles(s *portfolio.State, bot string) []domain.Reason {
	why := []domain.Reason{}
	if s.Stop.Engaged {
		why = append(why, domain.Reason{Code: domain.ReasonEmergencyStop, Value: s.Stop.Kind, Message: "the emergency stop is engaged"})
	}
	if b := s.Bots[bot]; b != nil && b.Status != portfolio.Running {
		why = append(why, domain.Reason{Code: domain.ReasonBotStopped, Value: string(b.Status), Message: fmt.Sprintf("the bot is %s; an operator has to start it", b.Status)})
	}
	return why
}

// renewed returns the directives of a repeated answer: those of the first answer
// that still apply, and the current ones.
func renewed(first, standing []Directive, bot string, s *portfolio.State) []Directive {
	out := []Directive{}
	for _, d := range first {
		switch d.Action {
		case ActionCancelOrders, ActionCloseLegs: // what stands names the orders and legs of now
			continue
		case ActionGroupShrunk:
			d.Shrunk = shrunkNow(d.Shrunk, s)
			out = append(out, d)
			continue
		}
		still := slices.DeleteFunc(slices.Clone(d.Bots), func(b string) bool { return !directs(standing, d.Action, b) })
		out = direct(out, d.Action, still, d.Reason)
	}
	for _, d := range standing {
		if slices.Contains(d.Bots, bot) && !directs(out, d.Action, bot) {
			d.Bots = []string{bot}
			out = append(out, d)
		}
	}
	return out
}

// shrunkNow returns the orders of a group with what may be left of them now: a later fill may
// have left less, and of a permit that is over nothing is left.
func shrunkNow(orders []domain.ShrunkOrder, s *portfolio.State) []domain.ShrunkOrder {
	now := slices.Clone(orders)
	for n := range now {
		left := domain.Zero
		if p := s.Permits[now[n].Permit]; p != nil {
			left = p.Left
		}
		now[n].Left = now[n].Left.Min(left)
	}
	return now
}

func directs(all []Directive, action, bot string) bool {
	return slices.ContainsFunc(all, func(d Directive) bool { return d.Action == action && slices.Contains(d.Bots, bot) })
}

// addPending adds the effect of stops that are not recorded yet to an answer.
func (a *Answer) addPending(pending []PendingStop, bot string) {
	p := Gravest(pending, bot)
	if bot == "" || p == nil {
		return
	}
	if !directs(a.Directives, ActionStop, bot) {
		a.Directives = append(slices.Clip(a.Directives), p.Directive(bot))
	}
	if a.Permit == nil || !a.Permit.Allowed && a.Permit.Status == "" || a.Permit.Fill != nil { // what was filled on paper is filled
		return
	}
	c := *a.Permit
	if c.Allowed {
		c.Allowed, c.Status, c.Reasons = false, PermitHeld, nil
	}
	c.Reasons = p.Against(c.Reasons)
	a.Permit = &c
}

// Gravest returns the stop that is named to a bot: an emergency stop before one
// of the bot, the most severe, and of those the first. For no bot ("") it is the
// most severe emergency stop. It is nil if there is none.
func Gravest(pending []PendingStop, bot string) *PendingStop {
	var found *PendingStop
	for i := range pending {
		p := &pending[i]
		if p.Concerns(bot) && (found == nil || domain.GraverStop(found.Kind, p.Kind) != found.Kind) {
			found = p
		}
	}
	return found
}

// Graver returns the emergency stop in force that is not recorded yet, or nil if
// there is none or the recorded one is as severe.
func Graver(s *portfolio.State, pending []PendingStop) *PendingStop {
	p := Gravest(pending, "")
	if p == nil || s.Stop.Engaged && domain.GraverStop(s.Stop.Kind, p.Kind) == s.Stop.Kind {
		return nil
	}
	return p
}

// Against adds the stop's reasons to reasons that do not include them already. An
// emergency stop also stops the bot.
func (p *PendingStop) Against(why []domain.Reason) []domain.Reason {
	own := []domain.Reason{p.Obstacle()}
	if p.Emergency() {
		own = append(own, botStopped)
	}
	out := slices.Clone(why)
	for _, r := range own {
		i := slices.IndexFunc(out, func(o domain.Reason) bool { return o.Code == r.Code })
		switch {
		case i < 0:
			out = append(out, r)
		case r.Code == domain.ReasonEmergencyStop && domain.GraverStop(out[i].Value, p.Kind) != out[i].Value:
			out[i] = r
		}
	}
	return out
}

var botStopped = domain.Reason{Code: domain.ReasonBotStopped, Value: string(portfolio.Stopped), Message: "a stop of the bot holds that is not recorded yet"}

// Concerns reports whether a bot may not trade while the stop is in force.
func (p *PendingStop) Concerns(bot string) bool { return p.Kind != kindBot || p.Bot == bot }

// Directive tells a bot that the stop concerns what to do.
func (p *PendingStop) Directive(bot string) Directive {
	return Directive{Action: ActionStop, Bots: []string{bot}, Reason: p.tells(), Pending: true}
}

// tells returns the reason of a directive.
func (p *PendingStop) tells() string {
	if p.Kind == kindBot {
		return "the bot is stopped (not recorded yet)"
	}
	return "emergency stop: " + p.Kind + " (not recorded yet)"
}

// Obstacle returns the reason for denying permits while the stop is in force.
func (p *PendingStop) Obstacle() domain.Reason {
	if p.Kind == kindBot {
		return botStopped
	}
	return domain.Reason{Code: domain.ReasonEmergencyStop, Value: p.Kind, Message: "an emergency stop holds that is not recorded yet"}
}

// Emergency reports whether the stop is an emergency stop, of all bots.
func (p *PendingStop) Emergency() bool { return p.Kind != kindBot }

// Pending returns the stops of a portfolio that are in force and not recorded
// yet, in the order in which they were engaged.
func (e *Engine) Pending(id string) []PendingStop { return e.stops.pending.holding(id) }

// PendingChanged returns a channel that is closed when the next stop comes into force.
func (e *Engine) PendingChanged() <-chan struct{} { return e.stops.pending.next() }

// Standing returns the current directives. A stop that is not recorded yet counts
// like any other.
func Standing(s *portfolio.State, pending []PendingStop) []Directive {
	all := []Directive{}
	graver := Graver(s, pending)
	for _, id := range s.BotIDs() {
		b := s.Bots[id]
		d := Directive{Action: ActionStop, Bots: []string{id}}
		switch p := Gravest(pending, id); {
		case graver != nil:
			d.Reason, d.Pending = graver.tells(), true
		case s.Stop.Engaged:
			d.Reason = "emergency stop: " + s.Stop.Kind
		case p != nil && b.Status == portfolio.Running:
			d.Reason, d.Pending = p.tells(), true
		case b.Status != portfolio.Running:
			d.Reason = "the bot is " + string(b.Status)
		default:
			d.Action = ""
		}
		all = append(all, standing(s, d, id)...)
	}
	return all
}

// standing returns what one bot is told: d, where it is halted, and what follows from it.
func standing(s *portfolio.State, d Directive, id string) []Directive {
	var told []Directive
	halted := d.Action != ""
	if halted {
		told = append(told, d)
		if orders := s.ToCancel(id); len(orders) > 0 {
			told = append(told, Directive{Action: ActionCancelOrders, Bots: d.Bots, Reason: d.Reason, Permits: orders, Pending: d.Pending})
		}
	}
	if d.Pending { // nothing is permitted until the stop is recorded
		return told
	}
	if halted && s.ToldToClose(id) {
		told = append(told, Directive{Action: ActionClosePositions, Bots: d.Bots, Reason: d.Reason})
	}
	if legs := s.LegsToClose(id); len(legs) > 0 {
		told = append(told, Directive{Action: ActionCloseLegs, Bots: d.Bots, Reason: "legs of an arbitrage were not all filled in time", Legs: legs})
	}
	return told
}
