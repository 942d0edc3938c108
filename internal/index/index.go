package index

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
)

// tableState is one table at one moment. Everything in it is replaced under the
// lock of the index; what a tail or a list holds is read under it, or with a
// reference to the list.
type tableState struct {
	tail    *tail
	frozen  *tail // being written to a run, or nil
	list    *runList
	pos     Position // has the entries of every record before it
	flushed Position // where the runs end
	root    eventstore.Hash
}

// Index is an index that is open for writing.
type Index struct {
	lookup
	settings
	dir   folder
	path  string // of dir, for Resettle
	store uuid.UUID
	root  RootFunc

	next    Position // the least that Add accepts
	dropped []error  // runs that did not count when it was opened

	flushing sync.Mutex // one flush at a time
	merging  sync.Mutex // one merge at a time
	unpaced  atomic.Bool
	room     atomic.Pointer[func(uint64) error]
	mergeErr atomic.Pointer[error]
	wake     chan struct{}
	ctx      context.Context // ends when the index is closed
	cancel   context.CancelFunc
	work     sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// settings differ in tests only.
type settings struct {
	most       uint64 // entries of a merged run
	step       int    // entries of a table that a rebuild keeps in memory
	pause      func(context.Context, time.Duration) error
	foreground bool // merges only when it is told to
}

var defaults = settings{most: maxRun, step: rebuildStep, pause: pause}

// Open opens the index in a folder, which is made if it is missing, and removes
// files that do not count. The index then is at [Index.Position]: from there on
// the caller adds what the log has.
//
// The position is 0 for a new index, and further back than it was if files are
// damaged or missing. An error that matches [ErrRebuild] means that nothing was
// removed: after [Clear] the index is a new one.
func Open(dir string, store uuid.UUID, root RootFunc) (*Index, error) {
	d, err := openFolder(dir, true)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	x, err := open(d, store, root, defaults)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	x.path = dir
	return x, nil
}

func open(d folder, store uuid.UUID, root RootFunc, set settings) (*Index, error) {
	names, err := d.list()
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	x := &Index{settings: set, dir: d, store: store, root: root, wake: make(chan struct{}, 1)}
	if x.dropped, err = x.load(d, store, names, root); err != nil {
		return nil, err
	}
	if err := removeAll(d, x.unused(names)); err != nil {
		x.shut()
		return nil, fmt.Errorf("index: removing what does not count: %w", err)
	}
	x.next = x.Position()
	x.ctx, x.cancel = context.WithCancel(context.Background())
	if !x.foreground {
		x.work.Go(x.mergeInBackground)
		x.wakeMerger()
	}
	return x, nil
}

// load fills the tables.
func (c *lookup) load(d folder, store uuid.UUID, names []string, root RootFunc) (dropped []error, err error) {
	var all [tables]loaded
	for t := range Table(tables) {
		if all[t], err = load(d, store, t, names, root); err != nil {
			for i := range all {
				all[i].close()
			}
			return nil, err
		}
		dropped = append(dropped, all[t].dropped...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range all {
		old := c.tables[t].list
		s := tableState{tail: newTail(&schemas[t]), list: newRunList(all[t].runs...)}
		s.flushed, s.root = all[t].end()
		s.pos = s.flushed
		c.tables[t] = s
		if old != nil {
			old.release()
		}
	}
	return dropped, nil
}

// unused are the files of an index that are not in a list.
func (c *lookup) unused(names []string) []string {
	used := map[string]bool{}
	for t := range c.tables {
		for _, r := range c.tables[t].list.runs {
			used[r.name.String()] = true
		}
	}
	var out []string
	for _, name := range ourFiles(names) {
		if !used[name] {
			out = append(out, name)
		}
	}
	return out
}

// Add adds what the record at a position adds to the index. One goroutine calls
// it, for every record from [Index.Position] on in the order of the log, also for
// those without entries. A table that is further already ignores its entries. An
// entry replaces an older one with the same key, and in [IDs] the same revision. After an error nothing was added.
func (x *Index) Add(at Position, entries ...Entry) error {
	for i := range entries {
		if e := &entries[i]; e.Table >= tables || len(e.Value) != e.Table.ValueLen() {
			return fmt.Errorf("index: entry %d of the record at %d is none of %s: its value has %d bytes", i, at, e.Table, len(e.Value))
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.closed:
		return ErrClosed
	case at < x.next:
		return fmt.Errorf("index: the record at %d was added after the one before %d", at, x.next)
	case at+1 == 0:
		return fmt.Errorf("index: there is no position after %d", at)
	}
	for i := range entries {
		e := &entries[i]
		if s := &x.tables[e.Table]; at >= s.pos {
			s.tail.put(e.Key, e.Value)
		}
	}
	for t := range x.tables {
		x.tables[t].pos = max(x.tables[t].pos, at+1)
	}
	x.next = at + 1
	return nil
}

// Flush writes runs of what is in memory, up to the position that the index has
// now. It may be called beside Add and readers. After an error everything is still
// in memory, and another Flush tries again. What a caller relies on beside the
// index, such as a checkpoint that an entry names, it writes first.
func (x *Index) Flush(ctx context.Context) error {
	x.flushing.Lock()
	defer x.flushing.Unlock()
	for _, t := range flushOrder {
		if err := x.flush(ctx, t); err != nil {
			return err
		}
	}
	x.wakeMerger()
	return nil
}

func (x *Index) flush(ctx context.Context, t Table) error {
	frozen, foot, err := x.freeze(t)
	if frozen == nil || err != nil {
		return err
	}
	r, err := x.writeTail(ctx, foot, frozen)
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.tables[t]
	if err != nil {
		frozen.addAll(s.tail)
		s.tail, s.frozen = frozen, nil
		return err
	}
	// Readers look into the tails first, then into the list. Both change here, under
	// the lock, so none of them misses an entry.
	old := s.list
	s.list = newRunList(append(old.runs[:len(old.runs):len(old.runs)], r)...)
	s.frozen, s.flushed, s.root = nil, r.to, r.rootTo
	old.release()
	return nil
}

// Room asks a function before each run is written whether so many bytes may be. After its
// error, what is in memory stays there, and runs are not merged.
func (x *Index) Room(may func(bytes uint64) error) { x.room.Store(&may) }

func (x *Index) mayWrite(bytes uint64) error {
	if may := x.room.Load(); may != nil {
		return (*may)(bytes + bytes/16 + 2*blockLen) // the fences, and the filter of a few entries
	}
	return nil
}

// freeze takes what is to be written out of the way of Add. It returns nil if the
// runs of the table are up to date.
func (x *Index) freeze(t Table) (*tail, footer, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.tables[t]
	switch {
	case x.closed:
		return nil, footer{}, ErrClosed
	case s.flushed == s.pos:
		return nil, footer{}, nil
	}
	s.frozen, s.tail = s.tail, newTail(&schemas[t])
	return s.frozen, footer{table: t, store: x.store, from: s.flushed, to: s.pos, rootFrom: s.root}, nil
}

func (x *Index) writeTail(ctx context.Context, foot footer, frozen *tail) (*run, error) {
	var err error
	if foot.rootTo, err = x.root(foot.to); err != nil {
		return nil, fmt.Errorf("index: root of the log at %d: %w", foot.to, err)
	}
	entries := &memorySource{entries: frozen.sorted(), width: frozen.schema.width()}
	count := uint64(frozen.len())                                             //nolint:gosec // a length
	if err := x.mayWrite(count * uint64(frozen.schema.width())); err != nil { //nolint:gosec // positive
		return nil, err
	}
	name, err := writeRun(x.dir, foot, count, entries, func(int) error { return ctx.Err() })
	if err != nil {
		return nil, err
	}
	r, err := openRun(x.dir, name, x.store)
	if err != nil {
		return nil, x.note(errors.Join(err, x.dir.remove(name.String())))
	}
	return r, nil
}

// Close ends merging and releases the files. What was not flushed is added again
// after the next Open.
func (x *Index) Close() error {
	x.closeOnce.Do(func() {
		x.cancel()
		x.work.Wait()
		x.flushing.Lock()
		defer x.flushing.Unlock()
		x.shut()
		x.closeErr = x.dir.close()
	})
	return x.closeErr
}
