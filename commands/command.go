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
	// spec is its row of the table: [SpecOf].
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

// Request is a command with who sends it and under which key.
type Request struct {
	Caller domain.Caller
	// Key is the Idempotency-Key the client keeps: the same key and command again
	// are answered with the first answer and do nothing.
	Key     string
	Command Command
	// Import is set for rows of imported files; only imported portfolios take
	// them, and they take nothing else but resets.
	Import *Import
	// Entitled is asked each time the request is decided: an error refuses it. It is how
	// a key that was revoked while its request was on the way acts no more. It must
	// answer at once. nil is for callers without a key: the server, and people on its
	// machine.
	Entitled func() error
	// Seen is how many stops had come when this came first ([Engine.StopsSeen]); 0 is for
	// the engine to note. It matters to what lets trading go on.
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
