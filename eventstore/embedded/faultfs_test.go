package embedded_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"pets/eventstore/embedded"
)

// faultFS is a file system in memory that knows the difference between what
// programs see (the cache) and what is on disk, and can fail, kill the program
// or lose power at any operation. It has teeth: it fails the test when the store
// breaks a rule that no later look at the files could prove broken.
type faultFS struct {
	t testing.TB

	mu      sync.Mutex
	rng     *rand.Rand
	dirs    map[string]bool
	live    map[string]*inode // names as programs see them
	safe    map[string]*inode // names as they are on disk
	writer  map[*inode]bool   // locks held by a writer
	probes  map[*inode]int
	swapped bool   // the path of the store names another folder
	room    uint64 // what Free answers

	ops     int
	failAt  int  // the operation that fails, counted from 1; 0 never
	killAt  int  // the operation during which the program is killed
	dead    bool // killed: no operation does anything any more
	spoiled bool // a write or flush failed: the program must not write again
	lenient bool // or may, because it gives up what it was making
	syncs   int  // flushes of segments

	before func(op, path string) // called without the lock
}

// inode is one file. A sector that is dirty is in the cache only.
type inode struct {
	cache, disk []byte
	dirty       map[int]bool
	name        string // the path that programs see
}

const sector = 512

var (
	errInjected = errors.New("injected I/O error")
	errDead     = errors.New("the program was killed")
)

func newFaultFS(t testing.TB, seed uint64) *faultFS {
	return &faultFS{
		t:      t,
		rng:    rand.New(rand.NewPCG(seed, 7)),
		dirs:   map[string]bool{"/": true},
		live:   map[string]*inode{},
		safe:   map[string]*inode{},
		writer: map[*inode]bool{},
		probes: map[*inode]int{},
		room:   1 << 40,
	}
}

func (n *inode) clone() *inode {
	return &inode{cache: slices.Clone(n.cache), disk: slices.Clone(n.disk), dirty: maps.Clone(n.dirty), name: n.name}
}

// restart returns the disk as the next program finds it after a kill: the
// cache survives, locks and handles do not.
func (f *faultFS) restart() *faultFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := newFaultFS(f.t, f.rng.Uint64())
	next.dirs = maps.Clone(f.dirs)
	copies := map[*inode]*inode{}
	for from, to := range map[*map[string]*inode]map[string]*inode{&f.live: next.live, &f.safe: next.safe} {
		for name, n := range *from {
			if copies[n] == nil {
				copies[n] = n.clone()
			}
			to[name] = copies[n]
		}
	}
	return next
}

// powerCut returns the disk as it is found after the power failed: of what was
// not flushed, any sector is there or not, a file has any length between the old
// and the new one, and any name that was not flushed is there or not.
func (f *faultFS) powerCut() *faultFS {
	next := f.restart()
	names := maps.Clone(next.live)
	maps.Copy(names, next.safe)
	cut := map[*inode]*inode{}
	live := map[string]*inode{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := next.safe[name]
		if next.rng.IntN(2) == 0 {
			n = next.live[name]
		}
		if n == nil {
			continue
		}
		if cut[n] == nil {
			cut[n] = next.tear(n)
		}
		live[name] = cut[n]
	}
	next.live, next.safe = live, maps.Clone(live)
	return next
}

func (f *faultFS) tear(n *inode) *inode {
	size := len(n.disk)
	if grown := len(n.cache) - size; grown > 0 {
		switch f.rng.IntN(3) {
		case 0:
			size += grown
		case 1:
			size += f.rng.IntN(grown + 1)
		}
	} else if grown < 0 && f.rng.IntN(2) == 0 {
		size = len(n.cache)
	}
	b := make([]byte, max(len(n.cache), len(n.disk)))
	copy(b, n.disk)
	for s := range n.dirty {
		if f.rng.IntN(2) == 0 && s*sector < len(n.cache) {
			copy(b[s*sector:min(len(b), s*sector+sector)], n.cache[s*sector:])
		}
	}
	b = b[:size]
	return &inode{cache: b, disk: slices.Clone(b), dirty: map[int]bool{}}
}

