package witness

import (
	"errors"
	"io/fs"
	"syscall"

	"pets/internal/owner"
)

// Advice says why a witness is not kept, and what to do about it. It names no
// file, for readers who may not see file names.
func Advice(err error) string {
	switch {
	case errors.As(err, new(*owner.UntrustedError)):
		return "another user may have made its folder or its content, so nothing is written there. See the server's log for the path; then chown it or move it away"
	case errors.As(err, new(*ForeignError)):
		return "the file in its place belongs to another store, or cannot be read, and was left alone. See the server's log for its path, and move it to where it belongs"
	case errors.As(err, new(*InUseError)):
		return "another process writes it, probably one that serves a copy of this store. Stop one of the two"
	case errors.As(err, new(*ChangedError)):
		return "it was moved, removed or replaced while the server was running, and is written again. Find out who did that"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "the server's user may not create or write its folder. Create it for that user, which is noticed within a second, or name another folder with PETS_WITNESS and start again"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "its disk is full. Free some space, or name a folder on another disk with PETS_WITNESS and start again"
	}
	return "see the server's log; another folder can be named with PETS_WITNESS"
}

// unadvised reports that an error does not itself say what to do.
func unadvised(err error) bool {
	return !errors.As(err, new(*owner.UntrustedError)) && !errors.As(err, new(*ForeignError)) && !errors.As(err, new(*InUseError))
}
