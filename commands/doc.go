// Package commands turns requests into durable events: one [Writer] per
// portfolio, one goroutine per Writer, one file per command.
//
// It owns the commit point (writer.go, the line that appends), the order in which
// a request is judged (decide.go), idempotency (index.go), authorisation
// (authorise.go) and the answers (answer.go). It refuses to answer before the
// events are durable, to remember anything that is not in the stream, and to know
// projections: what it decides against is folded from the stream itself. It does
// nothing outside the store: package commands/custody does, through seam.go.
package commands
