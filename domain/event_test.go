package domain

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func golden(t testing.TB, eventType string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "events", eventType+".json"))
	require.NoError(t, err, "every event type has a golden file, for ever")
	return bytes.TrimSuffix(b, []byte("\n"))
}

// later are the golden files of an event that got fields after its first one was
// written, which stays as it is.
func later(t testing.TB, eventType string) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "events", eventType+"+*.json"))
	require.NoError(t, err)
	var all [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, bytes.TrimSuffix(b, []byte("\n")))
	}
	return all
}

// “Every version has a golden file for ever.” What was written by an older build has to
// mean the same to this one: never change a golden file. Of an old version it is what
// its own struct reads; [Decode] makes the current one of it.
func TestGoldenEvents(t *testing.T) {
	for _, eventType := range EventTypes() {
		t.Run(eventType, func(t *testing.T) {
			found, set := map[string]bool{}, map[string]bool{}
			for _, stored := range append([][]byte{golden(t, eventType)}, later(t, eventType)...) {
				e, err := Decode(eventType, stored)
				require.NoError(t, err)
				require.Equal(t, CurrentType(eventType), e.EventType())
				read := events.byLiteral[eventType].blank()
				require.NoError(t, json.Unmarshal(stored, read))
				again, err := encodeJSON(read)
				require.NoError(t, err)
				require.Equal(t, string(stored), string(again))
				fields(reflect.ValueOf(read).Elem(), "", found, set)
			}
			require.NotEmpty(t, found)
			require.Equal(t, found, set, "the golden files set every field: for a new one add testdata/events/%s+NAME.json", eventType)
		})
	}
}

// fields notes the paths of all fields of v, and of those that are not zero.
// Elements of a list share their path: what one does not set another may.
func fields(v reflect.Value, path string, found, set map[string]bool) {
	switch v.Interface().(type) {
	case Decimal, time.Time, Duration:
		found[path] = true
		if !v.IsZero() {
			set[path] = true
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := path
			if !f.Anonymous {
				name += "." + f.Name
			}
			fields(v.Field(i), name, found, set)
		}
	case reflect.Pointer:
		found[path] = true
		if !v.IsNil() {
			set[path] = true
			fields(v.Elem(), path, found, set)
		}
	case reflect.Slice:
		found[path] = true
		for i := range v.Len() {
			set[path] = true
			fields(v.Index(i), path+"[]", found, set)
		}
	default:
		found[path] = true
		if !v.IsZero() {
			set[path] = true
		}
	}
}

// “A Type is a literal such as fill.recorded.v1”, and the registry and the golden files
// name the same ones.
func TestEventTypesAreClosed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "events", "*.json"))
	require.NoError(t, err)
	files = slices.DeleteFunc(files, func(f string) bool { return strings.Contains(f, "+") })
	require.Len(t, EventTypes(), len(files), "a golden file belongs to a type")
	for _, eventType := range EventTypes() {
		require.Regexp(t, `^[a-z_]+\.[a-z_]+\.v[1-9]$`, eventType)
	}
}

// “An unknown type or version is an error that stops the reader, never a skip.”
func TestDecodeUnknownType(t *testing.T) {
	for _, eventType := range []string{"", "fill.recorded", "fill.recorded.v9", "Fill.Recorded.v1", "fill.recorded.v1 ", "*domain.FillRecorded"} {
		_, err := Decode(eventType, []byte("{}"))
		var unknown *UnknownTypeError
		require.ErrorAs(t, err, &unknown, eventType)
		require.Equal(t, eventType, unknown.Type)
	}
	_, err := Decode("fill.recorded.v9", []byte("{}"))
	require.EqualError(t, err, `event type "fill.recorded.v9" is not known to this version of pets; it was written by a newer one`)
}

