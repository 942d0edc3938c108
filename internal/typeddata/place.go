package typeddata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pets/domain"
)

// place is the location of a value in a JSON text, as errors name it.
type place struct {
	path, sep string
	// ours marks the operator's own text: an error may repeat an unknown name in
	// it. A name sent by a bot may be a secret.
	ours bool
}

func (p place) field(name string) place {
	return place{path: p.path + p.sep + name, sep: ".", ours: p.ours}
}

func (p place) item(i int) place {
	return place{path: fmt.Sprintf("%s[%d]", p.path, i), sep: ".", ours: p.ours}
}

func (p place) refuse(format string, args ...any) error {
	return domain.Invalid(p.path, format, args...)
}

// only returns the single JSON value of text. It accepts repeated names; object
// refuses them and can name them.
func (p place) only(text []byte) (jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	raw, err := dec.ReadValue()
	if err != nil {
		at := dec.InputOffset()
		if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
			at = syntax.ByteOffset
		}
		return nil, p.refuse("is empty, incomplete, or not valid JSON, at byte %d", at)
	}
	raw = raw.Clone()
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, p.refuse("has data after the JSON value, at byte %d", dec.InputOffset())
	}
	return raw, nil
}

// object decodes the fields of a JSON object: all of required, any of optional,
// none twice, no other. No returned value is null.
func (p place) object(raw jsontext.Value, required, optional []string) (map[string]jsontext.Value, error) {
	if raw.Kind() != '{' {
		return nil, p.refuse("must be a JSON object")
	}
	out := make(map[string]jsontext.Value, len(required))
	dec := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	_, err := dec.ReadToken() // the opening brace
	for err == nil && dec.PeekKind() != '}' {
		err = p.member(dec, out, required, optional)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range required {
		if _, ok := out[name]; !ok {
			return nil, p.field(name).refuse("is missing")
		}
	}
	return out, nil
}

func (p place) member(dec *jsontext.Decoder, out map[string]jsontext.Value, required, optional []string) error {
	token, err := dec.ReadToken()
	if err != nil {
		return p.refuse("is not valid JSON")
	}
	name := token.String()
	if !slices.Contains(required, name) && !slices.Contains(optional, name) {
		return p.unknown(name, dec.InputOffset())
	}
	if _, twice := out[name]; twice {
		return p.field(name).refuse("stands twice")
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return p.refuse("is not valid JSON")
	}
	if raw.Kind() == 'n' {
		return p.field(name).refuse("must not be null")
	}
	out[name] = raw.Clone()
	return nil
}

func (p place) unknown(name string, offset int64) error {
	if p.ours {
		return p.field(name).refuse("is not a known field")
	}
	return p.refuse("has an unknown field, which ends at its byte %d", offset)
}

// list reads a JSON array.
func (p place) list(raw jsontext.Value) ([]jsontext.Value, error) {
	var items []jsontext.Value
	if raw.Kind() != '[' || json.Unmarshal(raw, &items, jsontext.AllowDuplicateNames(true)) != nil {
		return nil, p.refuse("must be a JSON array")
	}
	return items, nil
}

// text reads a JSON string.
func (p place) text(raw jsontext.Value) (string, error) {
	if raw.Kind() != '"' {
		return "", p.refuse("must be a JSON string")
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return "", p.refuse("is not a valid JSON string")
	}
	return string(text), nil
}