// do counts an operation and decides whether it happens. Half means that it is
// to happen in part and then to answer with err.
func (f *faultFS) do(op, path string, writes bool) (err error, half bool) {
	if f.before != nil {
		f.before(op, path)
	}
	f.mu.Lock()
	f.ops++
	switch {
	case f.dead:
		return errDead, false
	case f.ops == f.killAt:
		f.dead = true
		return errDead, true
	case f.spoiled && writes && !f.lenient && !ahead(op, path):
		f.t.Errorf("%s %s after a write or flush had failed", op, path)
	case f.ops == f.failAt:
		f.spoiled = f.spoiled || writes && !ahead(op, path)
		return fmt.Errorf("%s %s: %w", op, path, errInjected), true
	}
	return nil, false
}

// done returns how many operations there were.
func (f *faultFS) done() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

func (f *faultFS) isSpoiled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spoiled
}

// ahead reports whether an operation only fills a spare with zeros: whether that
// works is of no account.
func ahead(op, path string) bool {
	if strings.HasSuffix(strings.TrimSuffix(path, ".tmp"), ".idx") {
		return true // or makes an index, which is as disposable
	}
	return filepath.Base(path) == spareName && op != "adopt" && op != "sync" && op != "rename"
}

const spareName = "spare.tmp"

func (f *faultFS) Mkdir(dir string) error {
	err, _ := f.do("mkdir", dir, true)
	defer f.mu.Unlock()
	if err == nil {
		f.dirs[dir] = true
	}
	return err
}

func (f *faultFS) OpenDir(dir string) (embedded.Dir, error) {
	err, _ := f.do("opendir", dir, false)
	defer f.mu.Unlock()
	if err == nil && !f.dirs[dir] {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return faultDir{f, dir}, nil
}

// faultDir is an open folder.
type faultDir struct {
	*faultFS
	dir string
}

func (d faultDir) ReadDir() ([]string, error) {
	f, dir := d.faultFS, d.dir
	err, _ := f.do("readdir", dir, false)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var names []string
	for path := range f.live {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d faultDir) Open(name string, mode embedded.Mode) (embedded.File, error) {
	f, path := d.faultFS, filepath.Join(d.dir, name)
	err, half := f.do("open", path, mode == embedded.Create)
	defer f.mu.Unlock()
	if err != nil && !(half && mode == embedded.Create) {
		return nil, err
	}
	n := f.live[path]
	if mode == embedded.Create {
		if !strings.HasSuffix(path, ".tmp") {
			f.t.Errorf("%s is not made under another name first", path)
		}
		n = &inode{dirty: map[int]bool{}}
		f.live[path] = n
	}
	if err == nil && n == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	n.name = path
	return &faultFile{fs: f, inode: n, mode: mode}, nil
}

func (d faultDir) Rename(from, to string) error {
	f, from, to := d.faultFS, filepath.Join(d.dir, from), filepath.Join(d.dir, to)
	err, half := f.do("rename", from, true)
	defer f.mu.Unlock()
	if err == nil || half && f.rng.IntN(2) == 0 {
		n := f.live[from]
		if len(n.dirty) > 0 || len(n.disk) != len(n.cache) {
			f.t.Errorf("%s gets its name before it is flushed", to)
		}
		f.live[to], n.name = n, to
		delete(f.live, from)
	}
	return err
}

func (d faultDir) SyncDir() error {
	f, dir := d.faultFS, d.dir
	err, _ := f.do("syncdir", dir, true)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	for name := range f.safe {
		if filepath.Dir(name) == dir && f.live[name] == nil {
			delete(f.safe, name)
		}
	}
	for name, n := range f.live {
		if filepath.Dir(name) == dir {
			f.safe[name] = n
		}
	}
	return nil
}

func (d faultDir) Lock(name string, mode embedded.Mode) (embedded.File, error) {
	f, path := d.faultFS, filepath.Join(d.dir, name)
	err, _ := f.do("lock", path, false)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n := f.live[path]
	if n == nil && mode == embedded.Create {
		n = &inode{dirty: map[int]bool{}, name: path}
		f.live[path] = n
	}
	switch {
	case n == nil:
		return nil, fs.ErrNotExist
	case f.writer[n]:
		return nil, &embedded.LockedError{Dir: d.dir, PID: 4711}
	}
	n.name = path
	if mode == embedded.Read {
		f.probes[n]++
	} else {
		f.writer[n] = true
	}
	return lockedFile{&faultFile{fs: f, inode: n, mode: mode}}, nil
}

// lockedFile gives its lock back when it is closed.
type lockedFile struct{ *faultFile }

func (l lockedFile) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.mode == embedded.Read {
		l.fs.probes[l.inode]--
	} else {
		delete(l.fs.writer, l.inode)
	}
	return nil
}

// Stat and Self are asked by the clock, so they are no operations that are counted.
func (d faultDir) Stat(name string) (embedded.Stat, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" {
		other := embedded.FileID{}
		if d.swapped {
			other.Device++
		}
		return embedded.Stat{ID: other}, nil
	}
	n := d.live[filepath.Join(d.dir, name)]
	if n == nil {
		return embedded.Stat{}, fs.ErrNotExist
	}
	return n.stat(), nil
}

