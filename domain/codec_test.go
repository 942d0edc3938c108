package domain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"
)

// coded is what has generated code: an event of the registry, or the metadata of records.
type coded struct {
	name            string
	blank           func() any
	read            func(*Decoder, []byte) (any, error)
	readGeneral     func([]byte) (any, error)
	write, writeOld func(any) ([]byte, error)
	stored          [][]byte // as streams hold it
}

func allCoded(t testing.TB) []coded {
	var all []coded
	for _, r := range events.rows {
		all = append(all, coded{
			name: r.literal, blank: r.blank,
			read:        func(d *Decoder, b []byte) (any, error) { return d.Decode(r.literal, b) },
			readGeneral: func(b []byte) (any, error) { return r.decodeGeneral(b) },
			write:       func(e any) ([]byte, error) { return Encode(e.(Event)) },
			writeOld:    func(e any) ([]byte, error) { return encodeGeneral(e.(Event)) },
			stored:      append([][]byte{golden(t, r.literal)}, later(t, r.literal)...),
		})
	}
	return append(all, coded{
		name: "metadata", blank: func() any { return &Metadata{} },
		read:        func(d *Decoder, b []byte) (any, error) { m, err := d.Metadata(b); return &m, err },
		readGeneral: func(b []byte) (any, error) { m, err := decodeMetadataGeneral(b); return &m, err },
		write:       func(m any) ([]byte, error) { return EncodeMetadata(*m.(*Metadata)) },
		writeOld:    func(m any) ([]byte, error) { return encodeMetadataGeneral(*m.(*Metadata)) },
		stored: [][]byte{
			[]byte(`{"actor":"olga","role":"operator","bot":"alpha","command":"deposit","command_id":"x","request_hash":"y","imported_at":"2026-03-10T12:00:00Z","source":"trades \"2026\".csv:7","clock_behind":"3s"}`),
			[]byte(`{"actor":"olga","role":"operator","command":"deposit","command_id":"x","request_hash":"y","of_a_newer_build":[1]}`),
		},
	})
}

// readAlike requires that a text is read as the general decoder reads it, or refused with
// the same words. What was read must not change with the bytes it was read from.
func (c *coded) readAlike(t testing.TB, d *Decoder, data []byte) {
	t.Helper()
	want, wantErr := c.readGeneral(data)
	given := bytes.Clone(data)
	got, err := c.read(d, given)
	for i := range given {
		given[i] ^= 0xFF
	}
	if wantErr != nil {
		require.EqualError(t, err, wantErr.Error(), "%s %s", c.name, data)
		require.Equal(t, want, got, "%s %s", c.name, data)
		return
	}
	require.NoError(t, err, "%s %s", c.name, data)
	if !reflect.DeepEqual(want, got) { // it is quicker than require
		require.Equal(t, want, got, "%s %s", c.name, data)
	}
}

// writtenAlike requires that a value is written as the general encoder writes it, or
// refused with the same words. It returns what was written.
func (c *coded) writtenAlike(t testing.TB, v any) []byte {
	t.Helper()
	want, wantErr := c.writeOld(v)
	got, err := c.write(v)
	if wantErr != nil {
		require.EqualError(t, err, wantErr.Error(), "%s %+v", c.name, v)
		return nil
	}
	require.NoError(t, err, "%s %+v", c.name, v)
	require.Equal(t, string(want), string(got), c.name)
	return got
}

// “Canonical JSON is written and read without reflection for every event.” A new event has
// no generated code until go generate has run; until then it takes the general codec.
func TestEveryRowHasGeneratedCode(t *testing.T) {
	for _, r := range events.rows {
		e := r.blank()
		require.True(t, readEvent(&reader{}, e) && writeEvent(&writer{}, e), "%s has no generated code: run go generate ./domain", r.literal)
	}
	require.False(t, readEvent(&reader{}, &strange{}))
	require.False(t, writeEvent(&writer{}, &strange{}))
}

// What streams hold is read without falling back to the general decoder, and written as it
// was.
func TestStoredBytesTakeTheFastWay(t *testing.T) {
	for _, c := range allCoded(t) {
		for _, stored := range c.stored {
			c.readAlike(t, &Decoder{}, stored)
			if bytes.Contains(stored, []byte("newer_build")) {
				continue
			}
			into, in := c.blank(), reader{data: stored}
			if m, is := into.(*Metadata); is {
				readMetadata(&in, m)
			} else {
				readEvent(&in, into)
			}
			require.True(t, in.whole(), "%s %s: read only as far as byte %d", c.name, stored, in.at)
			require.Equal(t, string(stored), string(c.writtenAlike(t, into)))
		}
	}
}

