package history

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"pets/eventstore"
)

// logError is a record of the log that cannot be read. No index helps then.
type logError struct{ error }

func (e logError) Unwrap() error { return e.error }

// Lasting says that somebody has to mend it.
func (e logError) Lasting() bool { return true }

// unread is the error of a read of the log that failed.
func unread(err error) error {
	if eventstore.IsAway(err) {
		return err // it is read again
	}
	return logError{err}
}

// crowdedError means that more entries wait to be written than may be in memory.
type crowdedError struct {
	entries uint64
	cause   error
}

func (e *crowdedError) Error() string {
	return fmt.Sprintf("the index of the history cannot be written, and its %d entries are too many to be kept in memory: %v", e.entries, e.cause)
}

func (e *crowdedError) Unwrap() error { return e.cause }

// Lasting says that somebody has to mend it.
func (e *crowdedError) Lasting() bool { return true }

// ErrNoRoom is for [Options.Room].
var ErrNoRoom = errors.New("the disk has too little free space for the index of the history: what PETS_DISK_RESERVE keeps, and as much again, stays free")

// Cause says why a folder cannot be used, and what to do, without naming a file.
func Cause(err error) (what, remedy string) {
	switch {
	case errors.Is(err, ErrNoRoom):
		return "its disk has less free space than twice PETS_DISK_RESERVE", "free some space"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "its disk is full", "free some space"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not write to its folder", "give the folder to the user of the server"
	case errors.Is(err, syscall.EROFS):
		return "its disk is mounted read-only", "mount it for writing"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many files are open", "raise the limit of open files"
	}
	return "its folder cannot be used", "see the server's log, and move away whatever is in the place of the folder"
}

// Reason says why nothing can be looked up now, and how far it is, without naming a file. It is
// empty if everything can be.
func (k *Keeper) Reason() string {
	err := k.Err()
	text := Reason(err)
	if begun, end := k.begun.Load(), k.end.Load(); errors.Is(err, errCatchingUp) && end > begun {
		text += fmt.Sprintf(" (%d %% of it)", 100*(min(k.at.Load(), end)-begun)/(end-begun))
	}
	return text
}

// Reason says why nothing can be looked up, without naming a file: err is what [Keeper.Err]
// returns. It is empty for nil.
func Reason(err error) string {
	crowded := (*crowdedError)(nil)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errCatchingUp):
		return "the index of the history is being made from the log; commands are answered when that is done"
	case eventstore.IsAway(err):
		return "the database of the events does not answer, so what is already recorded cannot be looked up; it is asked again, and commands are answered when it answers"
	case errors.As(err, &crowded):
		what, remedy := Cause(err)
		return "the index of the history cannot be written, because " + what + ", and it is too large to be kept in memory; " + remedy + ", and commands are answered soon after"
	case errors.As(err, new(logError)):
		return "a record of the log cannot be read, so the index of the history cannot be made; see the server's log, and docs/runbooks/store.md"
	}
	return "the index of the history is damaged, or contradicts the log, and is made from the log again; commands are answered when that is done"
}

// attempts says when it is tried to write what is in memory, after the last time failed.
// One goroutine at a time uses it.
type attempts struct {
	first, most time.Duration
	times       int
	next        time.Time
}

func (a *attempts) due() bool { return a.times == 0 || !time.Now().Before(a.next) }

// fail notes a failure. It returns whether to tell of it: the more there were, the more rarely.
func (a *attempts) fail() bool {
	a.next = time.Now().Add(min(a.first<<min(a.times, 16), a.most))
	a.times++
	return a.times&(a.times-1) == 0
}

// unwritten notes that the index is in memory only, and says what to do. nil: it is not.
func (k *Keeper) unwritten(err error, tell bool) {
	if err == nil {
		if k.unsaved.Swap(nil) != nil {
			k.options.Log.Info("the index of the history is written to disk again")
		}
		return
	}
	k.unsaved.Store(&err)
	if tell {
		what, remedy := Cause(err)
		k.options.Log.Error("the index of the history cannot be written: it is kept in memory, commands are answered as long as it has few enough entries, and the next start has to make it from the log. It is tried again by itself",
			"why", what, "what_to_do", remedy, "folder", k.options.Dir, "most_entries", k.options.MostInMemory, "error", err.Error())
	}
}

// Unwritten returns why the index is only in memory, or nil.
func (k *Keeper) Unwritten() error {
	if err := k.unsaved.Load(); err != nil {
		return *err
	}
	return nil
}

// probeLen is how much has to fit into the folder before it is tried again to fill the index.
const probeLen = 1 << 20
