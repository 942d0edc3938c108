package history

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"pets/commands"
	"pets/eventstore"
	"pets/internal/index"
)

// run follows the log until the keeper is closed. After a failure it begins again: with a new
// index, if the one that there is cannot be believed.
func (k *Keeper) run() {
	var last error
	again, wait := k.options.Anew, retryAfter
	for k.ctx.Err() == nil {
		began := time.Now()
		err := k.follow(again, last)
		if k.ctx.Err() != nil {
			return
		}
		again = k.doubted.Load() != nil || errors.Is(err, index.ErrRebuild)
		k.fail(err, !again && (!k.options.Patient || errors.As(err, new(logError))))
		if last == nil || last.Error() != err.Error() {
			k.options.Log.Error("nothing can be decided, because the index of the history cannot be used; it is opened, or made from the log, again", "error", err.Error(), "what", Reason(err), "made_again", again)
		}
		if last = err; time.Since(began) > retryMost {
			wait = retryAfter
		}
		select {
		case <-time.After(wait):
		case <-k.ctx.Done():
		}
		wait = min(2*wait, retryMost)
	}
}

// fail closes an index that cannot be used. told says that Ready returns why.
func (k *Keeper) fail(err error, told bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.x != nil {
		_ = k.x.Close() // it is not used any more
	}
	k.x, k.ready, k.why = nil, false, err
	k.epoch.Add(1)
	if told {
		k.failed = err
	}
	k.change()
	k.reach.Lock()
	defer k.reach.Unlock()
	clear(k.reached)
}

// follow opens the index and adds to it what the log has, until something fails. again says
// that the one on disk is not to be believed, last how it ended the last time.
func (k *Keeper) follow(again bool, last error) error {
	crowded := (*crowdedError)(nil)
	if errors.As(last, &crowded) {
		if err := index.Probe(k.options.Dir, probeLen); err != nil {
			return &crowdedError{crowded.entries, err}
		}
	}
	x, err := k.open(again)
	if err != nil { // the folder cannot be used: a cache must not stop the ledger
		k.unwritten(err, true)
		k.rebuilt.Add(1)
		if x, err = index.InMemory(k.options.Dir, k.store.UUID(), RootOf(k.store)); err != nil {
			return err
		}
	}
	if k.options.Room != nil {
		x.Room(k.options.Room)
	}
	k.mu.Lock()
	k.x = x
	k.why = errCatchingUp
	k.doubted.Store(nil)
	k.mu.Unlock()
	ctx, cancel := context.WithCancelCause(k.ctx)
	defer cancel(nil)
	f := &follower{Keeper: k, x: x, ids: commands.NewIdentities(k.store), after: after(x.Position()), attempts: attempts{first: k.options.Retry, most: flushRetryMost}}
	k.pending.Store(0)
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	flusher := make(chan struct{})
	go func() {
		defer close(flusher)
		cancel(f.flushes(ctx))
	}()
	err = f.live(ctx)
	cancel(err)
	<-flusher
	if cause := context.Cause(ctx); cause != nil && k.ctx.Err() == nil {
		return cause
	}
	return err
}

// open opens the index, and makes a new one in the place of one that cannot be used.
func (k *Keeper) open(again bool) (*index.Index, error) {
	root := RootOf(k.store)
	if !again {
		x, err := index.Open(k.options.Dir, k.store.UUID(), root)
		if err == nil {
			for _, dropped := range x.Dropped() {
				k.options.Log.Warn("a file of the index of the history is left out, and made again from the log", "error", dropped.Error())
			}
			k.sweep()
			return x, nil
		}
		if !errors.Is(err, index.ErrRebuild) {
			return nil, err
		}
		k.options.Log.Warn("the index of the history cannot be used; it is made again from the log", "error", err.Error())
	}
	if err := index.Clear(k.options.Dir); err != nil {
		return nil, fmt.Errorf("the index of the history cannot be removed: %w", err)
	}
	k.rebuilt.Add(1)
	return index.Open(k.options.Dir, k.store.UUID(), root)
}

