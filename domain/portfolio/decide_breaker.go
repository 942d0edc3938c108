package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// ResetPreview says what a reset would do.
type ResetPreview struct {
	Key           risk.Key
	Tripped       bool
	Before, After domain.Decimal
	Limit         domain.Decimal
	WouldRetrip   bool
	OpenPositions int
	// Since is how many records came after the trip.
	Since uint64
}

// PreviewReset answers a dry run at a time.
func (s *State) PreviewReset(key risk.Key, rebase bool, now time.Time) (ResetPreview, error) {
	if err := s.checkBreaker(key); err != nil {
		return ResetPreview{}, err
	}
	b := s.breaker(key)
	p := ResetPreview{
		Key: key, Tripped: b.Status == risk.Tripped, Before: s.valueAt(key, now),
		Limit: risk.LimitOf(&s.Policy, key.Breaker),
	}
	p.After = s.valueAfterReset(key, rebase, p.Before)
	p.WouldRetrip = p.After.AtLeast(p.Limit)
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

func (s *State) checkBreaker(key risk.Key) error {
	switch key.Breaker {
	case domain.ConsecutiveLosses, domain.BotDrawdown:
		if key.Bot == "" {
			return domain.Invalid("bot", "is missing: %s is kept per bot", key.Breaker)
		}
		if s.Bots[key.Bot] == nil {
			return &domain.Error{Code: domain.CodeNotFound, Field: "bot", Message: "is not registered in this portfolio"}
		}
	case domain.DailyLoss, domain.PortfolioDrawdown:
		if key.Bot != "" {
			return domain.Invalid("bot", "does not go with %s, which is the portfolio's", key.Breaker)
		}
	default:
		return &domain.Error{Code: domain.CodeNotFound, Field: "breaker", Message: "must be consecutive_losses, daily_loss, bot_drawdown or portfolio_drawdown"}
	}
	return nil
}

// valueAt is the value at a time: the first record of a new day opens it, which
// is before the breaker is reset.
func (s *State) valueAt(key risk.Key, now time.Time) domain.Decimal {
	if _, isNew := s.newDay(now); key.Breaker != domain.DailyLoss || !isNew {
		return s.BreakerValue(key)
	}
	refs, equity := s.Refs, s.Equity()
	refs.OpenDay(equity)
	return refs.DailyLoss(equity)
}

// valueAfterReset: the streak starts at 0; with rebase the peak or day-open
// becomes the equity now, which helps only while there is any.
func (s *State) valueAfterReset(key risk.Key, rebase bool, value domain.Decimal) domain.Decimal {
	if key.Breaker == domain.ConsecutiveLosses {
		return domain.Zero
	}
	equity := s.Equity()
	if b := s.Bots[key.Bot]; b != nil {
		equity = b.Equity()
	}
	if rebase && equity.Sign() > 0 {
		return domain.Zero
	}
	return value
}

// ResetBreaker is a person's decision to go on after a trip. It is refused for a
// breaker that is not tripped, and when it would leave value ≥ limit. Bots stay
// stopped and are started one by one.
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
		return domain.Errorf(domain.CodeWouldRetrip, "%s would trip again at once: value %s, limit %s; reset with rebase to count from the equity now", key, p.After.Ratio(), p.Limit)
	}
	d.emit(&domain.BreakerReset{
		Breaker: key.Breaker, Bot: key.Bot, Reason: reason, Rebase: rebase, User: d.caller.User, Before: p.Before, After: p.After,
	})
	return nil
}

// EngageStop halts the portfolio at once: bots stop, permits not yet placed are
// revoked. Only two people together can clear it. A lesser kind than the one that is
// engaged leaves that one in force: who stops by hand after a breach was reported does
// not take the report back.
func (d *Decision) EngageStop(kind, reason string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := CheckStop(kind, reason); err != nil {
		return err
	}
	d.engage(kind, reason)
	return nil
}

// engage records an emergency stop under the kind that is in force with it.
func (d *Decision) engage(kind, reason string) {
	e := &domain.EmergencyStopEngaged{
		Kind: domain.GraverStop(kind, d.s.Stop.Kind), Reason: reason, BotsStopped: d.s.runningBots(""), PermitsRevoked: d.s.unplacedPermits("", d),
	}
	if e.Kind != kind {
		e.RequestedKind = kind
	}
	d.emit(e)
}

// CheckStop refuses a stop that no portfolio would take.
func CheckStop(kind, reason string) error {
	switch kind {
	case domain.StopManual, domain.StopSystemError, domain.StopSecurityBreach:
	default:
		return domain.Invalid("kind", "must be manual, system_error or security_breach")
	}
	return domain.CheckReason("reason", reason)
}

// RequestClear is the first of the two people; it answers with the name of the
// request, which the second confirms.
func (d *Decision) RequestClear(reason string) error {
	if err := d.clearable(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	d.due()
	d.emit(&domain.EmergencyStopClearRequested{
		Request: "c" + domain.TradeName(d.s.Next)[1:], Reason: reason, User: d.caller.User,
	})
	return nil
}

// ConfirmClear is the second, another user. The bots stay stopped.
func (d *Decision) ConfirmClear(request string) error {
	if err := d.clearable(); err != nil {
		return err
	}
	if request == "" || request != d.s.Stop.Request {
		return &domain.Error{Code: domain.CodeNotFound, Field: "request", Message: "is not the open request to clear the emergency stop"}
	}
	if domain.SameUser(d.caller.User, d.s.Stop.Requester) {
		return domain.Errorf(domain.CodeDenied, "the user who requested the clearing cannot confirm it; it takes two people")
	}
	if err := d.requireLiving(d.s.Stop.Requester); err != nil {
		return err
	}
	d.emit(&domain.EmergencyStopCleared{Request: request, RequestedBy: d.s.Stop.Requester, ConfirmedBy: d.caller.User})
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
	if d.s.breaker(risk.Key{Breaker: domain.PortfolioDrawdown}).Status == risk.Tripped {
		return domain.Errorf(domain.CodeHalted, "portfolio_drawdown is tripped; reset it first")
	}
	return nil
}
