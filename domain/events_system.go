package domain

import "time"

// Events of the system stream: API keys and refused requests.

// APIKeyIssued records a new API key. Only the hash of the key is stored; the key
// itself was shown once.
type APIKeyIssued struct {
	// Key is the id of the key: k<revision of this event>.
	Key  string `json:"key"`
	User string `json:"user"`
	Role Role   `json:"role"`
	// Portfolio is the only portfolio that the key may name. Bot is the bot of a
	// key with role bot.
	Portfolio string `json:"portfolio,omitempty"`
	Bot       string `json:"bot,omitempty"`
	// Hash is the SHA-256 of the key in lower-case hex.
	Hash string `json:"hash"`
	Note string `json:"note,omitempty"`
	// ExpiresAt is when the key ends. Keys that earlier builds issued have none,
	// and do not end.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// Replaces is the key that this one takes the place of; FormerUntil is when
	// that one ends, if it does not end earlier.
	Replaces    string     `json:"replaces,omitempty"`
	FormerUntil *time.Time `json:"former_until,omitempty"`
}

// APIKeyRevoked records that the key is refused from now on.
type APIKeyRevoked struct {
	Key    string `json:"key"`
	Reason string `json:"reason,omitempty"`
}

// AccessDenied counts the refused requests of one source within a minute, or of
// many sources since the last such count.
type AccessDenied struct {
	// Source is the address that the requests came from, or "other". Key is the
	// id of their API key, or empty if none was valid.
	Source string `json:"source"`
	Key    string `json:"key,omitempty"`
	// Code is unauthenticated, denied or rate_limited. Route is the last route
	// that was requested.
	Code  string    `json:"code"`
	Route string    `json:"route,omitempty"`
	Count int       `json:"count"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// RollbackAccepted records that a person continued with a store that holds less
// than its witness recorded, or whose witness could not be used. The missing
// records were acknowledged once.
type RollbackAccepted struct {
	Reason string `json:"reason"`
	// Witness says what was wrong with the witness itself, or is empty.
	Witness string `json:"witness,omitempty"`
	// Streams are the streams that differ, at most 1,000. More is the number of
	// further ones.
	Streams []RolledBack `json:"streams,omitempty"`
	More    int          `json:"more,omitempty"`
}

// RolledBack is a stream with fewer records than were witnessed, or with
// different ones.
type RolledBack struct {
	Stream string `json:"stream"`
	// Witnessed and Found are numbers of records.
	Witnessed uint64 `json:"witnessed"`
	Found     uint64 `json:"found"`
}

// KeyName returns the id of the API key that a record issued: k and the revision.
func KeyName(revision uint64) string { return recordName("k", revision) }

// The event types of this file.
const (
	APIKeyIssuedType  = "api_key.issued.v1"  //nolint:gosec // a name, no key
	APIKeyRevokedType = "api_key.revoked.v1" //nolint:gosec // a name, no key
	AccessDeniedType  = "access.denied.v1"

	RollbackAcceptedType = "rollback.accepted.v1"
)

// EventType implements Event.
func (e *APIKeyIssued) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *APIKeyRevoked) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *AccessDenied) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *RollbackAccepted) EventType() string { return typeOf(e) }
