package index

import (
	"io/fs"
	"sync"

	"github.com/google/uuid"
)

// InMemory returns an empty index for a folder that cannot be used now. It is like one
// that [Open] returns. Each [Index.Flush] tries to open the folder, and removes what an
// earlier index left in it; until that works, everything stays in memory.
func InMemory(dir string, store uuid.UUID, root RootFunc) (*Index, error) {
	x, err := open(&lateFolder{dir: dir}, store, root, defaults)
	if err == nil {
		x.path = dir
	}
	return x, err
}

// lateFolder is a folder that is opened when the first file is made in it.
type lateFolder struct {
	dir    string
	mu     sync.Mutex
	opened folder
}

// there returns the folder, or nil if it was not opened yet.
func (d *lateFolder) there() folder {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opened
}

func (d *lateFolder) list() ([]string, error) {
	if f := d.there(); f != nil {
		return f.list()
	}
	return nil, nil
}

// create opens the folder. No run of an earlier index may stay: it could count again later.
func (d *lateFolder) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened == nil {
		if err := Clear(d.dir); err != nil {
			return nil, err
		}
		f, err := openFolder(d.dir, true)
		if err != nil {
			return nil, err
		}
		d.opened = f
	}
	return d.opened.create(name)
}

func (d *lateFolder) open(name string) (file, error) {
	if f := d.there(); f != nil {
		return f.open(name)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (d *lateFolder) rename(from, to string) error {
	if f := d.there(); f != nil {
		return f.rename(from, to)
	}
	return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
}

func (d *lateFolder) remove(name string) error {
	if f := d.there(); f != nil {
		return f.remove(name)
	}
	return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
}

func (d *lateFolder) close() error {
	if f := d.there(); f != nil {
		return f.close()
	}
	return nil
}
