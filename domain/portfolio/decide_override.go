package portfolio

import (
	"encoding/json"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/risk"
)

const (
	// overrideTTL is how long a request waits for the second person.
	overrideTTL = 24 * time.Hour
	// gateMaxAge is the largest age of the record that a live portfolio is opened
	// on.
	gateMaxAge = 7 * 24 * time.Hour
)

// Override is an open request or a confirmed override.
type Override struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind"`
	Portfolio string          `json:"portfolio,omitempty"`
	Limits    json.RawMessage `json:"limits,omitempty"`
	Reason    string          `json:"reason"`
	User      string          `json:"user"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
	// Offset of kind clock is the forward correction of the wall clock: as
	// requested, and after that as confirmed.
	Offset domain.Duration `json:"offset,omitzero"`
	// ConfirmedBy and At are set once the second person confirmed.
	ConfirmedBy string    `json:"confirmed_by,omitempty"`
	At          time.Time `json:"at,omitzero"`
}

// RequestOverride records the request of the first person. The kinds are:
// go_live, in a paper portfolio, for the live portfolio it names; limits and
// treasury_policy, in a live one, for limits or treasury rules looser than their
// defaults; transfer, for the outcome of a transfer; market_tokens, for the
// tokens of a market; payouts, for those of an exclusive market that do not sum to 1;
// settlement, to correct what a market paid; clock, to continue with a wall clock that is behind the
// last record; signed_approvals, in a live portfolio of an older build, which has
// every later approval signed.
func (d *Decision) RequestOverride(kind, portfolio string, limits json.RawMessage, reason string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	switch kind {
	case domain.OverrideGoLive:
		if err := d.checkGoLive(portfolio, limits); err != nil {
			return err
		}
	case domain.OverrideLimits:
		if err := d.checkLooser(portfolio, limits); err != nil {
			return err
		}
	case domain.OverrideTreasury:
		if err := d.checkLooserTreasury(portfolio, limits); err != nil {
			return err
		}
	case domain.OverrideTransfer:
		if _, _, err := d.settlementOf(portfolio, limits); err != nil {
			return err
		}
	case domain.OverrideTokens:
		if _, err := d.tokensOf(portfolio, limits); err != nil {
			return err
		}
	case domain.OverridePayouts:
		if _, err := d.overriddenPayouts(portfolio, limits, "requested"); err != nil {
			return err
		}
	case domain.OverrideSettlement:
		if _, err := d.overriddenCorrection(portfolio, limits, reason); err != nil {
			return err
		}
	case domain.OverrideClock:
		if err := d.checkClockOverride(portfolio, limits); err != nil {
			return err
		}
	case domain.OverrideSigned:
		if err := d.checkSignedApprovals(portfolio, limits); err != nil {
			return err
		}
	default:
		return domain.Invalid("kind", "must be go_live, limits, treasury_policy, transfer, market_tokens, payouts, settlement, clock or signed_approvals")
	}
	d.due()
	e := &domain.OverrideRequested{
		Override: domain.OverrideName(d.s.Next), Kind: kind, Portfolio: portfolio, Limits: limits, Reason: reason,
		User: d.caller.User, ExpiresAt: d.now.Add(overrideTTL),
	}
	if kind == domain.OverrideClock {
		e.Offset = d.clockOffset()
	}
	d.emit(e)
	return nil
}

func (d *Decision) checkGoLive(portfolio string, limits json.RawMessage) error {
	switch {
	case d.s.Mode != domain.ModePaper || d.imported():
		return domain.Errorf(domain.CodeConflict, "go_live has to be requested in the paper portfolio that was traded before, which has a clock of its own")
	case len(limits) > 0:
		return domain.Invalid("limits", "are not allowed with go_live")
	}
	return domain.CheckID("portfolio", portfolio)
}

func (d *Decision) checkLooser(portfolio string, limits json.RawMessage) error {
	switch {
	case portfolio != "":
		return domain.Invalid("portfolio", "is not allowed with limits, which concern this portfolio")
	case d.s.Mode != domain.ModeLive:
		return domain.Errorf(domain.CodeConflict, "the limits of a paper portfolio can be changed by one person")
	}
	p, err := patched(d.s.Policy, limits)
	if err != nil {
		return err
	}
	return d.checkPolicy(&p)
}

func (d *Decision) checkLooserTreasury(portfolio string, rules json.RawMessage) error {
	switch {
	case portfolio != "":
		return domain.Invalid("portfolio", "is not allowed with treasury_policy, which concerns this portfolio")
	case d.s.Mode != domain.ModeLive:
		return domain.Errorf(domain.CodeConflict, "the treasury policy of a paper portfolio can be changed by one person")
	}
	_, err := patchedTreasury(d.s.Custody.Policy, rules)
	return err
}

// ConfirmOverride records the confirmation by another user. Limits change in the
// same append, and every breaker is evaluated against them.
func (d *Decision) ConfirmOverride(id string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	o := d.s.Overrides[id]
	switch {
	case o == nil || o.ConfirmedBy == "" && !d.now.Before(o.ExpiresAt):
		return &domain.Error{Code: domain.CodeNotFound, Field: "override", Message: "is not an open request, or waited for more than 24 h"}
	case o.ConfirmedBy != "":
		d.Note(domain.NotedUnchanged, "the override is already confirmed")
		return nil
	case domain.SameUser(o.User, d.caller.User):
		return domain.Errorf(domain.CodeDenied, "the user who requested an override cannot confirm it; it takes two people")
	}
	if err := d.requireLiving(o.User); err != nil {
		return err
	}
	if err := d.checkApproval(approval.KindOverride, id); err != nil {
		return err
	}
	return d.recordConfirmed(o, &domain.OverrideRecorded{
		Override: id, Kind: o.Kind, Portfolio: o.Portfolio, Limits: o.Limits, Reason: o.Reason, RequestedBy: o.User, ConfirmedBy: d.caller.User,
		Signature: d.signature,
	})
}

// recordConfirmed records what the second person confirmed, with its effects.
func (d *Decision) recordConfirmed(o *Override, e *domain.OverrideRecorded) error {
	switch o.Kind {
	case domain.OverrideGoLive:
		d.emit(e)
		return nil
	case domain.OverrideSigned:
		if err := d.checkSignedApprovals(o.Portfolio, o.Limits); err != nil {
			return err
		}
		d.emit(e)
		return nil
	case domain.OverrideTreasury:
		p, err := patchedTreasury(d.s.Custody.Policy, o.Limits) // based on the current rules
		if err != nil {
			return err
		}
		d.emit(e)
		d.changeTreasury(p, o.Reason)
		return nil
	case domain.OverrideClock:
		return d.acceptClock(o, e)
	case domain.OverrideTokens:
		m, err := d.tokensOf(o.Portfolio, o.Limits) // based on its current state
		if err != nil {
			return err
		}
		d.emit(e)
		d.emit(m)
		return nil
	case domain.OverridePayouts:
		return d.settleAgreed(o, e)
	case domain.OverrideSettlement:
		c, err := d.overriddenCorrection(o.Portfolio, o.Limits, o.Reason) // based on its current state
		if err != nil {
			return err
		}
		c.Override = e.Override
		d.emit(e)
		d.correct(c)
		return nil
	case domain.OverrideTransfer:
		s, t, err := d.settlementOf(o.Portfolio, o.Limits) // based on its current state
		if err != nil {
			return err
		}
		d.emit(e)
		d.settleTransfer(s, t)
		return nil
	}
	p, err := patched(d.s.Policy, o.Limits) // based on the current limits
	if err != nil {
		return err
	}
	if err := d.checkPolicy(&p); err != nil {
		return err
	}
	d.emit(e)
	d.fact(&domain.LimitsChanged{Policy: p, Reason: o.Reason})
	d.evaluate(d.s.BotIDs())
	return nil
}

// settleAgreed settles a market at the payouts that two people agreed on.
func (d *Decision) settleAgreed(o *Override, e *domain.OverrideRecorded) error {
	r, err := d.overriddenPayouts(o.Portfolio, o.Limits, e.Override) // based on its current state
	if err != nil {
		return err
	}
	d.emit(e)
	return d.SettleMarket(*r)
}

// maxOverrides limits how many open and confirmed overrides are remembered.
const maxOverrides = 100

// requestOverride and recordOverride fold the events of overrides.
func (s *State) requestOverride(e *domain.OverrideRequested) {
	full := len(s.Overrides) >= maxOverrides
	for id, o := range s.Overrides {
		if o.ConfirmedBy == "" && (o.Kind == e.Kind || full) {
			delete(s.Overrides, id) // A new request replaces an open one.
		}
	}
	s.Overrides[e.Override] = &Override{
		ID: e.Override, Kind: e.Kind, Portfolio: e.Portfolio, Limits: e.Limits, Reason: e.Reason, User: e.User, ExpiresAt: e.ExpiresAt,
		Offset: e.Offset,
	}
}

func (s *State) recordOverride(at domain.Stamp, e *domain.OverrideRecorded) {
	s.Overrides[e.Override] = &Override{
		ID: e.Override, Kind: e.Kind, Portfolio: e.Portfolio, Limits: e.Limits, Reason: e.Reason, User: e.RequestedBy,
		ConfirmedBy: e.ConfirmedBy, At: at.Time, Offset: e.Offset,
	}
	switch e.Kind {
	case domain.OverrideClock:
		s.ClockOffset = e.Offset
	case domain.OverrideSigned:
		if !s.SignedApprovals {
			s.approvedEarlier()
		}
		s.SignedApprovals = true
	}
}

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
	def := domain.DefaultPolicy(domain.ModeLive)
	for _, r := range looserRules {
		if r.looser(now, &def) && r.looser(now, old) {
			return r.key
		}
	}
	return ""
}
