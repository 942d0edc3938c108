package columns

import (
	"fmt"
	"reflect"
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

// lines and tabs are what [Shown] leaves, as [OneLine] shows them.
var lines = strings.NewReplacer("\n", `\n`, "\t", `\t`)

// OneLine is [Shown] for a text that has one line: what came from a file or a server cannot
// begin a line of its own, which would look like one of ours.
func OneLine(text string) string { return lines.Replace(Shown(text)) }

// Format is [fmt.Sprintf] in which only the format breaks lines, and an error that joins
// several of ours.
func Format(format string, args ...any) string {
	kept := make([]any, len(args))
	for i, arg := range args {
		kept[i] = arg
		switch v := arg.(type) {
		case string:
			kept[i] = OneLine(v)
		case []string:
			all := make([]string, len(v))
			for n := range v {
				all[n] = OneLine(v[n])
			}
			kept[i] = all
		case error:
			if text := v.Error(); OneLine(text) != text {
				kept[i] = strings.Join(Lines(v), "\n")
			}
		case fmt.Stringer:
			if text := fmt.Sprint(v); OneLine(text) != text {
				kept[i] = OneLine(text)
			}
		default: // a type that is a text, such as a status
			if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
				kept[i] = OneLine(v.String())
			}
		}
	}
	return fmt.Sprintf(format, kept...)
}

// Lines are the lines of an error: one for each of those that [errors.Join] has joined in it.
// A line end within one of them came from elsewhere, and is escaped.
func Lines(err error) []string {
	text := err.Error()
	switch within := err.(type) { //nolint:errorlint // each layer is looked at, one after the other
	case interface{ Unwrap() []error }:
		var all, texts []string
		for _, one := range within.Unwrap() {
			all, texts = append(all, Lines(one)...), append(texts, one.Error())
		}
		if strings.Join(texts, "\n") == text {
			return all
		}
	case interface{ Unwrap() error }:
		inner := within.Unwrap()
		if inner == nil {
			break
		}
		if before, after, found := strings.Cut(text, inner.Error()); found {
			all := Lines(inner)
			all[0] = OneLine(before) + all[0]
			all[len(all)-1] += OneLine(after)
			return all
		}
	}
	return []string{OneLine(text)}
}

// An API key, also one that was not copied whole; and an encryption key, which is 32 bytes in
// base64. Neither follows another letter of its kind, as the end of a token id would.
var (
	key        = regexp.MustCompile(`pets_[A-Za-z0-9_-]{32,}`)
	encryption = regexp.MustCompile(`(^|[^A-Za-z0-9_+/-])[A-Za-z0-9_-]{43}=($|[^A-Za-z0-9_=-])`)
	connects   = regexp.MustCompile(`(esdb(?:\+discover)?://)\S*@`) // who connects to EventStoreDB
	database   = regexp.MustCompile(`(?i)\besdb(\+discover)?:/*[^/]`)
	private    = regexp.MustCompile(`^(?:0x|0X)?[0-9A-Fa-f]{64}$`)
)

// WithoutKeys is a message in which no API key, no encryption key and no credentials of a database
// are repeated: one that was typed in the wrong place would go on to a log.
func WithoutKeys(text string) string {
	text = connects.ReplaceAllString(text, "${1}…@")
	return encryption.ReplaceAllString(key.ReplaceAllString(text, "pets_…"), "${1}…${2}")
}

// WithoutTyped is [WithoutKeys] for a message about a command line, which repeats no private
// key that was typed there either. Elsewhere what looks like one is a hash. Nor does it repeat
// the address of a database, which may hold a password.
func WithoutTyped(text string, args []string) string {
	for _, arg := range args {
		if at := database.FindStringIndex(arg); at != nil {
			text = strings.ReplaceAll(text, arg[at[0]:], "esdb://…")
		}
		_, value, assigned := strings.Cut(arg, "=")
		if !assigned || !private.MatchString(value) {
			value = arg
		}
		if value = strings.TrimSpace(value); private.MatchString(value) {
			text = strings.ReplaceAll(text, value, "…")
		}
	}
	return WithoutKeys(text)
}

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
