package commands

import (
	"encoding/json"

	"pets/domain"
	"pets/domain/portfolio"
)

// ChangeTreasuryPolicy replaces parts of the treasury's rules.
type ChangeTreasuryPolicy struct {
	// Policy is a JSON object of treasury policy keys and values.
	Policy json.RawMessage `json:"policy"`
	Reason string          `json:"reason"`
}

// Name implements Command.
func (ChangeTreasuryPolicy) Name() string { return "change_treasury_policy" }

// Roles implements Command.
func (ChangeTreasuryPolicy) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (ChangeTreasuryPolicy) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c ChangeTreasuryPolicy) Decide(d *portfolio.Decision) error {
	return d.ChangeTreasuryPolicy(c.Policy, c.Reason)
}
