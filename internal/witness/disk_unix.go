//go:build unix

package witness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pets/internal/owner"
)

// openPlain opens a file for reading without following a link and without waiting for
// the other end of a pipe.
func openPlain(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
}

// errInUse: another process writes this witness.
var errInUse = errors.New("another process writes it")

// lock keeps a second writer out until the closer is closed or the process ends.
func (d *disk) lock() (io.Closer, error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	path := filepath.Join(d.dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := owner.Adopt(f, d.dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written through it
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errInUse
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
