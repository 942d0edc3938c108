package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// NotPlainError reports that a name belongs to something other than a plain file, or
// than a folder where one is needed, which was put there on purpose or by mistake. It is neither followed nor
// waited for.
type NotPlainError struct {
	Path string
	What string
}

func (e *NotPlainError) Error() string {
	return fmt.Sprintf("%s is %s, so it is not used; find out who put it there, and move it away", e.Path, e.What)
}

// OpenRoot opens a folder. For root, a link made by another user has to lead to a
// folder of that user: otherwise that user could make root write where the user
// may not.
func OpenRoot(dir string) (*os.Root, error) {
	at, err := walk(dir)
	if err != nil {
		return nil, err
	}
	defer at.Close() //nolint:errcheck // it was only looked at
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	checked, err1 := at.Stat()
	opened, err2 := root.Stat(".")
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if !os.SameFile(checked, opened) {
		return nil, errors.Join(fmt.Errorf("%s was replaced while it was opened", dir), root.Close())
	}
	return root, nil
}

// Open opens a plain file in a folder, with os.O_RDONLY or os.O_RDWR, os.O_TRUNC,
// and os.O_CREATE for one that may be missing. A new file gets the owner of the
// folder. No link is followed, and a file with a second name elsewhere is not
// written to.
func Open(root *os.Root, name string, flag int) (*os.File, error) {
	f, err := open(root, name, flag&^(os.O_CREATE|os.O_TRUNC))
	if errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 {
		f, err = fresh(root, name)
		if errors.Is(err, fs.ErrExist) { // another process was faster
			f, err = open(root, name, flag&^(os.O_CREATE|os.O_TRUNC))
		}
	}
	if err != nil {
		return nil, err
	}
	if flag&os.O_TRUNC != 0 {
		err = f.Truncate(0)
	}
	if err == nil && flag&os.O_CREATE != 0 {
		err = adoptEmpty(f, root)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// adoptEmpty gives a file that is new, or that a crash left empty, the owner of
// the folder. A file with content keeps its owner: it may be a file of root that
// the owner of the folder has linked there.
func adoptEmpty(f *os.File, root *os.Root) error {
	info, err := f.Stat()
	if err != nil || info.Size() > 0 {
		return err
	}
	return likeRoot(f, root)
}

// Create replaces the file of that name by a new one. No other process has the
// new file open, and it has no second name.
func Create(root *os.Root, name string) (*os.File, error) {
	if info, err := root.Lstat(name); err == nil && info.IsDir() {
		return nil, notPlain(root, name, info)
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return fresh(root, name)
}

// Replace atomically replaces the file of that name, through a temporary file.
func Replace(root *os.Root, name string, content []byte) error {
	tmp := name + ".tmp"
	f, err := Create(root, tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(tmp, name)
	}
	return err
}

// ReadFile reads a plain file.
func ReadFile(root *os.Root, name string) ([]byte, error) {
	f, err := Open(root, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	n, err := f.ReadAt(b, 0)
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}

// Mkdir opens a folder in a folder, and creates it if it is missing.
func Mkdir(root *os.Root, name string) (*os.Root, error) { return mkdir(root, name, root) }

func mkdir(root *os.Root, name string, like *os.Root) (*os.Root, error) {
	made := root.Mkdir(name, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return nil, made
	}
	if info, err := root.Lstat(name); err == nil && !info.IsDir() { // opening a pipe would wait for a reader
		return nil, notFolder(filepath.Join(root.Name(), name), info)
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(itself(root, name, sub), adoptNew(like, sub, made)); err != nil {
		return nil, errors.Join(err, sub.Close())
	}
	return sub, nil
}

// itself refuses a folder that was reached through a link.
func itself(root *os.Root, name string, sub *os.Root) error {
	named, err := root.Lstat(name)
	if err != nil {
		return err
	}
	opened, err := sub.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(named, opened) {
		return notFolder(filepath.Join(root.Name(), name), named)
	}
	return nil
}

// adoptNew gives a new, still empty folder the owner of another.
func adoptNew(like, sub *os.Root, made error) error {
	if made != nil || os.Geteuid() != 0 {
		return nil
	}
	f, err := sub.Open(".")
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if names, _ := f.Readdirnames(1); len(names) > 0 {
		return nil // it was replaced
	}
	return likeRoot(f, like)
}

func likeRoot(f *os.File, root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(Like(f, d), d.Close())
}

// fresh creates a file that does not exist yet.
func fresh(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := likeRoot(f, root); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// open opens an existing file. It checks first, because opening a device can have
// effects, and again afterwards, because the file may have been replaced.
func open(root *os.Root, name string, flag int) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notPlain(root, name, info)
	}
	f, err := root.OpenFile(name, flag|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := checked(root, name, f, flag&(os.O_RDWR|os.O_WRONLY) != 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func checked(root *os.Root, name string, f *os.File, writing bool) error {
	opened, err1 := f.Stat()
	named, err2 := root.Lstat(name)
	folder, err3 := root.Stat(".")
	switch err := errors.Join(err1, err2, err3); {
	case err != nil:
		return err
	case !named.Mode().IsRegular():
		return notPlain(root, name, named)
	case !os.SameFile(opened, named):
		return &fs.PathError{Op: "open", Path: filepath.Join(root.Name(), name), Err: errors.New("it was replaced while it was opened")}
	case writing && linked(opened, folder):
		return &NotPlainError{filepath.Join(root.Name(), name), "a file that has a second name elsewhere"}
	}
	return nil
}

func notPlain(root *os.Root, name string, info fs.FileInfo) error {
	return &NotPlainError{filepath.Join(root.Name(), name), "not a regular file, but " + kind(info)}
}

// notFolder is for what stands in the place of a folder.
func notFolder(path string, info fs.FileInfo) error {
	return &NotPlainError{path, "not a folder, but " + kind(info)}
}

func kind(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a folder"
	case mode.Type() == fs.ModeSymlink:
		return "a link to another file"
	case mode.Type() == fs.ModeNamedPipe:
		return "a pipe"
	}
	return "a device or a socket"
}
