package domain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Event is one fact or decision that a stream holds. The set of events is closed:
// the registry has a row for each.
type Event interface {
	// EventType returns the literal that is stored. It comes from the registry
	// and never changes, whatever the Go type is called.
	EventType() string
}

// Stamp says where and when an event was recorded. Decisions use only Time; the
// times inside an event are data.
type Stamp struct {
	Revision uint64
	Time     time.Time
}

// Encode returns the JSON that is stored for an event. It refuses an event that
// has no row in the registry, because no reader could decode it.
func Encode(e Event) ([]byte, error) {
	if _, known := events.byType[reflect.TypeOf(e)]; !known {
		return nil, fmt.Errorf("encode %T: the event has no row in the registry", e)
	}
	w := writer{out: make([]byte, 0, usualSize)}
	if writeEvent(&w, e) && !w.failed {
		return w.out, nil
	}
	return encodeGeneral(e)
}

// usualSize is the size that most events stay below.
const usualSize = 384

// encodeGeneral is Encode by encoding/json. It writes events without generated code, and
// says what is wrong with one that cannot be written.
func encodeGeneral(e Event) ([]byte, error) {
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

// UnknownTypeError reports a type or version that this build does not know. It
// stops a reader: an unknown event may carry money, so it is never skipped.
type UnknownTypeError struct{ Type string }

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("event type %q is not known to this version of pets; it was written by a newer one", e.Type)
}

// Decode reads a stored event in the version that this build writes; an older
// version goes through its upcasters. An unknown type gives an
// [*UnknownTypeError]. Data that does not fit the stored type, including unknown
// fields, is an error too.
func Decode(eventType string, data []byte) (Event, error) { return decode(nil, eventType, data) }

func decode(known *names, eventType string, data []byte) (Event, error) {
	r, is := events.byLiteral[eventType]
	if !is {
		return nil, &UnknownTypeError{eventType}
	}
	decoded := r.blank()
	in := reader{data: data, names: known}
	if readEvent(&in, decoded) && in.whole() {
		return r.current(decoded), nil
	}
	return r.decodeGeneral(data)
}

// decodeGeneral is Decode by encoding/json. It reads events without generated code and
// data of any other form than Encode writes, and says what is wrong.
func (r row) decodeGeneral(data []byte) (Event, error) {
	decoded := r.blank()
	if err := DecodeObject(data, decoded); err != nil {
		return nil, fmt.Errorf("decode %s: %w", r.literal, err)
	}
	return r.current(decoded), nil
}

// current converts a decoded event into the version that this build writes.
func (r row) current(decoded any) Event {
	for r.up != nil {
		decoded = r.up(decoded)
		r = events.byType[r.next]
	}
	return decoded.(Event) //nolint:errcheck // a row without an upcaster is one of an Event
}

// General decodes with encoding/json alone, which [Decode] falls back to. It is there to be
// compared with.
type General struct{}

// Decode is [Decode].
func (General) Decode(eventType string, data []byte) (Event, error) {
	r, is := events.byLiteral[eventType]
	if !is {
		return nil, &UnknownTypeError{eventType}
	}
	return r.decodeGeneral(data)
}

// Metadata is [DecodeMetadata].
func (General) Metadata(b []byte) (Metadata, error) { return decodeMetadataGeneral(b) }

// A Decoder is for one reader of many records. It remembers the names of bots, markets
// and the like that it has read, so that they are not copied for each record. Its zero
// value is ready. It must not be used by two goroutines at once.
type Decoder struct {
	names names
	texts *texts // of metadata; made by the first use, so that a Decoder can be copied before it
}

// Decode is [Decode].
func (d *Decoder) Decode(eventType string, data []byte) (Event, error) {
	return decode(&d.names, eventType, data)
}

// Metadata is [DecodeMetadata].
func (d *Decoder) Metadata(b []byte) (Metadata, error) {
	if d.texts == nil {
		d.texts = &texts{}
	}
	return decodeMetadata(&d.names, d.texts, b)
}

// RawEvent is an event as text: its type, and its data in that type's version.
type RawEvent struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Current returns the event in the version that this build writes. An event of
// that version, or of a type that this build does not know, is returned
// unchanged.
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

// RawOf returns the text of an event under its current type, never under the type
// of an older version that it was stored as.
func RawOf(e Event) (RawEvent, error) {
	data, err := Encode(e)
	return RawEvent{e.EventType(), data}, err
}
