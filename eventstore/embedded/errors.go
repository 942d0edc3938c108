package embedded

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"pets/eventstore"
)

// LockedError reports that another process, or this one, has the folder open for
// writing.
type LockedError struct {
	Dir string
	PID int // 0 if it could not be read
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s: locked by another process; fuser -v %s shows which", e.Dir, filepath.Join(e.Dir, markName))
	}
	return fmt.Sprintf("%s: locked by pid %d", e.Dir, e.PID)
}

// MovedError reports that the folder, or a file in it, is no longer the one that
// the store has open: it was moved, replaced, removed or restored while the store
// was open.
type MovedError struct {
	Dir, What string
	Cause     error // why it could not be examined, if that is the problem
	Reader    bool  // the store was open for reading only
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

const movedAdvice = "Stop the server, keep both what is at this path now and what was there before, and compare them with pets verify: start on the one that goes further"

// Trouble implements the interface of [eventstore.TroubleOf].
func (e *MovedError) Trouble() eventstore.Trouble {
	return eventstore.Trouble{What: "its folder, or a file in it, was moved, replaced or removed under the server", Advice: movedAdvice}
}

func (e *MovedError) Unwrap() error { return e.Cause }

// DamageError reports that something on disk is not what was written there. The
// store neither repairs nor skips it, and has changed nothing.
type DamageError struct {
	File   string // path
	Offset uint64 // in the file
	// Stream and Revision identify the damaged frame, if known. The revision is
	// that of its first record.
	Stream   string
	Revision uint64
	Reason   string
	Cause    error // an I/O error, if that is the problem
	// Remedy says what to do if it is not restoring a backup.
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

const damageAdvice = "Do not keep restarting on it: make a copy of the folder, then restore the last backup, or copy out everything that is intact with pets verify --salvage DIR"

// Trouble implements the interface of [eventstore.TroubleOf].
func (e *DamageError) Trouble() eventstore.Trouble {
	t := eventstore.Trouble{What: "something in it is not what was written there", Advice: damageAdvice}
	if e.Remedy != "" {
		t.Advice = strings.ToUpper(e.Remedy[:1]) + e.Remedy[1:]
	}
	return t
}

func (e *DamageError) Unwrap() error { return e.Cause }

// NotStoreError reports that the folder holds no store and cannot become one.
type NotStoreError struct {
	Dir, Reason string
}

func (e *NotStoreError) Error() string { return e.Dir + " is not an event store: " + e.Reason }

// UnfinishedError reports that the folder was left by an interrupted salvage. It
// looks like an intact store, but is incomplete.
type UnfinishedError struct{ Dir string }

func (e *UnfinishedError) Error() string {
	return e.Dir + " is an unfinished salvage, which lacks a part of the store it was made from: run pets verify --salvage on that store again, into another folder; nothing was changed here"
}

// VersionError reports that the store was written by a newer program.
type VersionError struct {
	File  string
	Found uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, this program knows %d: use a newer program", e.File, e.Found, formatVersion)
}

// The ways in which bytes can fail to be a valid frame.
var (
	errNoFrame     = errors.New("no frame begins here")
	errCutShort    = errors.New("frame is cut short")
	errHeaderSum   = errors.New("checksum of a frame header is wrong")
	errBodySum     = errors.New("checksum of a frame is wrong")
	errImplausible = errors.New("frame contradicts itself")
)

// errTooManyWaiting is the cause of an Unavailable under extreme load.
var errTooManyWaiting = errors.New("too many appends are waiting")

func closedError() error { return &eventstore.Unavailable{Cause: eventstore.ErrClosed} }
