package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// CompleteKeyRotation says that no wallet is sealed under another key any more.
type CompleteKeyRotation struct {
	Rotation string `json:"rotation"`
}

// Name implements Command.
func (CompleteKeyRotation) Name() string { return "complete_key_rotation" }

// Roles implements Command.
func (CompleteKeyRotation) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (CompleteKeyRotation) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c CompleteKeyRotation) DecideSystem(d *system.Decision) error {
	return d.CompleteRotation(c.Rotation)
}
