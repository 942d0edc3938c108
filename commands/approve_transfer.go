package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ApproveTransfer is the second person's word on a transfer, bound to its hash.
type ApproveTransfer struct {
	Transfer string `json:"transfer"`
	Hash     string `json:"hash"`
}

// Name implements Command.
func (ApproveTransfer) Name() string { return "approve_transfer" }

// Roles implements Command.
func (ApproveTransfer) Roles() []domain.Role { return []domain.Role{domain.RoleApprover} }

// Actor implements Command.
func (ApproveTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c ApproveTransfer) Decide(d *portfolio.Decision) error {
	return d.ApproveTransfer(c.Transfer, c.Hash)
}
