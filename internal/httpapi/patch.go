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
var policyPatch = reflect.StructOf(patchFields())

// limitsBody is the same with the reason that a change needs, and whether it adopts the
// second edition of the rules.
var limitsBody = reflect.StructOf(append(patchFields(),
	reflect.StructField{Name: "Adopt", Type: reflect.TypeFor[bool](), Tag: `json:"adopt,omitempty"`},
	reflect.StructField{Name: "Reason", Type: reflect.TypeFor[string](), Tag: `json:"reason"`},
))

func patchFields() []reflect.StructField {
	var fields []reflect.StructField
	for f := range reflect.TypeFor[domain.Policy]().Fields() {
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

// canonicalTreasury does the same for rules of the treasury.
func canonicalTreasury(raw json.RawMessage) (json.RawMessage, error) {
	var p TreasuryPatch
	if err := strict.Decode(raw, &p); err != nil {
		return nil, within("limits", err)
	}
	return json.Marshal(p)
}

// canonicalTokens does the same for the tokens of a market.
func canonicalTokens(raw json.RawMessage) (json.RawMessage, error) {
	var t portfolio.MarketTokens
	if err := strict.Decode(raw, &t); err != nil {
		return nil, within("limits", err)
	}
	return json.Marshal(t)
}

// canonicalCorrection does the same for what a market pays after all.
func canonicalCorrection(raw json.RawMessage) (json.RawMessage, error) {
	var c portfolio.Correction
	if err := strict.Decode(raw, &c); err != nil {
		return nil, within("limits", err)
	}
	return json.Marshal(c)
}

// canonicalPayouts does the same for the payouts of a market.
func canonicalPayouts(raw json.RawMessage) (json.RawMessage, error) {
	var p portfolio.AgreedPayouts
	if err := strict.Decode(raw, &p); err != nil {
		return nil, within("limits", err)
	}
	return json.Marshal(p)
}

// canonicalSettlement does the same for the outcome of a transfer.
func canonicalSettlement(raw json.RawMessage) (json.RawMessage, error) {
	var s portfolio.TransferSettlement
	if err := strict.Decode(raw, &s); err != nil {
		return nil, within("limits", err)
	}
	return json.Marshal(s)
}
