package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// StartKeyRotation announces that wallets will be sealed under another encryption
// key. The answer's ID names the rotation: a new one, or the one to the same key
// that is open and is resumed by this.
type StartKeyRotation struct {
	// To is the id of the new key: 8 lower-case hex digits.
	To      string   `json:"to"`
	Wallets []string `json:"wallets,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	// After is the rotation that was the latest when Wallets were listed, or none;
	// where another was started since, this one is refused. Empty asks for no such
	// check.
	After string `json:"after,omitempty"`
}

// Name implements Command.
func (StartKeyRotation) Name() string { return "start_key_rotation" }

// Roles implements Command.
func (StartKeyRotation) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (StartKeyRotation) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c StartKeyRotation) DecideSystem(d *system.Decision) error {
	return d.StartRotation(&domain.KeyRotationStarted{To: c.To, Wallets: c.Wallets, Reason: c.Reason}, c.After)
}
