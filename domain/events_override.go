package domain

import (
	"encoding/json"
	"time"
)

// What two people can override together.
const (
	// OverrideGoLive opens one live portfolio without a passed gate. It stands in
	// the stream of a paper portfolio.
	OverrideGoLive = "go_live"
	// OverrideLimits loosens limits of a live portfolio beyond their defaults.
	OverrideLimits = "limits"
	// OverrideTreasury loosens treasury rules of a live portfolio beyond their defaults.
	OverrideTreasury = "treasury_policy"
	// OverrideTransfer ends a transfer of which the server cannot find out what became.
	OverrideTransfer = "transfer"
	// OverrideClock lets time run on from the last record though the wall clock is behind.
	OverrideClock = "clock"
)

// OverrideRequested is the first of the two people.
type OverrideRequested struct {
	// Override names it: o<revision of this event>.
	Override string `json:"override"`
	Kind     string `json:"kind"`
	// Portfolio is the live portfolio that go_live opens.
	Portfolio string `json:"portfolio,omitempty"`
	// Limits is the JSON object of policy keys that limits sets.
	Limits json.RawMessage `json:"limits,omitempty"`
	// Offset is what clock adds to the wall clock, as of now.
	Offset    Duration  `json:"offset,omitzero"`
	Reason    string    `json:"reason"`
	User      string    `json:"user"`
	ExpiresAt time.Time `json:"expires_at"`
}

// OverrideRecorded is the second, another user. What it allows is in force from
// here on; limits.changed follows it in the same append.
type OverrideRecorded struct {
	Override  string          `json:"override"`
	Kind      string          `json:"kind"`
	Portfolio string          `json:"portfolio,omitempty"`
	Limits    json.RawMessage `json:"limits,omitempty"`
	// Offset is what clock adds to the wall clock from here on: time runs on from this
	// record at the wall clock's pace.
	Offset Duration `json:"offset,omitzero"`
	Reason string   `json:"reason"`
	// RequestedBy and ConfirmedBy are two users.
	RequestedBy string `json:"requested_by"`
	ConfirmedBy string `json:"confirmed_by"`
}

// OverrideName names the override that a record asked for: o and the revision.
func OverrideName(revision uint64) string { return recordName("o", revision) }

// Event types of this file.
const (
	OverrideRequestedType = "override.requested.v1"
	OverrideRecordedType  = "override.recorded.v1"
)

// EventType implements Event.
func (e *OverrideRequested) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *OverrideRecorded) EventType() string { return typeOf(e) }
