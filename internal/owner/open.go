package owner

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// NotPlainError: what has the name of a file is something else, which nobody but a person
// with that intent, or a mistake, has put there. It is neither followed nor waited for.
type NotPlainError struct {
	Path string
	What string
}

func (e *NotPlainError) Error() string {
	return fmt.Sprintf("%s is %s: it is not used; find out who put it there, and move it away", e.Path, e.What)
}

// OpenRoot opens a folder. For root, a link that somebody else has put on the way has to
// lead to a folder of his own: else it would have root write where he may not.
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
		return nil, errors.Join(fmt.Errorf("%s was exchanged while it was opened", dir), root.Close())
	}
	return root, nil
}

// Open opens a plain file in a folder, with os.O_RDONLY or os.O_RDWR, os.O_TRUNC, and
// os.O_CREATE for one that may be missing; a new one gets the owner of the folder. No link
// is followed, and nothing that has a name elsewhere is written to.
func Open(root *os.Root, name string, flag int) (*os.File, error) {
	f, err := open(root, name, flag&^(os.O_CREATE|os.O_TRUNC))
	if errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 {
		f, err = fresh(root, name)
		if errors.Is(err, fs.ErrExist) { // somebody else was faster
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

// adoptEmpty gives a file that is new, or that a crash left as it was new, the owner of
// the folder. One with something in it stays whose it is: it may be a file of root, which
// the owner of the folder has given another name.
func adoptEmpty(f *os.File, root *os.Root) error {
	info, err := f.Stat()
	if err != nil || info.Size() > 0 {
		return err
	}
	return likeRoot(f, root)
}

// Create makes a new file in the place of one of that name, which is forgotten: nobody
// else has it open, nor is it known by another name.
func Create(root *os.Root, name string) (*os.File, error) {
	if info, err := root.Lstat(name); err == nil && info.IsDir() {
		return nil, notPlain(root, name, info)
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return fresh(root, name)
}

// Replace writes a file in the place of one of that name, by way of a temporary file.
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

// Mkdir opens a folder in a folder, and makes it where it is missing.
func Mkdir(root *os.Root, name string) (*os.Root, error) { return mkdir(root, name, root) }

func mkdir(root *os.Root, name string, like *os.Root) (*os.Root, error) {
	made := root.Mkdir(name, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return nil, made
	}
	if info, err := root.Lstat(name); err == nil && !info.IsDir() { // to open a pipe would wait for a reader
		return nil, notPlain(root, name, info)
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

// itself refuses a folder that a link led to.
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
		return notPlain(root, name, named)
	}
	return nil
}

// adoptNew gives a folder that was just made, and is still empty, the owner of another.
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
		return nil // it was exchanged
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

// fresh makes a file that was not there.
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

// open opens a file that is there. It looks first, because to open a device may do
// something, and again afterwards, because it may be another one by then.
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
		return &fs.PathError{Op: "open", Path: filepath.Join(root.Name(), name), Err: errors.New("it was exchanged while it was opened")}
	case writing && linked(opened, folder):
		return &NotPlainError{filepath.Join(root.Name(), name), "a file that has a name elsewhere, too"}
	}
	return nil
}

func notPlain(root *os.Root, name string, info fs.FileInfo) error {
	kinds := map[fs.FileMode]string{fs.ModeSymlink: "a link to something else", fs.ModeDir: "a folder", fs.ModeNamedPipe: "a pipe"}
	return &NotPlainError{filepath.Join(root.Name(), name), "no regular file, but " + cmp.Or(kinds[info.Mode().Type()], "a device or a socket")}
}
