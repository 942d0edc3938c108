package commands

import (
	"time"

	"github.com/google/uuid"

	"pets/domain/portfolio"
	"pets/internal/work"
)

// Options of a Writer.
type Options struct {
	// Now is the wall clock; time.Now by default.
	Now func() time.Time
	// Monotonic is a monotonic clock that the wall clock is compared with. The
	// default is time.Since, or no comparison if Now is given.
	Monotonic func() time.Duration
	// Jumped is called when the wall clock was moved; it may be nil.
	Jumped func(stream string, by time.Duration)
	// Ahead is called, once the stream is folded, if the wall clock is more than
	// 24 h ahead of the last record. The clock may be wrong, or the day was
	// quiet: nothing is refused, and a person should check. It may be nil.
	Ahead func(stream string, by time.Duration)
	// Instance distinguishes writers; random by default.
	Instance uuid.UUID
	// History finds what the stream already holds. It may be nil: then all of it is kept in
	// memory, and every start folds the stream from its first record.
	History History
	// Checkpoints may be nil. Without a History they are not used, except with StopsOnly.
	Checkpoints Checkpoints
	// StopsOnly takes nothing but commands of [ClassStop]. They ask nothing of the past, so a
	// person who stops everything waits for no History, and for the newest checkpoint only.
	StopsOnly bool
	// Folding is called from time to time with the progress of a long fold; it
	// may be nil.
	Folding func(stream string, at, total uint64)
	// Hold is called before a command that could let a bot trade is decided; an
	// error refuses it. It enforces a stop that cannot be recorded yet. bot is
	// the bot that would trade, or "". It may be nil.
	Hold func(bot string) error
	// Living returns whose keys are live, before one person confirms what others did in
	// the records of some revisions. If it is nil there are no keys.
	Living func(stream string, acts []uint64) (Keyholders, error)
	// Scarce is called before a command is decided that stops nothing. An error
	// says that the disk has too little space left for its class (see [ClassOf]).
	// It may be nil.
	Scarce func(Class) error

	// SettledKept is how many settled markets stay in the state of a portfolio, at most; nil:
	// [portfolio.SettledKept].
	SettledKept *int
	// Work has the places in which commands are decided that stop nothing, and in which many
	// are prepared and answered. It may be nil: there is no limit then.
	Work *work.Places

	// Recent is how many commands and facts are held in memory before they are looked up, at
	// the least; 0: 2,048.
	Recent int

	// Set by the engine: poisoned is called when the store accepts no more
	// appends, unsound when the books are inconsistent. Both are called before
	// any answer is given.
	poisoned func(err error)
	unsound  func(reason string)

	// most limits what one command may record: what the store accepts in one append, less
	// what the commands before it may have filled.
	most portfolio.Room
	// spareFor is how many events a spare is kept that is not needed; 0: 50,000.
	spareFor uint64
	// elapsed times decisions: Monotonic, or a clock that stands still.
	elapsed func() time.Duration
	// overtaken refuses a command that would undo a stop that was sent after it.
	overtaken func(bot string, seen uint64) error
}
