package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/eventstore"
	"pets/internal/index"
)

// Store is a store of which the positions are numbers: the embedded one.
type Store interface {
	eventstore.Store
	// UUID identifies the store, and End is the position after which the next record comes.
	UUID() uuid.UUID
	End(ctx context.Context) (eventstore.Position, error)
}

// Options of a Keeper.
type Options struct {
	// Dir is the folder of the index. It is made if it is missing, and nothing else is in it.
	Dir string
	// Anew does not believe the index that is there.
	Anew bool
	// Log gets why the index is made again, and how far that is; nil discards it.
	Log *slog.Logger
	// Room returns an error where so many bytes may not be written to the disk of the folder.
	// Nothing is written then: what is not on disk stays in memory. It may be nil.
	Room func(bytes uint64) error
	// Patient lets [Keeper.Ready] wait while the index cannot be used for a reason of its own,
	// such as a full disk, and return an error only if the log cannot be read.
	Patient bool
	// FlushEvery and Idle replace 50,000 records and 5 s, and Least 500 records, for tests.
	FlushEvery, Least uint64
	Idle              time.Duration
	// MostInMemory replaces 4 million entries that may wait to be written while the log is
	// read, CatchUpFlush 150,000 records after which they are written meanwhile, and Retry the
	// second after which it is tried again, for tests.
	MostInMemory, CatchUpFlush uint64
	Retry                      time.Duration
}

// defaults fills in what is not set.
func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.FlushEvery = cmp.Or(o.FlushEvery, flushEvery)
	o.Least = cmp.Or(o.Least, flushLeast)
	o.Idle = cmp.Or(o.Idle, flushIdle)
	o.MostInMemory = cmp.Or(o.MostInMemory, mostInMemory)
	o.CatchUpFlush = cmp.Or(o.CatchUpFlush, catchUpFlush)
	o.Retry = cmp.Or(o.Retry, flushRetry)
}

const (
	// flushEvery is after how many records they are written to disk, and flushIdle after how
	// long without records. Fewer than flushLeast are added again as fast as they are read.
	flushEvery = 50_000
	flushIdle  = 5 * time.Second
	flushLeast = 500
	// catchUpFlush is the same while many records are added at once.
	catchUpFlush = 150_000
	// flushRetry is the time after which it is tried to write again, flushRetryMost that after
	// many failures.
	flushRetry     = time.Second
	flushRetryMost = time.Minute
	// mostInMemory is how many entries may wait to be written while the log is read, about
	// 400 MB: what can be kept in memory without a disk. Two are made for a fill.
	mostInMemory = 4_000_000
	// tellEvery is the time between two messages about the progress.
	tellEvery = 3 * time.Second
	// retryAfter is the time after which it is tried again after a failure, and retryMost that
	// after many.
	retryAfter = 100 * time.Millisecond
	retryMost  = 30 * time.Second
	// awaitFor limits how long a writer waits for records that are about to be added. Stops
	// wait behind it.
	awaitFor  = 500 * time.Millisecond
	awaitPoll = time.Millisecond
)

// errCatchingUp is returned while the records of the log are added.
var errCatchingUp = errors.New("the index of the history is being made from the log")

// Keeper keeps the index of a store. It implements [commands.History].
type Keeper struct {
	store   Store
	options Options
	ctx     context.Context //nolint:containedctx // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup

	// mu is held for reading while the index is asked, and for writing while it is replaced.
	mu    sync.RWMutex
	x     *index.Index
	ready bool
	why   error // why it is not ready
	// failed is what Ready returns: why it cannot become ready. changed is closed, and
	// replaced, when it or ready changes.
	failed  error
	changed chan struct{}
	// unsaved is why the index is only in memory.
	unsaved atomic.Pointer[error]
	// doubted is why the index is not to be believed any more; doubt wakes the follower.
	doubted atomic.Pointer[error]
	doubt   chan struct{}
	rebuilt atomic.Uint64 // how often it was made again
	epoch   atomic.Uint64 // changes with each doubt and failure

	reach          sync.Mutex
	reached        map[string]uint64
	begun, at, end atomic.Uint64 // of catching up, as positions of the log
	pending        atomic.Uint64 // records since the last flush
	added          atomic.Int64  // when the last one was added
}

var _ commands.History = (*Keeper)(nil)

