package index

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

var (
	errInjected = errors.New("injected I/O error")
	errDead     = errors.New("the program was killed")
)

// memFolder is a folder in memory that can fail, or kill the program, at any
// operation. Files that were removed stay readable for those that have them open.
type memFolder struct {
	mu     sync.Mutex
	files  map[string]*memFile
	ops    int
	failAt int // the operation that fails, counted from 1; 0 never
	killAt int // the operation during which the program is killed
	dead   bool
}

type memFile struct {
	d       *memFolder
	content []byte
}

func newMemFolder() *memFolder { return &memFolder{files: map[string]*memFile{}} }

// restart returns the folder as the next program finds it.
func (d *memFolder) restart() *memFolder {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newMemFolder()
	for name, f := range d.files {
		next.files[name] = &memFile{d: next, content: slices.Clone(f.content)}
	}
	return next
}

// do counts an operation. Half means that it happens in part and then fails.
func (d *memFolder) do() (err error, half bool) {
	d.ops++
	switch {
	case d.dead:
		return errDead, false
	case d.ops == d.killAt:
		d.dead = true
		return errDead, true
	case d.ops == d.failAt:
		return errInjected, true
	}
	return nil, false
}

func (d *memFolder) list() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err, _ := d.do(); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(d.files)), nil
}

func (d *memFolder) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err, half := d.do()
	if err != nil && !half {
		return nil, err
	}
	f := &memFile{d: d}
	d.files[name] = f
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *memFolder) open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err, _ := d.do(); err != nil {
		return nil, err
	}
	f := d.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}

func (d *memFolder) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err, half := d.do()
	if err != nil && !(half && d.ops%2 == 0) { // a rename that failed may have happened
		return err
	}
	d.files[to] = d.files[from]
	delete(d.files, from)
	return err
}

func (d *memFolder) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err, half := d.do()
	if err != nil && !(half && d.ops%2 == 0) {
		return err
	}
	if d.files[name] == nil {
		return errors.Join(err, &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist})
	}
	delete(d.files, name)
	return err
}

func (d *memFolder) close() error { return nil }

func (f *memFile) ReadAt(b []byte, at int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err, _ := f.d.do(); err != nil {
		return 0, err
	}
	if at > int64(len(f.content)) {
		return 0, io.EOF
	}
	n := copy(b, f.content[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	err, half := f.d.do()
	switch {
	case half:
		b = b[:len(b)/2]
	case err != nil:
		return 0, err
	}
	f.content = append(f.content, b...)
	return len(b), err
}

func (f *memFile) size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err, _ := f.d.do(); err != nil {
		return 0, err
	}
	return int64(len(f.content)), nil
}

func (f *memFile) Close() error { return nil }
