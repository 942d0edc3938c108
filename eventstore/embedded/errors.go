package embedded

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"pets/eventstore"
)

// LockedError: another process, or this one, has the folder open for writing.
type LockedError struct {
	Dir string
	PID int // 0 when it could not be read
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s: locked by another process, which fuser -v %s names", e.Dir, filepath.Join(e.Dir, markName))
	}
	return fmt.Sprintf("%s: locked by pid %d", e.Dir, e.PID)
}

// MovedError: the folder, or a file in it, is not what the store has open any
// more: it was moved, replaced, removed or restored under a writer.
type MovedError struct {
	Dir, What string
	Cause     error // why it could not be looked at, if that is what was in the way
	Reader    bool  // it was only read
}

func (e *MovedError) Error() string {
	text := fmt.Sprintf("%s was changed under this process: %s", e.Dir, e.What)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	if e.Reader {
		return text + ". Read it again from the beginning"
	}
	return text + ". Nothing more is written. " + movedAdvice
}

const movedAdvice = "Stop the server, keep what is at this path and what was there before, and find out with pets verify which of them goes further: start on that one"

// Trouble says it without names.
func (e *MovedError) Trouble() eventstore.Trouble {
	return eventstore.Trouble{What: "its folder, or a file in it, was moved, replaced or removed under the server", Advice: movedAdvice}
}

func (e *MovedError) Unwrap() error { return e.Cause }

// DamageError: something on disk is not what was written there. The store
// neither repairs nor skips it, and has changed nothing.
type DamageError struct {
	File   string // path
	Offset uint64 // in the file
	// Stream and Revision say which frame is damaged, when that is known: the
	// revision is that of its first record.
	Stream   string
	Revision uint64
	Reason   string
	Cause    error // an I/O error, if that is what was in the way
	// Remedy is what to do, where it is not to restore a backup.
	Remedy string
}

func (e *DamageError) Error() string {
	where := fmt.Sprintf("%s is damaged at byte %d", e.File, e.Offset)
	if e.Stream != "" {
		where += fmt.Sprintf(" (stream %s, revision %d)", e.Stream, e.Revision)
	}
	if e.Remedy != "" {
		return where + ": " + e.Reason + "; " + e.Remedy
	}
	return where + ": " + e.Reason + "; nothing was changed. " + damageAdvice
}

const damageAdvice = "Do not start on it again and again: keep a copy of the folder, then restore the last backup, or copy out all that is sound with pets verify --salvage DIR"

// Trouble says it without names.
func (e *DamageError) Trouble() eventstore.Trouble {
	t := eventstore.Trouble{What: "something in it is not what was written there", Advice: damageAdvice}
	if e.Remedy != "" {
		t.Advice = strings.ToUpper(e.Remedy[:1]) + e.Remedy[1:]
	}
	return t
}

func (e *DamageError) Unwrap() error { return e.Cause }

// NotStoreError: the folder holds no store and cannot become one.
type NotStoreError struct {
	Dir, Reason string
}

func (e *NotStoreError) Error() string { return e.Dir + " is not an event store: " + e.Reason }

// UnfinishedError: the folder is what a salvage left that was interrupted. It looks like a
// sound store, and does not hold all that is sound.
type UnfinishedError struct{ Dir string }

func (e *UnfinishedError) Error() string {
	return e.Dir + " is an unfinished salvage, which does not hold all that is sound of the store it was made from: run pets verify --salvage on that store again, into another folder; it was only read"
}

// VersionError: the store was written by a newer program.
type VersionError struct {
	File  string
	Found uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, this program knows %d: use a newer program", e.File, e.Found, formatVersion)
}

// What may be wrong with the bytes where a frame should stand.
var (
	errNoFrame     = errors.New("no frame begins here")
	errCutShort    = errors.New("frame is cut short")
	errHeaderSum   = errors.New("checksum of a frame header is wrong")
	errBodySum     = errors.New("checksum of a frame is wrong")
	errImplausible = errors.New("frame contradicts itself")
)

// errTooManyWaiting is the cause of an Unavailable under absurd load.
var errTooManyWaiting = errors.New("too many appends are waiting")

func closedError() error { return &eventstore.Unavailable{Cause: eventstore.ErrClosed} }
