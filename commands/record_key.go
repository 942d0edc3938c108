package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RecordKey notes that a wallet's key was put into the keystore.
type RecordKey struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
	// Origin is created or recovered.
	Origin string `json:"origin"`
	Path   string `json:"path,omitempty"` // BIP-44
	KeyID  string `json:"key_id"`         // of the encryption key
}

// Name implements Command.
func (RecordKey) Name() string { return "record_key" }

// Roles implements Command.
func (RecordKey) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RecordKey) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c RecordKey) Decide(d *portfolio.Decision) error {
	return d.RecordKey(c.Origin, domain.KeyCreated{Wallet: c.Wallet, Address: c.Address, Path: c.Path, KeyID: c.KeyID})
}
