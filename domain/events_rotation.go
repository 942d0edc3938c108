package domain

// Events of the system stream about encryption keys and wallets. No event holds a
// key; an encryption key is named by the first 8 hex digits of its SHA-256.

// WalletClaimed ties an address to one portfolio.
type WalletClaimed struct {
	Address   string `json:"address"`
	Wallet    string `json:"wallet"`
	Portfolio string `json:"portfolio"`
}

// KeyRotationStarted records that every blob of the keystore is to be sealed
// under the key To.
type KeyRotationStarted struct {
	// Rotation is the name of the rotation: r<revision of this event>.
	Rotation string `json:"rotation"`
	To       string `json:"to"`
	// Wallets lists the wallets whose blobs are sealed under another key.
	Wallets []string `json:"wallets"`
	// Reason is "scheduled" or a reason that a person gave.
	Reason string `json:"reason,omitempty"`
}

// KeyReencrypted records that one blob was sealed under the new key, opened
// again, and found to hold the key of the expected address.
type KeyReencrypted struct {
	Rotation string `json:"rotation"`
	Wallet   string `json:"wallet"`
	Address  string `json:"address"`
	From     string `json:"from"`
	To       string `json:"to"`
}

// KeyRotationCompleted records that no blob is left under another key.
type KeyRotationCompleted struct {
	Rotation string `json:"rotation"`
	To       string `json:"to"`
}

// RotationName returns the name of the rotation that a record started: r and the
// revision.
func RotationName(revision uint64) string { return recordName("r", revision) }

// The event types of this file.
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
