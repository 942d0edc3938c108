package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// BootstrapKey makes the first API key, of an admin, while there is none.
type BootstrapKey struct {
	User string `json:"user"`
	Hash string `json:"hash"`
}

func (BootstrapKey) spec() *Spec { return bootstrapKey }

// DecideSystem implements SystemCommand.
func (c BootstrapKey) DecideSystem(d *system.Decision) error { return d.Bootstrap(c.User, c.Hash) }

// IssueKey makes an API key known by its hash.
type IssueKey struct {
	// User is the person or machine behind the key: two-person rules compare it.
	User      string      `json:"user"`
	Role      domain.Role `json:"role"`
	Portfolio string      `json:"portfolio,omitempty"` // the only one it may name
	Bot       string      `json:"bot,omitempty"`       // for role bot
	Note      string      `json:"note,omitempty"`
	// Hash is no part of the body: a retry draws another key, and is the same
	// request all the same.
	Hash string `json:"-"`
}

func (IssueKey) spec() *Spec { return issueKey }

// DecideSystem implements SystemCommand.
func (c IssueKey) DecideSystem(d *system.Decision) error {
	return d.IssueKey(&domain.APIKeyIssued{User: c.User, Role: c.Role, Portfolio: c.Portfolio, Bot: c.Bot, Hash: c.Hash, Note: c.Note})
}

// RevokeKey takes an API key back.
type RevokeKey struct {
	Key    string `json:"key"`
	Reason string `json:"reason,omitempty"`
}

func (RevokeKey) spec() *Spec { return revokeKey }

// DecideSystem implements SystemCommand.
func (c RevokeKey) DecideSystem(d *system.Decision) error { return d.RevokeKey(c.Key, c.Reason) }

// RecordDenials keeps what was refused: one access.denied per source and minute.
type RecordDenials struct {
	Denials []domain.AccessDenied `json:"denials"`
}

func (RecordDenials) spec() *Spec { return recordDenials }

// DecideSystem implements SystemCommand.
func (c RecordDenials) DecideSystem(d *system.Decision) error { return d.RecordDenials(c.Denials) }

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

func (StartKeyRotation) spec() *Spec { return startKeyRotation }

// DecideSystem implements SystemCommand.
func (c StartKeyRotation) DecideSystem(d *system.Decision) error {
	return d.StartRotation(&domain.KeyRotationStarted{To: c.To, Wallets: c.Wallets, Reason: c.Reason}, c.After)
}

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

func (RecordReencrypted) spec() *Spec { return recordReencrypted }

// DecideSystem implements SystemCommand.
func (c RecordReencrypted) DecideSystem(d *system.Decision) error {
	return d.RecordReencrypted(&domain.KeyReencrypted{Rotation: c.Rotation, Wallet: c.Wallet, Address: c.Address, From: c.From, To: c.To})
}

// CompleteKeyRotation says that no wallet is sealed under another key any more.
type CompleteKeyRotation struct {
	Rotation string `json:"rotation"`
}

func (CompleteKeyRotation) spec() *Spec { return completeKeyRotation }

// DecideSystem implements SystemCommand.
func (c CompleteKeyRotation) DecideSystem(d *system.Decision) error {
	return d.CompleteRotation(c.Rotation)
}
