//go:build unix

package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"pets/internal/owner"
)

// osFS is the file system of the machine.
type osFS struct{}

// Mkdir gives the new folder to the owner of its parent: a service must be able
// to use a folder that root creates for it.
func (osFS) Mkdir(dir string) error {
	return owner.MkdirAll(dir)
}

func (osFS) OpenDir(dir string) (Dir, error) {
	path, err := filepath.Abs(dir) // an absolute path survives a change of the working directory
	if err != nil {
		return nil, err
	}
	root, err := owner.OpenRoot(path)
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
	shown string // as given, for messages
}

func (d *osDir) ReadDir() ([]string, error) {
	again, err := d.root.Open(".") // a handle of its own, because reading moves it
	if err != nil {
		return nil, d.named(".", err)
	}
	defer func() { _ = again.Close() }() // opened for reading only
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

// open opens a file. A new file gets the owner of the folder, so that files
// created by root do not lock out the service that owns the folder. Symbolic
// links are not followed: a file that the service put there must not lead root to
// its own files.
func (d *osDir) open(name string, flags int) (*os.File, error) {
	f, err := owner.Open(d.root, name, flags)
	return f, d.named(name, err)
}

func (d *osDir) Rename(from, to string) error { return d.named(from, d.root.Rename(from, to)) }

func (d *osDir) SyncDir() error { return d.self.Sync() }

func (d *osDir) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }

// Stat is called often: it allocates nothing.
func (d *osDir) Stat(name string) (Stat, error) {
	if name == "" {
		return statBy("stat", d.path, func(s *unix.Stat_t) error { return unix.Stat(d.path, s) })
	}
	return statOf(d.self, "fstatat", filepath.Join(d.shown, name), func(fd int, s *unix.Stat_t) error { return unix.Fstatat(fd, name, s, 0) })
}

func (d *osDir) Self() (Stat, error) { return statOf(d.self, "fstat", d.shown, unix.Fstat) }

func (d *osDir) Free() (uint64, error) { return freeOn(d.self) }

// named adds the full path to an error about a name in the folder, which the
// handle does not include.
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

// statOf uses the handle of an open file.
func statOf(f *os.File, op, path string, ask func(fd int, s *unix.Stat_t) error) (Stat, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return Stat{}, err
	}
	return statBy(op, path, func(s *unix.Stat_t) error {
		var failed error
		err := conn.Control(func(fd uintptr) { failed = ask(int(fd), s) })
		return errors.Join(err, failed)
	})
}

func statBy(op, path string, ask func(s *unix.Stat_t) error) (Stat, error) {
	var s unix.Stat_t
	err := ask(&s)
	for errors.Is(err, unix.EINTR) {
		err = ask(&s)
	}
	if err != nil {
		return Stat{}, &fs.PathError{Op: op, Path: path, Err: err}
	}
	return Stat{ID: FileID{Device: uint64(s.Dev), Inode: s.Ino}, Size: uint64(s.Size)}, nil //nolint:unconvert,gosec // the type of Dev depends on the system, sizes are not negative
}

// osFile is a file of the machine.
type osFile struct{ *os.File }

func (f osFile) Stat() (Stat, error) { return statOf(f.File, "fstat", f.Name(), unix.Fstat) }

func (f osFile) Truncate(size uint64) error { return f.File.Truncate(int64(size)) } //nolint:gosec // far below 2^63

func (f osFile) Datasync() error { return datasync(f.File) }

// cannotFlush reports whether a flush failed because the file cannot be flushed
// at all, being open for reading or on a read-only disk, as opposed to a flush
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
