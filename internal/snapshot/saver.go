package snapshot

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pets/eventstore"
	"pets/internal/owner"
)

const (
	// maxWaiting limits the bytes of checkpoints that wait to be written. Those beyond
	// that are dropped.
	maxWaiting = 256 << 20
	// rootWithin is how long a checkpoint waits for the root it belongs to.
	rootWithin = 30 * time.Second
)

// Saver is a Folder that checkpoints are saved to. A goroutine of its own writes them, so
// the caller waits neither for the root that a checkpoint belongs to nor for the disk.
//
// It uses the handle of the parent folder, which exists when the Saver is
// created. Once the path names another folder, nothing is written: that may be a
// backup, or the place where a disk is to be mounted.
type Saver struct {
	*Folder
	home    *os.Root // nil if it could not be opened; then nothing is saved
	witness Witness
	ctx     context.Context //nolint:containedctx // ends with the context given to Close
	cancel  context.CancelFunc
	most    int64 // maxKept, except in tests
	room    room  // guarded by mu
	// lists are those of the streams that were saved since the start; only the goroutine
	// uses them.
	lists map[string]*list

	mu      sync.Mutex
	moved   sync.Cond
	waiting []Checkpoint
	bytes   int
	busy    bool
	closed  bool
	work    sync.WaitGroup
}

// list is the newest list of a stream.
type list struct {
	items  []item
	number uint64
}

// Checkpoint is a state of a stream, and what is kept with it.
type Checkpoint struct {
	Stream string
	// Size is how many records it covers, and At the time of the last of them. All of
	// them are durable.
	Size uint64
	At   time.Time
	// Head returns the head of the stream's hash tree at that size; see [Saver.Want].
	Head func(context.Context) (eventstore.TreeHead, error)
	// Parts are its files. The data must not be changed afterwards.
	Parts []Part
}

// Part is one file of a checkpoint.
type Part struct {
	Kind string
	Data []byte
}

func (c *Checkpoint) bytes() (n int) {
	for _, p := range c.Parts {
		n += len(p.Data)
	}
	return n
}

// NewSaver returns the folder of checkpoints at dir, and removes the files that the
// witness does not vouch for, in the background. The folder is created by the first Save. log
// gets the files that cannot be used; it may be nil.
func NewSaver(dir string, store eventstore.Store, w Witness, log *slog.Logger) *Saver {
	s := &Saver{Folder: In(dir, store, w), witness: w, most: maxKept, lists: map[string]*list{}, busy: true}
	s.log, s.moved.L = log, &s.mu
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.home, _ = owner.OpenRoot(filepath.Dir(dir))
	s.work.Go(s.run)
	return s
}

// Want requests the head of a stream at a size, for a [Checkpoint]. It is cheapest if it is
// asked for before the witness has come so far.
func (s *Saver) Want(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error) {
	return s.witness.Want(stream, size)
}

// Save stores a checkpoint in the background. A failure leaves the older ones unchanged; a
// cache is optional.
func (s *Saver) Save(c Checkpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.bytes+c.bytes() > maxWaiting && len(s.waiting) > 0 {
		return
	}
	s.waiting = append(s.waiting, c)
	s.bytes += c.bytes()
	s.moved.Broadcast()
}

// Close writes what still waits, as far as the context allows.
func (s *Saver) Close(ctx context.Context) {
	defer context.AfterFunc(ctx, s.cancel)()
	s.mu.Lock()
	s.closed = true
	s.moved.Broadcast()
	s.mu.Unlock()
	s.work.Wait()
	s.cancel()
	if s.home != nil {
		_ = s.home.Close() // nothing is written through it any more
	}
}

// Flush returns when no checkpoint is waiting.
func (s *Saver) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy || len(s.waiting) > 0 {
		s.moved.Wait()
	}
}

func (s *Saver) run() {
	s.sweep(s.ctx)
	s.rest()
	for {
		c, ok := s.next()
		if !ok {
			return
		}
		s.save(&c)
		s.rest()
	}
}

// rest notes that nothing is being written.
func (s *Saver) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.moved.Broadcast()
}

func (s *Saver) next() (Checkpoint, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 {
		if s.closed {
			return Checkpoint{}, false
		}
		s.moved.Wait()
	}
	c := s.waiting[0]
	s.waiting[0] = Checkpoint{} // the slice must not keep its bytes
	s.waiting, s.bytes, s.busy = s.waiting[1:], s.bytes-c.bytes(), true
	return c, true
}

// save writes the files of a checkpoint, then the list that has them, then registers the
// list with the witness, then removes what is no longer listed. A crash in between leaves
// files that are not used, or the list before, whose newest files still exist.
func (s *Saver) save(c *Checkpoint) {
	ctx, cancel := context.WithTimeout(s.ctx, rootWithin)
	defer cancel()
	head, err := c.Head(ctx)
	if err != nil {
		return
	}
	root, err := s.enter()
	if err != nil {
		return
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	if !s.fits(root, c.bytes()) {
		return
	}
	l := s.lists[c.Stream]
	if l == nil {
		l = &list{}
		l.items, l.number = s.list(c.Stream)
		s.lists[c.Stream] = l
	}
	added, ok := s.saveParts(root, c, head)
	if !ok {
		unsave(root, c, l.items)
		return
	}
	stay, gone := with(l.items, added, s.most)
	l.number++
	hash, err := write(root, name(listKind, c.Stream, l.number), "", marshalList(c.Stream, stay))
	if err != nil {
		unsave(root, c, l.items)
		return
	}
	l.items = stay
	for _, number := range s.witness.Keep(listKind, c.Stream, l.number, hash) {
		_ = root.Remove(name(listKind, c.Stream, number))
	}
	for _, c2 := range gone {
		_ = root.Remove(name(c2.kind, c.Stream, c2.size))
	}
}

// saveParts writes the files of a checkpoint: all of them, or it reports false.
func (s *Saver) saveParts(root *os.Root, c *Checkpoint, head eventstore.TreeHead) (added []item, ok bool) {
	for _, p := range c.Parts {
		text := header(p.Kind, c.Stream, head)
		if len(text)+len(p.Data) > s.limit {
			return nil, false
		}
		hash, err := write(root, name(p.Kind, c.Stream, c.Size), text, p.Data)
		if err != nil {
			return nil, false
		}
		added = append(added, item{p.Kind, c.Size, int64(len(text) + len(p.Data)), c.At, hash})
	}
	return added, true
}

// errMoved reports that the path names another folder than the opened one.
var errMoved = errors.New("snapshot: the folder was moved, removed or replaced")

// enter opens the folder of checkpoints, and creates it if it is missing.
func (s *Saver) enter() (*os.Root, error) {
	if s.home == nil {
		return nil, errMoved
	}
	ours, err1 := s.home.Stat(".")
	named, err2 := os.Stat(filepath.Dir(s.dir))
	if err1 != nil || err2 != nil || !os.SameFile(ours, named) {
		return nil, errMoved
	}
	base := filepath.Base(s.dir)
	if info, err := s.home.Lstat(base); err == nil && info.Mode().Type() == os.ModeSymlink {
		return owner.OpenRoot(s.dir) // it may be on another disk
	}
	return owner.Mkdir(s.home, base)
}
