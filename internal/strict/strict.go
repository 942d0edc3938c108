// Package strict decodes the JSON bodies of requests strictly.
//
// It owns what "well-formed" means for a request: one JSON object of known fields
// in their exact spelling, none twice, no required one missing or null, valid
// UTF-8, nothing after it. It refuses everything else with an error that names
// the field or the byte, and never the value: what was pasted into the wrong
// field may be a secret. The name of an unknown field is repeated only if it
// looks like a field name, and the field that was probably meant is suggested.
package strict

import (
	"bytes"
	"encoding"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pets/domain"
)

// maxPath limits the field path of an error.
const maxPath = 120

// Decode reads body into a struct. A field is optional when its tag says
// omitempty or omitzero; all others must be there and not be null, in nested
// objects too: a payout that was left out is not a payout of 0. Where a field whose
// tag says strict:"instead=a,b" is there, a and b need not be. Fields that are named
// apart are none of the body's: they keep what they have. Errors have code invalid and
// name the field.
func Decode(body []byte, into any, apart ...string) error {
	if readPlain(body, into, apart) {
		return nil
	}
	return decode(body, into, apart)
}

// decode is the general way to read a body, and the only one that says what is wrong.
func decode(body []byte, into any, apart []string) error {
	s := shapeOf(reflect.TypeOf(into).Elem())
	if len(apart) > 0 {
		s = s.without(apart)
	}
	if err := s.only(&decoder{Decoder: jsontext.NewDecoder(bytes.NewBuffer(body))}); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return typeError(err, "")
	}
	return nil
}

// only walks one value, which has to be the only one.
func (s *shape) only(dec *decoder) error {
	if err := s.walk(dec, ""); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return domain.Invalid("body", "has data after the JSON object, at byte %d", dec.InputOffset())
	}
	return nil
}

// shape is the required form of a value of a Go type, computed once per type.
type shape struct {
	fields map[string]field // of an object; nil for other values
	elem   *shape           // of an array; nil for other values
	alone  bool             // the elements of the array are judged one by one
	parts  *parts           // that reads the elements of the array one by one, or nil
}

type field struct {
	required bool
	instead  []string // the fields that need not be there beside it
	shape    *shape
}

// Judge is a request of which the elements of one array are judged one by one: its own
// UnmarshalJSON reads them, and says of each what is wrong. Only a field that they do not have, and
// what is not JSON, refuses the request.
type Judge interface {
	stdjson.Unmarshaler
	JudgedAlone() (field string)
}

// leaf is any value that the JSON decoder itself checks.
var leaf = &shape{}

var shapes sync.Map // reflect.Type → *shape

func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape) //nolint:errcheck,forcetypeassert // only shapes are stored
	}
	s := newShape(t)
	shapes.Store(t, s)
	return s
}

// without is the shape of an object that lacks some of its fields.
func (s *shape) without(names []string) *shape {
	fields := maps.Clone(s.fields)
	for _, name := range names {
		delete(fields, name)
	}
	return &shape{fields: fields}
}

var (
	judge    = reflect.TypeFor[Judge]()
	jsonSide = reflect.TypeFor[stdjson.Unmarshaler]()
	textSide = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func newShape(t reflect.Type) *shape {
	if t.Kind() == reflect.Pointer {
		return newShape(t.Elem())
	}
	if reflect.PointerTo(t).Implements(judge) {
		s := &shape{fields: map[string]field{}}
		s.add(t)
		one, _ := reflect.New(t).Interface().(Judge)
		s.fields[one.JudgedAlone()].shape.alone = true
		return s
	}
	if reflect.PointerTo(t).Implements(jsonSide) || reflect.PointerTo(t).Implements(textSide) {
		return leaf
	}
	switch t.Kind() {
	case reflect.Struct:
		s := &shape{fields: map[string]field{}}
		s.add(t)
		return s
	case reflect.Slice:
		return &shape{elem: newShape(t.Elem())}
	default:
		return leaf
	}
}

// add collects the fields of a struct and of those it embeds.
func (s *shape) add(t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && tag == "":
			s.add(f.Type)
		case name == "-" || name == "":
		default:
			optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
			instead := strings.Split(strings.TrimPrefix(f.Tag.Get("strict"), "instead="), ",")
			s.fields[name] = field{required: !optional, instead: instead, shape: newShape(f.Type)}
		}
	}
}

// walk reads one value and compares it with the shape.
func (s *shape) walk(dec *decoder, path string) error {
	kind := dec.PeekKind()
	switch {
	case s.fields != nil && kind == '{':
		return s.walkObject(dec, path)
	case s.elem != nil && kind == '[':
		return s.walkArray(dec, path)
	case s.alone && kind != 0:
		return domain.Invalid(path, "must be an array")
	case s.fields != nil && kind != 0:
		return domain.Invalid(orBody(path), "must be a JSON object")
	}
	if err := dec.SkipValue(); err != nil {
		return syntaxError(err)
	}
	if s.parts != nil {
		s.parts.notArray(path)
	}
	return nil
}

