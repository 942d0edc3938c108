package strict_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/internal/strict"
)

// samples are bodies of commands, by the name of the command.
func samples(t testing.TB) (names, bodies []string) {
	t.Helper()
	b, err := os.ReadFile("../../commands/testdata/bodies.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, " ")
		_, body, _ := strings.Cut(rest, ") ")
		names, bodies = append(names, name), append(bodies, strings.TrimSpace(body))
	}
	require.NotEmpty(t, bodies)
	return names, bodies
}

// both reads a body in both ways, and requires that they agree. It returns whether the body
// has its plain form.
func both(t *testing.T, name string, body []byte, apart ...string) bool {
	t.Helper()
	s, known := commands.SpecNamed(name)
	if !known {
		return false
	}
	whole, general := reflect.New(s.Type()), reflect.New(s.Type())
	plain := strict.ReadPlain(body, whole.Interface(), apart...)
	err := strict.General(body, general.Interface(), apart...)
	if !plain {
		require.True(t, whole.Elem().IsZero(), "something is left of what was given up: %s", body)
		return false
	}
	require.NoError(t, err, "%s %s", name, body)
	require.Equal(t, general.Elem().Interface(), whole.Elem().Interface(), "%s %s", name, body)
	return true
}

// "Strictness and decoding in one pass": what a client sends is read plainly, and to what
// the general way reads.
func TestPlainBodiesAreReadAtOnce(t *testing.T) {
	t.Parallel()
	plain := map[string]bool{}
	names, bodies := samples(t)
	for i, name := range names {
		body := strings.NewReplacer(`\u0026`, "", `\u003c`, "", `\u003e`, "").Replace(bodies[i])
		for _, spaced := range []string{body, strings.NewReplacer(`":`, "\" :\t", `,"`, ",\r\n \"").Replace(body)} {
			plain[name] = both(t, name, []byte(spaced)) || plain[name]
		}
	}
	for _, hot := range []string{"ask_permit", "record_fill", "release_permit", "place_permit", "mark_prices", "record_trade", "void_fill", "confirm_fill"} {
		require.True(t, plain[hot], "%s goes the general way", hot)
	}
}

// The plain way is taken for nothing that the general way refuses, and for nothing that it
// reads otherwise.
func TestWhatIsNotPlain(t *testing.T) {
	t.Parallel()
	const order = `"market":"m","outcome":"YES","side":"buy","quantity":"1","limit_price":"0.5"`
	for body, plain := range map[string]bool{
		`{"bot":"a",` + order + `}`:                                      true,
		" {\"bot\" : \"a\" ,\n\t" + order + "}\r\n":                      true,
		`{"bot":"a",` + order + `,"reduce_only":false,"fee":"0.1"}`:      true,
		`{"bot":"a","legs":[{` + order + `},{` + order + `,"fee":"1"}]}`: true,
		`{"bot":"a","legs":[]}`:                                          true,
		`{"bot":"a",` + order + `}x`:                                     false,
		`{"bot":"a",` + order + `}{}`:                                    false,
		`{"bot":"a",` + order + `,}`:                                     false,
		`{,"bot":"a",` + order + `}`:                                     false,
		`{"bot":"a"` + order + `}`:                                       false,
		`{"bot":"a","bot":"a",` + order + `}`:                            false,
		`{"Bot":"a",` + order + `}`:                                      false,
		`{"bot":"\u0061",` + order + `}`:                                 false,
		`{"bot":"é",` + order + `}`:                                      false,
		"{\"bot\":\"\x00\"," + order + "}":                               false,
		`{"bot":null,` + order + `}`:                                     false,
		`{"bot":7,` + order + `}`:                                        false,
		`{` + order + `}`:                                                false,
		`{"bot":"a"}`:                                                    false,
		`{"bot":"a","legs":null}`:                                        false,
		`{"bot":"a","legs":[{"market":"m"}]}`:                            false,
		`{"bot":"a","legs":[{` + order + `},]}`:                          false,
		`{"bot":"a",` + order + `,"reduce_only":"true"}`:                 false,
		`{"bot":"a",` + order + `,"fee":"1e3"}`:                          false,
		`{"bot":"a",` + order + `,"ttl":"soon"}`:                         false,
		`{"bot":"a",` + order + `,"other":"x"}`:                          false,
		`["bot"]`:                                                        false, ``: false, `{`: false, `null`: false, `{"bot`: false, `{"bot":"a`: false, `{"bot":t`: false,
	} {
		require.Equal(t, plain, both(t, "ask_permit", []byte(body)), "%s", body)
	}
	for body, plain := range map[string]bool{
		`{"bot":"a","trade_id":"t","leg":2}`: true, `{"bot":"a","trade_id":"t","leg":-2}`: false, `{"bot":"a","trade_id":"t","leg":2.0}`: false,
		`{"bot":"a","trade_id":"t","leg":02}`: false, `{"bot":"a","trade_id":"t","leg":9999999999999999999}`: false, `{"bot":"a","trade_id":"t","leg":2`: false,
	} {
		require.Equal(t, plain, both(t, "confirm_fill", []byte(body)), "%s", body)
	}
	require.True(t, both(t, "ask_permit", []byte(`{`+order+`}`), "bot"), "it is apart")
	require.False(t, both(t, "ask_permit", []byte(`{"bot":"a",`+order+`}`), "bot"), "it is none of the body's")
}

// Values of any kind are kept as they came, without a name twice.
func TestRawValues(t *testing.T) {
	t.Parallel()
	type item struct {
		Body json.RawMessage `json:"body"`
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for raw, plain := range map[string]bool{
		`{"a": [1, "x", {"b":true}], "c":{}}`: true, `0`: true, `""`: true, deep(8): true, deep(9): false, `{"a":1,"a":2}`: false, `{"a":{"b":1,"b":1}}`: false,
		`[1,]`: false, `{"a":}`: false, `null`: false, `01`: false, `-1`: false, `1.5`: false, `"\n"`: false, `tru`: false, `[`: false,
	} {
		body := []byte(`{"body": ` + raw + ` }`)
		var one, other item
		require.Equal(t, plain, strict.ReadPlain(body, &one), "%s", raw)
		if plain {
			require.NoError(t, strict.General(body, &other))
			require.Equal(t, other, one)
		}
	}
}

// FuzzPlain: both ways agree on every body of every command.
func FuzzPlain(f *testing.F) {
	names, bodies := samples(f)
	for i := range names {
		f.Add(names[i], []byte(bodies[i]))
	}
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		both(t, name, body)
		both(t, name, body, "bot")
	})
}
