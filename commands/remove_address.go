package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RemoveAddress takes an address out of the book.
type RemoveAddress struct {
	Chain   string `json:"chain"`
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

// Name implements Command.
func (RemoveAddress) Name() string { return "remove_address" }

// Roles implements Command.
func (RemoveAddress) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RemoveAddress) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c RemoveAddress) Decide(d *portfolio.Decision) error {
	return d.RemoveAddress(&domain.AddressRemoved{Chain: c.Chain, Address: c.Address, Reason: c.Reason})
}
