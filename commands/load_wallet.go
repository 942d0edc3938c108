package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// LoadWallet notes that a wallet's key gives its address, and what the chain says it holds.
type LoadWallet struct {
	Wallet string `json:"wallet"`

	// What was found is no part of the body: see package commands/custody.
	Address  string                 `json:"-"`
	Block    uint64                 `json:"-"`
	Balances []domain.WalletBalance `json:"-"`
}

// Name implements Command.
func (LoadWallet) Name() string { return "load_wallet" }

// Roles implements Command.
func (LoadWallet) Roles() []domain.Role { return operators }

// Actor implements Command.
func (LoadWallet) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c LoadWallet) Decide(d *portfolio.Decision) error {
	return d.LoadWallet(&domain.WalletLoaded{Wallet: c.Wallet, Address: c.Address, Block: c.Block, Balances: c.Balances})
}
