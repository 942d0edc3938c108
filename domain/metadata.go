package domain

import (
	"encoding/json"
	"fmt"
	"time"
)

// Metadata stands beside every event: who asked for it, and by which command.
type Metadata struct {
	Actor string `json:"actor"` // the user behind the caller
	Role  Role   `json:"role"`
	Bot   string `json:"bot,omitempty"`
	// Command names the command; CommandID is UUIDv5(scope, Idempotency-Key).
	Command   string `json:"command"`
	CommandID string `json:"command_id"`
	// RequestHash is the SHA-256 of caller, portfolio, command and canonical body.
	RequestHash string `json:"request_hash"`
	// ImportedAt and Source (file:line) are set for rows of an import, whose
	// record time is the row's own.
	ImportedAt *time.Time `json:"imported_at,omitempty"`
	Source     string     `json:"source,omitempty"`
	// ClockBehind is by how much the wall clock was behind the record before: time stood
	// still, and the wall clock showed the record's time less this.
	ClockBehind Duration `json:"clock_behind,omitzero"`
}

// DecodeMetadata reads the metadata of a record. Fields this build does not know
// are ignored: they never carry money.
func DecodeMetadata(b []byte) (Metadata, error) {
	var m Metadata
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("decode metadata: %w", err)
	}
	return m, nil
}
