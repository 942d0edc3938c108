package portfolio

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// gateMaxAge is the largest age of the record that a live portfolio is opened on.
const gateMaxAge = 7 * 24 * time.Hour

// Evidence is the record that a gate points to, read from the other portfolio's
// stream. A live portfolio is opened on it.
type Evidence struct {
	Event domain.Event
	Time  time.Time // when it was recorded
	Mode  domain.Mode
	Clock domain.Clock
}

// checkGate checks the evidence of a gate for the live portfolio that is to be
// opened.
func (d *Decision) checkGate(e *domain.PortfolioOpened, ev *Evidence) error {
	const need = "a live portfolio needs a passed go-live gate or an override by two people: POST …/overrides in the paper portfolio, confirmed by another user, and name its revision as the gate"
	if e.Gate == nil || ev == nil {
		return domain.Errorf(domain.CodeDenied, "%s", need)
	}
	o, ok := ev.Event.(*domain.OverrideRecorded)
	switch {
	case !ok || o.Kind != domain.OverrideGoLive:
		return &domain.Error{Code: domain.CodeDenied, Field: "gate", Message: "does not point to an override.recorded of kind go_live; " + need}
	case ev.Mode != domain.ModePaper || ev.Clock != domain.ClockWall:
		return &domain.Error{Code: domain.CodeDenied, Field: "gate", Message: "must be in a paper portfolio with a clock of its own"}
	case o.Portfolio != e.Portfolio:
		return &domain.Error{Code: domain.CodeDenied, Field: "gate", Message: "is for another portfolio"}
	case d.now.Sub(ev.Time).Abs() > gateMaxAge: // One of the two clocks may be wrong.
		return &domain.Error{Code: domain.CodeDenied, Field: "gate", Message: "is older than 7 days"}
	case d.approversKnown && o.Signature == nil:
		return &domain.Error{Code: domain.CodeDenied, Field: "gate", Message: "was confirmed without an approver's signature, by an older build; request the override again, and have it confirmed"}
	}
	def := domain.DefaultPolicy(domain.ModeLive)
	if e.Policy.Second() {
		def = domain.NewPolicy(domain.ModeLive, e.Clock, e.BaseAsset)
	}
	key := loosened(&def, &e.Policy)
	if rules := domain.DefaultTreasuryPolicy(); key == "" && e.Treasury != nil {
		key = loosenedTreasury(&rules, e.Treasury)
	}
	if key != "" {
		return &domain.Error{Code: domain.CodeDenied, Field: key, Message: "is looser than its default; open with the default, then have two people override it"}
	}
	return nil
}

// looserRule reports whether policy a is looser than b in one key.
type looserRule struct {
	key    string
	looser func(a, b *domain.Policy) bool
}

// looserRules lists those of the breakers and all others.
var looserRules = append(breakersLooser(), []looserRule{
	{"breaker_stops", func(a, b *domain.Policy) bool {
		return a.BreakerStops == domain.StopBot && b.BreakerStops == domain.StopAll
	}},
	{"loss_dust", func(a, b *domain.Policy) bool { return b.LossDust.Less(a.LossDust) }},
	{"mark_max_age", func(a, b *domain.Policy) bool {
		return b.MarkMaxAge != 0 && (a.MarkMaxAge == 0 || a.MarkMaxAge > b.MarkMaxAge)
	}},
	{"permit_ttl", func(a, b *domain.Policy) bool { return a.PermitTTL > b.PermitTTL }},
	{"blocked_zones", func(a, b *domain.Policy) bool {
		return slices.ContainsFunc(b.BlockedZones, func(z int) bool { return !slices.Contains(a.BlockedZones, z) })
	}},
	// Other zone borders may block more in one place and less in another, so any
	// change counts as looser.
	{"zone_bounds", func(a, b *domain.Policy) bool { return !slices.Equal(a.ZoneBounds, b.ZoneBounds) }},
}...)

func breakersLooser() []looserRule {
	var all []looserRule
	for r := range risk.Rules() {
		all = append(all, looserRule{r.Key, r.Looser})
	}
	return all
}

// loosened names a limit that is looser than its default in live mode and looser
// than before. A limit that two people have loosened may stay, and may be
// tightened.
func loosened(old, now *domain.Policy) string {
	if old.Second() {
		return loosenedSecond(old, now)
	}
	def := domain.DefaultPolicy(domain.ModeLive)
	for _, r := range looserRules {
		if r.looser(now, &def) && r.looser(now, old) {
			return r.key
		}
	}
	return ""
}
