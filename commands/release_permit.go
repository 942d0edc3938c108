package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ReleasePermit gives a permit's reservation back.
type ReleasePermit struct {
	Permit string `json:"permit"`
	Reason string `json:"reason,omitempty"`
}

// Name implements Command.
func (ReleasePermit) Name() string { return "release_permit" }

// Roles implements Command.
func (ReleasePermit) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (ReleasePermit) Actor() string { return "" }

// Decide implements Command.
func (c ReleasePermit) Decide(d *portfolio.Decision) error {
	return d.ReleasePermit(c.Permit, c.Reason)
}
