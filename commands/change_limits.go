package commands

import (
	"encoding/json"

	"pets/domain"
	"pets/domain/portfolio"
)

// ChangeLimits replaces parts of the policy.
type ChangeLimits struct {
	// Limits is a JSON object of policy keys and values.
	Limits json.RawMessage `json:"limits"`
	Reason string          `json:"reason"`
}

// Name implements Command.
func (ChangeLimits) Name() string { return "change_limits" }

// Roles implements Command.
func (ChangeLimits) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (ChangeLimits) Actor() string { return "" }

// Decide implements Command.
func (c ChangeLimits) Decide(d *portfolio.Decision) error {
	return d.ChangeLimits(c.Limits, c.Reason)
}
