package httpapi

import (
	"encoding/json"
	"reflect"
	"strings"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/strict"
)

// policyPatch is domain.Policy with every field optional, as a request names
// limits. It is derived from the policy type, so that the two cannot differ.
var policyPatch = patchOf(reflect.TypeFor[domain.Policy]())

// limitsBody is the same with the reason that a change needs, and whether it adopts the
// second edition of the rules.
var limitsBody = reflect.StructOf(append(patchFields(reflect.TypeFor[domain.Policy]()),
	reflect.StructField{Name: "Adopt", Type: reflect.TypeFor[bool](), Tag: `json:"adopt,omitempty"`},
	reflect.StructField{Name: "Reason", Type: reflect.TypeFor[string](), Tag: `json:"reason"`},
))

// patchOf returns a struct type with every field optional.
func patchOf(of reflect.Type) reflect.Type { return reflect.StructOf(patchFields(of)) }

func patchFields(of reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, reflect.StructField{
			Name: f.Name, Type: reflect.PointerTo(f.Type), Tag: reflect.StructTag(`json:"` + name + `,omitempty"`),
		})
	}
	return fields
}

// canonicalPatch decodes limits strictly and writes them in the order of the
// policy, so that the same limits are the same request in any order.
func canonicalPatch(raw json.RawMessage) (json.RawMessage, error) {
	into := reflect.New(policyPatch)
	if err := strict.Decode(raw, into.Interface()); err != nil {
		return nil, within("limits", err)
	}
	return json.Marshal(into.Interface())
}

// within puts the name of the outer field before that of an inner one.
func within(outer string, err error) error {
	var e *domain.Error
	if !asDomain(err, &e) {
		return err
	}
	field := outer
	if e.Field != "" && e.Field != "body" {
		field += "." + e.Field
	}
	return &domain.Error{Code: e.Code, Field: field, Message: e.Message}
}

// canonicalContent does the same for what an override of a kind carries.
func canonicalContent(kind *portfolio.OverrideKind, raw json.RawMessage) (json.RawMessage, error) {
	content := kind.Content
	if kind.Patch {
		content = patchOf(content)
	}
	into := reflect.New(content)
	if err := strict.Decode(raw, into.Interface()); err != nil {
		return nil, within("limits", err)
	}
	return json.Marshal(into.Interface())
}
