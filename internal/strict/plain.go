package strict

import (
	"encoding"
	stdjson "encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pets/domain"
)

// A body in its plain form is read in one pass that checks and decodes: what its type
// expects, in any order, with strings of ASCII without escapes. That is what clients send.
// Everything else, and everything that is wrong, is left to the general way, which finds
// the words for it. So both give the same values, and there is one source of errors.

// form is how a value of a type is read.
type form struct {
	kind   formKind
	fields []formField // of an object
	places map[string]int
	// required has a bit for each field that has to be there.
	required uint64
	elem     *form // of an array, and of what a pointer points to
}

// formField is a field of an object. instead has a bit for each field that need not be
// there beside it.
type formField struct {
	name    string
	index   []int
	form    *form
	instead uint64
}

type formKind byte

const (
	formOther   formKind = iota // left to the general way
	formObject                  // a struct
	formArray                   // a slice
	formPointer                 // what it points to
	formString
	formBool
	formInt
	formUint
	formDecimal
	formText // it reads its own text
	formRaw  // the bytes of any value
)

// maxFields is how many fields a bit can stand for.
const maxFields = 64

var forms sync.Map // reflect.Type → *form

func formOf(t reflect.Type) *form {
	if known, ok := forms.Load(t); ok {
		return known.(*form) //nolint:errcheck,forcetypeassert // only forms are stored
	}
	f := newForm(t)
	forms.Store(t, f)
	return f
}

var rawType = reflect.TypeFor[stdjson.RawMessage]()

func newForm(t reflect.Type) *form {
	switch {
	case t == decimalType:
		return &form{kind: formDecimal}
	case t == rawType:
		return &form{kind: formRaw}
	case reflect.PointerTo(t).Implements(judge):
		return objectForm(t) // if each of the elements can be read, none is wrong
	case t == timeType, reflect.PointerTo(t).Implements(jsonSide):
		return &form{}
	case reflect.PointerTo(t).Implements(textSide):
		return &form{kind: formText}
	}
	switch t.Kind() {
	case reflect.Struct:
		return objectForm(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &form{}
		}
		return &form{kind: formArray, elem: newForm(t.Elem())}
	case reflect.Pointer:
		return &form{kind: formPointer, elem: newForm(t.Elem())}
	case reflect.String:
		return &form{kind: formString}
	case reflect.Bool:
		return &form{kind: formBool}
	case reflect.Int, reflect.Int64:
		return &form{kind: formInt}
	case reflect.Uint64:
		return &form{kind: formUint}
	default:
		return &form{}
	}
}

// objectForm makes the form of a struct from its shape, which says what is required.
func objectForm(t reflect.Type) *form {
	f, known := &form{kind: formObject, places: map[string]int{}}, shapeOf(t).fields
	if !f.add(t, nil) || len(f.fields) > maxFields || len(f.fields) != len(known) {
		return &form{}
	}
	for place := range f.fields {
		field := &f.fields[place]
		of := known[field.name]
		if of.required {
			f.required |= 1 << place
		}
		for _, name := range of.instead {
			if other, is := f.places[name]; is {
				field.instead |= 1 << other
			}
		}
	}
	return f
}

// add adds the fields of a struct, and reports whether all of them are understood.
func (f *form) add(t reflect.Type, at []int) bool {
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		index := append(slices.Clone(at), i)
		switch {
		case field.Anonymous && tag == "":
			if field.Type.Kind() != reflect.Struct || !f.add(field.Type, index) {
				return false
			}
		case name == "-" || name == "":
		case options != "" && options != "omitempty" && options != "omitzero":
			return false
		default:
			if _, twice := f.places[name]; twice {
				return false
			}
			f.places[name] = len(f.fields)
			f.fields = append(f.fields, formField{name: name, index: index, form: newForm(field.Type)})
		}
	}
	return true
}

// readPlain reads a body in its plain form. It returns false, and leaves into as it was,
// where the general way has to be taken.
func readPlain(body []byte, into any, apart []string) bool {
	v := reflect.ValueOf(into).Elem()
	f := formOf(v.Type())
	if f.kind != formObject || !v.IsZero() {
		return false
	}
	r := plain{body: body}
	if !r.object(f, v, apart) || r.next() != 0 || r.at != len(body) {
		v.SetZero()
		return false
	}
	return true
}

// plain is a body that is read from its beginning. Each of its methods returns false for
// what is not plain.
type plain struct {
	body []byte
	at   int
	// borrows: raw values are parts of body, and not copies.
	borrows bool
}

