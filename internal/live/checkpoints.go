package live

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// Checkpoints keeps copies of states, from which later starts and views of the past begin, and
// what the readers have kept, from which later starts begin.
type Checkpoints interface {
	// Load returns the newest part of a kind with a revision ≤ atMost that can be believed,
	// or nil. The kinds are "state" and "views".
	Load(kind, stream string, atMost uint64) (revision uint64, data []byte)
	// Newest returns how many records the newest checkpoint of a stream covers, and its
	// bytes; zeros if there is none.
	Newest(stream string) (size uint64, bytes int64)
	// Keep makes a checkpoint of the state after the records of a head, of which the last is of
	// a time. The root is that of the records that were folded; a checkpoint of others than
	// the witness has seen is refused. parts returns its parts as bytes, by their kinds. Keep
	// returns how many bytes the checkpoint has. It may be written later: done is called once
	// when all of it is, or with the reason why it is not, unless Keep returns an error.
	Keep(ctx context.Context, stream string, head eventstore.TreeHead, at time.Time, parts func() (map[string][]byte, error), done func(error)) (bytes int64, err error)
}

// When checkpoints are made. A follower makes one of a portfolio every so many events, and
// when nothing has happened for some time after new ones. A checkpoint is only a copy: what
// is not in one is folded from the log.
const (
	// checkpointEvery is the least number of events between two checkpoints, while events
	// arrive. It is below the distance that may be between two (20,000), because the state
	// is copied a little later.
	checkpointEvery = 16_000
	// eventBytes limits the work: an event pays for so many bytes of checkpoints. Those of
	// a large state are further apart.
	eventBytes = 2048
	// readBytes is how many bytes of a checkpoint are read in the time in which an event is
	// folded. A portfolio that is idle or closed gets a checkpoint only if that saves time.
	readBytes = 32 << 10
	// checkpointIdle is how long nothing must have happened.
	checkpointIdle = 5 * time.Second
	// checkpointLook is how often that is looked at.
	checkpointLook = time.Second
	// checkpointClose limits the time for the checkpoints that are made at the end, and
	// checkpointReach how long the followers are waited for before.
	checkpointClose = 2 * time.Second
	checkpointReach = 500 * time.Millisecond
	// With more than manyPortfolios, a portfolio that is idle or closed gets a checkpoint
	// only after worthKeeping events. Fewer are folded as fast as a file is read, and
	// thousands of files would slow down the end of a server and its next start.
	manyPortfolios = 100
	worthKeeping   = 500
	// After a failure the next checkpoint is tried when it is due by the number of events, or
	// after checkpointRetry if nothing happens. The same reason is logged once in failureAgain.
	checkpointRetry = 10 * time.Minute
	failureAgain    = time.Hour
)

// progress is how far a portfolio is followed, and how far its checkpoints go. It is the
// first reader of every portfolio that has checkpoints.
type progress struct {
	next atomic.Uint64 // the revision that the next event gets
	due  atomic.Uint64 // the revision at which the next checkpoint is due
	lost atomic.Bool   // what size says was not written
	wake chan<- struct{}
	from uint64 // what was in the stream when it was opened: history, of which none is made
	// folded is the hash tree of the records that the state was folded from, and leaf the
	// last of them. They are read like the state.
	folded eventstore.Frontier
	leaf   eventstore.Hash

	// Private to the keeper's goroutine.
	known   bool   // size is known
	size    uint64 // records in the newest checkpoint, which may still be written, and its bytes
	bytes   int64
	seen    uint64 // next at the last look
	views   uint64 // records in the newest checkpoint that has the readers
	whole   bool   // checkpoints have the readers
	changed time.Time
	retry   time.Time // after a failure: when one is made although nothing happens
	said    string    // the failure that was logged last, and when
	saidAt  time.Time
}

// done notes what has become of a checkpoint. Any goroutine may call it.
func (p *progress) done(err error) {
	if err != nil {
		p.lost.Store(true)
	}
}

