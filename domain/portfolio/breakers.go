package portfolio

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// BreakerReading is the status of one breaker with its value and its limit. Rule is
// nil for a breaker that this build does not know, because a newer one wrote its trip.
// Value and Limit are 0 for such a breaker, and for one that is off.
type BreakerReading struct {
	risk.Breaker
	Rule         *risk.Rule
	On           bool
	Value, Limit domain.Decimal
}

// ReadBreaker reads a breaker as of the last record.
func (s *State) ReadBreaker(key risk.Key) BreakerReading { return s.readBreaker(key, s.Time, false) }

// readBreakerAt reads a breaker as of a later time. No record was added since,
// but a new day or hour may have begun.
func (s *State) readBreakerAt(key risk.Key, now time.Time) BreakerReading {
	_, isNew := s.newDay(now)
	return s.readBreaker(key, now, isNew)
}

func (s *State) readBreaker(key risk.Key, now time.Time, newDay bool) BreakerReading {
	out := BreakerReading{Breaker: s.Breaker(key)}
	rule, ok := risk.RuleOf(key.Breaker)
	if !ok {
		return out
	}
	out.Rule, out.On = rule, rule.IsOn(&s.Policy)
	if subject, found := s.subject(rule, key.Bot); found && out.On {
		subject.Time, subject.NewDay = now, newDay
		out.Value, out.Limit = rule.Value(subject), rule.Limit(&s.Policy)
	}
	return out
}

// Breaker returns the status of a breaker and the revision that set it.
func (s *State) Breaker(key risk.Key) risk.Breaker {
	if b := s.Breakers[key]; b != nil {
		return *b
	}
	return risk.Breaker{Status: risk.OK}
}

