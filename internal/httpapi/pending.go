package httpapi

import (
	"slices"

	"pets/commands"
	"pets/domain/portfolio"
	"pets/projections"
)

// An acknowledged stop is visible even if the store could not record it yet:
// views, previews, directives and streams show a portfolio as if the stops in
// force were recorded.

// emergencyStop returns the emergency stop in force, recorded or not: the more
// severe of two, with the earlier time.
func (l *looker) emergencyStop() projections.EmergencyStop {
	v := projections.EmergencyStopOf(l.state)
	p := commands.Graver(l.state, l.pending)
	if p == nil {
		return v
	}
	since := v.Since
	for i := range l.pending {
		if at := &l.pending[i].At; l.pending[i].Emergency() && (since == nil || at.Before(*since)) {
			since = at
		}
	}
	return projections.EmergencyStop{Engaged: true, Kind: &p.Kind, Reason: &p.Reason, Since: since, Pending: true}
}

// stopPending reports whether a stop of a bot is in force that is not recorded yet.
func (l *looker) stopPending(bot string) bool {
	return slices.ContainsFunc(l.pending, func(p commands.PendingStop) bool { return p.Concerns(bot) })
}

// stopped shows the current state of bots: a bot whose stop is in force does not
// run, and nothing is permitted to it until the stop is recorded.
func (l *looker) stopped(bots []projections.Bot) {
	for i := range bots {
		b := &bots[i]
		if l.state.Policy.Second() {
			b.Halts = append(l.pendingHalts(b.Bot), b.Halts...)
		}
		if b.Status == portfolio.Running && l.stopPending(b.Bot) {
			b.Status, b.Pending = portfolio.Stopped, true
		}
	}
}

// pendingHalts lists the stops in force that halt a bot and are not recorded yet.
func (l *looker) pendingHalts(bot string) []portfolio.Halt {
	var halts []portfolio.Halt
	for i := range l.pending {
		p := &l.pending[i]
		if !p.Concerns(bot) {
			continue
		}
		h := portfolio.Halt{Kind: portfolio.HaltBot, Of: string(portfolio.Stopped), Bot: portfolio.LeaveNothing, Operator: portfolio.LeaveNothing}
		if p.Emergency() {
			h.Kind, h.Of = portfolio.HaltEmergency, p.Kind
		}
		halts = append(halts, h)
	}
	return halts
}

// usable removes the permits under which nothing may be placed any more, because
// a stop in force ends them when it is recorded.
func (l *looker) usable(all []projections.Permit) []projections.Permit {
	return slices.DeleteFunc(all, func(p projections.Permit) bool { return p.Status == "granted" && l.stopPending(p.Bot) })
}

// standing returns the current directives for the caller. pending was read before
// the state.
func (q *request) standing(s *portfolio.State, pending []commands.PendingStop) []commands.Directive {
	return q.directed(commands.Standing(s, pending))
}

// pendingDirectives returns the directives of stops that are not recorded yet. It
// waits for nothing, because the store may not answer. Before the portfolio is
// folded only the named bots and the caller's own are known.
func (q *request) pendingDirectives() (told []commands.Directive, revision uint64) {
	told = []commands.Directive{}
	pending := q.api.engine.Pending(q.portfolio())
	if len(pending) == 0 {
		return told, 0
	}
	if q.api.ready.Load() {
		p, err := q.api.followed(q.r.Context(), q.portfolio())
		if err == nil {
			err = p.Read(func(s *portfolio.State) error {
				told, revision = q.standing(s, pending), s.Next-1
				return nil
			})
		}
		if err == nil {
			return slices.DeleteFunc(told, func(d commands.Directive) bool { return !d.Pending }), revision
		}
	}
	bots := []string{q.key.caller.Bot}
	for i := range pending {
		if pending[i].Bot != "" {
			bots = append(bots, pending[i].Bot)
		}
	}
	for _, bot := range bots {
		if p := commands.Gravest(pending, bot); bot != "" && p != nil {
			told = append(told, p.Directive(bot))
		}
	}
	return q.directed(told), revision
}
