package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RepriceTransfer records the transaction that takes the place of a stuck one. The server sends it.
type RepriceTransfer struct {
	Transfer string `json:"transfer"`
	// Prepared is the transaction, and what its bytes say.
	Prepared Prepared `json:"prepared"`
}

// Name implements Command.
func (RepriceTransfer) Name() string { return "reprice_transfer" }

// Roles implements Command.
func (RepriceTransfer) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (RepriceTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c RepriceTransfer) Decide(d *portfolio.Decision) error {
	return d.RepriceTransfer(c.Transfer, c.Prepared.domain())
}
