//go:build unix

package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"pets/internal/owner"
)

// osFS is the file system of the machine.
type osFS struct{}

// Mkdir gives the new folder to the owner of the one it is in: a folder that root
// makes for a service must be one that the service can use.
func (osFS) Mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(owner.Adopt(d, filepath.Dir(dir)), d.Close())
}

func (osFS) OpenDir(dir string) (Dir, error) {
	path, err := filepath.Abs(dir) // so that a process that changes its folder does not lose this one
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &osDir{root: root, self: self, path: path, shown: dir}, nil
}

// osDir is an open folder of the machine. All names in it are looked up from its
// handle (openat, renameat), never by its path.
type osDir struct {
	root  *os.Root
	self  *os.File
	path  string // absolute
	shown string // as it was given, for messages
}

func (d *osDir) ReadDir() ([]string, error) {
	again, err := d.root.Open(".") // a handle of its own: reading moves it
	if err != nil {
		return nil, d.named(".", err)
	}
	defer func() { _ = again.Close() }() // it was only read
	entries, err := again.ReadDir(-1)
	if err != nil {
		return nil, d.named(".", err)
	}
	return sortedNames(entries), nil
}

func (d *osDir) Open(name string, mode Mode) (File, error) {
	flags := map[Mode]int{Read: os.O_RDONLY, Write: os.O_RDWR, Create: os.O_RDWR | os.O_CREATE | os.O_TRUNC}[mode]
	f, err := d.open(name, flags)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// open opens a file. One that may be new gets the owner of the folder, so that
// what root does in the folder of a service does not keep the service out of it.
func (d *osDir) open(name string, flags int) (*os.File, error) {
	f, err := d.root.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, d.named(name, err)
	}
	if flags&os.O_CREATE != 0 {
		if err := owner.Like(f, d.self); err != nil {
			return nil, errors.Join(d.named(name, err), f.Close())
		}
	}
	return f, nil
}

func (d *osDir) Rename(from, to string) error { return d.named(from, d.root.Rename(from, to)) }

func (d *osDir) SyncDir() error { return d.self.Sync() }

func (d *osDir) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }

func (d *osDir) Stat(name string) (Stat, error) {
	if name == "" {
		return statOf(os.Stat(d.path))
	}
	info, err := d.root.Stat(name)
	return statOf(info, d.named(name, err))
}

func (d *osDir) Self() (Stat, error) { return statOf(d.self.Stat()) }

func (d *osDir) Free() (uint64, error) { return freeOn(d.self) }

// named gives an error of a name in the folder the whole path: the handle knows
// it, the error does not.
func (d *osDir) named(name string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return &fs.PathError{Op: path.Op, Path: filepath.Join(d.shown, name), Err: path.Err}
	case errors.As(err, &link):
		return &os.LinkError{Op: link.Op, Old: filepath.Join(d.shown, link.Old), New: filepath.Join(d.shown, link.New), Err: link.Err}
	}
	return err
}

func statOf(info fs.FileInfo, err error) (Stat, error) {
	if err != nil {
		return Stat{}, err
	}
	s := Stat{Size: uint64(info.Size())} //nolint:gosec // sizes are not negative
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.ID = FileID{Device: uint64(sys.Dev), Inode: sys.Ino} //nolint:unconvert,gosec // the type of Dev depends on the system
	}
	return s, nil
}

// osFile is a file of the machine.
type osFile struct{ *os.File }

func (f osFile) Stat() (Stat, error) { return statOf(f.File.Stat()) }

func (f osFile) Truncate(size uint64) error { return f.File.Truncate(int64(size)) } //nolint:gosec // far below 2^63

func (f osFile) Datasync() error { return datasync(f.File) }

// cannotFlush reports whether a flush failed because the file, being open for
// reading or on a disk that is, cannot be flushed at all, as opposed to a flush
// that was tried and lost data.
func cannotFlush(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBADF)
}

func sortedNames(entries []fs.DirEntry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names
}
