package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/system"
)

// Command is one request to change a stream. Its JSON form is its canonical body:
// the same fields always give the same bytes. It is a [PortfolioCommand] or a
// [SystemCommand].
type Command interface {
	// spec returns the command's row of the table; see [SpecOf].
	spec() *Spec
}

// PortfolioCommand changes a portfolio.
type PortfolioCommand interface {
	Command
	// Decide emits events or refuses.
	Decide(d *portfolio.Decision) error
}

// SystemCommand changes the system stream.
type SystemCommand interface {
	Command
	// DecideSystem emits events or refuses.
	DecideSystem(d *system.Decision) error
}

// Request is a command with its caller and its key.
type Request struct {
	Caller domain.Caller
	// Key is the Idempotency-Key, which the client keeps: a repeat with the same key and
	// command does nothing, and gets the first answer.
	Key     string
	Command Command
	// Import is set for rows of imported files. Only imported portfolios accept them, and
	// nothing else but resets.
	Import *Import
	// Entitled is called each time the request is decided, and an error refuses it: a key
	// may be revoked while its request waits. It must not block. It is nil for callers
	// without a key: the server, and people on its machine.
	Entitled func() error
	// Seen is the value of [Engine.StopsSeen] when the request first arrived; if it is 0 the
	// engine sets it. It matters for commands that let trading go on.
	Seen uint64
}

// Import places a row of a file in time.
type Import struct {
	At     time.Time // the row's own time becomes the record's
	Source string    // file:line, kept in the metadata
}

// Result is the outcome of one request of several.
type Result struct {
	Answer Answer
	Err    error
}

// MaxKeyBytes bounds an Idempotency-Key.
const MaxKeyBytes = 200
