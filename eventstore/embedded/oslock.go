//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lock uses flock, which belongs to the open file: it ends with the process,
// however that ends, and keeps out a second writer of the same process too. It
// stays with the file, not with the name: see [Store.stillThere].
func (d *osDir) Lock(name string, mode Mode) (File, error) {
	flags, how := os.O_RDWR, unix.LOCK_EX
	switch mode {
	case Read:
		flags, how = os.O_RDONLY, unix.LOCK_SH
	case Create:
		flags |= os.O_CREATE
	case Write:
	}
	f, err := d.open(name, flags)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		_ = f.Close() // nothing was written through it
		switch {
		case errors.Is(err, errProbed):
			return nil, &LockedError{Dir: d.shown}
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, &LockedError{Dir: d.shown, PID: d.lockedBy()}
		}
		return nil, fmt.Errorf("lock %s: %w", filepath.Join(d.shown, name), err)
	}
	if mode != Create {
		return lockedFile{osFile{f}}, nil
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", filepath.Join(d.shown, name), err), f.Close())
	}
	return lockedFile{osFile{f}}, nil
}

// lockedFile gives its lock back when it is closed. Closing alone would leave the lock to a
// process that is being started at that moment: it has the file open until it becomes the
// other program.
type lockedFile struct{ osFile }

func (f lockedFile) Close() error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.osFile.Close())
}

// errProbed reports that no writer holds the lock, but readers hold it for too
// long.
var errProbed = errors.New("locked by readers")

// flock takes the lock without waiting for a writer. It waits a moment for
// probes, which hold a shared lock only briefly. If not even a shared lock is
// possible, a writer holds the lock, and flock fails at once.
func flock(f *os.File, how int) error {
	const patience, pause = 5 * time.Second, 2 * time.Millisecond
	fd := int(f.Fd())
	for waited := time.Duration(0); waited < patience; waited += pause {
		err := unix.Flock(fd, how|unix.LOCK_NB)
		if how == unix.LOCK_SH || !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB); err != nil {
			return err
		}
		if err := unix.Flock(fd, unix.LOCK_UN); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return errProbed
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

// lockedBy returns the pid in the lock file, or 0. It is only used in the
// message.
func (d *osDir) lockedBy() int {
	f, err := d.open(lockName, os.O_RDONLY)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }() // opened for reading only
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0
	}
	return pid
}
