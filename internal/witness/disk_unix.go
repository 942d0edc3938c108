//go:build unix

package witness

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"pets/internal/owner"
)

// errInUse: another process writes this witness.
var errInUse = errors.New("another process writes it")

// lock keeps a second writer out until the closer is closed or the process ends.
func (d *disk) lock() (io.Closer, error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	root, err := owner.OpenRoot(d.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // its files have handles of their own
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
