package commands

import (
	"encoding/json"

	"pets/domain"
	"pets/domain/portfolio"
)

// RequestOverride is the first of two people.
type RequestOverride struct {
	Kind      string          `json:"kind"` // go_live, limits, treasury_policy, transfer or clock
	Portfolio string          `json:"portfolio,omitempty"`
	Limits    json.RawMessage `json:"limits,omitempty"`
	Reason    string          `json:"reason"`
}

// Name implements Command.
func (RequestOverride) Name() string { return "request_override" }

// Roles implements Command.
func (RequestOverride) Roles() []domain.Role {
	return []domain.Role{domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin}
}

// Actor implements Command.
func (RequestOverride) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c RequestOverride) Decide(d *portfolio.Decision) error {
	return d.RequestOverride(c.Kind, c.Portfolio, c.Limits, c.Reason)
}
