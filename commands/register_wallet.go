package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RegisterWallet makes a wallet of a place and chain known, and the main one of its place. An address
// belongs to one portfolio: see package commands/custody.
type RegisterWallet struct {
	Wallet  string `json:"wallet"`
	Place   string `json:"place"`
	Chain   string `json:"chain"`   // CAIP-2, such as eip155:137
	Address string `json:"address"` // EIP-55
	// Named are CAIP-19 ids by the ledger's names of the assets; by default the base
	// asset and the chain's coin, as the registry knows them.
	Named map[string]string `json:"assets,omitempty"`

	// Assets are what the registry knows of them. They are no part of the body.
	Assets []domain.WalletAsset `json:"-"`
}

// Name implements Command.
func (RegisterWallet) Name() string { return "register_wallet" }

// Roles implements Command.
func (RegisterWallet) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (RegisterWallet) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c RegisterWallet) Decide(d *portfolio.Decision) error {
	return d.RegisterWallet(&domain.WalletRegistered{Wallet: c.Wallet, Place: c.Place, Chain: c.Chain, Address: c.Address, Assets: c.Assets})
}
