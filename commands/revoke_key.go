package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// RevokeKey takes an API key back.
type RevokeKey struct {
	Key    string `json:"key"`
	Reason string `json:"reason,omitempty"`
}

// Name implements Command.
func (RevokeKey) Name() string { return "revoke_api_key" }

// Roles implements Command.
func (RevokeKey) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (RevokeKey) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c RevokeKey) DecideSystem(d *system.Decision) error { return d.RevokeKey(c.Key, c.Reason) }
