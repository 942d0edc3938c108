package risk

import "pets/domain"

// Status of a breaker.
type Status string

// The statuses. Tripped ends only by a reset.
const (
	OK      Status = "ok"
	Warned  Status = "warned"
	Tripped Status = "tripped"
)

// Key names one breaker of a portfolio; Bot is empty for those of the whole
// portfolio.
type Key struct {
	Breaker string
	Bot     string
}

// Scope is "bot" or "portfolio".
func (k Key) Scope() string {
	if k.Bot != "" {
		return "bot"
	}
	return "portfolio"
}

func (k Key) String() string {
	if k.Bot == "" {
		return k.Breaker
	}
	return k.Breaker + " of " + k.Bot
}

// IsBotScoped reports whether a breaker is kept per bot.
func IsBotScoped(breaker string) bool {
	return breaker == domain.ConsecutiveLosses || breaker == domain.BotDrawdown
}

// Breaker is the remembered state of one breaker; its value follows from equity
// or the streak and is never stored.
type Breaker struct {
	Status   Status `json:"status"`
	Revision uint64 `json:"revision"` // of the record that set the status
	// Stops is what its trip stopped: domain.StopAll or domain.StopBot.
	Stops string `json:"stops,omitempty"`
}

// LimitOf returns the limit of a breaker under a policy. The streak's is a
// count.
func LimitOf(p *domain.Policy, breaker string) domain.Decimal {
	switch breaker {
	case domain.ConsecutiveLosses:
		return domain.FromInt(int64(p.MaxConsecutiveLosses))
	case domain.DailyLoss:
		return p.MaxDailyLossPct
	case domain.BotDrawdown:
		return p.MaxBotDrawdownPct
	default:
		return p.MaxPortfolioDrawdownPct
	}
}

// WarnLevel returns the value at which a breaker warns: warn_at × limit, the
// streak at limit − 1. Zero means it never warns.
func WarnLevel(p *domain.Policy, breaker string) domain.Decimal {
	if breaker == domain.ConsecutiveLosses {
		return domain.FromInt(int64(p.MaxConsecutiveLosses) - 1)
	}
	return LimitOf(p, breaker).Mul(p.BreakerWarnAt)
}

var rearmAt = domain.MustDecimal("0.9")

// Rearms reports whether a value is far enough below the warning level for the
// breaker to warn again.
func Rearms(p *domain.Policy, breaker string, value domain.Decimal) bool {
	return value.Less(WarnLevel(p, breaker).Mul(rearmAt))
}

// Verdict is what an evaluation finds.
type Verdict int

// The verdicts.
const (
	Quiet Verdict = iota
	Warns
	Trips
)

// Judge compares a value with its levels; ≥ trips. A tripped breaker trips no
// second time, a warned one does not warn again.
func (b Breaker) Judge(p *domain.Policy, breaker string, value domain.Decimal) Verdict {
	if b.Status == Tripped {
		return Quiet
	}
	if value.AtLeast(LimitOf(p, breaker)) {
		return Trips
	}
	level := WarnLevel(p, breaker)
	if b.Status != Warned && level.Sign() > 0 && value.AtLeast(level) {
		return Warns
	}
	return Quiet
}
