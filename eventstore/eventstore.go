// Package eventstore is the contract between pets and the store of its events:
// records in append-only streams, appended at an explicit revision and read back
// in order, kept permanently.
//
// It owns [Record], [Store], the errors that a store may return and the limits
// of an append. It handles bytes only and refuses to know any event,
// amount or portfolio. Engines are in the packages below it; all pass the suite
// in eventstore/storetest.
package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
)

// Limits of one append. An engine with tighter limits for bytes and records says
// so ([LimitsOf]); those of names are the same for every engine.
const (
	// MaxAppendBytes limits the total bytes of one append: types, metadata, data
	// and 64 bytes of framing for each record.
	MaxAppendBytes = 8 << 20
	// MaxAppendRecords limits the number of records of one append.
	MaxAppendRecords = 20_000
	// MaxStreamName and MaxTypeName limit the names, in bytes.
	MaxStreamName = 200
	MaxTypeName   = 200
)

// Expected is the state that an append expects of its stream: the revision of its
// last record, or [NoStream].
type Expected int64

// NoStream expects a stream without any record.
const NoStream Expected = -1

// At returns the expectation that revision is the last of the stream.
func At(revision uint64) Expected { return Expected(revision) } //nolint:gosec // revisions stay far below 2^63

// Next returns the revision of the first record of an append with this
// expectation.
func (e Expected) Next() uint64 { return uint64(e + 1) } //nolint:gosec // ≥ -1 by definition

func (e Expected) String() string {
	if e == NoStream {
		return "no stream"
	}
	return fmt.Sprintf("revision %d", int64(e))
}

// Position is the place of a record in the order over all streams of a store. It
// is opaque: it can be compared, has gaps, and means nothing in another store.
// The zero Position is before the first record.
type Position struct {
	Commit, Prepare uint64
}

// Compare orders positions: -1, 0 or +1.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Commit, q.Commit); c != 0 {
		return c
	}
	return cmp.Compare(p.Prepare, q.Prepare)
}

// Record is one stored event. Its bytes are never changed or re-encoded; the
// slices belong to the reader that received them.
type Record struct {
	Stream   string
	Revision uint64 // counts from 0 in its stream, without gaps
	Position Position
	ID       uuid.UUID
	Type     string
	Time     time.Time // UTC, nanoseconds; when it was recorded, by the appender's clock
	Metadata []byte
	Data     []byte
}

// Proposed is a record to be appended. The store adds its stream, revision and
// position and keeps everything else unchanged. Time must be representable in
// nanoseconds since 1970 as an int64; its zone is dropped.
type Proposed struct {
	ID       uuid.UUID
	Type     string
	Time     time.Time
	Metadata []byte
	Data     []byte
}

// Appended says where an append went.
type Appended struct {
	// First and Last are the revisions of the first and last record.
	First, Last uint64
	// Position is that of the first record.
	Position Position
	// Idempotent reports that the same ids were already stored here and nothing
	// was written.
	Idempotent bool
}

// Store keeps streams of records.
//
// Durability: a record becomes visible to readers, in this process or another,
// only once it would survive a power cut. Append returns without error only after
// all its records are visible. An append is atomic: after a crash all of its
// records are there or none.
//
// Concurrency: every method may be called from any goroutine.
//
// Errors are [Conflict], [NotFound], [TooLarge], [Invalid], [Unavailable] or
// [Ambiguous] (by errors.As), or the error of the context if it ended before
// anything was sent.
type Store interface {
	// Append adds records to the end of the stream, whose last revision must be
	// the expected one. Appending the same ids again at the same expectation
	// answers with the first position (Idempotent) and writes nothing; a partial
	// match is a Conflict. At least one record is required.
	Append(ctx context.Context, stream string, expected Expected, records []Proposed) (Appended, error)

	// ReadStream yields the records of a stream with revision ≥ from, in order,
	// up to the last that is durable when the read reaches it. A stream without
	// records is NotFound; from beyond the end yields nothing. An error is the
	// last element of the sequence.
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[Record, error]

	// ReadAll yields the records of all streams with a position after the given
	// one, in order of position. An empty store yields nothing.
	ReadAll(ctx context.Context, after Position) iter.Seq2[Record, error]

	// Head returns the last revision of a stream, or NotFound.
	Head(ctx context.Context, stream string) (uint64, error)

	// Streams returns the names of all streams that have records, sorted.
	Streams(ctx context.Context) ([]string, error)

	// SubscribeStream yields the records of a stream with revision ≥ from: first
	// those that are there, then new ones, until the context ends, whose error is
	// the last element. It waits for a stream without records. Records come in
	// order, without repeats or gaps.
	SubscribeStream(ctx context.Context, stream string, from uint64) iter.Seq2[Record, error]

	// SubscribeAll is the same over all streams, after a position.
	SubscribeAll(ctx context.Context, after Position) iter.Seq2[Record, error]

	// Close releases the store. Every later call, and every sequence still being
	// read, ends with Unavailable; closing again does nothing. An append that
	// races with Close is either acknowledged and stored, or Unavailable and
	// never written.
	Close() error
}

