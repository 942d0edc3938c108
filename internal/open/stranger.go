package open

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"pets/internal/owner"
)

// strangerError means that a lock is held, but others could have written its content.
type strangerError struct {
	path, why string
	by        Holder
}

func (e *strangerError) Error() string {
	who := "an unknown process"
	if e.by.PID != 0 {
		who = fmt.Sprintf("a process that claims to be pid %d", e.by.PID)
	}
	return fmt.Sprintf("%s is locked by %s and cannot be trusted: %s", e.path, who, e.why)
}

// Unsent wraps an error after which no request was sent, because the API key must not reach an unknown server.
func Unsent(err error) error {
	return fmt.Errorf("%w. Nothing was sent; name the server with --server", err)
}

// believed returns the holder of a folder, if there is one. A lock file that others could have
// written is an error: they could make a command send its API key to them.
func believed(dir string) (by Holder, held bool, err error) {
	f, err := openPlain(dir, LockName, os.O_RDONLY)
	if notPlain := (*owner.NotPlainError)(nil); errors.As(err, &notPlain) {
		return by, false, err
	}
	if err != nil {
		return by, false, nil //nolint:nilerr // an unreadable lock names nobody
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if !heldByOther(f) {
		return by, false, nil
	}
	by = readHolder(f)
	by.strange = strange(dir, f)
	return by, true, distrusted(dir, f)
}

// strange returns why a lock may be that of another user's server: its folder or its file does
// not belong to this user or to root, or everybody can read the secret in it, and so pass for
// the server that wrote it.
func strange(dir string, lock *os.File) error {
	mine := owner.TrustOf()
	if err := errors.Join(mine.Place(dir), mine.File(lock)); err != nil {
		return err
	}
	info, err := lock.Stat()
	if err == nil && info.Mode().Perm()&0o004 != 0 {
		err = &owner.UntrustedError{Path: lock.Name(), Why: "everybody can read it, and the secret in it by which its server proves itself; set its mode to 0600 and start that server again"}
	}
	return err
}

// distrusted returns why a lock held by another process is not trusted: its file belongs
// neither to this user, nor to root, nor to the folder's owner, or others may write there.
func distrusted(dir string, lock *os.File) error {
	folder, err1 := os.Stat(dir)
	file, err2 := lock.Stat()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	of, knowsOf := folder.Sys().(*syscall.Stat_t)
	is, knowsIs := file.Sys().(*syscall.Stat_t)
	if !knowsOf || !knowsIs {
		return nil
	}
	us := uint32(os.Geteuid()) //nolint:gosec // a user id
	why := ""
	switch {
	case !slices.Contains([]uint32{0, us, of.Uid}, is.Uid):
		why = fmt.Sprintf("the file is of user %d, who neither owns the folder nor is you or root", is.Uid)
	case others(file):
		why = fmt.Sprintf("others than its owner, user %d, may write to the file; set its mode to 0600", is.Uid)
	case others(folder):
		why = fmt.Sprintf("others than the owner, user %d, may write to the folder; set its mode to 0700", of.Uid)
	default:
		return nil
	}
	return &strangerError{lock.Name(), why, readHolder(lock)}
}

func others(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// openLock opens the lock file of a folder and creates it if it is missing.
func openLock(dir string) (*os.File, error) { return openPlain(dir, LockName, os.O_RDWR|os.O_CREATE) }

// openPlain opens a regular file of a folder.
func openPlain(dir, name string, flag int) (*os.File, error) {
	root, err := owner.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	return owner.Open(root, name, flag)
}

// Trust says whose files beside the store are trusted.
func (a *Place) Trust() owner.Trust {
	store, err := a.Config.StoreDir()
	if err != nil {
		return owner.TrustOf(a.Config.ServerDir())
	}
	return owner.TrustOf(store)
}

// trusts refuses a folder beside the store that others can have put files into. The marker of
// stops may be anyone's: a stop holds whoever placed it, see [commands.LatchFile].
func (a *Place) trusts(dir string) error { return a.Trust().Folder(dir, LatchName) }

// closes takes the right to write from the group of a folder of this user, with a warning.
func (a *Place) closes(dir string) {
	was, err := a.Trust().CloseToGroup(dir)
	if err != nil {
		a.Caution(fmt.Sprintf("whether the group may write to %s could not be changed: %v", dir, err))
	}
	if was != 0 {
		a.Caution(fmt.Sprintf("the group of %s could write to it (its mode was %04o); that was taken away. A volume that gives everything to a group at each mount, and a umask of 002, do that; if it was neither, find out who did, and what was changed in it", dir, was.Perm()))
	}
}