// “On anything unexpected it falls back to the general decoder, so that results and errors
// are exactly those of before.” Every stored text is cut off and changed at every byte, and
// written in all other ways that JSON has.
func TestOtherFormsAreReadAlike(t *testing.T) {
	for _, c := range allCoded(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			every := 1
			if testing.Short() {
				every = 8
			}
			var d Decoder
			for _, stored := range c.stored {
				forms := otherForms(t, stored)
				for i := 0; i < len(forms); i += every {
					c.readAlike(t, &d, forms[i])
				}
				for at := 0; at < len(stored); at += every {
					c.readAlike(t, &d, stored[:at])
					for _, instead := range []byte{'0', '"', '\\', ' ', ',', '}', 0x1f, 0x80} {
						if at%7 == int(instead)%7 { // all of them in turn: each costs a decoding
							changed := bytes.Clone(stored)
							changed[at] = instead
							c.readAlike(t, &d, changed)
						}
					}
				}
			}
		})
	}
}

// otherForms are an object with spaces, with its keys in another order, in capitals, twice,
// unknown or missing, with null and other values in their places, and with what stands
// before or behind it.
func otherForms(t *testing.T, stored []byte) [][]byte {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(stored, &members))
	text := string(stored)
	all := [][]byte{
		[]byte(text[:len(text)-1] + "," + text[1:]),
		[]byte(text[:len(text)-1] + `,"unknown":1}`),
		[]byte(`{"unknown":{},` + text[1:]),
		[]byte(" " + text), []byte(text + "\n"), []byte(text + "x"), []byte(text + text), []byte("[" + text + "]"),
		[]byte("\xef\xbb\xbf" + text),
	}
	var spaced bytes.Buffer
	require.NoError(t, json.Indent(&spaced, stored, "", " "))
	all = append(all, spaced.Bytes())
	with := func(change func(map[string]json.RawMessage)) {
		other := maps.Clone(members)
		change(other)
		b, err := json.Marshal(other)
		require.NoError(t, err)
		all = append(all, b)
	}
	with(func(map[string]json.RawMessage) {})
	for _, key := range slices.Sorted(maps.Keys(members)) {
		with(func(m map[string]json.RawMessage) { delete(m, key) })
		with(func(m map[string]json.RawMessage) { m[strings.ToUpper(key)] = m[key]; delete(m, key) })
		with(func(m map[string]json.RawMessage) { m[strings.ToUpper(key)] = json.RawMessage("null") })
		for _, value := range []string{
			`null`, `true`, `0`, `-0`, `-1`, `01`, `1.0`, `1e3`, `18446744073709551615`, `9223372036854775808`, `""`, `"\u0041"`, `"\ud800"`, `"0"`, `"-0"`, `"+1"`,
			`"007.50"`, `"1."`, `".5"`, `"999999999999999.999999999999999999"`, `"1000000000000000"`, `"0.0000000000000000001"`, `"2026-03-10T12:00:00+01:00"`,
			`"2026-03-10T12:00:00,5Z"`, `"1h"`, `[]`, `[null]`, `[""]`, `[1]`, `[{}]`, `{}`, `{"a":"1","a":"2"}`, `{"a":null}`, `{"a":[]}`, ` [ ] `,
		} {
			// Written by hand: encoding/json would tidy the value.
			from := `"` + key + `":` + string(members[key])
			all = append(all, []byte(strings.Replace(text, from, `"`+key+`":`+value, 1)))
		}
	}
	return all
}

// FuzzCodec holds the generated code and encoding/json together, for every event of the
// registry and for metadata: what one reads or refuses the other does, for any bytes; and
// both write any value with the same bytes. The bytes are the text to be read, and choose
// the value to be written.
func FuzzCodec(f *testing.F) {
	all := allCoded(f)
	for n, c := range all {
		for _, stored := range c.stored {
			f.Add(n, stored)
		}
		f.Add(n, []byte("{}"))
		f.Add(n, []byte{})
		for seed := range 4 {
			f.Add(n, bytes.Repeat([]byte{byte(seed), 1, 2, 200, 3, byte(5 + seed), 250, 7, 0x40}, 40))
		}
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, n int, data []byte) {
		c := all[(n%len(all)+len(all))%len(all)]
		c.readAlike(t, &d, data)
		v := c.blank()
		filler := filler(data)
		filler.fill(reflect.ValueOf(v).Elem())
		if written := c.writtenAlike(t, v); written != nil {
			c.readAlike(t, &d, written)
			written[filler.uint64()%uint64(len(written))] = filler.byte()
			c.readAlike(t, &d, written)
		}
	})
}

// filler makes values out of bytes. Without bytes all is zero.
type filler []byte

func (f *filler) byte() byte {
	if len(*f) == 0 {
		return 0
	}
	b := (*f)[0]
	*f = (*f)[1:]
	return b
}

func (f *filler) uint64() (n uint64) {
	for range f.byte() % 9 {
		n = n<<8 | uint64(f.byte())
	}
	return n
}

func (f *filler) fill(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *Decimal:
		*p = f.decimal()
		return
	case *time.Time:
		*p = f.time()
		return
	case *json.RawMessage:
		*p = f.raw()
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(f.byte()&1 == 1)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.uint64()))
	case reflect.Uint64:
		v.SetUint(f.uint64())
	case reflect.Pointer:
		if f.byte()&1 == 1 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem())
		}
	case reflect.Slice:
		if n := int(f.byte() % 5); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n-1, n-1))
			for i := range v.Len() {
				f.fill(v.Index(i))
			}
		}
	case reflect.Map:
		if n := int(f.byte() % 5); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n - 1 {
				value := reflect.New(v.Type().Elem()).Elem()
				f.fill(value)
				v.SetMapIndex(reflect.ValueOf(f.text()), value)
			}
		}
	default:
		panic(fmt.Sprintf("the fuzz target cannot fill a %s", v.Type()))
	}
}

