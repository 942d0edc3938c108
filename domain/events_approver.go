package domain

import "time"

// Events of the system stream: the approvers' keys, of which only the public halves
// are known here.

// ApproverRegistered records the public half of an approver's key.
type ApproverRegistered struct {
	// Approver is the id of the key: a<revision of this event>.
	Approver string `json:"approver"`
	User     string `json:"user"`
	// PublicKey is the text that pets apikey request prints.
	PublicKey string `json:"public_key"`
	// By is the admin who registered it.
	By string `json:"by"`
	// CountsFrom is when its signatures begin to count: at once for the first key of
	// the ledger, after a day for every other.
	// It is shown and compared: the rule says when the key counts.
	CountsFrom time.Time `json:"counts_from"`
	Note       string    `json:"note,omitempty"`
	// RegisteredAt is the time of the registration. The word for the key is signed with it,
	// so that none given in a copy of the ledger fits here. Older builds do not record it,
	// and words for their keys are signed without.
	RegisteredAt time.Time `json:"registered_at,omitzero"`
}

// ApproverVouched records the word of a counting approver for another one's key,
// which counts from here on.
type ApproverVouched struct {
	Approver  string            `json:"approver"`
	By        string            `json:"by"`
	Signature ApprovalSignature `json:"signature"`
}

// ApproverRevoked records that the key's signatures do not count any more. The key
// cannot be registered again.
type ApproverRevoked struct {
	Approver string `json:"approver"`
	By       string `json:"by"`
	Reason   string `json:"reason,omitempty"`
}

// ApproverName returns the id of the approver's key that a record registered: a and
// the revision.
func ApproverName(revision uint64) string { return recordName("a", revision) }

// The event types of this file.
const (
	ApproverRegisteredType = "approver.registered.v1"
	ApproverVouchedType    = "approver.vouched.v1"
	ApproverRevokedType    = "approver.revoked.v1"
)

// EventType implements Event.
func (e *ApproverRegistered) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *ApproverVouched) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *ApproverRevoked) EventType() string { return typeOf(e) }
