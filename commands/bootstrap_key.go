package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// BootstrapKey makes the first API key, of an admin, while there is none.
type BootstrapKey struct {
	User string `json:"user"`
	Hash string `json:"hash"`
}

// Name implements Command.
func (BootstrapKey) Name() string { return "bootstrap_api_key" }

// Roles implements Command.
func (BootstrapKey) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (BootstrapKey) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c BootstrapKey) DecideSystem(d *system.Decision) error { return d.Bootstrap(c.User, c.Hash) }