// BreakerKeys lists every breaker the portfolio has, in the order they are
// evaluated: those that are on, and those that have tripped or warned, known or not.
func (s *State) BreakerKeys() []risk.Key {
	var keys []risk.Key
	ids := s.BotIDs()
	for r := range risk.Rules() {
		if r.IsOn(&s.Policy) {
			keys = append(keys, keysOf(r, ids)...)
		}
	}
	known := make(map[risk.Key]bool, len(keys))
	for _, key := range keys {
		known[key] = true
	}
	for key := range s.Breakers {
		if !known[key] {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, risk.Compare)
	return keys
}

// scopesOf lists what a rule applies to: each bot, or "", the portfolio.
func scopesOf(r *risk.Rule, bots []string) []string {
	if r.Scope != risk.OfBot {
		return wholePortfolio
	}
	return bots
}

var wholePortfolio = []string{""}

// keysOf lists the breakers of one rule: one for each bot, or the portfolio's.
func keysOf(r *risk.Rule, bots []string) []risk.Key {
	if r.Scope != risk.OfBot {
		return []risk.Key{{Breaker: r.Name}}
	}
	keys := make([]risk.Key, len(bots))
	for i, id := range bots {
		keys[i] = risk.Key{Breaker: r.Name, Bot: id}
	}
	return keys
}

// subject returns what a rule measures, as of the last record. It returns false
// if the bot does not exist.
func (s *State) subject(r *risk.Rule, bot string) (risk.Subject, bool) {
	if r.Scope != risk.OfBot {
		return risk.Subject{Refs: &s.Refs, Equity: s.Equity(), Time: s.Time}, true
	}
	b := s.Bots[bot]
	if b == nil {
		return risk.Subject{}, false
	}
	return risk.Subject{Refs: &b.Refs, Equity: b.Equity(), Streak: &b.Streak, Closings: b.Closings, Time: s.Time}, true
}

// each calls do for everything that a rule applies to: the portfolio, or every
// bot.
func (s *State) each(r *risk.Rule, do func(risk.Subject)) {
	var ids []string
	if r.Scope == risk.OfBot {
		ids = s.BotIDs()
	}
	for _, key := range keysOf(r, ids) {
		if subject, ok := s.subject(r, key.Bot); ok {
			do(subject)
		}
	}
}

// passHours runs before an event is applied, because the equity before it belongs
// to the hours up to it.
func (s *State) passHours() {
	for r := range risk.Rules() {
		if r.Hour != nil && r.IsOn(&s.Policy) {
			s.each(r, r.Hour)
		}
	}
}

// openDay opens a day for every breaker that counts by days. The portfolio's
// equity is taken from the record.
func (s *State) openDay(e *domain.DayOpened) {
	s.Day = e.Date
	for _, b := range s.Bots {
		b.Today = 0
	}
	for r := range risk.Rules() {
		if r.Day != nil && r.IsOn(&s.Policy) {
			s.each(r, func(subject risk.Subject) {
				if r.Scope == risk.OfPortfolio {
					subject.Equity = e.Equity
				}
				r.Day(subject)
			})
		}
	}
}

// setPolicy replaces the policy. A breaker that is switched on measures from this
// moment.
func (s *State) setPolicy(p domain.Policy) {
	old := s.Policy
	s.Policy = p
	if p.Second() != old.Second() {
		n := len(s.EditionChanges)
		s.EditionChanges = append(s.EditionChanges[:n:n], s.Next-1)
		s.Past.ruled(s.EditionChanges)
	}
	s.deriveExposures()
	for r := range risk.Rules() {
		was, is := r.IsOn(&old), r.IsOn(&p)
		if r.On != nil && is && !was {
			s.each(r, r.On)
		}
		if r.Off != nil && was && !is {
			s.each(r, r.Off)
		}
	}
}

// rearm removes warnings whose value has fallen far enough below the warning
// level. The warning of an unknown breaker stays, because its value is unknown.
//
// It compares those of the portfolio, and of the bots that something has touched since it
// was last called: the value of no other bot can have changed.
func (s *State) rearm() {
	for key := range s.derived.warned {
		s.rearmOne(key)
	}
	for _, id := range s.derived.touched {
		if b := s.Bots[id]; b != nil {
			b.touched = false
		}
		if len(s.Breakers) == 0 {
			continue
		}
		for r := range risk.Rules() {
			if r.Scope == risk.OfBot {
				s.rearmOne(risk.Key{Breaker: r.Name, Bot: id})
			}
		}
	}
	s.derived.touched = s.derived.touched[:0]
}

// rearmAll does so for all breakers, after something that concerns every bot.
func (s *State) rearmAll() {
	for key := range s.Breakers {
		s.rearmOne(key)
	}
}

func (s *State) rearmOne(key risk.Key) {
	if b := s.Breakers[key]; b == nil || b.Status != risk.Warned {
		return
	}
	if now := s.ReadBreaker(key); now.Rule != nil && now.Rule.Rearms(&s.Policy, now.Value) {
		s.setBreaker(key, nil)
	}
}

func (s *State) applyTrip(at domain.Stamp, e *domain.BreakerTripped) {
	s.setBreaker(risk.Key{Breaker: e.Breaker, Bot: e.Bot}, &risk.Breaker{Status: risk.Tripped, Revision: at.Revision, Stops: e.Stops})
	s.halt(e.BotsStopped, e.PermitsRevoked)
	if r, ok := risk.RuleOf(e.Breaker); ok && r.Stop != "" {
		// This trip engages the emergency stop again: an earlier request to clear
		// it did not know of the trip.
		s.Stop = s.Stop.unrequested()
	}
}

func (s *State) applyReset(e *domain.BreakerReset) {
	s.setBreaker(risk.Key{Breaker: e.Breaker, Bot: e.Bot}, nil)
	r, ok := risk.RuleOf(e.Breaker)
	if !ok {
		return
	}
	do := r.Reset
	if do == nil && e.Rebase {
		do = r.Rebase
	}
	if do == nil {
		return
	}
	if r.Scope == risk.OfBot {
		s.bot(e.Bot)
	}
	if subject, found := s.subject(r, e.Bot); found {
		do(subject)
	}
}