func (d faultDir) Self() (embedded.Stat, error) { return embedded.Stat{}, nil }

func (d faultDir) Free() (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.room, nil
}

func (d faultDir) Close() error { return nil }

func (n *inode) stat() embedded.Stat {
	return embedded.Stat{ID: embedded.FileID{Inode: uint64(uintptr(unsafe.Pointer(n)))}, Size: uint64(len(n.cache))}
}

// faultFile is an open file.
type faultFile struct {
	fs    *faultFS
	inode *inode
	mode  embedded.Mode
}

// path is the name that the file has now.
func (h *faultFile) path() string {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.inode.name
}

func (h *faultFile) ReadAt(p []byte, off int64) (int, error) {
	err, _ := h.fs.do("read", h.path(), false)
	defer h.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(h.inode.cache)) {
		return 0, io.EOF
	}
	n := copy(p, h.inode.cache[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func writeOp(path string, p []byte) string {
	if filepath.Base(path) == spareName && strings.Trim(string(p), "\x00") != "" {
		return "adopt"
	}
	return "write"
}

func (h *faultFile) WriteAt(p []byte, off int64) (int, error) {
	err, half := h.fs.do(writeOp(h.path(), p), h.path(), true)
	defer h.fs.mu.Unlock()
	h.fs.mustHoldLock(h)
	if err != nil && !half {
		return 0, err
	}
	n := h.inode
	if half {
		p = p[:h.fs.partOf(n, len(p), int(off))]
	}
	h.fs.mustNotChange(h, p, int(off))
	if err == nil {
		h.fs.mustBeDurable(h, p)
	}
	if grow := int(off) + len(p) - len(n.cache); grow > 0 {
		n.cache = append(n.cache, make([]byte, grow)...)
	}
	copy(n.cache[off:], p)
	for at := int(off); at < int(off)+len(p); at++ {
		n.dirty[at/sector] = true
	}
	return len(p), err
}

// partOf returns how much of a write happens when it is interrupted: where the
// file grows, any number of bytes; where it does not, whole sectors.
func (f *faultFS) partOf(n *inode, size, off int) int {
	end := off + f.rng.IntN(size+1)
	if end < len(n.cache) {
		end = max(off, end/sector*sector)
	}
	return end - off
}

func (h *faultFile) Stat() (embedded.Stat, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.inode.stat(), nil
}

func (h *faultFile) Truncate(size uint64) error {
	err, half := h.fs.do("truncate", h.path(), true)
	defer h.fs.mu.Unlock()
	h.fs.mustHoldLock(h)
	if err == nil || half && h.fs.rng.IntN(2) == 0 {
		if filepath.Base(h.inode.name) != spareName {
			h.fs.mustBeSetAside(h.inode.cache[size:])
		}
		h.inode.cache = h.inode.cache[:size:size]
		maps.DeleteFunc(h.inode.dirty, func(s int, _ bool) bool { return s*sector >= int(size) })
	}
	return err
}

func (h *faultFile) Sync() error     { return h.flush("sync") }
func (h *faultFile) Datasync() error { return h.flush("datasync") }

// flush makes the cache safe. A flush that fails takes the pages for clean all
// the same, as Linux does: some are on disk, some never will be. One during which
// the program is killed leaves the rest to the power cut.
func (h *faultFile) flush(op string) error {
	err, half := h.fs.do(op, h.path(), h.mode != embedded.Read)
	defer h.fs.mu.Unlock()
	if err != nil && (!half || h.fs.dead) {
		return err
	}
	n := h.inode
	if err == nil || h.fs.rng.IntN(2) == 0 {
		n.disk = append(n.disk[:0:0], n.disk[:min(len(n.disk), len(n.cache))]...)
		n.disk = append(n.disk, make([]byte, len(n.cache)-len(n.disk))...)
	}
	for s := range n.dirty {
		from, to := s*sector, min(s*sector+sector, len(n.cache))
		if to <= len(n.disk) && (err == nil || h.fs.rng.IntN(2) == 0) {
			copy(n.disk[from:to], n.cache[from:to])
		}
	}
	clear(n.dirty)
	if err == nil && strings.HasSuffix(n.name, ".seg") {
		h.fs.syncs++
	}
	return err
}

func (h *faultFile) Close() error { return nil }

// The teeth. All are called with the lock held.

func (f *faultFS) mustHoldLock(h *faultFile) {
	if h.mode == embedded.Read {
		f.t.Errorf("%s was opened for reading, and is written", h.inode.name)
	}
	folder := filepath.Dir(h.inode.name)
	lock, mark := f.live[filepath.Join(folder, "LOCK")], f.live[filepath.Join(folder, "durable")]
	if lock == nil || !f.writer[lock] {
		f.t.Errorf("%s is written without the lock", h.inode.name)
	}
	if mark != nil && !f.writer[mark] {
		f.t.Errorf("%s is written without the lock of the mark", h.inode.name)
	}
}

// mustNotChange: no byte of a segment that was ever safe is changed.
func (f *faultFS) mustNotChange(h *faultFile, p []byte, off int) {
	if !strings.HasSuffix(h.inode.name, ".seg") || off >= len(h.inode.disk) {
		return
	}
	for i, old := range h.inode.disk[off:min(len(h.inode.disk), off+len(p))] {
		if old != 0 && old != p[i] {
			f.t.Errorf("byte %d of %s was safe and is changed", off+i, h.inode.name)
			return
		}
	}
}

// mustBeDurable: the mark moves only over bytes that are on disk, in a file
// whose name is.
func (f *faultFS) mustBeDurable(h *faultFile, p []byte) {
	position, ok := markPosition(p)
	if !ok || filepath.Base(h.inode.name) != "durable" {
		return
	}
	for path, n := range f.live {
		base, ok := strings.CutSuffix(filepath.Base(path), ".seg")
		var from int
		if _, err := fmt.Sscanf(base, "%d", &from); !ok || err != nil || from >= position {
			continue
		}
		to := min(position-from, len(n.cache))
		if f.safe[path] != n || len(n.disk) < to || string(n.disk[:to]) != string(n.cache[:to]) {
			f.t.Errorf("the mark moves to %d, and %s is not on disk up to there", position, path)
		}
	}
}

// mustBeSetAside: what is cut off is safe in another file, but for zeros at its
// end: they were made ahead, and say nothing.
func (f *faultFS) mustBeSetAside(b []byte) {
	if len(bytes.TrimRight(b, "\x00")) == 0 {
		f.t.Errorf("only zeros are cut off: that is no torn end")
		return
	}
	for path, n := range f.safe {
		if !strings.HasPrefix(filepath.Base(path), "torn-") {
			continue
		}
		if rest, kept := bytes.CutPrefix(b, n.disk); kept && len(bytes.TrimRight(rest, "\x00")) == 0 {
			return
		}
	}
	f.t.Errorf("%d bytes are cut off and set aside nowhere", len(b))
}
