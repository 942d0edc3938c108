package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ConfirmOverride is the second of the two people.
type ConfirmOverride struct {
	Override string `json:"override"`
}

// Name implements Command.
func (ConfirmOverride) Name() string { return "confirm_override" }

// Roles implements Command.
func (ConfirmOverride) Roles() []domain.Role { return []domain.Role{domain.RoleApprover} }

// Actor implements Command.
func (ConfirmOverride) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c ConfirmOverride) Decide(d *portfolio.Decision) error { return d.ConfirmOverride(c.Override) }