// Apply implements [Reader].
func (p *progress) Apply(rec eventstore.Record, _ domain.Event, _ *portfolio.State) {
	p.leaf = eventstore.LeafHash(&rec)
	p.folded.Append(p.leaf)
	p.next.Store(rec.Revision + 1)
	if rec.Revision+1 < p.due.Load() {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default: // it is awake
	}
}

// spacing is the number of events after which the next checkpoint is due.
func spacing(every uint64, bytes int64) uint64 {
	return max(every, uint64(max(bytes, 0))/eventBytes)
}

// keeper makes the checkpoints of all portfolios, one after another, on a goroutine of its
// own. It copies a state while it reads it like any other reader, and encodes the copy when it
// holds nothing any more. No command waits for it.
type keeper struct {
	of    *Followers
	into  Checkpoints
	every uint64
	idle  time.Duration
	wake  chan struct{}
}

// newKeeper returns nil if there is nothing to keep checkpoints in.
func newKeeper(f *Followers, o Options) *keeper {
	if o.Checkpoints == nil {
		return nil
	}
	k := &keeper{of: f, into: o.Checkpoints, every: o.CheckpointEvery, idle: o.CheckpointIdle, wake: make(chan struct{}, 1)}
	if k.every == 0 {
		k.every = checkpointEvery
	}
	if k.idle == 0 {
		k.idle = checkpointIdle
	}
	return k
}

// follow returns what notes the progress of a portfolio whose stream has head as its last
// revision now.
func (k *keeper) follow(head uint64) *progress {
	p := &progress{wake: k.wake, from: head + 1}
	p.due.Store(head + 1)
	return p
}

// run makes checkpoints until the context ends.
func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(min(k.idle, checkpointLook))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-k.wake:
		}
		all := k.of.list()
		now := time.Now()
		for _, p := range all {
			if at := p.current().progress; at != nil && ctx.Err() == nil && k.due(p, at, now, len(all)) {
				k.make(ctx, p, at)
			}
		}
	}
}

// due reports whether a checkpoint of a portfolio is to be made now.
func (k *keeper) due(p *Portfolio, at *progress, now time.Time, portfolios int) bool {
	next := at.next.Load()
	if next != at.seen {
		at.seen, at.changed = next, now
	}
	if next < at.from {
		return false
	}
	k.learn(p, at)
	if at.lost.Swap(false) {
		k.postpone(p, at, now)
	}
	return next >= at.due.Load() || now.Sub(at.changed) >= k.idle && !now.Before(at.retry) && at.worth(next, portfolios)
}

// postpone plans the next checkpoint after one that was not made or not written.
func (k *keeper) postpone(p *Portfolio, at *progress, now time.Time) {
	at.known, at.views, at.retry = false, 0, now.Add(checkpointRetry)
	k.learn(p, at)
	at.due.Store(max(at.due.Load(), at.next.Load()+spacing(k.every, at.bytes)))
}

// learn finds out how far the checkpoints go that there are, when a portfolio has been
// followed to its end for the first time, and after a failure.
func (k *keeper) learn(p *Portfolio, at *progress) {
	if !at.known {
		size, bytes := k.into.Newest(p.stream)
		at.known, at.size, at.bytes = true, size, bytes
		at.due.Store(size + spacing(k.every, bytes))
	}
}

// worth reports whether a checkpoint saves a later start more than it costs. One without the
// readers does not save it the history.
func (p *progress) worth(next uint64, portfolios int) bool {
	least := max(1, uint64(max(p.bytes, 0))/readBytes)
	if portfolios > manyPortfolios {
		least = max(least, worthKeeping)
	}
	return next >= p.size+least || p.whole && next >= p.views+least
}

// make makes a checkpoint of a portfolio as it is now.
func (k *keeper) make(ctx context.Context, p *Portfolio, at *progress) {
	err := k.keep(ctx, p, at)
	if err == nil || ctx.Err() != nil {
		return
	}
	now := time.Now()
	k.postpone(p, at, now)
	if at.news(err.Error(), now) {
		p.log.Error("no checkpoint can be made of a portfolio; starts and views of its past fold more of its history", "portfolio", p.id, "error", err.Error())
	}
}

