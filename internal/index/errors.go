package index

import "errors"

// ErrRebuild matches every error after which the index cannot decide anything. The
// caller makes it anew from the log, by [Index.Rebuild], or by [Clear] and [Open].
var ErrRebuild = errors.New("the index cannot be used; it is to be rebuilt from the log")

// The kinds of [UnusableError].
var (
	// ErrDamaged: bytes of a file are not what was written, or cannot be read.
	ErrDamaged = errors.New("damaged")
	// ErrVersion: another version of this program wrote the file.
	ErrVersion = errors.New("of another version")
	// ErrStore: the file belongs to another store.
	ErrStore = errors.New("of another store")
	// ErrLog: the file describes another history than the log holds.
	ErrLog = errors.New("of another history")
	// ErrDiffers: [Index.Verify] found an entry that the log does not confirm.
	ErrDiffers = errors.New("not what the log says")
)

// ErrLacks matches a finding that the index lacks an entry of the log, or says something else
// of it: until then, what the entry stands for may have been taken for new.
var ErrLacks = errors.New("something that is recorded may have been taken for new")

// ErrUnknownRoot is for the function that returns the root of the log at a
// position: the log does not reach that position, or its root there is not known
// any more. Files that end there do not count.
var ErrUnknownRoot = errors.New("the root of the log at this position is not known")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the index is closed")

// UnusableError says which file of the index cannot be used, and why. It matches
// [ErrRebuild] and its kind.
type UnusableError struct {
	File   string // in the folder of the index
	Kind   error  // ErrDamaged and so on
	Reason string
	Cause  error // an I/O error, if that is the problem
}

func (e *UnusableError) Error() string {
	text := "index: " + e.File + " is " + e.Kind.Error() + ": " + e.Reason
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text + "; nothing is lost: the index is made from the log again"
}

// Unwrap makes it match the kind, [ErrRebuild] and the cause.
func (e *UnusableError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrRebuild, e.Kind}
	}
	return []error{ErrRebuild, e.Kind, e.Cause}
}

func damaged(file, reason string, cause error) error {
	return &UnusableError{File: file, Kind: ErrDamaged, Reason: reason, Cause: cause}
}
