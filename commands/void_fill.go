package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// VoidFill takes a provisional fill back as if it had never been.
type VoidFill struct {
	domain.FillID
}

// Name implements Command.
func (VoidFill) Name() string { return "void_fill" }

// Roles implements Command.
func (VoidFill) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (c VoidFill) Actor() string { return c.Bot }

// Decide implements Command.
func (c VoidFill) Decide(d *portfolio.Decision) error {
	return d.VoidFill(c.FillID)
}
