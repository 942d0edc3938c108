package portfolio

import (
	"maps"
	"slices"

	"pets/domain"
	"pets/domain/risk"
)

// evaluate checks the breakers after a change, in the order of risk.Rules.
// Breakers of bots are checked only for bots whose values changed. It runs in the
// decision that emitted the cause, so a trip stands in the same append.
func (d *Decision) evaluate(bots []string) {
	bots = slices.Clone(bots)
	slices.Sort(bots)
	for r := range risk.Rules() {
		if !r.IsOn(&d.s.Policy) {
			continue
		}
		of := scopesOf(r, bots)
		if len(of) > domain.SinglesPerCommand && d.s.Policy.Second() {
			// Warnings first, so that each kind fills its records of many.
			d.compare(r, of, risk.Warns)
			d.compare(r, of, risk.Trips)
			continue
		}
		d.compare(r, of, risk.Warns, risk.Trips)
	}
}

// compare records the verdicts of these kinds about the breakers of one rule.
func (d *Decision) compare(r *risk.Rule, scopes []string, kinds ...risk.Verdict) {
	s := d.s
	for _, scope := range scopes {
		key := risk.Key{Breaker: r.Name, Bot: scope}
		subject, ok := s.subject(r, key.Bot)
		if !ok || !evaluated(r, subject) {
			continue
		}
		value := r.Value(subject)
		verdict := s.Breaker(key).Judge(r, &s.Policy, value)
		switch {
		case !slices.Contains(kinds, verdict):
		case verdict == risk.Trips:
			d.trip(r, key, subject) // the line that trips a breaker
		case verdict == risk.Warns:
			d.row(&domain.BreakerWarned{
				Breaker: key.Breaker, Bot: key.Bot, Value: value,
				Level: r.WarnLevel(&s.Policy), Limit: r.Limit(&s.Policy),
			})
		}
	}
}

// evaluated reports whether a breaker applies to the scope now. A scope whose
// capital was withdrawn is skipped until it has capital again; a count needs no
// capital.
func evaluated(r *risk.Rule, s risk.Subject) bool {
	return r.From == nil || s.Refs.Evaluated(s.Equity)
}

// trip records the trip with everything it stops: all running bots, or only the
// breaker's own if the policy says so, and their permits that are not placed yet.
// Some breakers also engage an emergency stop.
func (d *Decision) trip(r *risk.Rule, key risk.Key, subject risk.Subject) {
	s := d.s
	only, stops := "", domain.StopAll
	if r.Scope == risk.OfBot {
		stops = s.Policy.BreakerStops
		if stops == domain.StopBot {
			only = key.Bot
		}
	}
	value, limit := r.Value(subject), r.Limit(&s.Policy)
	e := &domain.BreakerTripped{
		Breaker: key.Breaker, Scope: string(r.Scope), Bot: key.Bot, Stops: stops,
		Value: value, Limit: limit, Cause: d.cause,
		BotsStopped: s.runningBots(only), PermitsRevoked: s.unplacedPermits(only, d),
		ClosePositions: s.tellsToClose(s.stopKind(), true),
	}
	if only != "" || !d.told { // a further trip of the same append repeats nothing
		e.CancelOrders = s.toCancel(only, d)
	}
	d.told = d.told || only == ""
	if r.From != nil {
		reference := r.From(subject)
		e.Equity, e.Reference = &subject.Equity, &reference
	}
	d.row(e)
	// Engage the emergency stop, or make an existing one more severe.
	if r.Stop != "" && domain.GraverStop(s.Stop.Kind, r.Stop) != s.Stop.Kind {
		d.engage(r.Stop, key.String()+" tripped at "+value.Ratio().String()+", limit "+limit.String())
	}
}

// runningBots lists the bots that a stop would stop: all, or one.
func (s *State) runningBots(only string) []string {
	if only == "" {
		return slices.Sorted(maps.Keys(s.derived.running))
	}
	if b := s.Bots[only]; b != nil && b.Status == Running {
		return []string{only}
	}
	return nil
}

// PermitIDs lists the remembered permits in the order they were granted.
func (s *State) PermitIDs() []string {
	return s.permitIDs(func(*risk.Permit) bool { return true })
}

// unplacedPermits lists the live permits whose orders do not rest at a venue yet.
func (s *State) unplacedPermits(only string, d *Decision) []string {
	of := s.permits.unplaced
	if only != "" {
		of = s.permitsOf(only)
	}
	return idsOf(of, func(p *risk.Permit) bool { return !p.Working && p.Live(d.now) })
}

// Unplaced returns the permits that could still be placed at the time of the last
// record, in the order they were granted.
func (s *State) Unplaced() []string {
	return idsOf(s.permits.unplaced, func(p *risk.Permit) bool { return p.Live(s.Time) })
}

func (s *State) permitIDs(keep func(*risk.Permit) bool) []string { return idsOf(s.Permits, keep) }

func idsOf(permits map[string]*risk.Permit, keep func(*risk.Permit) bool) []string {
	var ids []string
	for id, p := range permits {
		if keep(p) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, comparePermits)
	return ids
}

// comparePermits orders p9 before p10.
func comparePermits(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}
