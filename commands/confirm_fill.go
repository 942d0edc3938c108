package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ConfirmFill makes a provisional fill final.
type ConfirmFill struct {
	domain.FillID
}

// Name implements Command.
func (ConfirmFill) Name() string { return "confirm_fill" }

// Roles implements Command.
func (ConfirmFill) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (c ConfirmFill) Actor() string { return c.Bot }

// Decide implements Command.
func (c ConfirmFill) Decide(d *portfolio.Decision) error {
	return d.ConfirmFill(c.FillID)
}
