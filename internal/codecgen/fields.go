package main

import (
	"fmt"
	"go/ast"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// field is a member of a JSON object, in the order in which encoding/json writes it.
type field struct {
	key       string // its name in JSON
	path      string // how Go reaches it from the struct, through what is embedded
	kind      kind
	omitEmpty bool
	omitZero  bool
}

// kind is what a field, or an element of one, holds.
type kind struct {
	form form
	// name is the Go type as it is written in package domain.
	name string
	// of is what a list, a map or a pointer holds.
	of *kind
	// isZero: omitzero asks a method of the type, or whether all is zero.
	isZero bool
}

type form int

const (
	text form = iota
	number
	count
	flag
	decimal
	duration
	instant
	raw
	object
	pointer
	list
	dictionary
)

// names are the keys of texts that a stream repeats: they are read without a copy of
// their own. An id that occurs once must not be here, because it would displace them.
var names = []string{
	"account", "action", "actor", "asset", "base_asset", "bot", "bots_stopped", "breaker", "by", "category", "chain", "closed_by",
	"code", "command", "direction", "fee_asset", "flags", "from_place", "gas_asset", "intent", "kind", "market", "outcome", "place",
	"portfolio", "purpose", "result", "role", "scope", "shape", "side", "source", "status", "stops", "strategy", "time_in_force",
	"to_place", "user", "venue", "wallet",
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// fields returns the members of a struct's JSON object.
func (s *source) fields(structName string) ([]field, error) {
	all, err := s.flatten(structName, "")
	if err != nil {
		return nil, err
	}
	for i, f := range all {
		same := func(g field) bool { return strings.EqualFold(f.key, g.key) }
		if slices.ContainsFunc(all[:i], same) {
			return nil, fmt.Errorf("%s has two fields %q: give one of them another name", structName, f.key)
		}
	}
	return all, nil
}

func (s *source) flatten(structName, prefix string) ([]field, error) {
	st, is := s.types[structName].(*ast.StructType)
	if !is {
		return nil, fmt.Errorf("%s is embedded, and is no struct of this package", structName)
	}
	if m := s.marshaler(structName); m != "" {
		return nil, fmt.Errorf("%s has %s: a struct of an event is written field by field", structName, m)
	}
	var all []field
	for _, f := range st.Fields.List {
		tag := tagOf(f)
		if len(f.Names) == 0 {
			embedded, is := f.Type.(*ast.Ident)
			if !is || tag != "" {
				return nil, fmt.Errorf("%s embeds a pointer, a type of another package, or one with a tag", structName)
			}
			inner, err := s.flatten(embedded.Name, prefix+embedded.Name+".")
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
			continue
		}
		for _, name := range f.Names {
			one, err := s.field(name, f.Type, tag)
			if err != nil {
				return nil, fmt.Errorf("%s.%s %w", structName, name.Name, err)
			}
			if one.key == "-" {
				continue
			}
			one.path = prefix + one.path
			all = append(all, one)
		}
	}
	return all, nil
}

func tagOf(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	return reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
}

func (s *source) field(name *ast.Ident, of ast.Expr, tag string) (field, error) {
	if !name.IsExported() {
		return field{}, fmt.Errorf("is not exported: nothing of an event may be left out of what is stored")
	}
	key, options, _ := strings.Cut(tag, ",")
	if tag == "-" {
		return field{key: "-"}, nil
	}
	if key == "" {
		key = name.Name
	}
	if !plainKey.MatchString(key) {
		return field{}, fmt.Errorf("has the key %q: use letters, digits and _", key)
	}
	f := field{key: key, path: name.Name}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		default:
			return f, fmt.Errorf("has the option %q, which the generator does not know", option)
		}
	}
	var err error
	f.kind, err = s.kind(of)
	return f, err
}

// kind finds out what a type is written as. It refuses all that the generated code does
// not write exactly as encoding/json does.
func (s *source) kind(of ast.Expr) (kind, error) {
	switch of := of.(type) {
	case *ast.Ident:
		return s.named(of.Name)
	case *ast.SelectorExpr:
		switch name := exprText(of); name {
		case "time.Time":
			return kind{form: instant, name: name, isZero: true}, nil
		case "json.RawMessage":
			return kind{form: raw, name: name}, nil
		}
	case *ast.StarExpr:
		inner, err := s.kind(of.X)
		if inner.form == pointer || inner.form == raw || inner.form == list || inner.form == dictionary {
			break
		}
		return kind{form: pointer, name: "*" + inner.name, of: &inner}, err
	case *ast.ArrayType:
		inner, err := s.kind(of.Elt)
		if of.Len != nil || inner.name == "byte" || inner.name == "uint8" {
			break
		}
		return kind{form: list, name: "[]" + inner.name, of: &inner}, err
	case *ast.MapType:
		inner, err := s.kind(of.Value)
		if key, is := of.Key.(*ast.Ident); !is || key.Name != "string" || inner.form > raw {
			break
		}
		return kind{form: dictionary, name: "map[string]" + inner.name, of: &inner}, err
	}
	return kind{}, fmt.Errorf("has the type %s, which the generator does not know: teach it to internal/codecgen, with its reader and writer in domain/codec.go", exprText(of))
}

func (s *source) named(name string) (kind, error) {
	switch name {
	case "string":
		return kind{form: text, name: name}, nil
	case "int":
		return kind{form: number, name: name}, nil
	case "uint64":
		return kind{form: count, name: name}, nil
	case "bool":
		return kind{form: flag, name: name}, nil
	case "Decimal":
		return kind{form: decimal, name: name, isZero: s.has(name, "IsZero")}, nil
	case "Duration":
		return kind{form: duration, name: name, isZero: s.has(name, "IsZero")}, nil
	}
	if m := s.marshaler(name); m != "" {
		return kind{}, fmt.Errorf("has the type %s with %s, which the generator does not know: teach it to internal/codecgen", name, m)
	}
	switch under := s.types[name].(type) {
	case *ast.StructType:
		return kind{form: object, name: name, isZero: s.has(name, "IsZero")}, nil
	case *ast.Ident:
		k, err := s.named(under.Name)
		if k.form > flag {
			break
		}
		k.name, k.isZero = name, s.has(name, "IsZero")
		return k, err
	}
	return kind{}, fmt.Errorf("has the type %s, which the generator does not know: teach it to internal/codecgen", name)
}

// marshaler returns the method by which a type writes or reads itself, or "".
func (s *source) marshaler(name string) string {
	for _, m := range []string{"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "MarshalJSONTo", "UnmarshalJSONFrom"} {
		if s.has(name, m) {
			return m
		}
	}
	return ""
}

// comparable reports whether == compares all of a struct.
func (s *source) comparable(structName string) bool {
	fields, err := s.fields(structName)
	return err == nil && !slices.ContainsFunc(fields, func(f field) bool {
		switch f.kind.form {
		case object:
			return !s.comparable(f.kind.name)
		case raw, list, dictionary:
			return true
		default:
			return false
		}
	})
}
