package domain

import (
	"encoding/json"
	"fmt"
	"time"
)

// Metadata is stored beside every event: the user and the command that caused it.
type Metadata struct {
	Actor string `json:"actor"` // the user behind the caller
	Role  Role   `json:"role"`
	Bot   string `json:"bot,omitempty"`
	// Command is the name of the command. CommandID is UUIDv5(scope,
	// Idempotency-Key).
	Command   string `json:"command"`
	CommandID string `json:"command_id"`
	// RequestHash is the SHA-256 of caller, portfolio, command and canonical body.
	RequestHash string `json:"request_hash"`
	// ImportedAt and Source (file:line) are set for rows of an import, which are
	// recorded at the row's own time.
	ImportedAt *time.Time `json:"imported_at,omitempty"`
	Source     string     `json:"source,omitempty"`
	// ClockBehind is how far the wall clock was behind the previous record. The
	// stream's time stood still; the wall clock showed the record's time less
	// ClockBehind.
	ClockBehind Duration `json:"clock_behind,omitzero"`
}

// EncodeMetadata returns the JSON that is stored beside an event.
func EncodeMetadata(m Metadata) ([]byte, error) {
	w := writer{out: make([]byte, 0, 256)}
	if writeMetadata(&w, &m); !w.failed {
		return w.out, nil
	}
	return encodeMetadataGeneral(m)
}

// encodeMetadataGeneral is EncodeMetadata by encoding/json.
func encodeMetadataGeneral(m Metadata) ([]byte, error) {
	data, err := encodeJSON(m)
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	return data, nil
}

// DecodeMetadata reads the metadata of a record. Fields this build does not know
// are ignored: they never carry money.
func DecodeMetadata(b []byte) (Metadata, error) { return decodeMetadata(nil, nil, b) }

func decodeMetadata(known *names, texts *texts, b []byte) (Metadata, error) {
	var m Metadata
	in := reader{data: b, names: known, texts: texts}
	if readMetadata(&in, &m); in.whole() {
		return m, nil
	}
	return decodeMetadataGeneral(b)
}

// decodeMetadataGeneral is DecodeMetadata by encoding/json.
func decodeMetadataGeneral(b []byte) (Metadata, error) {
	var m Metadata
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("decode metadata: %w", err)
	}
	return m, nil
}
