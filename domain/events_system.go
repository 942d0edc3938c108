package domain

import "time"

// Events of the system stream: who may ask for something, and who tried without.

// APIKeyIssued: a key was made. Of the key itself only its hash is known: the
// key was shown once, to whom it was made for.
type APIKeyIssued struct {
	// Key names it: k<revision of this event>.
	Key  string `json:"key"`
	User string `json:"user"`
	Role Role   `json:"role"`
	// Portfolio is the only one it may name, and Bot the bot of a key of role bot.
	Portfolio string `json:"portfolio,omitempty"`
	Bot       string `json:"bot,omitempty"`
	// Hash is the SHA-256 of the key in lower-case hex.
	Hash string `json:"hash"`
	Note string `json:"note,omitempty"`
}

// APIKeyRevoked: the key is refused from now on.
type APIKeyRevoked struct {
	Key    string `json:"key"`
	Reason string `json:"reason,omitempty"`
}

// AccessDenied counts refusals of one source within a minute, or of many sources since
// they were last counted.
type AccessDenied struct {
	// Source is the address the requests came from, or "other"; Key the id of the key
	// they came with, empty for none that is valid.
	Source string `json:"source"`
	Key    string `json:"key,omitempty"`
	// Code is unauthenticated, denied or rate_limited; Route the last that was
	// asked for.
	Code  string    `json:"code"`
	Route string    `json:"route,omitempty"`
	Count int       `json:"count"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// RollbackAccepted: a person went on with a store that holds less than was witnessed of
// it, or whose witness could not be used. What is missing was acknowledged once.
type RollbackAccepted struct {
	Reason string `json:"reason"`
	// Witness says what was wrong with the witness itself, empty for nothing.
	Witness string `json:"witness,omitempty"`
	// Streams are those that differ, at most 1,000; More is the number of others.
	Streams []RolledBack `json:"streams,omitempty"`
	More    int          `json:"more,omitempty"`
}

// RolledBack is a stream that holds less than was witnessed, or something else.
type RolledBack struct {
	Stream string `json:"stream"`
	// Witnessed and Found are numbers of records.
	Witnessed uint64 `json:"witnessed"`
	Found     uint64 `json:"found"`
}

// KeyName names the API key that a record issued: k and the revision.
func KeyName(revision uint64) string { return recordName("k", revision) }

// Event types of this file.
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
