package esdb

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

var when = time.Date(2025, 3, 9, 1, 59, 59, 123_456_789, time.UTC)

func TestMetadataIsReadableBesideTheTime(t *testing.T) {
	for metadata, want := range map[string]string{
		`{"actor":"olga"}`:  `{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","metadata":{"actor":"olga"}}`,
		" { \"a\" : 1 } \n": `{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","metadata": { "a" : 1 } ` + "\n}",
		"":                  `{"pets":1,"time":"2025-03-09T01:59:59.123456789Z"}`,
		"\xff":              `{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","metadata64":"/w=="}`,
	} {
		got := seal(&eventstore.Proposed{Type: "t", Time: when, Metadata: []byte(metadata)})
		require.Equal(t, want, string(got))
		require.True(t, json.Valid(got))
	}
	got := seal(&eventstore.Proposed{Type: "t\xff", Time: when})
	require.Equal(t, `{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","type64":"dP8="}`, string(got))
}

// What comes back is what was appended, byte for byte, and the envelope is always JSON.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "t", int64(1))
	f.Add([]byte(` {"a":"}"} `), "t\xff", int64(1<<62))
	f.Add([]byte("\xff\x00"), "\x00", int64(0))
	f.Add([]byte(`1,"metadata64":"x"`), `","metadata":`, int64(12))
	f.Add([]byte(`"\ud800"`), "é", int64(1e18))
	f.Add([]byte(`{}}`), "x", int64(7))
	f.Fuzz(func(t *testing.T, metadata []byte, kind string, nanos int64) {
		if nanos < 0 || nanos == 1<<63-1 || kind == "" {
			return
		}
		p := eventstore.Proposed{Type: kind, Time: time.Unix(0, nanos), Metadata: metadata}
		b := seal(&p)
		require.True(t, isText(b))
		o, err := unseal(b)
		require.NoError(t, err)
		require.Equal(t, nanos, o.time.UnixNano())
		require.True(t, bytes.Equal(metadata, o.metadata), "%q, then %q", metadata, o.metadata)
		stored := wireType(kind)
		if o.kind != "" {
			stored = o.kind
		}
		require.Equal(t, kind, stored)
	})
}

// An envelope that this package would not have written is refused, and never panics.
func FuzzForeignEnvelope(f *testing.F) {
	whole := `{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","type64":"dP8=","metadata64":"/w=="}`
	for i := range whole {
		f.Add([]byte(whole[:i]))
		f.Add([]byte(whole[:i] + "x" + whole[i+1:]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := unseal(b)
		if err != nil {
			require.ErrorIs(t, err, errForeign)
			return
		}
		require.True(t, json.Valid(b) || o.kind != "" || o.metadata != nil)
	})
}

func TestForeignEnvelopesAreRefused(t *testing.T) {
	whole := `{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","metadata":{"a":1}}`
	_, err := unseal([]byte(whole))
	require.NoError(t, err)
	for _, b := range []string{
		"", "{}", `{"a":1}`, whole[:len(whole)-1], whole[1:], whole + " ", whole + "}",
		strings.Replace(whole, ":1,", ":2,", 1),
		strings.Replace(whole, "2025", "20x5", 1),
		strings.Replace(whole, "03-09", "13-09", 1),
		strings.Replace(whole, "metadata", "metadata64", 1),
		strings.Replace(whole, `{"a":1}`, `{"a":1`, 1),
		strings.Replace(whole, `{"a":1}`, "\"\xff\"", 1),
		`{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","metadata64":"*"}`,
		`{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","type64":"*"}`,
		`{"pets":1,"time":"2025-03-09T01:59:59.123456789Z","type64":"dP8="x}`,
	} {
		_, err := unseal([]byte(b))
		require.ErrorIs(t, err, errForeign, "%s", b)
	}
}
