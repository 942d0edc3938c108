package domain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Event is one fact or decision as it stands in a stream. The set of events is
// closed: the registry has a row for every one of them.
type Event interface {
	// EventType is the literal written to disk, which its row gives. It outlives every
	// Go name.
	EventType() string
}

// Stamp says where and when an event was recorded. Decisions use only Time;
// what an event says about when it happened is data.
type Stamp struct {
	Revision uint64
	Time     time.Time
}

// Encode returns the JSON that is stored for an event. What has no row in the registry is
// refused: nobody could read it back.
func Encode(e Event) ([]byte, error) {
	if _, known := events.byType[reflect.TypeOf(e)]; !known {
		return nil, fmt.Errorf("encode %T: the event has no row in the registry", e)
	}
	data, err := encodeJSON(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.EventType(), err)
	}
	return data, nil
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnknownTypeError stops a reader: a type or version this build does not know
// may carry money, so it is never skipped.
type UnknownTypeError struct{ Type string }

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("event type %q is not known to this version of pets; it was written by a newer one", e.Type)
}

// Decode reads a stored event back, in the version that this build writes: an older one
// goes through its upcasters. An unknown type is an [*UnknownTypeError]; data that does
// not fit the stored type, unknown fields included, is an error too.
func Decode(eventType string, data []byte) (Event, error) {
	r, known := events.byLiteral[eventType]
	if !known {
		return nil, &UnknownTypeError{eventType}
	}
	decoded := r.blank()
	if err := DecodeObject(data, decoded); err != nil {
		return nil, fmt.Errorf("decode %s: %w", eventType, err)
	}
	for r.up != nil {
		decoded = r.up(decoded)
		r = events.byType[r.next]
	}
	return decoded.(Event), nil //nolint:errcheck // a row without an upcaster is one of an Event
}

// RawEvent is an event as text: its type, and its data in the version of that type.
type RawEvent struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Current returns a stored event in the version that this build writes. One that is of
// that version already comes back untouched, as does one that this build does not know.
func (r RawEvent) Current() (RawEvent, error) {
	if CurrentType(r.Type) == r.Type {
		return r, nil
	}
	e, err := Decode(r.Type, r.Data)
	if err != nil {
		return r, err
	}
	return RawOf(e)
}

// RawOf returns the text of an event, under the type that it has: never under the one
// that an older version of it was stored as.
func RawOf(e Event) (RawEvent, error) {
	data, err := Encode(e)
	return RawEvent{e.EventType(), data}, err
}
