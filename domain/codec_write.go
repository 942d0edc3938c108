package domain

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// writer appends JSON as encoding/json writes it without escaping for HTML. A value that
// encoding/json refuses makes it fail, and the general encoder says what is wrong.
type writer struct {
	out []byte
	// before is what stands before the next key: { or a comma.
	before byte
	failed bool
}

func (w *writer) open() { w.before = '{' }

func (w *writer) key(k string) {
	w.out = append(append(w.out, w.before), k...)
	w.before = ','
}

func (w *writer) close() {
	if w.before == '{' { // no key was written
		w.out = append(w.out, '{')
	}
	w.out = append(w.out, '}')
	w.before = ','
}

// begin and end are the marks around a list, or around an object whose keys are data.
func (w *writer) begin(c byte) { w.out = append(w.out, c) }

func (w *writer) end(c byte) { w.out = append(w.out, c) }

// next separates element n from the one before.
func (w *writer) next(n int) {
	if n > 0 {
		w.out = append(w.out, ',')
	}
}

func (w *writer) member(key string) {
	w.text(key)
	w.out = append(w.out, ':')
}

// sortedKeys are the keys of a map in the order in which they are written.
func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func (w *writer) null() { w.out = append(w.out, "null"...) }

func (w *writer) flag(b bool) { w.out = strconv.AppendBool(w.out, b) }

func (w *writer) number(n int) { w.out = strconv.AppendInt(w.out, int64(n), 10) }

func (w *writer) count(n uint64) { w.out = strconv.AppendUint(w.out, n, 10) }

func (w *writer) text(s string) {
	w.out = append(w.out, '"')
	plain := 0
	for i := nextSpecial(s, 0); i < len(s); i = nextSpecial(s, i) {
		size, as := escape(s[i:])
		if as != "" {
			w.out = append(w.out, s[plain:i]...)
			w.out = append(w.out, as...)
			plain = i + size
		}
		i += size
	}
	w.out = append(w.out, s[plain:]...)
	w.out = append(w.out, '"')
}

// escape returns the size of the first character of a text, and what is written in its
// place, or "" for the character itself.
func escape(s string) (size int, as string) {
	if c := s[0]; c < utf8.RuneSelf {
		switch c {
		case '"':
			return 1, `\"`
		case '\\':
			return 1, `\\`
		case '\b':
			return 1, `\b`
		case '\f':
			return 1, `\f`
		case '\n':
			return 1, `\n`
		case '\r':
			return 1, `\r`
		case '\t':
			return 1, `\t`
		}
		const hex = "0123456789abcdef"
		return 1, `\u00` + string([]byte{hex[c>>4], hex[c&15]})
	}
	switch r, size := utf8.DecodeRuneInString(s); {
	case r == utf8.RuneError && size == 1:
		return 1, `\ufffd`
	case r == '\u2028':
		return size, `\u2028`
	case r == '\u2029':
		return size, `\u2029`
	default:
		return size, ""
	}
}

func (w *writer) decimal(d Decimal) {
	w.out = append(w.out, '"')
	w.out = d.appendPlain(w.out)
	w.out = append(w.out, '"')
}

func (w *writer) duration(d Duration) {
	w.out = append(w.out, '"')
	w.out = append(w.out, d.String()...)
	w.out = append(w.out, '"')
}

func (w *writer) instant(t time.Time) {
	out, err := t.AppendText(append(w.out, '"'))
	if err != nil {
		w.failed = true
		return
	}
	w.out = append(out, '"')
}

func (w *writer) raw(m json.RawMessage) {
	if m == nil {
		w.null()
		return
	}
	b := bytes.NewBuffer(w.out)
	if json.Compact(b, m) != nil {
		w.failed = true
		return
	}
	w.out = b.Bytes()
}
