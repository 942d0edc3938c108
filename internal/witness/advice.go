package witness

import (
	"errors"
	"io/fs"
	"syscall"

	"pets/internal/owner"
)

// Advice says why a witness is not kept, and what to do about it, in the words of one who
// may be told no name of a file.
func Advice(err error) string {
	switch {
	case errors.As(err, new(*owner.UntrustedError)):
		return "somebody else can have made its folder, or what stands in it, so nothing is written there. Look at what the server's log names; then chown it or move it away"
	case errors.As(err, new(*ForeignError)):
		return "what stands in its place is not of this store, or cannot be read, and was left alone. Move what the server's log names to where it belongs"
	case errors.As(err, new(*InUseError)):
		return "another process writes it, which may serve a copy of this store. End one of the two"
	case errors.As(err, new(*ChangedError)):
		return "it was moved, removed or replaced under the server, and is written anew. Find out who did that"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "the server's user may not make or write its folder. Make it for that user, which is noticed within a second, or name another folder with PETS_WITNESS and start anew"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "there is no room on its disk. Make room, or name a folder on another disk with PETS_WITNESS and start anew"
	}
	return "see the server's log; another folder can be named with PETS_WITNESS"
}

// unadvised reports that an error does not itself say what to do about it.
func unadvised(err error) bool {
	return !errors.As(err, new(*owner.UntrustedError)) && !errors.As(err, new(*ForeignError)) && !errors.As(err, new(*InUseError))
}
