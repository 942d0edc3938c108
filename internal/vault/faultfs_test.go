package vault

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// faultFS is a file system in memory that knows the difference between what
// programs see and what is on disk, and can fail or kill the program at any
// operation.
type faultFS struct {
	mu   sync.Mutex
	dirs map[string]bool
	live map[string]*inode // names as programs see them
	safe map[string]*inode // names as they are on disk

	ops    int
	failAt int  // the operation that fails, from 1; 0 never
	half   bool // the failing operation happens, and fails all the same
	killed bool // nothing happens after the failing operation
	dead   bool
	trace  []string
}

type inode struct{ cache, disk []byte }

var errInjected = errors.New("injected I/O error")

func newFaultFS() *faultFS {
	return &faultFS{dirs: map[string]bool{"/": true}, live: map[string]*inode{}, safe: map[string]*inode{}}
}

// op counts an operation and does it, or fails.
func (f *faultFS) op(name string, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errInjected
	}
	f.ops++
	f.trace = append(f.trace, name)
	if f.ops != f.failAt {
		return do()
	}
	f.dead = f.killed
	if f.half {
		_ = do()
	}
	return errInjected
}

// reboot is the machine after the program was killed, or after a power cut: then
// only what was flushed is there, and of the names also those that happened to
// reach the disk before.
func (f *faultFS) reboot(powerCut, namesReachedDisk bool) *faultFS {
	next := newFaultFS()
	next.dirs = maps.Clone(f.dirs)
	names := f.live
	if powerCut && !namesReachedDisk {
		names = f.safe
	}
	for name, node := range names {
		data := node.cache
		if powerCut {
			data = node.disk
		}
		n := &inode{slices.Clone(data), slices.Clone(data)}
		next.live[name], next.safe[name] = n, n
	}
	return next
}

func (f *faultFS) Mkdir(dir string) error {
	return f.op("mkdir", func() error {
		if f.dirs[dir] {
			return fs.ErrExist
		}
		f.dirs[dir] = true
		return nil
	})
}

func (f *faultFS) ReadDir(dir string) (names []string, err error) {
	err = f.op("readdir", func() error {
		for name := range f.live {
			if path.Dir(name) == dir {
				names = append(names, path.Base(name))
			}
		}
		slices.Sort(names)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

func (f *faultFS) Stat(name string) (i Info, err error) {
	err = f.op("stat", func() error {
		if !f.dirs[name] {
			return fs.ErrNotExist
		}
		i = Info{Kind: Folder, Mode: 0o700}
		return nil
	})
	return i, err
}

func (f *faultFS) Read(name string, limit int) (data []byte, i Info, err error) {
	err = f.op("read", func() error {
		node := f.live[name]
		if node == nil {
			return fs.ErrNotExist
		}
		data = slices.Clone(node.cache[:min(limit, len(node.cache))])
		return nil
	})
	return data, Info{Kind: Regular, Mode: 0o600}, err
}

func (f *faultFS) Create(name string) (File, error) {
	node := &inode{}
	err := f.op("create", func() error {
		if f.live[name] != nil {
			return fs.ErrExist
		}
		f.live[name] = node
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &faultFile{f, node}, nil
}

func (f *faultFS) Rename(from, to string) error {
	return f.op("rename", func() error { return f.move(from, to) })
}

func (f *faultFS) RenameNew(from, to string) error {
	return f.op("rename new", func() error {
		if f.live[to] != nil {
			return fs.ErrExist
		}
		return f.move(from, to)
	})
}

func (f *faultFS) move(from, to string) error {
	if f.live[from] == nil {
		return fs.ErrNotExist
	}
	f.live[to] = f.live[from]
	delete(f.live, from)
	return nil
}

func (f *faultFS) Remove(name string) error {
	return f.op("remove", func() error {
		delete(f.live, name)
		return nil
	})
}

func (f *faultFS) SyncDir(dir string) error {
	return f.op("sync dir", func() error {
		for name := range f.safe {
			if strings.HasPrefix(name, dir) {
				delete(f.safe, name)
			}
		}
		for name, node := range f.live {
			if strings.HasPrefix(name, dir) {
				f.safe[name] = node
			}
		}
		return nil
	})
}

func (f *faultFS) Lock(string) (io.Closer, error) {
	return io.NopCloser(nil), f.op("lock", func() error { return nil })
}

type faultFile struct {
	fs   *faultFS
	node *inode
}

// Write writes half of it before it is killed or fails.
func (f *faultFile) Write(b []byte) (int, error) {
	n := 0
	write := func() error {
		n = len(b)
		if f.fs.ops == f.fs.failAt {
			n /= 2
		}
		f.node.cache = append(f.node.cache, b[:n]...)
		return nil
	}
	err := f.fs.op("write", write)
	return n, err
}

func (f *faultFile) Sync() error {
	return f.fs.op("sync", func() error {
		f.node.disk = slices.Clone(f.node.cache)
		return nil
	})
}

func (f *faultFile) Close() error { return f.fs.op("close", func() error { return nil }) }