// after returns the place in the log after which an index continues: that of its last record. An
// engine that has a second number in its positions has the same one twice.
func after(p index.Position) eventstore.Position {
	if p == 0 {
		return eventstore.Position{}
	}
	return eventstore.Position{Commit: uint64(p) - 1, Prepare: uint64(p) - 1}
}

// recordAt is a store that reads one record by its position. In another one it is read from the
// position before, which need not be one of a record.
type recordAt interface {
	At(ctx context.Context, p eventstore.Position) (eventstore.Record, error)
}

// RootOf returns what identifies the history of a store before a position, as an index asks for
// it: the hash of the last record there. Its id is of this history and no other, even if an older copy of the
// store was put back and went another way.
func RootOf(store eventstore.Store) index.RootFunc {
	return func(p index.Position) (eventstore.Hash, error) {
		if p < 2 { // no record is at position 0
			return eventstore.Hash{}, index.ErrUnknownRoot
		}
		if at, is := store.(recordAt); is {
			rec, err := at.At(context.Background(), after(p))
			if missing := (*eventstore.NotFound)(nil); errors.As(err, &missing) {
				return eventstore.Hash{}, index.ErrUnknownRoot
			}
			if err != nil {
				return eventstore.Hash{}, err
			}
			return eventstore.LeafHash(&rec), nil
		}
		for rec, err := range store.ReadAll(context.Background(), after(p-1)) {
			if err != nil {
				return eventstore.Hash{}, err
			}
			if rec.Position.Commit != uint64(p)-1 {
				break
			}
			return eventstore.LeafHash(&rec), nil
		}
		return eventstore.Hash{}, index.ErrUnknownRoot
	}
}

// follower adds records to one index.
type follower struct {
	*Keeper
	x       *index.Index
	ids     *commands.Identities
	after   eventstore.Position // of the last record that was added
	entries []index.Entry
	attempts
}

