package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// UseKey notes that a key was opened for something else than a signature.
type UseKey struct {
	Wallet  string `json:"wallet"`
	Purpose string `json:"purpose"`

	// Address is no part of the body: see package commands/custody.
	Address string `json:"-"`
}

// Name implements Command.
func (UseKey) Name() string { return "use_key" }

// Roles implements Command.
func (UseKey) Roles() []domain.Role { return operators }

// Actor implements Command.
func (UseKey) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c UseKey) Decide(d *portfolio.Decision) error {
	return d.UseKey(&domain.KeyUsed{Wallet: c.Wallet, Address: c.Address, Purpose: c.Purpose})
}
