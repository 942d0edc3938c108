package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// EngageStop halts the portfolio at once.
type EngageStop struct {
	Kind   string `json:"kind"` // manual, system_error or security_breach
	Reason string `json:"reason"`
}

// Name implements Command.
func (EngageStop) Name() string { return "engage_stop" }

// Roles implements Command.
func (EngageStop) Roles() []domain.Role {
	return []domain.Role{domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin}
}

// Actor implements Command.
func (EngageStop) Actor() string { return "" }

// Decide implements Command.
func (c EngageStop) Decide(d *portfolio.Decision) error {
	return d.EngageStop(c.Kind, c.Reason)
}
