package risk

import (
	"cmp"

	"pets/domain"
)

// Status of a breaker.
type Status string

// The statuses. Tripped ends only by a reset.
const (
	OK      Status = "ok"
	Warned  Status = "warned"
	Tripped Status = "tripped"
)

// Key identifies one breaker of a portfolio. Bot is empty for those of the whole
// portfolio.
type Key struct {
	Breaker string
	Bot     string
}

func (k Key) String() string {
	if k.Bot == "" {
		return k.Breaker
	}
	return k.Breaker + " of " + k.Bot
}

// Compare orders breakers as they are evaluated. Unknown breakers come last.
func Compare(a, b Key) int {
	return cmp.Or(cmp.Compare(place(a.Breaker), place(b.Breaker)), cmp.Compare(a.Breaker, b.Breaker), cmp.Compare(a.Bot, b.Bot))
}

func place(name string) int {
	for i := range rules {
		if rules[i].Name == name {
			return i
		}
	}
	return len(rules)
}

// Breaker is the stored state of one breaker. Its value follows from equity or
// the streak and is not stored.
type Breaker struct {
	Status   Status `json:"status"`
	Revision uint64 `json:"revision"` // of the record that set the status
	// Stops is what the trip stopped: domain.StopAll or domain.StopBot.
	Stops string `json:"stops,omitempty"`
}

// WarnLevel returns the value at which the rule warns: warn_at × limit, or limit
// − 1 for a count. Zero means that it never warns.
func (r *Rule) WarnLevel(p *domain.Policy) domain.Decimal {
	if r.Whole {
		return r.Limit(p).Sub(domain.One)
	}
	return r.Limit(p).Mul(p.BreakerWarnAt)
}

var rearmAt = domain.MustDecimal("0.9")

// Rearms reports whether a value is far enough below the warning level for the
// breaker to warn again. A breaker that is off always rearms.
func (r *Rule) Rearms(p *domain.Policy, value domain.Decimal) bool {
	return !r.IsOn(p) || value.Less(r.WarnLevel(p).Mul(rearmAt))
}

// Reached reports whether a value is at or above the limit, which trips the
// breaker.
func (r *Rule) Reached(p *domain.Policy, value domain.Decimal) bool {
	return r.IsOn(p) && value.AtLeast(r.Limit(p))
}

// Verdict is the result of an evaluation.
type Verdict int

// The verdicts.
const (
	Quiet Verdict = iota
	Warns
	Trips
)

// Judge compares a value with the levels of a rule. A tripped breaker trips no
// second time, a warned one does not warn again.
func (b Breaker) Judge(r *Rule, p *domain.Policy, value domain.Decimal) Verdict {
	if b.Status == Tripped || !r.IsOn(p) {
		return Quiet
	}
	if r.Reached(p, value) {
		return Trips
	}
	level := r.WarnLevel(p)
	if b.Status != Warned && level.Sign() > 0 && value.AtLeast(level) {
		return Warns
	}
	return Quiet
}