func (f *filler) text() string {
	odd := []string{`"`, `\`, "<&>", "\u2028", "\u2029", "\x00", "\x1f\x7f", "\xff", "\xed\xa0\x80", "é", "語", "\t\r\n\b\f", "/", "😀"}
	var b strings.Builder
	for range f.byte() % 12 {
		if c := f.byte(); c < 0x70 {
			b.WriteByte('0' + c%75)
		} else {
			b.WriteString(odd[int(c)%len(odd)])
		}
	}
	return b.String()
}

func (f *filler) decimal() Decimal {
	kind := f.byte()
	z := uint256.Int{f.uint64(), 0, 0, 0}
	if kind&2 != 0 {
		z[1] = f.uint64() // beyond 10^15, sometimes
	}
	if kind&0x30 == 0x30 {
		z[2] = f.uint64() // beyond what udecimal keeps in 128 bits
	}
	if kind&4 != 0 {
		z.Mul(&z, &pow10[kind%(Scale+1)])
	}
	return fromUint256(kind&1 == 1, &z)
}

func (f *filler) time() time.Time {
	at := time.Unix(int64(f.uint64()), int64(f.uint64()%1e9))
	switch f.byte() % 5 {
	case 0:
		return time.Time{}
	case 1:
		return at.In(time.FixedZone("", int(f.uint64()%100_000)-50_000))
	case 2:
		return at.In(time.Local)
	default:
		return at.UTC()
	}
}

func (f *filler) raw() json.RawMessage {
	all := []json.RawMessage{
		nil,
		{},
		[]byte(`{}`), []byte(` { "a" : [ 1 , "<\u2028> ` + "\u2028" + `" ] } `), []byte(`[1,2]`), []byte(`"x"`), []byte(`7`), []byte(`null`),
		[]byte(`{"a":}`), []byte(`{"a":"}"}`), []byte(strings.Repeat("[", maxNesting+1) + strings.Repeat("]", maxNesting+1)),
	}
	if n := int(f.byte()); n < 2*len(all) {
		return all[n/2]
	}
	return json.RawMessage(f.text())
}

// A decoder remembers no more names than it has places for, and returns what was written
// whichever names share a place.
func TestNamesAreBounded(t *testing.T) {
	var n names
	for round := range 3 {
		for i := range 5000 {
			name := fmt.Sprintf("will-it-rain-%d-in-berlin", i)
			require.Equal(t, name, n.of([]byte(name)), round)
		}
	}
	long := strings.Repeat("x", maxName+1)
	require.Equal(t, long, n.of([]byte(long)))
	require.NotContains(t, n.places, long)
	require.Len(t, n.places, 1<<mostNames)
	require.Equal(t, "", n.of(nil))
	used := map[uint64]bool{}
	for i := range len(n.places) {
		used[spread(fmt.Appendf(nil, "bot-%d", i))>>(64-mostNames)] = true
	}
	require.Greater(t, len(used), len(n.places)/2, "names are spread")

	var few names
	for range 1000 {
		few.of([]byte("alpha"))
	}
	require.Len(t, few.places, 1<<leastNames, "it grows with use")
	known := []byte("alpha")
	n.of(known)
	require.Zero(t, testing.AllocsPerRun(100, func() { n.of(known) }))
}

// Eight bytes are looked at together; what is found is what one by one finds.
func TestNextSpecial(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			for _, beside := range []byte{'a', ' ', '~', '!', '#', '[', ']', 0x7f} {
				b := bytes.Repeat([]byte{beside}, 20)
				b[at] = byte(c)
				want := len(b)
				if c < ' ' || c == '"' || c == '\\' || c > 0x7f {
					want = at
				}
				require.Equal(t, want, nextSpecial(b, 0), "%q", b)
				require.Equal(t, max(want, at), nextSpecial(string(b), at), "%q", b)
			}
		}
	}
}

// Texts of a decoder are its own, also those that share a piece of memory, and stay as they are.
func TestTextsOfADecoder(t *testing.T) {
	var d Decoder
	var all []Metadata
	want := func(n int) Metadata {
		return Metadata{
			Actor: "olga", Role: RoleOperator, Command: "c", CommandID: strings.Repeat(string(rune('a'+n%26)), n%(2*longText)),
			RequestHash: strings.Repeat(string(rune('A'+n%26)), 64),
		}
	}
	for n := range 1000 {
		data, err := EncodeMetadata(want(n))
		require.NoError(t, err)
		m, err := d.Metadata(data)
		require.NoError(t, err)
		clear(data)
		all = append(all, m)
	}
	for n, m := range all {
		require.Equal(t, want(n), m)
	}
}