// next returns the byte after white space, or 0 at the end.
func (r *plain) next() byte {
	for ; r.at < len(r.body); r.at++ {
		switch c := r.body[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take takes a byte if it is next.
func (r *plain) take(c byte) bool {
	if r.next() != c {
		return false
	}
	r.at++
	return true
}

// word takes a word if it is next.
func (r *plain) word(w string) bool {
	r.next()
	if end := r.at + len(w); end > len(r.body) || string(r.body[r.at:end]) != w {
		return false
	}
	r.at += len(w)
	return true
}

// text takes a string of ASCII without escapes.
func (r *plain) text() ([]byte, bool) {
	if !r.take('"') {
		return nil, false
	}
	for from := r.at; r.at < len(r.body); r.at++ {
		switch c := r.body[r.at]; {
		case c == '"':
			r.at++
			return r.body[from : r.at-1], true
		case c < ' ' || c >= 0x7f || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// digits takes a whole number of at most 18 digits, without a sign or a leading 0.
func (r *plain) digits() (n uint64, ok bool) {
	r.next()
	from := r.at
	for ; r.at < len(r.body) && r.body[r.at] >= '0' && r.body[r.at] <= '9'; r.at++ {
	}
	text := r.body[from:r.at]
	if len(text) == 0 || len(text) > 18 || text[0] == '0' && len(text) > 1 || r.at == len(r.body) {
		return 0, false
	}
	switch r.body[r.at] {
	case ',', '}', ']', ' ', '\t', '\r', '\n':
	default:
		return 0, false // a fraction or an exponent
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	return n, err == nil
}

// object reads the fields of an object into a struct.
func (r *plain) object(f *form, v reflect.Value, apart []string) bool {
	if !r.take('{') {
		return false
	}
	var seen, given uint64
	for !r.take('}') {
		if seen != 0 && !r.take(',') {
			return false
		}
		name, ok := r.text()
		if !ok || !r.take(':') {
			return false
		}
		place, known := f.places[string(name)]
		if !known || seen&(1<<place) != 0 || slices.Contains(apart, f.fields[place].name) {
			return false
		}
		field := &f.fields[place]
		seen |= 1 << place
		// A false that could stand instead of others does not.
		if c := r.next(); c != 'f' || field.instead == 0 {
			given |= 1<<place | field.instead
		}
		if !r.value(field.form, v.FieldByIndex(field.index)) {
			return false
		}
	}
	for _, name := range apart {
		if place, known := f.places[name]; known {
			given |= 1 << place
		}
	}
	return f.required&^given == 0
}

// value reads a value of a form.
func (r *plain) value(f *form, v reflect.Value) bool {
	switch f.kind {
	case formObject:
		return r.object(f, v, nil)
	case formArray:
		return r.array(f, v)
	case formPointer:
		to := reflect.New(v.Type().Elem())
		v.Set(to)
		return r.value(f.elem, to.Elem())
	case formString:
		text, ok := r.text()
		v.SetString(string(text))
		return ok
	case formBool:
		is := r.word("true")
		v.SetBool(is)
		return is || r.word("false")
	case formInt, formUint:
		n, ok := r.digits()
		if f.kind == formInt {
			v.SetInt(int64(n)) //nolint:gosec // at most 18 digits
		} else {
			v.SetUint(n)
		}
		return ok
	case formRaw:
		r.next()
		from := r.at
		ok := r.skip(0)
		raw := r.body[from:r.at:r.at]
		if !r.borrows {
			raw = slices.Clone(raw)
		}
		v.SetBytes(raw)
		return ok
	case formDecimal, formText:
		return r.own(f, v)
	default:
		return false
	}
}

// own reads a value that reads its own text.
func (r *plain) own(f *form, v reflect.Value) bool {
	text, ok := r.text()
	if !ok {
		return false
	}
	if f.kind == formText {
		to, is := v.Addr().Interface().(encoding.TextUnmarshaler)
		return is && to.UnmarshalText(text) == nil
	}
	to, is := v.Addr().Interface().(*domain.Decimal)
	return is && to.UnmarshalText(text) == nil
}

func (r *plain) array(f *form, v reflect.Value) bool {
	if !r.take('[') {
		return false
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 1))
	for n := 0; !r.take(']'); n++ {
		if n > 0 && !r.take(',') {
			return false
		}
		v.Grow(1)
		v.SetLen(n + 1)
		if !r.value(f.elem, v.Index(n)) {
			return false
		}
	}
	return true
}

// Limits of a raw value in its plain form.
const (
	maxPlainDepth = 8
	maxPlainNames = 32
)

// skip passes over any plain value, with no name twice in an object.
func (r *plain) skip(depth int) bool {
	switch c := r.next(); {
	case c == '"':
		_, ok := r.text()
		return ok
	case c == 't':
		return r.word("true")
	case c == 'f':
		return r.word("false")
	case c >= '0' && c <= '9':
		_, ok := r.digits()
		return ok
	case depth >= maxPlainDepth:
		return false
	case c == '[':
		r.at++
		for first := true; !r.take(']'); first = false {
			if !first && !r.take(',') || !r.skip(depth+1) {
				return false
			}
		}
		return true
	case c == '{':
		return r.skipObject(depth)
	default:
		return false
	}
}

func (r *plain) skipObject(depth int) bool {
	r.at++
	var names [maxPlainNames]string
	for n := 0; !r.take('}'); n++ {
		if n == len(names) || n > 0 && !r.take(',') {
			return false
		}
		name, ok := r.text()
		if !ok || !r.take(':') || !r.skip(depth+1) || slices.Contains(names[:n], string(name)) {
			return false
		}
		names[n] = string(name)
	}
	return true
}
