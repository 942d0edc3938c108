package domain

import (
	"encoding/json"
	"time"
)

// The rules that two people together can override.
const (
	// OverrideGoLive allows one live portfolio to be opened without a passed
	// gate. It is recorded in the stream of a paper portfolio.
	OverrideGoLive = "go_live"
	// OverrideLimits loosens limits of a live portfolio beyond their defaults.
	OverrideLimits = "limits"
	// OverrideTreasury loosens treasury rules of a live portfolio beyond their defaults.
	OverrideTreasury = "treasury_policy"
	// OverrideTransfer ends a transfer whose outcome the server cannot determine.
	OverrideTransfer = "transfer"
	// OverrideAdjustment corrects the books of a live portfolio.
	OverrideAdjustment = "adjustment"
	// OverrideTokens replaces the tokens of a market's outcomes.
	OverrideTokens = "market_tokens"
	// OverrideClock lets the stream's time continue from the last record although
	// the wall clock is behind it.
	OverrideClock = "clock"
	// OverridePayouts settles an exclusive market at payouts that do not sum to 1.
	OverridePayouts = "payouts"
	// OverrideSettlement corrects what a market paid.
	OverrideSettlement = "settlement"
	// OverrideSigned makes approvals of a live portfolio signed ones, for good.
	OverrideSigned = "signed_approvals"
)

// OverrideRequested records the request of the first person.
type OverrideRequested struct {
	// Override is the name of the override: o<revision of this event>.
	Override string `json:"override"`
	Kind     string `json:"kind"`
	// Portfolio is the live portfolio that a go_live override allows.
	Portfolio string `json:"portfolio,omitempty"`
	// Limits is what the kind carries: policy keys for limits, account, asset and amount
	// for an adjustment, and so on.
	Limits json.RawMessage `json:"limits,omitempty"`
	// Offset is added to the wall clock by a clock override, as requested.
	Offset Duration `json:"offset,omitzero"`
	// Difference is the unexplained chain − ledger of the account's place and asset
	// when an adjustment was requested; nil if there was none.
	Difference *Decimal `json:"difference,omitempty"`
	// Checked is what the chain said when the tokens of a market were requested.
	Checked   *TokensCheck `json:"checked,omitempty"`
	Reason    string       `json:"reason"`
	User      string       `json:"user"`
	ExpiresAt time.Time    `json:"expires_at"`
	// Replaces names the requests that waited, and that this one replaces.
	Replaces []string `json:"replaces,omitempty"`
}

// OverrideRecorded records the confirmation by a second user. The override is in
// force from here on. What it changes follows in the same append: limits.changed,
// adjustment.posted, and so on.
type OverrideRecorded struct {
	Override  string          `json:"override"`
	Kind      string          `json:"kind"`
	Portfolio string          `json:"portfolio,omitempty"`
	Limits    json.RawMessage `json:"limits,omitempty"`
	// Offset is what a clock override adds to the wall clock: from this record
	// on, the stream's time runs at the wall clock's pace.
	Offset Duration `json:"offset,omitzero"`
	Reason string   `json:"reason"`
	// RequestedBy and ConfirmedBy are two different users.
	RequestedBy string `json:"requested_by"`
	ConfirmedBy string `json:"confirmed_by"`
	// Signature is ConfirmedBy's over what was shown, in a portfolio with signed
	// approvals, and of the kinds go_live and signed_approvals.
	Signature *ApprovalSignature `json:"signature,omitempty"`
}

// OverrideName returns the name of the override that a record requested: o and
// the revision.
func OverrideName(revision uint64) string { return recordName("o", revision) }

// The event types of this file.
const (
	OverrideRequestedType = "override.requested.v1"
	OverrideRecordedType  = "override.recorded.v1"
)

// EventType implements Event.
func (e *OverrideRequested) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *OverrideRecorded) EventType() string { return typeOf(e) }
