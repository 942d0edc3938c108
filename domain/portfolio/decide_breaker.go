package portfolio

import (
	"fmt"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// ResetPreview is the effect that a reset would have.
type ResetPreview struct {
	Key           risk.Key
	Tripped       bool
	Before, After domain.Decimal
	Limit         domain.Decimal
	WouldRetrip   bool
	OpenPositions int
	// Since is the number of records after the trip.
	Since uint64
	// RebasesTo is the equity that a reset with rebase makes the reference, or nil.
	RebasesTo *domain.Decimal
	// Waiting are the marks of what the scope holds that wait beyond the collar: the value is
	// measured at the prices in force, which they may be about to replace.
	Waiting []WaitingMark
}

// PreviewReset computes the effect of a reset at a time, without recording it.
func (s *State) PreviewReset(key risk.Key, rebase bool, now time.Time) (ResetPreview, error) {
	r, err := s.checkBreaker(key)
	if err != nil {
		return ResetPreview{}, err
	}
	b := s.readBreakerAt(key, now)
	p := ResetPreview{Key: key, Tripped: b.Status == risk.Tripped, Before: b.Value, After: b.Value, Limit: b.Limit}
	// With rebase the value is measured from the current equity, which helps only
	// if there is any.
	subject, ok := s.subject(r, key.Bot)
	if ok && (r.Reset != nil || rebase && s.rebases(subject.Equity)) {
		p.After = domain.Zero
	}
	if ok && r.Rebase != nil && rebase && s.rebases(subject.Equity) {
		p.RebasesTo = &subject.Equity
	}
	p.Waiting = s.waitingOf(key.Bot)
	p.WouldRetrip = r.Reached(&s.Policy, p.After)
	for id, bot := range s.Bots {
		if key.Bot == "" || key.Bot == id {
			p.OpenPositions += bot.Positions
		}
	}
	if p.Tripped {
		p.Since = s.Next - b.Revision - 1
	}
	return p, nil
}

// rebases reports whether a breaker can be measured from an equity: one above 0, and under
// the second edition any but 0. A debt is then what more is lost from.
func (s *State) rebases(equity domain.Decimal) bool {
	return equity.Sign() > 0 || s.Policy.Second() && equity.Sign() < 0
}

func (s *State) checkBreaker(key risk.Key) (*risk.Rule, error) {
	r, ok := risk.RuleOf(key.Breaker)
	switch {
	case !ok && s.Breakers[key] != nil:
		return nil, domain.Errorf(domain.CodeNotFound, "breaker %s is not known to this build, which cannot tell whether it would trip again; reset it with the build that recorded its trip, or a newer one", key)
	case !ok:
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "breaker", Message: "must be " + risk.Names()}
	case r.Scope != risk.OfBot && key.Bot != "":
		return nil, domain.Invalid("bot", "is not allowed with %s, which belongs to the portfolio", key.Breaker)
	case r.Scope == risk.OfBot && key.Bot == "":
		return nil, domain.Invalid("bot", "is missing: each bot has its own %s", key.Breaker)
	case r.Scope == risk.OfBot && s.Bots[key.Bot] == nil:
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "bot", Message: "is not registered in this portfolio"}
	}
	return r, nil
}

// ResetBreaker records a person's decision to resume after a trip. It is refused
// if the breaker is not tripped, or if the reset would leave value ≥ limit. Bots
// stay stopped and are started one by one.
func (d *Decision) ResetBreaker(key risk.Key, reason string, rebase bool) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if d.caller.Role == domain.RoleBot {
		return domain.Errorf(domain.CodeDenied, "a bot's key cannot reset a breaker")
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	p, err := d.s.PreviewReset(key, rebase, d.now)
	if err != nil {
		return err
	}
	if !p.Tripped {
		return domain.Errorf(domain.CodeConflict, "%s is not tripped", key)
	}
	if p.WouldRetrip {
		if err := d.s.lacksEquity(key); err != nil {
			return err
		}
		return domain.Errorf(domain.CodeWouldRetrip, "%s would trip again at once: value %s, limit %s; reset it with rebase to measure from the current equity", key, p.After.Ratio(), p.Limit)
	}
	if r, _ := risk.RuleOf(key.Breaker); rebase && r.Rebase != nil && d.s.Policy.Second() && p.RebasesTo == nil {
		return domain.Errorf(domain.CodeConflict, "%s cannot be measured from an equity of 0; reset it without rebase", key)
	}
	e := &domain.BreakerReset{
		Breaker: key.Breaker, Bot: key.Bot, Reason: reason, Rebase: rebase, User: d.caller.User, Before: p.Before, After: p.After,
	}
	if d.s.Policy.Second() {
		e.RebasedTo = p.RebasesTo
	}
	for _, w := range p.Waiting {
		e.WaitingMarks = append(e.WaitingMarks, domain.ConfirmedMark{Market: w.Market, Outcome: w.Outcome, Asset: w.Asset, Price: w.Price})
	}
	d.emit(e)
	return nil
}

