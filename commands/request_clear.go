package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RequestClear is the first of the two people who clear an emergency stop.
type RequestClear struct {
	Reason string `json:"reason"`
}

// Name implements Command.
func (RequestClear) Name() string { return "request_clear" }

// Roles implements Command.
func (RequestClear) Roles() []domain.Role {
	return []domain.Role{domain.RoleOperator, domain.RoleApprover}
}

// Actor implements Command.
func (RequestClear) Actor() string { return "" }

// Decide implements Command.
func (c RequestClear) Decide(d *portfolio.Decision) error {
	return d.RequestClear(c.Reason)
}
