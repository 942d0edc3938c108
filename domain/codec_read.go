package domain

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// reader reads JSON of the form that [Encode] writes: no white space, keys in the order of
// the struct, each at most once. It reads nothing else. What it does not expect makes it
// fail, and the general decoder reads the data instead; so it need not explain what is
// wrong, and never has to be right about what it refuses.
//
// Its methods do nothing once it has failed.
type reader struct {
	data []byte
	at   int
	// before is what stands before the next key: { or a comma.
	before byte
	failed bool
	names  *names
	texts  *texts // nil to copy each text by itself
}

// fail makes all that follows fail: nothing is found behind the end.
func (r *reader) fail() { r.failed, r.at = true, len(r.data) }

// whole reports whether all was read, and as expected.
func (r *reader) whole() bool { return !r.failed && r.at == len(r.data) }

// open begins an object.
func (r *reader) open() { r.before = '{' }

// key reads the next key, with its colon, if it is the given one.
func (r *reader) key(k string) bool {
	from := r.at + 1
	to := from + len(k)
	if to > len(r.data) || r.data[r.at] != r.before || string(r.data[from:to]) != k {
		return false
	}
	r.at, r.before = to, ','
	return true
}

// close ends an object. A key that was not expected is found here.
func (r *reader) close() {
	if r.before == '{' { // no key was read
		r.expect('{')
	}
	r.expect('}')
	r.before = ','
}

func (r *reader) expect(c byte) {
	if r.at >= len(r.data) || r.data[r.at] != c {
		r.fail()
		return
	}
	r.at++
}

// element moves to element n of a list, or behind the list if there is none.
func (r *reader) element(n int) bool { return r.item(n, '[', ']') }

// entry does the same in an object whose keys are data.
func (r *reader) entry(n int) bool { return r.item(n, '{', '}') }

func (r *reader) item(n int, begin, end byte) bool {
	if r.at+1 >= len(r.data) { // an end, and what it stands in
		r.fail()
		return false
	}
	switch c := r.data[r.at]; {
	case n == 0 && c == begin:
		r.at++
		if r.data[r.at] != end {
			return true
		}
	case n > 0 && c == ',':
		r.at++
		return true
	case n > 0 && c == end:
	default:
		r.fail()
		return false
	}
	r.at++
	return false
}

func (r *reader) colon() { r.expect(':') }

// plain returns the bytes of a string without escapes. It stops, and returns false, at the
// first escape.
func (r *reader) plain() (span []byte, ok bool) {
	if r.at >= len(r.data) || r.data[r.at] != '"' {
		r.fail()
		return nil, false
	}
	from, ascii := r.at+1, true
	for i := nextSpecial(r.data, from); i < len(r.data); i = nextSpecial(r.data, i+1) {
		switch c := r.data[i]; {
		case c == '"':
			r.at = i + 1
			span = r.data[from:i]
			if !ascii && !utf8.Valid(span) { // the general decoder replaces what is not valid
				r.fail()
				return nil, false
			}
			return span, true
		case c == '\\':
			return nil, false
		case c < ' ':
			r.fail()
			return nil, false
		default:
			ascii = false
		}
	}
	r.fail()
	return nil, false
}

