// Package embedded is the default engine of eventstore: an append-only log of
// checksummed segments in one folder, with one writer and any number of readers
// in this process and others.
//
// It owns the files of that folder (format.go describes every byte), the only
// commit point of the product (commit.go) and the check that what is on disk is
// what was written (load.go, torn.go). It refuses to guess: a second writer, a
// write error, a newer format or an invalid byte is an error, and no byte that
// was ever durable is changed, skipped or deleted.
package embedded

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
)

// Options are for tests and unusual disks. The zero value is the default.
type Options struct {
	// SegmentBytes is the size at which a new segment begins at the latest; 64
	// MiB if 0. A segment has at least one frame, so it may be larger by one.
	SegmentBytes uint64
	// PollInterval is how often a subscription of a read-only store checks for
	// new records of the writer; 10 ms if 0.
	PollInterval time.Duration
	// NoFill lets segments grow with each append instead of allocating them
	// ahead, full of zeros. Use it for disks where that gains nothing, such as
	// those that never write to the same place twice.
	NoFill bool
	// Existing makes Open return a *[NotStoreError] if there is no store, instead
	// of creating one.
	Existing bool
	// Reserve is how much of the disk is left free for the log itself. Below it,
	// no segment is created ahead and no index is written; appends continue.
	Reserve uint64
	// CheckAfter is how long after opening for writing the check of the whole log
	// begins, so that it does not slow down the start; a second if 0.
	CheckAfter time.Duration
	// Trouble, if not nil, is called when the store is poisoned, and when the
	// background check or a reader finds damage: at most once for each, from a
	// goroutine of its own. It may call the store.
	Trouble func(error)
	// salvaging marks the copy that [Salvage] makes.
	salvaging bool
	// FS is the disk; the machine's own if nil.
	FS FS
}

func (o Options) withDefaults() Options {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.PollInterval == 0 {
		o.PollInterval = 10 * time.Millisecond
	}
	if o.CheckAfter == 0 {
		o.CheckAfter = time.Second
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	return o
}

// Store is an [eventstore.Store] in a folder.
type Store struct {
	dir      string
	options  Options
	readOnly bool
	uuid     uuid.UUID
	index    *index
	mark     *mark
	folder   Dir
	lock     File // nil when read-only
	torn     Torn
	// indexed is how far the index of the last segment went when it was opened.
	indexed uint64
	// unindexed are the sealed segments that had no index when the store was opened.
	unindexed []int
	// believed reports that an index file was used; distrust that none may be.
	believed, distrust bool

	queue     *queue
	committer *committer
	filler    *filler // nil with NoFill
	indexer   *indexer
	poisoned  atomic.Pointer[eventstore.Unavailable]
	lastLook  lastLook // held while stillThere examines the folder
	written   atomic.Pointer[written]
	damaged   atomic.Pointer[error]
	checked   atomic.Bool
	free      free
	work      sync.WaitGroup // of watch and check

	refreshing sync.Mutex // one goroutine at a time looks for new records of the writer

	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error
}

var _ eventstore.Store = (*Store)(nil)

// Torn describes what was found behind the last complete frame when the store was
// opened.
type Torn struct {
	Bytes uint64
	File  string // where the bytes were set aside; empty for a read-only store, which leaves them in place
}

// UUID identifies the store. It was generated when the folder was created.
func (s *Store) UUID() uuid.UUID { return s.uuid }

// ReadOnly reports whether the store was opened with [OpenReadOnly].
func (s *Store) ReadOnly() bool { return s.readOnly }

// Torn reports what recovery set aside, for logs and for people to examine.
func (s *Store) Torn() Torn { return s.torn }

// Head implements [eventstore.Store].
func (s *Store) Head(ctx context.Context, stream string) (uint64, error) {
	if err := s.refreshed(ctx); err != nil {
		return 0, err
	}
	last := s.index.last(stream)
	if last == eventstore.NoStream {
		return 0, &eventstore.NotFound{Stream: stream}
	}
	return uint64(last), nil //nolint:gosec // ≥ 0
}

// Streams implements [eventstore.Store].
func (s *Store) Streams(ctx context.Context) ([]string, error) {
	if err := s.refreshed(ctx); err != nil {
		return nil, err
	}
	return s.index.names(), nil
}

// refreshed updates the index, unless the store or the context ended.
func (s *Store) refreshed(ctx context.Context) error {
	if err := s.ended(ctx); err != nil {
		return err
	}
	return s.refresh()
}

// ended returns an error if the store is closed or the context has ended.
func (s *Store) ended(ctx context.Context) error {
	select {
	case <-s.closed:
		return closedError()
	default:
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	default:
		return nil
	}
}

// unavailable wraps an error of the disk for the caller of a method.
func (s *Store) unavailable(err error) error {
	select {
	case <-s.closed:
		return closedError() // Close released the files
	default:
	}
	if !s.readOnly && errors.As(err, new(*DamageError)) {
		s.damage(err) // reported by whoever meets it, so that the next append is refused
	}
	return &eventstore.Unavailable{Cause: err}
}

// Close implements [eventstore.Store]. Appends that a group commit has taken are
// completed and answered first. Closing again does nothing.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closed)
		if s.queue != nil {
			s.queue.close()
			if s.filler != nil {
				s.filler.stop()
			}
			s.work.Wait()
			s.indexer.work.Wait()
			s.indexer.last(s.committer.end - s.committer.indexed)
		}
		s.closeErr = s.release()
	})
	return s.closeErr
}

// release releases all resources of the store.
func (s *Store) release() error {
	var failed error
	if s.queue != nil && s.poisoned.Load() == nil {
		// Not needed for safety, but it saves the next start work after a power
		// cut.
		failed = s.mark.file.Datasync()
	}
	s.refreshing.Lock() // a refresh may be opening a segment
	defer s.refreshing.Unlock()
	segs, _ := s.index.view()
	failed = errors.Join(failed, segs.close())
	if s.mark != nil {
		failed = errors.Join(failed, s.mark.file.Close())
	}
	if s.lock != nil {
		failed = errors.Join(failed, s.lock.Close()) // last, because no other writer may start before
	}
	if s.folder != nil {
		failed = errors.Join(failed, s.folder.Close())
	}
	return failed
}
