package columns

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Shown is a text as a terminal may have it: what came from a file or a server cannot move
// the cursor, clear the screen or turn the order of letters around. Control characters are
// escaped, but line ends and tabs.
func Shown(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if !strings.ContainsFunc(text, acts) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !acts(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// key is what an API key looks like, also one that was not copied whole.
var key = regexp.MustCompile(`pets_[A-Za-z0-9_-]{32,}`)

// WithoutKeys is a message in which no API key is repeated: one that was typed in the wrong
// place would go on to a log.
func WithoutKeys(text string) string { return key.ReplaceAllString(text, "pets_…") }

// ShownJSON is a document of JSON, whose strings may have the same: its escapes mean the same.
func ShownJSON(document []byte) []byte {
	if !strings.ContainsFunc(string(document), acts) {
		return document
	}
	var b strings.Builder
	for _, r := range string(document) {
		if acts(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return []byte(b.String())
}

// acts reports whether a terminal does something at a character instead of showing it: a
// control of C0, DEL or C1, or one that turns the order of what follows.
func acts(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}
