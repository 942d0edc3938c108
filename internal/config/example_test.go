package config

import (
	"fmt"
	"reflect"
	"strings"

	"pets/domain"
)

//go:generate go test -run TestEnvExample -count 1 . -args -update

const exampleHead = `# Configuration of pets. Copy this file to .env and change what you need.
#
# GENERATED from internal/config by "make env-example"; edit the struct there.
#
# A variable of the environment wins over this file; an empty value means the
# default. Write NAME=value. A value with any of $ # " or a backquote in it goes
# between single quotes: NAME='value'. Nothing is expanded, a comment stands on
# a line of its own, and a line that could be read in two ways is refused.
`

const exampleLimits = `
# Limits of new portfolios
#
# A portfolio keeps the limits it was opened with in its own stream: changing
# them here changes no portfolio that is already open. Every _PCT is a fraction,
# not a percentage: 0.05 is 5 %.
`

// exampleFile returns the text of .env.example.
func exampleFile() string {
	var b strings.Builder
	b.WriteString(exampleHead)
	limits := false
	for _, v := range variables() {
		if !limits && v.isLimit() {
			b.WriteString(exampleLimits)
			limits = true
		}
		fmt.Fprintf(&b, "\n%s%s%s", wrapped(v.doc), wrapped("Must be "+v.rule+"."), wrapped("Default: "+orNone(v.fallback)))
		fmt.Fprintf(&b, "%s=%s\n", v.name, v.fallback)
	}
	return b.String()
}

// isLimit reports whether a variable is a default for a key of a portfolio's policies.
func (v variable) isLimit() bool {
	for _, of := range []reflect.Type{reflect.TypeFor[domain.Policy](), reflect.TypeFor[domain.TreasuryPolicy]()} {
		if _, is := of.FieldByName(v.field); is {
			return true
		}
	}
	return false
}

func orNone(fallback string) string {
	if fallback == "" {
		return "(empty)"
	}
	return fallback
}

// wrapped returns text as comment lines of at most 80 characters.
func wrapped(text string) string {
	var b strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 80 {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}
