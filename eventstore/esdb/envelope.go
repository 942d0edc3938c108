package esdb

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"pets/eventstore"
)

// The database has a time of its own for each event, in units of 100 ns, and its
// types are text. So what a record has beside its data is stored as one JSON
// object in the user metadata of the event:
//
//	{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","metadata":{"actor":"olga"}}
//
// Metadata that is JSON is in it byte for byte, with its own spaces, and so can be
// read in the database's UI; other metadata is in "metadata64" instead. A type that
// is not UTF-8 is in "type64". The members have exactly this order and spelling:
// anything else was not written by this package.
const (
	envelopeStart  = `{"pets":1,"time":"`
	envelopeTime   = "2006-01-02T15:04:05.000000000Z"
	envelopeType   = `,"type64":"`
	envelopeJSON   = `,"metadata":`
	envelopeBase64 = `,"metadata64":"`
)

// errForeign reports an event that this package did not write.
var errForeign = errors.New("esdb: the event was not written by pets")

// seal returns the user metadata of a record.
func seal(r *eventstore.Proposed) []byte {
	b := make([]byte, 0, len(envelopeStart)+len(envelopeTime)+len(envelopeBase64)+2+len(r.Metadata))
	b = append(b, envelopeStart...)
	b = r.Time.UTC().AppendFormat(b, envelopeTime)
	b = append(b, '"')
	if !utf8.ValidString(r.Type) {
		b = append(b, envelopeType...)
		b = base64.StdEncoding.AppendEncode(b, []byte(r.Type))
		b = append(b, '"')
	}
	switch {
	case len(r.Metadata) == 0:
	case isText(r.Metadata):
		b = append(b, envelopeJSON...)
		b = append(b, r.Metadata...)
	default:
		b = append(b, envelopeBase64...)
		b = base64.StdEncoding.AppendEncode(b, r.Metadata)
		b = append(b, '"')
	}
	return append(b, '}')
}

// isText reports JSON that is valid UTF-8.
func isText(b []byte) bool { return utf8.Valid(b) && json.Valid(b) }

// wireType returns the type under which the database stores a record.
func wireType(t string) string {
	if utf8.ValidString(t) {
		return t
	}
	return string(bytes.ToValidUTF8([]byte(t), []byte("\uFFFD")))
}

// opened is what an envelope holds. Its metadata is part of the envelope's bytes.
type opened struct {
	time     time.Time
	kind     string // the type, if it is not that of the event
	metadata []byte
}

// unseal is the inverse of seal.
func unseal(b []byte) (opened, error) {
	rest, ok := bytes.CutPrefix(b, []byte(envelopeStart))
	if !ok || len(rest) < len(envelopeTime)+2 || rest[len(rest)-1] != '}' {
		return opened{}, errForeign
	}
	when, err := time.Parse(envelopeTime, string(rest[:len(envelopeTime)]))
	rest = rest[len(envelopeTime) : len(rest)-1]
	if rest, ok = bytes.CutPrefix(rest, []byte{'"'}); err != nil || !ok {
		return opened{}, errForeign
	}
	o := opened{time: when.UTC()}
	if kind, ok := bytes.CutPrefix(rest, []byte(envelopeType)); ok {
		text, after, ok := bytes.Cut(kind, []byte{'"'})
		raw, err := base64.StdEncoding.Strict().DecodeString(string(text))
		if !ok || err != nil {
			return opened{}, errForeign
		}
		o.kind, rest = string(raw), after
	}
	if len(rest) == 0 {
		return o, nil
	}
	if metadata, ok := bytes.CutPrefix(rest, []byte(envelopeJSON)); ok && isText(metadata) {
		o.metadata = metadata
		return o, nil
	}
	text, ok := bytes.CutPrefix(rest, []byte(envelopeBase64))
	if ok {
		text, ok = bytes.CutSuffix(text, []byte{'"'})
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if !ok || err != nil {
		return opened{}, errForeign
	}
	o.metadata = raw
	return o, nil
}
