package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// PrepareTransfer records the transaction of an approved transfer before anything is signed. The server
// sends it.
type PrepareTransfer struct {
	Transfer string `json:"transfer"`
	// Prepared is the transaction, and what its bytes say.
	Prepared Prepared `json:"prepared"`
}

// Name implements Command.
func (PrepareTransfer) Name() string { return "prepare_transfer" }

// Roles implements Command.
func (PrepareTransfer) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (PrepareTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c PrepareTransfer) Decide(d *portfolio.Decision) error {
	return d.PrepareTransfer(c.Transfer, c.Prepared.domain())
}
