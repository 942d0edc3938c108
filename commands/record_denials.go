package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// RecordDenials keeps what was refused: one access.denied per source and minute.
type RecordDenials struct {
	Denials []domain.AccessDenied `json:"denials"`
}

// Name implements Command.
func (RecordDenials) Name() string { return "record_denials" }

// Roles implements Command.
func (RecordDenials) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (RecordDenials) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c RecordDenials) DecideSystem(d *system.Decision) error { return d.RecordDenials(c.Denials) }
