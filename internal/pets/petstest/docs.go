package petstest

import "regexp"

// Masks hide text that differs from run to run.
var Masks = []struct {
	Pattern *regexp.Regexp
	With    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "…"},
	{regexp.MustCompile(`pets_[A-Za-z0-9_-]{43}`), "pets_…"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]*-?[0-9a-f]*-?[0-9a-f]*-?[0-9a-f]*$`), "…"},
}
