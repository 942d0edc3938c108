//go:build unix

package witness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// giveTo gives a new file to the owner of another when root made it: a command that a
// person ran with sudo must not leave files that the service cannot write. It is tried,
// and what fails shows when the service comes to it.
func giveTo(path, like string) {
	if os.Geteuid() != 0 || like == "" {
		return
	}
	info, err := os.Stat(like)
	if err != nil {
		return
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
		_ = os.Lchown(path, int(stat.Uid), int(stat.Gid))
	}
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
	giveTo(path, d.dir)
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written through it
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errInUse
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
