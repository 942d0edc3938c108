package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ConfirmClear is the second of the two people.
type ConfirmClear struct {
	Request string `json:"request"`
}

// Name implements Command.
func (ConfirmClear) Name() string { return "confirm_clear" }

// Roles implements Command.
func (ConfirmClear) Roles() []domain.Role { return []domain.Role{domain.RoleApprover} }

// Actor implements Command.
func (ConfirmClear) Actor() string { return "" }

// Decide implements Command.
func (c ConfirmClear) Decide(d *portfolio.Decision) error {
	return d.ConfirmClear(c.Request)
}
