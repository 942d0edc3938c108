package columns_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/columns"
)

// "Control characters (C0 but \n and \t, DEL, C1, bidi controls) are shown escaped", and
// nothing else is.
func TestWhatATerminalWouldDoIsShown(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nc":                      "a\tb\nc",
		"grün 東京 🙂":                    "grün 東京 🙂",
		"\x1b[2J":                      `\x1b[2J`,
		"a\rb\x00\x07\x7f":             `a\x0db\x00\x07\x7f`,
		"\u009b2J":                     `\x9b2J`,
		"x\u202egnp\u2066\u200e\u061c": `x\u202egnp\u2066\u200e\u061c`,
		"\xff\x9b":                     "\uFFFD",
	} {
		require.Equal(t, want, columns.Shown(text))
	}
	// JSON means the same afterwards.
	raw := []byte("{\"name\":\"\u009b\u007f\u202e ü\"}")
	shown := columns.ShownJSON(raw)
	require.Equal(t, `{"name":"\u009b\u007f\u202e ü"}`, string(shown))
	var before, after map[string]string
	require.NoError(t, json.Unmarshal(raw, &before))
	require.NoError(t, json.Unmarshal(shown, &after))
	require.Equal(t, before, after)
}
