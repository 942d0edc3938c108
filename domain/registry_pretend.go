package domain

import (
	"reflect"
	"slices"
	"testing"
)

// PretendVersion is for tests of code that reads events. Until the test ends, the
// registry writes Next under a new literal and converts events stored under the
// old one with up, as a row made by [formerly] would. If up is nil, that row is
// missing. It needs a test and panics outside one, so it cannot be left on.
func PretendVersion[T any, Old interface{ *T }, Next Event](t testing.TB, literal string, up func(Old) Next) {
	t.Helper()
	if !testing.Testing() {
		panic("PretendVersion is only for tests")
	}
	t.Setenv("PRETENDED_EVENT", literal) // Setenv refuses a parallel test: other tests would read this registry, too.
	before := events
	t.Cleanup(func() { events = before })
	rows := slices.Clone(before.rows)
	at := slices.IndexFunc(rows, func(r row) bool { return r.goType == reflect.TypeFor[Next]() })
	if at < 0 {
		t.Fatalf("%s is not an event", reflect.TypeFor[Next]())
	}
	stored := rows[at].literal
	rows[at].literal = literal
	if up != nil {
		rows = append(rows, formerly(stored, up))
	}
	events = mustTable(rows)
}