func (s *shape) walkObject(dec *decoder, path string) error {
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	seen := make(map[string]bool, len(s.fields))
	for dec.PeekKind() != '}' {
		at := dec.InputOffset()
		token, err := dec.ReadToken()
		if err != nil {
			return syntaxError(err)
		}
		name := token.String()
		f, known := s.fields[name]
		if !known {
			return s.unknown(path, name, at)
		}
		// null counts as missing, and so does a false that could stand instead of others.
		if kind := dec.PeekKind(); kind != 'n' && (kind != 'f' || f.instead[0] == "") {
			seen[name] = true
		}
		if err := f.shape.orNull(dec, join(path, name)); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	return s.complete(seen, path)
}

// orNull accepts null for an optional value.
func (s *shape) orNull(dec *decoder, path string) error {
	if dec.PeekKind() != 'n' {
		return s.walk(dec, path)
	}
	if err := dec.SkipValue(); err != nil {
		return syntaxError(err)
	}
	return nil
}

func (s *shape) walkArray(dec *decoder, path string) error {
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for i := 0; dec.PeekKind() != ']'; i++ {
		if s.parts != nil {
			if err := s.parts.next(dec, path); err != nil {
				return err
			}
			continue
		}
		if s.alone {
			if err := s.elem.walkNames(dec, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
			continue
		}
		if err := s.elem.walk(dec, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	return nil
}

// walkNames reads one value, of which it compares only the names of its fields.
func (s *shape) walkNames(dec *decoder, path string) error {
	if dec.PeekKind() != '{' {
		return s.skip(dec)
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for dec.PeekKind() != '}' {
		at := dec.InputOffset()
		token, err := dec.ReadToken()
		if err != nil {
			return syntaxError(err)
		}
		name := token.String()
		if _, known := s.fields[name]; !known {
			return s.unknown(path, name, at)
		}
		if err := s.skip(dec); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return syntaxOr(err)
}

func (*shape) skip(dec *decoder) error { return syntaxOr(dec.SkipValue()) }

func syntaxOr(err error) error {
	if err == nil {
		return nil
	}
	return syntaxError(err)
}

// replaced reports that another field that is present replaces this one.
func (s *shape) replaced(name string, seen map[string]bool) bool {
	for other := range seen {
		if slices.Contains(s.fields[other].instead, name) {
			return true
		}
	}
	return false
}

// complete names the first missing required field, in alphabetical order.
func (s *shape) complete(seen map[string]bool, path string) error {
	missing := ""
	for name, f := range s.fields {
		if f.required && !seen[name] && (missing == "" || name < missing) && !s.replaced(name, seen) {
			missing = name
		}
	}
	if missing == "" {
		return nil
	}
	if others := s.replacing(missing); len(others) > 0 {
		return domain.Invalid(join(path, missing), "is missing; instead of it the request may have %s", strings.Join(others, " or "))
	}
	return domain.Invalid(join(path, missing), "is missing")
}

// replacing lists the fields that may stand instead of a required one.
func (s *shape) replacing(name string) []string {
	var all []string
	for other, f := range s.fields {
		if slices.Contains(f.instead, name) {
			all = append(all, other)
		}
	}
	slices.Sort(all)
	return all
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	if len(path) > maxPath {
		return path
	}
	return path + "." + name
}

func orBody(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

// syntaxError says where, not what: the library's own messages may repeat input.
func syntaxError(err error) error {
	var s *jsontext.SyntacticError
	if !errors.As(err, &s) {
		return domain.Invalid("body", "is empty, incomplete, or not JSON")
	}
	what := "is not valid JSON"
	if errors.Is(err, jsontext.ErrDuplicateName) {
		what = "has a field twice"
	}
	return domain.Invalid("body", "%s (byte %d)", what, s.ByteOffset)
}

var (
	decimalType  = reflect.TypeFor[domain.Decimal]()
	durationType = reflect.TypeFor[domain.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
)

// typeError says which type a field must have, of a value that is at a place in the body, or
// is all of it. The path holds only names and indices that walk knows.
func typeError(err error, in string) error {
	var s *json.SemanticError
	if !errors.As(err, &s) {
		return syntaxError(err)
	}
	path := strings.Trim(in+strings.ReplaceAll(string(s.JSONPointer), "/", "."), ".")
	if len(path) > maxPath {
		path = path[:maxPath]
	}
	return domain.Invalid(orBody(path), "must be %s", wanted(s.GoType))
}

func wanted(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case nil:
		return "of another type"
	case decimalType:
		return domain.ADecimal
	case durationType:
		return "a duration in a JSON string, such as \"30s\""
	case timeType:
		return "an RFC 3339 time, such as \"2026-01-15T09:00:00Z\""
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "a JSON object"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	default:
		return "of another type"
	}
}
