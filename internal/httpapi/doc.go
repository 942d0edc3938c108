// Package httpapi is the HTTP API for bots, operators and dashboards.
//
// It owns the route table (table.go: every route with its roles, the only list
// that authorisation, the OpenAPI document and the tests read), authentication,
// the decoding of bodies and queries, the problem+json answers, the live views
// that GETs read, and the event stream. It refuses to decide anything about
// money: a POST becomes one command of package commands, and what that answers
// is what the caller gets. It answers nothing under /v1 before every stream is
// folded, and it never repeats what a caller sent. What one key may send, read and
// hold in memory is bounded (bounds.go, room.go, past.go); what stops
// something is not.
package httpapi
