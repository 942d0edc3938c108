package domain

import (
	"reflect"
	"slices"
	"testing"
)

// PretendVersion is for tests of those who read events: until the test ends, this build is
// one that writes Next under another literal than it does, and reads what is stored under
// the old one through up, as a row with [formerly] would have it. Without up that row is
// missing. It takes a test, and panics outside of one, so it cannot be left on.
func PretendVersion[T any, Old interface{ *T }, Next Event](t testing.TB, literal string, up func(Old) Next) {
	t.Helper()
	if !testing.Testing() {
		panic("events of another version are for tests")
	}
	t.Setenv("PRETENDED_EVENT", literal) // refuses a test that runs beside others: they would read this table, too
	before := events
	t.Cleanup(func() { events = before })
	rows := slices.Clone(before.rows)
	at := slices.IndexFunc(rows, func(r row) bool { return r.goType == reflect.TypeFor[Next]() })
	if at < 0 {
		t.Fatalf("%s is no event", reflect.TypeFor[Next]())
	}
	stored := rows[at].literal
	rows[at].literal = literal
	if up != nil {
		rows = append(rows, formerly(stored, up))
	}
	events = mustTable(rows)
}
