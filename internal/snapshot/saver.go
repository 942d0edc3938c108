package snapshot

import (
	"context"
	"errors"
	"fmt"
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
	said  saidOnce

	mu      sync.Mutex
	moved   sync.Cond
	waiting []Checkpoint
	bytes   int64
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
	// Root is the root of the hash tree of the records that were folded. It has to be that of
	// Head. Zero if it is not known.
	Root eventstore.Hash
	// Head returns the head of the stream's hash tree at that size; see [Saver.Want].
	Head func(context.Context) (eventstore.TreeHead, error)
	// Parts are its files. The data must not be changed afterwards.
	Parts []Part
	// Done, if not nil, is called once: when the checkpoint is listed and the witness has the
	// hash of the list, or with the reason why there is none. It is called by [Saver.Save]
	// or by the goroutine that writes.
	Done func(err error)
}

// Part is one file of a checkpoint.
type Part struct {
	Kind string
	Data []byte
}

// Bytes returns how many bytes its files will have.
func (c *Checkpoint) Bytes() (n int64) {
	for _, p := range c.Parts {
		n += int64(len(header(p.Kind, c.Stream, eventstore.TreeHead{Size: c.Size})) + len(p.Data))
	}
	return n
}

// NewSaver returns the folder of checkpoints at dir, and removes the files that the
// witness does not vouch for and those of other versions, in the background. The folder is
// created by the first Save. log gets the files that cannot be used and the reasons why
// checkpoints are not written; it may be nil.
func NewSaver(dir string, store eventstore.Store, version string, w Witness, log *slog.Logger) *Saver {
	s := &Saver{Folder: In(dir, store, version, w), witness: w, most: maxKept, lists: map[string]*list{}, busy: true}
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

var (
	errClosed  = errors.New("the folder of checkpoints is closed")
	errWaiting = errors.New("too many bytes of checkpoints wait to be written")
)

// Save stores a checkpoint in the background. A failure leaves the older ones unchanged; a
// cache is optional.
func (s *Saver) Save(c Checkpoint) {
	if err := s.queue(c); err != nil {
		s.finish(&c, err)
	}
}

func (s *Saver) queue(c Checkpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errClosed
	case s.bytes+c.Bytes() > maxWaiting && len(s.waiting) > 0:
		return errWaiting
	}
	s.waiting = append(s.waiting, c)
	s.bytes += c.Bytes()
	s.moved.Broadcast()
	return nil
}

// finish reports what has become of a checkpoint. Nothing is logged about the end of a server
// that has no time left for it.
func (s *Saver) finish(c *Checkpoint, err error) {
	if err != nil && s.log != nil && s.ctx.Err() == nil && !errors.Is(err, errClosed) && !errors.Is(err, ErrNoRoom) && s.said.first(c.Stream, err) {
		s.log.Error("a checkpoint was not written; starts and views of the past fold more of the history. The same reason is not repeated for this stream",
			"stream", c.Stream, "records", c.Size, "error", err.Error())
	}
	if c.Done != nil {
		c.Done(err)
	}
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
		s.finish(&c, s.save(&c))
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
	s.waiting, s.bytes, s.busy = s.waiting[1:], s.bytes-c.Bytes(), true
	return c, true
}

// save writes the files of a checkpoint, then the list that has them, then registers the
// list with the witness, then removes what is no longer listed. A crash in between leaves
// files that are not used, or the list before, whose newest files still exist.
func (s *Saver) save(c *Checkpoint) error {
	ctx, cancel := context.WithTimeout(s.ctx, rootWithin)
	defer cancel()
	head, err := c.Head(ctx)
	if err != nil {
		return err
	}
	seen, ok := s.witness.Root(c.Stream, c.Size)
	if ok && seen != head.Root || c.Root != (eventstore.Hash{}) && c.Root != head.Root {
		return errRoot
	}
	root, err := s.enter()
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	if !s.fits(root, int(c.Bytes())) {
		return ErrNoRoom
	}
	l := s.lists[c.Stream]
	if l == nil {
		l = &list{}
		l.items, l.number = s.list(c.Stream)
		s.lists[c.Stream] = l
	}
	added, err := s.saveParts(root, c, head)
	if err != nil {
		unsave(root, c, l.items)
		return err
	}
	stay, gone := with(l.items, added, s.most)
	l.number++
	hash, err := write(root, name(listKind, c.Stream, l.number), "", marshalList(s.version, c.Stream, stay))
	if err != nil {
		unsave(root, c, l.items)
		return err
	}
	l.items = stay
	for _, number := range s.witness.Keep(listKind, c.Stream, l.number, hash) {
		_ = root.Remove(name(listKind, c.Stream, number))
	}
	for _, c2 := range gone {
		_ = root.Remove(name(c2.kind, c.Stream, c2.size))
	}
	return nil
}

// saveParts writes the files of a checkpoint: all of them, or it returns an error.
func (s *Saver) saveParts(root *os.Root, c *Checkpoint, head eventstore.TreeHead) (added []item, err error) {
	for _, p := range c.Parts {
		text := header(p.Kind, c.Stream, head)
		if len(text)+len(p.Data) > s.limit {
			return nil, fmt.Errorf("its file %s has more than %d bytes", p.Kind, s.limit)
		}
		hash, err := write(root, name(p.Kind, c.Stream, c.Size), text, p.Data)
		if err != nil {
			return nil, err
		}
		s.unusable.drop(name(p.Kind, c.Stream, c.Size))
		added = append(added, item{p.Kind, c.Size, int64(len(text) + len(p.Data)), c.At, hash})
	}
	return added, nil
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
