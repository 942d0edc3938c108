//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// osFS is the file system of the machine.
type osFS struct{}

func (osFS) Mkdir(dir string) error { return os.Mkdir(dir, 0o700) }

func (osFS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Open(path string, mode Mode) (File, error) {
	flags := map[Mode]int{Read: os.O_RDONLY, Write: os.O_RDWR, Create: os.O_RDWR | os.O_CREATE | os.O_TRUNC}[mode]
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock uses flock, which belongs to the open file: it ends with the process
// however that ends, and keeps out a second writer of the same process too.
func (osFS) Lock(path string, writer bool) (io.Closer, error) {
	flags, how := os.O_RDONLY, unix.LOCK_SH
	if writer {
		flags, how = os.O_RDWR|os.O_CREATE, unix.LOCK_EX
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		pid := readPID(f)
		_ = f.Close() // nothing was written through it
		switch {
		case errors.Is(err, errProbed):
			return nil, &LockedError{Dir: filepath.Dir(path)}
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, &LockedError{Dir: filepath.Dir(path), PID: pid}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !writer {
		return f, nil
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// errProbed: no writer holds the lock, but readers hold it for too long.
var errProbed = errors.New("locked by readers")

// flock takes the lock without waiting for a writer. A writer waits a moment
// for probes, which hold the lock shared and only while they look: whoever
// cannot get even a shared lock has a writer in the way, and gives up at once.
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

// readPID returns the pid in a lock file, or 0: it only serves the message.
func readPID(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0
	}
	return pid
}

// osFile is a file of the machine.
type osFile struct{ *os.File }

func (f osFile) Size() (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return uint64(info.Size()), nil //nolint:gosec // sizes are not negative
}

func (f osFile) Truncate(size uint64) error { return f.File.Truncate(int64(size)) } //nolint:gosec // far below 2^63

func (f osFile) Datasync() error { return datasync(f.File) }

// cannotFlush reports whether a flush failed because the file, being open for
// reading or on a disk that is, cannot be flushed at all, as opposed to a flush
// that was tried and lost data.
func cannotFlush(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBADF)
}
