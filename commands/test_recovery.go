package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// TestRecovery notes that the words of a wallet gave its address, without a touch of the stored key.
type TestRecovery struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
}

// Name implements Command.
func (TestRecovery) Name() string { return "test_recovery" }

// Roles implements Command.
func (TestRecovery) Roles() []domain.Role { return operators }

// Actor implements Command.
func (TestRecovery) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c TestRecovery) Decide(d *portfolio.Decision) error {
	return d.TestRecovery(&domain.WalletRecoveryTested{Wallet: c.Wallet, Address: c.Address})
}
