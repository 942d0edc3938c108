package columns_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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

// "A message begins no line with what a server has said": only a format, and errors that are
// joined, break lines.
func TestOnlyTheFormatBreaksLines(t *testing.T) {
	evil := errors.New("down\nINJECT pets clear --yes")
	const shown = `down\nINJECT pets clear --yes`
	require.Equal(t, "a "+shown+"\nb", columns.Format("a %s\nb", evil.Error()))
	require.Equal(t, "a "+shown, columns.Format("a %v", evil))
	require.Equal(t, `a [x\ny]`, columns.Format("a %v", []string{"x\ny"}))
	require.Equal(t, `1 x\ty`, columns.Format("%d %s", 1, "x\ty"))
	require.Equal(t, []string{shown}, columns.Lines(evil))
	require.Equal(t, []string{"p: " + shown, "two; twice"}, columns.Lines(fmt.Errorf("p: %w; twice", errors.Join(evil, errors.New("two")))))
	require.Equal(t, []string{`x\ny ` + shown}, columns.Lines(fmt.Errorf("x\ny %w", evil)))
	require.Equal(t, "p: "+shown+"\ntwo", columns.Format("%v", fmt.Errorf("p: %w", errors.Join(evil, errors.New("two")))))
}

// "No message repeats a key": an API key, an encryption key, and a private key that was typed;
// hashes and ids of tokens stay.
func TestNoMessageRepeatsAKey(t *testing.T) {
	fernet := strings.Repeat("aB3_-", 8) + "xyz="
	private := strings.Repeat("0123456789abcdef", 4)
	token := strings.Repeat("1234567890", 8)
	require.Equal(t, `pets: "…" is unknown`, columns.WithoutKeys(`pets: "`+fernet+`" is unknown`))
	require.Equal(t, "…", columns.WithoutKeys(fernet))
	require.Equal(t, "KEY=…, again", columns.WithoutKeys("KEY="+fernet+", again"))
	require.Equal(t, "pets_…", columns.WithoutKeys("pets_"+fernet[:43]))
	require.Equal(t, "with 'esdb://…@db:2113?tls=true' and esdb+discover://…@db", columns.WithoutKeys("with 'esdb://adm:p@ss@db:2113?tls=true' and esdb+discover://adm:pass@db"))
	require.Equal(t, "esdb://db:2113 of ops@example.org", columns.WithoutKeys("esdb://db:2113 of ops@example.org"))
	require.Equal(t, token+"=1", columns.WithoutKeys(token+"=1"))
	require.Equal(t, "transaction 0x"+private, columns.WithoutKeys("transaction 0x"+private))
	for _, typed := range []string{private, "0x" + private, "--amount=0x" + private} {
		require.NotContains(t, columns.WithoutTyped("what is "+typed+"?", []string{"state", typed}), private)
	}
	const address = "esdb://admin:s3cret@host:2113?tls=true"
	for _, typed := range []string{address, "--to=" + address, "ESDB+discover" + address[4:]} {
		told := columns.WithoutTyped("what is "+typed+"?", []string{"migrate", typed})
		require.NotContains(t, told, "s3cret")
		require.Contains(t, told, "esdb://…")
	}
	require.Equal(t, "write esdb://host", columns.WithoutTyped("write esdb://host", []string{"esdb://"}))
}
