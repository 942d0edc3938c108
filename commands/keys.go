package commands

import (
	"time"

	"pets/domain"
	"pets/domain/system"
)

// BootstrapKey issues the first API key, for an admin, if there is none yet.
type BootstrapKey struct {
	User string `json:"user"`
	Hash string `json:"hash"`
}

func (BootstrapKey) spec() *Spec { return bootstrapKey }

// DecideSystem implements SystemCommand.
func (c BootstrapKey) DecideSystem(d *system.Decision) error { return d.Bootstrap(c.User, c.Hash) }

// IssueKey issues an API key, which is stored as its hash.
type IssueKey struct {
	// User is the person or machine that holds the key; two-person rules compare it.
	User      string      `json:"user"`
	Role      domain.Role `json:"role"`
	Portfolio string      `json:"portfolio,omitempty"` // the only one it may name
	Bot       string      `json:"bot,omitempty"`       // for role bot
	Note      string      `json:"note,omitempty"`
	// ExpiresIn is how long the key lives; 0 is a year.
	ExpiresIn domain.Duration `json:"expires_in,omitempty"`
	// Hash is not part of the body: a retry generates another key, but is the same request.
	Hash string `json:"-"`
}

func (IssueKey) spec() *Spec { return issueKey }

// DecideSystem implements SystemCommand.
func (c IssueKey) DecideSystem(d *system.Decision) error {
	e := &domain.APIKeyIssued{User: c.User, Role: c.Role, Portfolio: c.Portfolio, Bot: c.Bot, Hash: c.Hash, Note: c.Note}
	return d.IssueKey(e, time.Duration(c.ExpiresIn))
}

// RotateKey replaces an API key by one for the same user, role, portfolio and bot.
type RotateKey struct {
	Key string `json:"key"`
	// Overlap is how long the former key is accepted beside the new one; 24h by default, and
	// 0s ends it at once.
	Overlap *domain.Duration `json:"overlap,omitempty"`
	// ExpiresIn is how long the new key lives; 0 is a year.
	ExpiresIn domain.Duration `json:"expires_in,omitempty"`
	// Hash is not part of the body: a retry generates another key, but is the same request.
	Hash string `json:"-"`
}

func (RotateKey) spec() *Spec { return rotateKey }

// DecideSystem implements SystemCommand.
func (c RotateKey) DecideSystem(d *system.Decision) error {
	overlap := system.KeyOverlap
	if c.Overlap != nil {
		overlap = time.Duration(*c.Overlap)
	}
	return d.RotateKey(c.Key, c.Hash, overlap, time.Duration(c.ExpiresIn))
}

// RevokeKey revokes an API key.
type RevokeKey struct {
	Key    string `json:"key"`
	Reason string `json:"reason,omitempty"`
}

func (RevokeKey) spec() *Spec { return revokeKey }

// DecideSystem implements SystemCommand.
func (c RevokeKey) DecideSystem(d *system.Decision) error { return d.RevokeKey(c.Key, c.Reason) }

// RecordDenials records refused requests: one access.denied per source and minute.
type RecordDenials struct {
	Denials []domain.AccessDenied `json:"denials"`
}

func (RecordDenials) spec() *Spec { return recordDenials }

// DecideSystem implements SystemCommand.
func (c RecordDenials) DecideSystem(d *system.Decision) error { return d.RecordDenials(c.Denials) }

// StartKeyRotation announces that wallets will be sealed under another encryption key.
// The answer's ID names the rotation: a new one, or the open one to the same key, which
// this resumes.
type StartKeyRotation struct {
	// To is the id of the new key: 8 lower-case hex digits.
	To      string   `json:"to"`
	Wallets []string `json:"wallets,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	// After is the latest rotation when Wallets were listed, or none. The command is refused
	// if another was started since. If After is empty this is not checked.
	After string `json:"after,omitempty"`
}

func (StartKeyRotation) spec() *Spec { return startKeyRotation }

// DecideSystem implements SystemCommand.
func (c StartKeyRotation) DecideSystem(d *system.Decision) error {
	return d.StartRotation(&domain.KeyRotationStarted{To: c.To, Wallets: c.Wallets, Reason: c.Reason}, c.After)
}

// RecordReencrypted records that a wallet is sealed under the key of the open rotation,
// and that it was opened again and has the right address.
type RecordReencrypted struct {
	Rotation string `json:"rotation"`
	Wallet   string `json:"wallet"`
	Address  string `json:"address"`
	To       string `json:"to"`
	// From is the key it was sealed under before, or "unknown". It is not part of the body:
	// a process that resumes after a crash, or comes second, cannot see it any more, but
	// sends the same request.
	From string `json:"-"`
}

func (RecordReencrypted) spec() *Spec { return recordReencrypted }

// DecideSystem implements SystemCommand.
func (c RecordReencrypted) DecideSystem(d *system.Decision) error {
	return d.RecordReencrypted(&domain.KeyReencrypted{Rotation: c.Rotation, Wallet: c.Wallet, Address: c.Address, From: c.From, To: c.To})
}

// CompleteKeyRotation records that no wallet is sealed under another key any more.
type CompleteKeyRotation struct {
	Rotation string `json:"rotation"`
}

func (CompleteKeyRotation) spec() *Spec { return completeKeyRotation }

// DecideSystem implements SystemCommand.
func (c CompleteKeyRotation) DecideSystem(d *system.Decision) error {
	return d.CompleteRotation(c.Rotation)
}
