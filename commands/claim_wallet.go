package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// ClaimWallet ties a wallet's address to a portfolio, before the portfolio
// registers it: no other portfolio can have it then.
type ClaimWallet struct {
	// Address is 0x and 40 hex digits; capitals make no difference.
	Address   string `json:"address"`
	Wallet    string `json:"wallet"`
	Portfolio string `json:"portfolio"`
}

// Name implements Command.
func (ClaimWallet) Name() string { return "claim_wallet" }

// Roles implements Command.
func (ClaimWallet) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (ClaimWallet) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c ClaimWallet) DecideSystem(d *system.Decision) error {
	return d.ClaimWallet(&domain.WalletClaimed{Address: c.Address, Wallet: c.Wallet, Portfolio: c.Portfolio})
}