// New returns a keeper that follows the log from now on. [Keeper.Ready] waits until it has
// all of it.
func New(store Store, o Options) *Keeper {
	o.defaults()
	k := &Keeper{
		store: store, options: o, why: errCatchingUp, changed: make(chan struct{}), doubt: make(chan struct{}, 1), reached: map[string]uint64{},
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.work.Go(k.run)
	return k
}

// Ready waits until everything that was in the log is in the index. The error says why that
// cannot be.
func (k *Keeper) Ready(ctx context.Context) error {
	for {
		k.mu.RLock()
		err, failed, changed := k.unsure(), k.failed, k.changed
		k.mu.RUnlock()
		switch {
		case err == nil:
			return nil
		case failed != nil:
			return failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-k.ctx.Done():
			return index.ErrClosed
		}
	}
}

// change is called under the lock, after ready or failed changed.
func (k *Keeper) change() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// Err returns why nothing can be looked up now, or nil.
func (k *Keeper) Err() error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.unsure()
}

// Rebuilt returns how often the index was made again since New.
func (k *Keeper) Rebuilt() uint64 { return k.rebuilt.Load() }

// unsure is called under the lock.
func (k *Keeper) unsure() error {
	if err := k.doubted.Load(); err != nil {
		return *err
	}
	if !k.ready {
		return k.why
	}
	return nil
}

// Find implements [commands.History].
func (k *Keeper) Find(stream string, keys []commands.HistoryKey) (found [][]commands.HistoryHit, asOf uint64, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if err := k.unsure(); err != nil {
		return nil, 0, err
	}
	asOf = k.indexed(stream) // first: what is added later is found as well
	values := make([][]byte, len(keys))
	if _, err := k.x.GetMany(index.IDs, keys, values); err != nil {
		k.Doubt(err)
		return nil, 0, err
	}
	found = make([][]commands.HistoryHit, len(keys))
	for i, v := range values {
		found[i] = hitsIn(v)
	}
	return found, asOf, nil
}

// Indexed implements [commands.History].
func (k *Keeper) Indexed(stream string) uint64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.unsure() != nil {
		return 0
	}
	return k.indexed(stream)
}

func (k *Keeper) indexed(stream string) uint64 {
	k.reach.Lock()
	defer k.reach.Unlock()
	return k.reached[stream]
}

// Await implements [commands.History]. While the index is made from the log it does not wait.
func (k *Keeper) Await(ctx context.Context, stream string, revision uint64) error {
	limit := time.NewTimer(awaitFor)
	defer limit.Stop()
	for {
		if err := k.Err(); err != nil {
			return err
		}
		at := k.Indexed(stream)
		if at >= revision {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("the index of the history has the records of stream %s before revision %d, and not yet those before %d", stream, at, revision)
		case <-time.After(awaitPoll):
		}
	}
}

// Epoch implements [commands.History].
func (k *Keeper) Epoch() uint64 { return k.epoch.Load() }

// Doubt implements [commands.History]: nothing is answered until the index was made again.
func (k *Keeper) Doubt(err error) {
	if k.doubted.CompareAndSwap(nil, &err) {
		k.epoch.Add(1)
		select {
		case k.doubt <- struct{}{}:
		default:
		}
	}
}

// doubtOf is Doubt for a finding about one index, which may have been replaced meanwhile.
func (k *Keeper) doubtOf(x *index.Index, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.x == x {
		k.Doubt(err)
	}
}

// Stats describes the index; ok is false while there is none.
func (k *Keeper) Stats() (s index.Stats, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.x == nil {
		return s, false
	}
	return k.x.Stats(), true
}

// InMemory returns how many entries cannot be written to disk now.
func (k *Keeper) InMemory() uint64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.x == nil || k.Unwritten() == nil {
		return 0
	}
	return k.x.InMemory()
}

// Close ends following, and writes what is in memory, if it is worth it. Nothing can be
// looked up afterwards. An error is no loss: the next start makes what is missing from the log.
func (k *Keeper) Close() error {
	k.cancel()
	k.work.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.x
	k.x, k.ready, k.why = nil, false, index.ErrClosed
	k.epoch.Add(1)
	if x == nil {
		return nil
	}
	var err error
	if k.doubted.Load() == nil && k.pending.Load() >= k.options.Least {
		err = x.Flush(context.Background())
	}
	return errors.Join(err, x.Close())
}
