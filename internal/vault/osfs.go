//go:build unix

package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
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

func (osFS) Stat(path string) (Info, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Info{}, err
	}
	return infoOf(info), nil
}

func infoOf(info fs.FileInfo) Info {
	i := Info{Mode: uint32(info.Mode().Perm()), Owner: -1, Modified: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		i.Owner = int(sys.Uid)
	}
	switch {
	case info.Mode().IsRegular():
		i.Kind = Regular
	case info.IsDir():
		i.Kind = Folder
	}
	return i
}

// Read opens without following a link and without waiting for a pipe, and checks
// the open file, not the name.
func (osFS) Read(path string, limit int) ([]byte, Info, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.ENXIO) {
		return nil, Info{Kind: Other}, nil
	}
	if err != nil {
		return nil, Info{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, Info{}, err
	}
	i := infoOf(info)
	if i.Kind != Regular {
		return nil, i, nil
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)))
	return data, i, err
}

func (osFS) Create(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err // a nil *os.File would be a non-nil File
	}
	return f, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) RenameNew(from, to string) error { return renameNew(from, to) }

func (osFS) Remove(path string) error { return os.Remove(path) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// How long a writer waits for another; each holds the lock for one key only.
const (
	lockPatience = 5 * time.Second
	lockPause    = 2 * time.Millisecond
)

// Lock uses flock, which belongs to the open file: it ends with the process,
// however that ends, and keeps out other writers of the same process too.
func (osFS) Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for waited := time.Duration(0); ; waited += lockPause {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return locked{f}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || waited >= lockPatience {
			break
		}
		time.Sleep(lockPause)
	}
	_ = f.Close() // nothing was written through it
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrBusy
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// locked gives its lock back when it is closed. Closing alone would leave the lock to a
// process that is being started at that moment: it has the file open until it becomes the
// other program.
type locked struct{ f *os.File }

func (l locked) Close() error {
	return errors.Join(unix.Flock(int(l.f.Fd()), unix.LOCK_UN), l.f.Close())
}

// renameUnderLock is renameNew for systems without such a call. The lock keeps
// other writers out between the check and the rename.
func renameUnderLock(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}
