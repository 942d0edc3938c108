package config

import (
	"reflect"
	"slices"
	"strings"

	"pets/internal/spelling"
)

// variable is one field of [Config] as its tags describe it.
type variable struct {
	field    string // the Go name
	name     string // of the environment variable
	fallback string // the default; empty is none
	rule     string // what a value must be
	doc      string // what it means
}

// variables lists all of them in the order of the struct.
func variables() []variable {
	var out []variable
	for f := range reflect.TypeFor[Config]().Fields() {
		if name := f.Tag.Get("env"); name != "-" {
			out = append(out, variable{f.Name, name, f.Tag.Get("envDefault"), f.Tag.Get("rule"), f.Tag.Get("doc")})
		}
	}
	return out
}

// lookup finds the variable of a field. It returns the zero variable for an
// unknown field.
func lookup(field string) variable {
	for _, v := range variables() {
		if v.field == field {
			return v
		}
	}
	return variable{}
}

// elsewhere lists the PETS_ names that are read by other packages.
var elsewhere = []string{
	"PETS_REQUIRE_TOOLS", // by tests: a missing tool fails instead of being skipped
	"PETS_LONG_TESTS",    // by tests: run what takes minutes
	"PETS_MODEL_STORMS",  // by tests: how many storms the plain model of the rules goes through
	"PETS_BOT",           // by the example bots
}

// maxTypos is how many letters a misspelt name may differ from a known one.
const maxTypos = 3

// warnings lists names that look as if they were meant for pets and are not read:
// PETS_…, near misses of a known name, and anything in the .env file that
// resembles one. Sorted.
func warnings(values map[string]string, fromFile []string) []string {
	var known []string
	for _, v := range variables() {
		known = append(known, v.name)
	}
	var out []string
	for name := range values {
		if slices.Contains(known, name) || slices.Contains(elsewhere, name) {
			continue
		}
		near := nearest(name, known)
		switch {
		case near != "":
			out = append(out, name+" is not read; did you mean "+near+"?")
		case strings.HasPrefix(name, "PETS_"):
			out = append(out, name+" is not known to this version of pets")
		case slices.Contains(fromFile, name):
			out = append(out, name+" in "+envFile+" is not known to this version of pets")
		}
	}
	slices.Sort(out)
	return out
}

// misspelt lists the target variables that are not set and that another name may
// have been meant to set.
func misspelt(values map[string]string, fromFile []string) []string {
	var known, out []string
	for _, v := range variables() {
		known = append(known, v.name)
	}
	for name := range values {
		if slices.Contains(known, name) || slices.Contains(elsewhere, name) {
			continue
		}
		near := nearest(name, known)
		if near == "" && values[name] != "" {
			near = mayMean(name, slices.Contains(fromFile, name))
		}
		if slices.Contains(targets, near) && values[near] == "" {
			out = append(out, near)
		}
	}
	return out
}

// mayMean returns the target that a name unlike every known one may have been
// meant to set: SERVER=… in the .env of this program means one. In the
// environment, which all programs share, only names with the prefix count.
func mayMean(name string, fromFile bool) string {
	upper := strings.ToUpper(name)
	own := strings.HasPrefix(upper, "PETS_")
	has := func(word string) bool { return strings.Contains(upper, word) }
	switch {
	case !own && !fromFile:
		return ""
	case slices.ContainsFunc([]string{"SERVER", "URL", "HOST", "ADDR"}, has):
		return "PETS_SERVER"
	case has("STORE"), own && slices.ContainsFunc([]string{"DIR", "DATA", "FOLDER", "PATH"}, has):
		return "PETS_STORE"
	case has("PORTFOLIO"):
		return "PETS_PORTFOLIO"
	}
	return ""
}

// nearest returns the known name that a name most likely means, or "".
func nearest(name string, known []string) string {
	upper := strings.ToUpper(name)
	best, least := "", maxTypos+1
	for _, k := range known {
		// A policy variable has no prefix, and adding one is an easy mistake.
		for _, candidate := range []string{upper, strings.TrimPrefix(upper, "PETS_")} {
			if d := spelling.Distance(candidate, k); d < least && 3*d < len(k) {
				best, least = k, d
			}
		}
	}
	return best
}
