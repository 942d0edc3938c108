package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RejectTransfer ends a transfer of which nothing was sent.
type RejectTransfer struct {
	Transfer string `json:"transfer"`
	Reason   string `json:"reason"`
}

// Name implements Command.
func (RejectTransfer) Name() string { return "reject_transfer" }

// Roles implements Command.
func (RejectTransfer) Roles() []domain.Role {
	return []domain.Role{domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin}
}

// Actor implements Command.
func (RejectTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c RejectTransfer) Decide(d *portfolio.Decision) error {
	return d.RejectTransfer(c.Transfer, c.Reason)
}