// lacksEquity returns an error that names the way out if a rebase cannot help
// because there is no equity to measure from, or nil.
func (s *State) lacksEquity(key risk.Key) error {
	r, _ := risk.RuleOf(key.Breaker)
	subject, ok := s.subject(r, key.Bot)
	if !ok || r.Rebase == nil || s.rebases(subject.Equity) {
		return nil
	}
	needs := subject.Equity.Neg()
	if r.Scope == risk.OfBot {
		return domain.Errorf(domain.CodeWouldRetrip,
			"%s would trip again at once, with or without rebase: the bot's equity is %s and has to be above 0. Allocate more than %s to it (POST /v1/portfolios/%s/bots/%s/allocate; if hot:treasury has less, first record the deposit that pays for it: POST /v1/portfolios/%s/deposits), then reset with rebase",
			key, subject.Equity, needs, s.Portfolio, key.Bot, s.Portfolio)
	}
	return domain.Errorf(domain.CodeWouldRetrip,
		"%s would trip again at once, with or without rebase: the portfolio's equity is %s and has to be above 0. Record a deposit of more than %s once it has arrived (POST /v1/portfolios/%s/deposits), then reset with rebase",
		key, subject.Equity, needs, s.Portfolio)
}

// EngageStop halts the portfolio at once: bots stop, permits not yet placed are
// revoked, and transfers not yet signed are ended, but for those that save money
// from a leaked key. Only two people together can clear it. A less severe kind than the
// one in force leaves that one in force: a manual stop after a reported breach
// does not withdraw the report.
func (d *Decision) EngageStop(kind, reason string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := CheckStop(kind, reason); err != nil {
		return err
	}
	if reason == domain.Unreasoned && d.s.Stop.Engaged {
		reason = d.s.Stop.Reason // who clears the stop reads why it was engaged, and not that somebody gave no reason later
	}
	d.engage(kind, reason)
	return nil
}

// engage records an emergency stop with the kind that is in force afterwards.
func (d *Decision) engage(kind, reason string) {
	e := &domain.EmergencyStopEngaged{
		Kind: domain.GraverStop(kind, d.s.Stop.Kind), Reason: reason, BotsStopped: d.s.runningBots(""), PermitsRevoked: d.s.unplacedPermits("", d),
		TransfersEnded: d.s.endedBy(func(t *treasury.Transfer) bool { return !t.Urgent() }),
	}
	if e.Kind != kind {
		e.RequestedKind = kind
	}
	e.CancelOrders = d.s.toCancel("", d)
	e.ClosePositions = d.s.Policy.Second() && d.s.tellsToClose(e.Kind, d.s.anyTripped())
	d.emit(e)
}

// CheckStop refuses a stop that is invalid for every portfolio.
func CheckStop(kind, reason string) error {
	switch kind {
	case domain.StopManual, domain.StopSystemError, domain.StopSecurityBreach:
	default:
		return domain.Invalid("kind", "must be manual, system_error or security_breach")
	}
	return domain.CheckReason("reason", reason)
}

// RequestClear records the first person's request and returns its name, which the
// second person confirms within 24 h.
func (d *Decision) RequestClear(reason string) error {
	if err := d.clearable(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	d.due()
	d.emit(&domain.EmergencyStopClearRequested{
		Request: "c" + domain.TradeName(d.s.Next)[1:], Reason: reason, User: d.caller.User, ExpiresAt: d.now.Add(overrideTTL),
	})
	return nil
}

// ConfirmClear records the confirmation by another user. The bots stay stopped.
func (d *Decision) ConfirmClear(request string) error {
	if err := d.clearable(); err != nil {
		return err
	}
	if request == "" || request != d.s.Stop.Request {
		open := "there is none"
		if d.s.Stop.Request != "" {
			open = fmt.Sprintf("that is %s, of %s", d.s.Stop.Request, d.s.Stop.Requester)
		}
		return &domain.Error{Code: domain.CodeNotFound, Field: "request", Message: "is not the open request to clear the emergency stop: " + open}
	}
	if ends := d.s.Stop.RequestEnds; !ends.IsZero() && !d.now.Before(ends) {
		return &domain.Error{Code: domain.CodeNotFound, Field: "request", Message: "waited for more than 24 h; request the clearing again"}
	}
	if domain.SameUser(d.caller.User, d.s.Stop.Requester) {
		return domain.Errorf(domain.CodeDenied, "the user who requested the clearing cannot confirm it; it takes two people")
	}
	if err := d.requireLiving(d.s.Stop.Requester, domain.RevisionOf(d.s.Stop.Request)); err != nil {
		return err
	}
	if err := d.checkApproval(approval.KindClear, request); err != nil {
		return err
	}
	d.emit(&domain.EmergencyStopCleared{
		Request: request, RequestedBy: d.s.Stop.Requester, ConfirmedBy: d.caller.User, Signature: d.signature,
		TransfersEnded: d.s.endedBy(d.s.endsWithStop),
	})
	return nil
}

func (d *Decision) clearable() error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if d.caller.Role == domain.RoleBot {
		return domain.Errorf(domain.CodeDenied, "a bot's key cannot clear an emergency stop")
	}
	if !d.s.Stop.Engaged {
		return domain.Errorf(domain.CodeConflict, "no emergency stop is engaged")
	}
	for _, key := range d.s.BreakerKeys() {
		switch b := d.s.ReadBreaker(key); {
		case b.Status != risk.Tripped:
		case b.Rule == nil:
			return domain.Errorf(domain.CodeHalted, "breaker %s is tripped, and is not known to this build; reset it with the build that recorded its trip, or a newer one", key)
		case b.Rule.Stop != "":
			return domain.Errorf(domain.CodeHalted, "%s is tripped; reset it first", key)
		}
	}
	return nil
}
