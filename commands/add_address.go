package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// AddAddress puts an address into the book: transfers may go to it.
type AddAddress struct {
	Chain   string `json:"chain"`   // CAIP-2
	Address string `json:"address"` // EIP-55
	Label   string `json:"label"`
}

// Name implements Command.
func (AddAddress) Name() string { return "add_address" }

// Roles implements Command.
func (AddAddress) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (AddAddress) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c AddAddress) Decide(d *portfolio.Decision) error {
	return d.AddAddress(&domain.AddressAdded{Chain: c.Chain, Address: c.Address, Label: c.Label})
}
