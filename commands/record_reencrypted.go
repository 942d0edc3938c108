package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// RecordReencrypted keeps that a wallet is sealed under the key of the rotation
// that is open, was opened again, and has the address that it should.
type RecordReencrypted struct {
	Rotation string `json:"rotation"`
	Wallet   string `json:"wallet"`
	Address  string `json:"address"`
	To       string `json:"to"`
	// From is the key it was sealed under before, or "unknown". It is no part of
	// the body: who resumes after a crash, or comes second, cannot see it any more,
	// and his is the same request all the same.
	From string `json:"-"`
}

// Name implements Command.
func (RecordReencrypted) Name() string { return "record_reencrypted" }

// Roles implements Command.
func (RecordReencrypted) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (RecordReencrypted) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c RecordReencrypted) DecideSystem(d *system.Decision) error {
	return d.RecordReencrypted(&domain.KeyReencrypted{Rotation: c.Rotation, Wallet: c.Wallet, Address: c.Address, From: c.From, To: c.To})
}
