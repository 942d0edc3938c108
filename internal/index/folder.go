package index

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"pets/internal/owner"
)

// folder is the seam to the disk, so that tests can stop or fail at every step.
// Errors wrap fs.ErrNotExist where that applies.
type folder interface {
	list() ([]string, error) // sorted
	create(name string) (file, error)
	open(name string) (file, error)
	rename(from, to string) error
	remove(name string) error
	close() error
}

// file is written from its beginning to its end, or read.
type file interface {
	io.ReaderAt
	io.Writer
	io.Closer
	size() (int64, error)
}

// osFolder is a folder of the machine, by its handle: a folder that was moved is
// still the same one.
type osFolder struct{ root *os.Root }

// openFolder opens the folder of an index. A missing one is made only for a writer.
func openFolder(dir string, writer bool) (folder, error) {
	if writer {
		if err := owner.MkdirAll(dir); err != nil {
			return nil, err
		}
	}
	root, err := owner.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return osFolder{root}, nil
}

func (d osFolder) list() ([]string, error) {
	self, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := self.Readdirnames(-1)
	if err = errors.Join(err, self.Close()); err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

func (d osFolder) create(name string) (file, error) { return plain(owner.Create(d.root, name)) }

func (d osFolder) open(name string) (file, error) {
	return plain(owner.Open(d.root, name, os.O_RDONLY))
}

func (d osFolder) rename(from, to string) error { return d.root.Rename(from, to) }
func (d osFolder) remove(name string) error     { return d.root.Remove(name) }
func (d osFolder) close() error                 { return d.root.Close() }

type osFile struct{ *os.File }

func plain(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// removeAll removes files that may be gone already.
func removeAll(d folder, names []string) error {
	for _, name := range names {
		if err := d.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Clear removes the files of an index, so that [Open] begins with an empty one. It
// leaves every other file of the folder alone. It is for an index that cannot be
// opened; no [Index] may be open on the folder.
func Clear(dir string) error {
	d, err := openFolder(dir, true)
	if err != nil {
		return err
	}
	defer d.close() //nolint:errcheck // nothing is written through it
	names, err := d.list()
	if err != nil {
		return err
	}
	return removeAll(d, ourFiles(names))
}

// Probe makes sure that a file of so many bytes can be written to the folder of an index,
// before much is read for nothing.
func Probe(dir string, bytes int) error {
	d, err := openFolder(dir, true)
	if err != nil {
		return err
	}
	defer d.close()                                //nolint:errcheck // nothing is kept
	name := runName{0, 0, 0}.String() + tempSuffix // the next opening removes it otherwise
	f, err := d.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, bytes))
	return errors.Join(err, f.Close(), d.remove(name))
}