// Conflict reports that the stream was not at the expected revision. Nothing was
// written.
type Conflict struct {
	Stream           string
	Expected, Actual Expected
}

func (e *Conflict) Error() string {
	return fmt.Sprintf("stream %s: expected %s, found %s", e.Stream, e.Expected, e.Actual)
}

// NotFound reports that the stream has no records.
type NotFound struct{ Stream string }

func (e *NotFound) Error() string { return fmt.Sprintf("stream %s has no records", e.Stream) }

// TooLarge reports that the append exceeds one of the limits. Nothing was
// written.
type TooLarge struct {
	What        string // "bytes" or "records"
	Size, Limit int
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("append of %d %s is over the limit of %d", e.Size, e.What, e.Limit)
}

// Invalid reports arguments that are never accepted (no records, an empty or
// over-long name, a time out of range, a read-only store). Nothing was written.
type Invalid struct{ Reason string }

func (e *Invalid) Error() string { return "eventstore: " + e.Reason }

// Unavailable reports that the store cannot answer now or, if Poisoned, until it
// is opened again. The append was not acknowledged and, unless Poisoned, not
// written.
type Unavailable struct {
	// Poisoned is set after a failed write or flush: what is on disk is unknown
	// until the store is opened again. Reads of what was durable before continue.
	Poisoned bool
	// Away is set where the store is a database that does not answer: what is asked again later
	// may be answered, and nothing is wrong with what was asked for.
	Away  bool
	Cause error
}

// IsAway reports an error that is over once a database answers again.
func IsAway(err error) bool {
	var u *Unavailable
	return errors.As(err, &u) && u.Away
}

func (e *Unavailable) Error() string {
	if e.Poisoned {
		return fmt.Sprintf("store is poisoned until it is opened again: %v", e.Cause)
	}
	return fmt.Sprintf("store is unavailable: %v", e.Cause)
}

func (e *Unavailable) Unwrap() error { return e.Cause }

// Trouble describes a problem of a store and what to do about it, without names
// of the machine. Logs, /readyz and the command line use these words.
type Trouble struct{ What, Advice string }

// TroubleOf returns the description by the first error in the chain with a method
// Trouble. For any other error it says that a write or a flush failed.
func TroubleOf(errs ...error) Trouble {
	for _, err := range errs {
		var knows interface{ Trouble() Trouble }
		if errors.As(err, &knows) {
			return knows.Trouble()
		}
	}
	return Trouble{"a write or a flush failed", "Check the disk, then start the server again"}
}

// Ambiguous reports that the append was sent and its outcome is unknown. The
// caller has to look for its ids in the stream before it answers.
type Ambiguous struct{ Cause error }

func (e *Ambiguous) Error() string {
	return fmt.Sprintf("append may or may not have happened: %v", e.Cause)
}

func (e *Ambiguous) Unwrap() error { return e.Cause }

// ErrClosed is the cause of the Unavailable of a closed store.
var ErrClosed = errors.New("store is closed")

// Size returns what a record counts toward the limit of bytes ([Limits]).
func (p *Proposed) Size() int { return 64 + len(p.Type) + len(p.Metadata) + len(p.Data) }

func timeInRange(t time.Time) bool {
	return !t.Before(time.Unix(0, 0)) && t.Before(time.Unix(0, 1<<63-1))
}

// Records returns the records that an append of proposed became.
func (a Appended) Records(stream string, proposed []Proposed) []Record {
	records := make([]Record, len(proposed))
	for i, p := range proposed {
		records[i] = Record{
			Stream: stream, Revision: a.First + uint64(i),
			ID: p.ID, Type: p.Type, Time: p.Time, Metadata: p.Metadata, Data: p.Data,
		}
	}
	return records
}