// nextSpecial returns where the next byte is, from i on, that does not simply stand for
// itself in a string: a quote, an escape, a control character, or one beyond ASCII.
func nextSpecial[T string | []byte](s T, i int) int {
	for ; i+8 <= len(s); i += 8 {
		const ones, highs = 0x0101010101010101, 0x8080808080808080
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, escape := x^ones*'"', x^ones*'\\'
		// A byte below n borrows when n is taken from it. That can mark the bytes above it as
		// well, but not those below: the lowest mark is right.
		marks := ((x-ones*' ')&^x | (quote-ones)&^quote | (escape-ones)&^escape | x) & highs
		if marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// text reads a string.
func (r *reader) text(into *string) {
	if span, ok := r.plain(); ok {
		*into = r.texts.of(span)
	} else if !r.failed {
		*into = r.escaped()
	}
}

// name reads a string that is likely to have been read before.
func (r *reader) name(into *string) {
	if span, ok := r.plain(); ok {
		*into = r.names.of(span)
	} else if !r.failed {
		*into = r.escaped()
	}
}

// escaped reads a string with escapes of two characters. Those with digits are rare.
func (r *reader) escaped() string {
	out := make([]byte, 0, 64)
	for i := r.at + 1; i < len(r.data); i++ {
		c := r.data[i]
		switch {
		case c == '"':
			if r.at = i + 1; !utf8.Valid(out) {
				r.fail()
			}
			return string(out)
		case c == '\\':
			if i++; i == len(r.data) || unescaped[r.data[i]] == 0 {
				r.fail()
				return ""
			}
			c = unescaped[r.data[i]]
		case c < ' ':
			r.fail()
			return ""
		}
		out = append(out, c)
	}
	r.fail()
	return ""
}

// unescaped is what the second character of an escape stands for.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// maxDigits keeps a whole number inside 64 bits.
const maxDigits = 18

// digits reads a number without sign, fraction and exponent.
func (r *reader) digits() uint64 {
	from, n := r.at, uint64(0)
	for ; r.at < len(r.data) && r.data[r.at]-'0' < 10; r.at++ {
		n = n*10 + uint64(r.data[r.at]-'0')
	}
	read := r.at - from
	if read == 0 || read > maxDigits || (read > 1 && r.data[from] == '0') {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) number(into *int) {
	negative := r.at < len(r.data) && r.data[r.at] == '-'
	if negative {
		r.at++
	}
	n := int64(r.digits()) //nolint:gosec // maxDigits fit
	if negative {
		n = -n
	}
	if *into = int(n); strconv.IntSize < 64 && int64(*into) != n {
		r.fail()
	}
}

func (r *reader) count(into *uint64) { *into = r.digits() }

func (r *reader) flag(into *bool) {
	rest := r.data[r.at:]
	switch {
	case len(rest) > 4 && string(rest[:4]) == "true":
		*into, r.at = true, r.at+4
	case len(rest) > 5 && string(rest[:5]) == "false":
		r.at += 5
	default:
		r.fail()
	}
}

func (r *reader) decimal(into *Decimal) {
	span, ok := r.plain()
	if !ok {
		r.fail()
		return
	}
	if *into, ok = parsePlain(span); ok {
		return
	}
	if err := into.UnmarshalText(span); err != nil {
		r.fail()
	}
}

func (r *reader) duration(into *Duration) {
	if span, ok := r.plain(); !ok || into.UnmarshalText(span) != nil {
		r.fail()
	}
}

// instant leaves the text of a time to package time, as the general decoder does.
func (r *reader) instant(into *time.Time) {
	from := r.at
	if _, ok := r.plain(); !ok || into.UnmarshalJSON(r.data[from:r.at]) != nil {
		r.fail()
	}
}

// maxNesting is far below the depth that the general decoder refuses.
const maxNesting = 100

// raw copies an object or a list as it is.
func (r *reader) raw(into *json.RawMessage) {
	depth, quoted := 0, false
	for i := r.at; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth > maxNesting || depth == 0 {
			if span := r.data[r.at:min(i+1, len(r.data))]; depth == 0 && i > r.at && json.Valid(span) {
				*into, r.at = append(json.RawMessage{}, span...), i+1
				return
			}
			break
		}
	}
	r.fail()
}

// texts copies texts of one reader behind each other into pieces of memory, and allocates a tenth as
// often. A text keeps its whole piece in memory, so it is for texts that are soon forgotten.
type texts struct{ piece strings.Builder }

const (
	textPiece = 1024
	longText  = textPiece / 8
)

func (t *texts) of(b []byte) string {
	if t == nil || len(b) > longText {
		return string(b)
	}
	if t.piece.Cap()-t.piece.Len() < len(b) {
		t.piece = strings.Builder{}
		t.piece.Grow(textPiece)
	}
	from := t.piece.Len()
	t.piece.Write(b)
	return t.piece.String()[from:]
}

// names holds texts that were read lately, so that a bot, a market or a role is not copied
// for each record that names it. It is bounded: a name takes the place of another one. It
// grows only with use, because there may be one for each of many portfolios.
type names struct {
	places []string
	bits   int // of the number of places
	missed int // since it grew
}

const (
	leastNames = 4 // bits
	mostNames  = 9
	maxName    = 64 // longer ones are copied
)

// of returns the text of some bytes. Without a place to remember it, it copies them.
func (n *names) of(b []byte) string {
	if n == nil || len(b) == 0 || len(b) > maxName {
		return string(b)
	}
	if n.missed >= 4*len(n.places) && n.bits < mostNames {
		n.bits, n.missed = max(n.bits+1, leastNames), 0
		n.places = make([]string, 1<<n.bits)
	}
	place := &n.places[spread(b)>>(64-n.bits)]
	if *place != string(b) {
		*place = string(b)
		n.missed++
	}
	return *place
}

// spread gives each name a number, of which the first bits choose its place. It needs no
// secret: names that are chosen to share a place are copied each time, and nothing worse.
func spread(b []byte) uint64 {
	const odd = 0x9E3779B97F4A7C15
	h := uint64(len(b)) * odd
	for len(b) >= 8 {
		h = (h ^ binary.LittleEndian.Uint64(b)) * odd
		h ^= h >> 29
		b = b[8:]
	}
	last := uint64(0)
	for _, c := range b {
		last = last<<8 | uint64(c)
	}
	return (h ^ last) * odd
}