// What does not fit the type is an error, never a guess.
func TestDecodeRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":               ``,
		"not JSON":              `bot`,
		"null":                  `null`,
		"a list":                `[]`,
		"a string":              `"alpha"`,
		"a number":              `1`,
		"unknown field":         `{"bot":"a","amount":"1","leverage":"2"}`,
		"a number as amount":    `{"bot":"a","amount":1}`,
		"null as amount":        `{"bot":"a","amount":null}`,
		"an exponent":           `{"bot":"a","amount":"1e3"}`,
		"an amount of 10^15":    `{"bot":"a","amount":"1000000000000000"}`,
		"a number as text":      `{"bot":7,"amount":"1"}`,
		"an object as text":     `{"bot":{},"amount":"1"}`,
		"cut short":             `{"bot":"a","amount":"1"`,
		"trailing object":       `{"bot":"a","amount":"1"}{}`,
		"trailing text":         `{"bot":"a","amount":"1"}x`,
		"trailing closing mark": `{"bot":"a","amount":"1"}}`,
	} {
		_, err := Decode(BotCapitalAllocatedType, []byte(data))
		require.Error(t, err, name)
		require.ErrorContains(t, err, "decode bot.capital_allocated.v1: ", name)
	}
	for eventType, data := range map[string]string{
		PermitGrantedType:    `{"permit":"p1","expires_at":"yesterday"}`,
		CommandNotedType:     `{"note":"x","of":-1}`,
		TradeRevisedType:     `{"trade":"t1","number":1.5}`,
		PriceMarkedType:      `{"source":"feed","marks":{"price":"1"}}`,
		PortfolioOpenedType:  `{"policy":{"permit_ttl":"soon"}}`,
		LimitsChangedType:    `{"policy":{"max_leverage":"2"}}`,
		BreakerTrippedType:   `{"cause":"18"}`,
		BreakerResetType:     `{"rebase":"true"}`,
		FillRecordedType:     `{"leg":"0"}`,
		MarketRegisteredType: `{"outcomes":"YES"}`,
	} {
		_, err := Decode(eventType, []byte(data))
		require.Error(t, err, eventType)
	}
}

// The text of an event is not changed on its way to the disk.
func TestEncodeKeepsText(t *testing.T) {
	const market = `rain < 5 & "snow" > 2 \ Ünïcode`
	b, err := Encode(&MarketRegistered{Market: market, Kind: KindOutcome})
	require.NoError(t, err)
	require.Contains(t, string(b), `rain < 5 & \"snow\" > 2 \\ Ünïcode`)
	require.NotContains(t, string(b), "\n")
	e, err := Decode(MarketRegisteredType, b)
	require.NoError(t, err)
	require.Equal(t, market, e.(*MarketRegistered).Market)
}

// Decode never panics, and what decodes is written and read back the same.
func FuzzDecode(f *testing.F) {
	for n, eventType := range EventTypes() {
		f.Add(n, golden(f, eventType))
		f.Add(n, []byte("{}"))
	}
	f.Add(0, []byte("null"))
	f.Add(1, []byte(`{"POLICY":{"permit_ttl":"1h"},"reason":"\ud800"}`))
	f.Fuzz(func(t *testing.T, n int, data []byte) {
		types := EventTypes()
		eventType := types[(n%len(types)+len(types))%len(types)]
		e, err := Decode(eventType, data)
		if err != nil {
			return
		}
		written, err := Encode(e)
		require.NoError(t, err)
		back, err := Decode(e.EventType(), written)
		require.NoError(t, err, "%s", written)
		again, err := Encode(back)
		require.NoError(t, err)
		require.Equal(t, string(written), string(again))
	})
}

func TestMetadata(t *testing.T) {
	m, err := DecodeMetadata([]byte(`{"actor":"olga","role":"operator","command":"deposit","command_id":"x","request_hash":"y","later":1}`))
	require.NoError(t, err, "fields of a newer build never carry money")
	require.Equal(t, Metadata{Actor: "olga", Role: RoleOperator, Command: "deposit", CommandID: "x", RequestHash: "y"}, m)
	b, err := json.Marshal(m)
	require.NoError(t, err)
	require.False(t, strings.Contains(string(b), "imported_at"))
	_, err = DecodeMetadata([]byte(`{`))
	require.ErrorContains(t, err, "decode metadata")
}
