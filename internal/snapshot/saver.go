package snapshot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pets/eventstore"
	"pets/internal/owner"
)

const (
	// maxWaiting limits the bytes of snapshots that wait to be written. Snapshots
	// beyond that are dropped.
	maxWaiting = 256 << 20
	// rootWithin is how long a snapshot waits for the root it belongs to.
	rootWithin = 30 * time.Second
)

// Saver is a Folder that snapshots are saved to. A goroutine of its own writes
// them, so the caller waits neither for the root that a snapshot belongs to nor
// for the disk.
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

	mu      sync.Mutex
	moved   sync.Cond
	waiting []unsaved
	bytes   int
	busy    bool
	closed  bool
	work    sync.WaitGroup
}

// unsaved is a snapshot that waits to be written.
type unsaved struct {
	kind, stream string
	size         uint64
	data         []byte
	head         func(context.Context) (eventstore.TreeHead, error)
}

// NewSaver returns the folder of snapshots at dir, and removes the snapshots that
// the witness does not know. The folder is created by the first Save.
func NewSaver(dir string, store eventstore.Store, w Witness) *Saver {
	s := &Saver{Folder: In(dir, store, w), witness: w}
	s.moved.L = &s.mu
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.home, _ = owner.OpenRoot(filepath.Dir(dir))
	s.sweep()
	s.work.Go(s.run)
	return s
}

// Save stores a snapshot of the state after a revision, which is durable, in the
// background. A failure leaves the older ones unchanged; a cache is optional. The
// data must not be changed afterwards.
func (s *Saver) Save(kind, stream string, revision uint64, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.bytes+len(data) > maxWaiting && len(s.waiting) > 0 {
		return
	}
	s.waiting = append(s.waiting, unsaved{kind, stream, revision + 1, data, s.witness.Want(stream, revision+1)})
	s.bytes += len(data)
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

// Flush returns when no snapshot is waiting.
func (s *Saver) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy || len(s.waiting) > 0 {
		s.moved.Wait()
	}
}

func (s *Saver) run() {
	for {
		u, ok := s.next()
		if !ok {
			return
		}
		s.save(u)
		s.mu.Lock()
		s.busy = false
		s.moved.Broadcast()
		s.mu.Unlock()
	}
}

func (s *Saver) next() (unsaved, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 {
		if s.closed {
			return unsaved{}, false
		}
		s.moved.Wait()
	}
	u := s.waiting[0]
	s.waiting[0] = unsaved{} // the slice must not keep its bytes
	s.waiting, s.bytes, s.busy = s.waiting[1:], s.bytes-len(u.data), true
	return u, true
}

// save writes one snapshot, then registers it with the witness, then removes
// those that are no longer known. A crash in between leaves a file that is not
// used.
func (s *Saver) save(u unsaved) {
	ctx, cancel := context.WithTimeout(s.ctx, rootWithin)
	defer cancel()
	head, err := u.head(ctx)
	if err != nil {
		return
	}
	text := header(u.kind, u.stream, head)
	if len(text)+len(u.data) > s.limit {
		return
	}
	root, err := s.enter()
	if err != nil {
		return
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	hash, err := write(root, name(u.kind, u.stream, u.size), text, u.data)
	if err != nil {
		return
	}
	for _, size := range s.witness.Keep(u.kind, u.stream, u.size, hash) {
		_ = root.Remove(name(u.kind, u.stream, size))
	}
}

// errMoved reports that the path names another folder than the opened one.
var errMoved = errors.New("snapshot: the folder was moved, removed or replaced")

// enter opens the folder of snapshots, and creates it if it is missing.
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
