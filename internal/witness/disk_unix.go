//go:build unix

package witness

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"pets/internal/owner"
)

// errInUse reports that another process writes this witness.
var errInUse = errors.New("another process writes it")

// lock keeps a second writer out until the file is closed or the process ends.
func lock(root *os.Root) (*os.File, error) {
	f, err := owner.Open(root, lockName, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written through it
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errInUse
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// unlock gives the lock back and closes the file. Closing alone would leave the lock to a
// process that is being started at that moment: it has the file open until it becomes the
// other program.
func unlock(held *os.File) error {
	return errors.Join(unix.Flock(int(held.Fd()), unix.LOCK_UN), held.Close())
}