// news reports whether a failure is to be logged, and notes that it is.
func (p *progress) news(why string, now time.Time) bool {
	if why == p.said && now.Sub(p.saidAt) < failureAgain {
		return false
	}
	p.said, p.saidAt = why, now
	return true
}

func (k *keeper) keep(ctx context.Context, p *Portfolio, at *progress) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
			if at.said != err.Error() {
				p.log.Error("a checkpoint failed", "portfolio", p.id, "error", err.Error(), "stack", string(debug.Stack()))
			}
		}
	}()
	var s *portfolio.State
	var head eventstore.TreeHead
	var readers *kept
	replaced := false
	if err := p.Read(func(now *portfolio.State) error {
		if replaced = p.now.progress != at; replaced {
			return nil
		}
		s = now.Clone()
		head = eventstore.TreeHead{Size: s.Next, Root: at.folded.Root(), Leaf: at.leaf}
		readers = k.readers(p, at)
		return nil
	}); err != nil {
		at.due.Store(math.MaxUint64) // it is not open, or not followed any more
		return nil                   //nolint:nilerr // there is no state to keep
	}
	if replaced {
		return nil
	}
	if readers != nil && readers.flush() != nil { // it was logged; the pieces are not in a file yet
		readers = nil
	}
	bytes, err := k.into.Keep(ctx, p.stream, head, s.Time, func() (map[string][]byte, error) { return partsOf(s, readers) }, at.done)
	if err != nil {
		return err
	}
	at.size, at.bytes = s.Next, bytes
	at.due.Store(s.Next + spacing(k.every, bytes))
	if readers != nil {
		at.views = s.Next
	} else if at.whole {
		at.retry = time.Now().Add(checkpointRetry)
	}
	return nil
}

// readers returns what the readers of a portfolio keep, while they are read; nil if one of them
// cannot. The state is kept without them then.
func (k *keeper) readers(p *Portfolio, at *progress) *kept {
	if !at.whole {
		return nil
	}
	all, err := p.now.keep()
	if err != nil && at.news(err.Error(), time.Now()) {
		p.log.Error("what the readers of a portfolio have seen cannot be kept; the next start folds more of its history", "portfolio", p.id, "error", err.Error())
	}
	return all
}

// partsOf returns the parts of a checkpoint.
func partsOf(s *portfolio.State, readers *kept) (map[string][]byte, error) {
	state, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	parts := map[string][]byte{stateKind: state}
	if readers != nil {
		parts[viewsKind] = readers.marshal()
	}
	return parts, nil
}

// reach lets the followers come to the end of their streams before they end, so that the last
// checkpoints have what was recorded just now. A history that takes longer is not waited for.
func (k *keeper) reach() {
	ctx, cancel := context.WithTimeout(k.of.ctx, checkpointReach)
	defer cancel()
	_ = k.of.Reached(ctx) // what is not reached is folded by the next start
}

// last makes the checkpoints of what has changed since the last ones, when everything has
// stopped. It begins none after its time is over.
func (k *keeper) last() {
	ctx, cancel := context.WithTimeout(context.Background(), checkpointClose)
	defer cancel()
	all := k.of.list()
	left := 0
	for _, p := range all {
		at := p.current().progress
		if at == nil {
			continue
		}
		next := at.next.Load()
		if next < at.from {
			continue
		}
		if at.lost.Swap(false) {
			at.known, at.views = false, 0
		}
		if k.learn(p, at); !at.worth(next, len(all)) {
			continue
		}
		if ctx.Err() != nil {
			left++
			continue
		}
		k.make(ctx, p, at)
	}
	if left > 0 {
		k.of.options.Log.Info("not every portfolio got a checkpoint; the next start folds more of their histories", "portfolios", left, "within", checkpointClose.String())
	}
}
