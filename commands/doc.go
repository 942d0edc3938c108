// Package commands turns requests into durable events: one [Writer] per
// portfolio, one goroutine per Writer. table.go has a row for every command; the
// commands themselves are in a file per topic (permits.go, fills.go, money.go, …).
//
// It owns the commit point (writer.go, the line that appends), the order in which
// a request is judged (decide.go), idempotency (identity.go), authorisation
// (table.go) and the answers (answer.go). It refuses to answer before the
// events are durable, to remember anything that is not in the stream, and to know
// projections: what it decides against is folded from the stream itself. It does
// nothing outside the store: package commands/custody does, through seam.go.
package commands