// catchUp adds what is in the log now. When it returns, the index is ready.
func (f *follower) catchUp(ctx context.Context) error {
	heads, err := f.heads(ctx)
	if err != nil {
		return unread(err)
	}
	last, err := f.store.End(ctx)
	if err != nil {
		return unread(err)
	}
	end, began := last.Commit, time.Now()
	told := began
	f.begun.Store(f.after.Commit)
	f.at.Store(f.after.Commit)
	f.end.Store(end)
	for rec, err := range f.store.ReadAll(ctx, f.after) {
		if err != nil {
			return unread(err)
		}
		if err := f.add(ctx, &rec); err != nil {
			return err
		}
		if err := f.makeRoom(ctx); err != nil {
			return err
		}
		f.at.Store(rec.Position.Commit)
		if time.Since(told) >= tellEvery {
			told = time.Now()
			f.options.Log.Info("the index of the history is being made from the log", "bytes", rec.Position.Commit, "of", end)
		}
		if rec.Position.Commit >= end {
			break
		}
	}
	if told != began || f.rebuilt.Load() > 0 {
		f.options.Log.Info("the index of the history is complete, and commands are answered", "took", time.Since(began).Round(time.Millisecond).String())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reach.Lock()
	defer f.reach.Unlock()
	for stream, next := range heads {
		f.reached[stream] = max(f.reached[stream], next)
	}
	f.ready, f.why, f.failed = true, nil, nil
	f.change()
	return nil
}

// makeRoom writes what is in memory while the log is read. It returns an error if that is not
// possible and too much has gathered.
func (f *follower) makeRoom(ctx context.Context) error {
	crowded := f.Unwritten() != nil && f.x.InMemory() > f.options.MostInMemory
	if !crowded && (f.pending.Load() < f.options.CatchUpFlush || !f.due()) {
		return nil
	}
	if err := f.flush(ctx); err != nil && crowded {
		return &crowdedError{f.x.InMemory(), err}
	}
	return ctx.Err()
}

// flush writes what is in memory. If that fails, such as on a full disk, it stays there.
func (f *follower) flush(ctx context.Context) error {
	n := f.pending.Load()
	err := f.x.Flush(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		err = f.resettle(ctx, err)
	}
	switch {
	case err == nil:
		f.pending.Add(-n)
		f.times = 0
		f.unwritten(nil, false)
	case ctx.Err() == nil:
		f.unwritten(err, f.attempts.fail())
	}
	return err
}

// resettle makes the folder of the index again if it was removed, and flushes once more. why is
// the error of the flush that found nothing there.
func (f *follower) resettle(ctx context.Context, why error) error {
	done, err := f.x.Resettle(ctx)
	if err != nil {
		return err
	}
	if !done {
		return why
	}
	f.options.Log.Warn("the folder of the index of the history was removed; it was made again, with all that was in it. Find out who removes files of a running server", "folder", f.options.Dir)
	return f.x.Flush(ctx)
}

// heads returns how many records each stream has.
func (f *follower) heads(ctx context.Context) (map[string]uint64, error) {
	streams, err := f.store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	heads := make(map[string]uint64, len(streams))
	for _, stream := range streams {
		head, err := f.store.Head(ctx, stream)
		if err != nil {
			return nil, err
		}
		heads[stream] = head + 1
	}
	return heads, nil
}

// live adds records as they are appended.
func (f *follower) live(ctx context.Context) error {
	for rec, err := range f.store.SubscribeAll(ctx, f.after) {
		if err != nil {
			return unread(err)
		}
		if err := f.add(ctx, &rec); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// add adds one record. What it says can be looked up before it counts as indexed.
func (f *follower) add(ctx context.Context, rec *eventstore.Record) error {
	entries, err := additionOf(ctx, f.ids, rec, f.entries[:0])
	if err != nil {
		return unread(err)
	}
	f.entries = entries
	if err := f.x.Add(index.Position(rec.Position.Commit), entries...); err != nil {
		return err
	}
	f.after = rec.Position
	f.pending.Add(1)
	f.added.Store(time.Now().UnixNano())
	f.reach.Lock()
	defer f.reach.Unlock()
	f.reached[rec.Stream] = max(f.reached[rec.Stream], rec.Revision+1)
	return nil
}

// additionOf appends what a record adds to the index.
func additionOf(ctx context.Context, ids *commands.Identities, rec *eventstore.Record, out []index.Entry) ([]index.Entry, error) {
	entries, err := ids.Of(ctx, rec)
	if err != nil {
		return nil, err
	}
	room := make([]byte, 0, len(entries)*index.IDs.ValueLen()) // for all values
	for _, e := range entries {
		from := len(room)
		room = append(binary.BigEndian.AppendUint64(room, rec.Revision), e.Mark[:]...)
		out = append(out, index.Entry{Table: index.IDs, Key: e.Key, Value: room[from:len(room):len(room)]})
	}
	return out, nil
}

// hitsIn reads the values of one key.
func hitsIn(values []byte) []commands.HistoryHit {
	if len(values) == 0 {
		return nil
	}
	width := index.IDs.ValueLen()
	hits := make([]commands.HistoryHit, 0, len(values)/width)
	for ; len(values) > 0; values = values[width:] {
		hits = append(hits, commands.HistoryHit{Revision: binary.BigEndian.Uint64(values), Mark: [16]byte(values[8:24])})
	}
	return hits
}

// flushes writes to disk what is in memory, now and then, until the index is doubted, which
// it returns.
func (f *follower) flushes(ctx context.Context) error {
	tick := time.NewTicker(min(f.options.Idle, f.options.Retry))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.doubt:
		case <-tick.C:
		}
		if err := f.doubted.Load(); err != nil {
			return *err
		}
		if err := f.x.Err(); err != nil {
			f.Doubt(err)
			return err
		}
		if f.worthIt() && f.due() {
			_ = f.flush(ctx) // it is tried again
		}
	}
}

// worthIt reports whether enough is in memory to be written, or it could not be written before.
func (f *follower) worthIt() bool {
	n := f.pending.Load()
	idle := time.Since(time.Unix(0, f.added.Load())) >= f.options.Idle
	return n >= f.options.FlushEvery || n >= f.options.Least && idle || f.Unwritten() != nil
}
