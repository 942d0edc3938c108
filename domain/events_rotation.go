package domain

// Events of the system stream about encryption keys and wallets. None holds a key:
// encryption keys are named by the first 8 hex digits of their SHA-256.

// WalletClaimed: the address belongs to this portfolio and no other.
type WalletClaimed struct {
	Address   string `json:"address"`
	Wallet    string `json:"wallet"`
	Portfolio string `json:"portfolio"`
}

// KeyRotationStarted: every blob of the keystore is to be sealed under To.
type KeyRotationStarted struct {
	// Rotation names it: r<revision of this event>.
	Rotation string `json:"rotation"`
	To       string `json:"to"`
	// Wallets are those whose blobs are sealed under another key.
	Wallets []string `json:"wallets"`
	// Reason is scheduled or a person's words.
	Reason string `json:"reason,omitempty"`
}

// KeyReencrypted: one blob is sealed under the new key, was opened again, and holds
// the address that it should.
type KeyReencrypted struct {
	Rotation string `json:"rotation"`
	Wallet   string `json:"wallet"`
	Address  string `json:"address"`
	From     string `json:"from"`
	To       string `json:"to"`
}

// KeyRotationCompleted: no blob is left under another key.
type KeyRotationCompleted struct {
	Rotation string `json:"rotation"`
	To       string `json:"to"`
}

// RotationName names the rotation that a record started: r and the revision.
func RotationName(revision uint64) string { return recordName("r", revision) }

// Event types of this file.
const (
	WalletClaimedType        = "wallet.claimed.v1"
	KeyRotationStartedType   = "key.rotation_started.v1"
	KeyReencryptedType       = "key.reencrypted.v1"
	KeyRotationCompletedType = "key.rotation_completed.v1"
)

// EventType implements Event.
func (e *WalletClaimed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *KeyRotationStarted) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *KeyReencrypted) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *KeyRotationCompleted) EventType() string { return typeOf(e) }
