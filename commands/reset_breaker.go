package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// ResetBreaker is a person's decision to go on after a trip.
type ResetBreaker struct {
	Breaker string `json:"breaker"`
	Bot     string `json:"bot,omitempty"`
	Reason  string `json:"reason"`
	Rebase  bool   `json:"rebase"`
}

// Name implements Command.
func (ResetBreaker) Name() string { return "reset_breaker" }

// Roles implements Command.
func (ResetBreaker) Roles() []domain.Role { return operators }

// Actor implements Command.
func (ResetBreaker) Actor() string { return "" }

// Decide implements Command.
func (c ResetBreaker) Decide(d *portfolio.Decision) error {
	return d.ResetBreaker(risk.Key{Breaker: c.Breaker, Bot: c.Bot}, c.Reason, c.Rebase)
}
