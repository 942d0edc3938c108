package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// PlacePermit says that a permitted order rests at the venue.
type PlacePermit struct {
	Permit    string     `json:"permit"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // the order's own expiry
}

// Name implements Command.
func (PlacePermit) Name() string { return "place_permit" }

// Roles implements Command.
func (PlacePermit) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (PlacePermit) Actor() string { return "" }

// Decide implements Command.
func (c PlacePermit) Decide(d *portfolio.Decision) error {
	return d.PlacePermit(c.Permit, c.ExpiresAt)
}
