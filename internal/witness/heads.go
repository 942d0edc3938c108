package witness

import (
	"context"
	"crypto/sha256"
	"fmt"

	"pets/eventstore"
)

// keepSnapshots is how many snapshots of a kind are remembered for each stream.
const keepSnapshots = 2

// Want requests the head of a stream at a size and returns a function that waits
// for it. If the keeper has not reached that size yet, this costs nothing;
// otherwise the records since the last pass are hashed again, or all of them for an
// earlier size. They have to lead to what the keeper has seen of the stream, so the
// head of a history that was exchanged since is an error. The size must not be
// beyond what is durable.
func (k *Keeper) Want(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trees[stream]
	if t == nil {
		t = &tree{}
		k.trees[stream] = t
	}
	switch at := t.frontier.Size(); {
	case at == size:
		head := t.head()
		return func(context.Context) (eventstore.TreeHead, error) { return head, nil }
	case at > size:
		var from eventstore.Frontier
		if t.base.Size() < size {
			from = t.base.Clone()
		}
		seen := t.frontier.Clone()
		return func(ctx context.Context) (eventstore.TreeHead, error) {
			return k.rehash(ctx, stream, from, size, &seen)
		}
	}
	if err := k.broken; err != nil {
		return func(context.Context) (eventstore.TreeHead, error) { return eventstore.TreeHead{}, err }
	}
	w := waiter{size, make(chan eventstore.TreeHead, 1)}
	t.waiting = append(t.waiting, w)
	return func(ctx context.Context) (eventstore.TreeHead, error) { return k.await(ctx, stream, w) }
}

func (t *tree) head() eventstore.TreeHead {
	return eventstore.TreeHead{Size: t.frontier.Size(), Root: t.frontier.Root(), Leaf: t.leaf}
}

// serve answers the requests for the current size of the tree.
func (t *tree) serve() {
	left := t.waiting[:0]
	for _, w := range t.waiting {
		if w.size == t.frontier.Size() {
			w.head <- t.head()
			continue
		}
		left = append(left, w)
	}
	t.waiting = left
}

func (k *Keeper) await(ctx context.Context, stream string, w waiter) (eventstore.TreeHead, error) {
	select {
	case head := <-w.head:
		return head, nil
	case <-ctx.Done():
	case <-k.closed:
	}
	select {
	case head := <-w.head:
		return head, nil
	default:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return eventstore.TreeHead{}, k.broken
	}
	return eventstore.TreeHead{}, fmt.Errorf("witness: stream %s was not followed up to record %d in time", stream, w.size)
}

// HistoryError reports that a stream's records are not those that the witness has seen.
type HistoryError struct {
	Stream  string
	Records uint64
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("stream %s: its first %d records are not those that the witness has seen", e.Stream, e.Records)
}

// rehash continues from a frontier with the records of the stream, and goes on to what was
// seen of it.
func (k *Keeper) rehash(ctx context.Context, stream string, f eventstore.Frontier, size uint64, seen *eventstore.Frontier) (eventstore.TreeHead, error) {
	head := eventstore.TreeHead{Size: size}
	if size == 0 {
		head.Root = sha256.Sum256(nil)
		return head, nil
	}
	for rec, err := range k.o.Store.ReadStream(ctx, stream, f.Size()) {
		if err != nil {
			return head, err
		}
		if rec.Revision != f.Size() {
			return head, &MismatchError{stream, rec.Revision, f.Size()}
		}
		leaf := eventstore.LeafHash(&rec)
		if f.Append(leaf); f.Size() == size {
			head.Root, head.Leaf = f.Root(), leaf
		}
		if f.Size() < seen.Size() {
			continue
		}
		if f.Root() != seen.Root() {
			return head, &HistoryError{stream, f.Size()}
		}
		return head, nil
	}
	return head, fmt.Errorf("witness: stream %s ends before record %d", stream, seen.Size())
}

// Root returns the root of a stream's hash tree at a size, if the keeper remembers it: the one
// that it has come to, and the one that was written last.
func (k *Keeper) Root(stream string, size uint64) (root eventstore.Hash, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trees[stream]
	switch {
	case t == nil || size == 0:
		return root, false
	case t.frontier.Size() == size:
		return t.frontier.Root(), true
	case t.base.Size() == size:
		return t.base.Root(), true
	}
	return root, false
}

// Newest is [Reader.Newest] for the witness that is being kept.
func (k *Keeper) Newest(kind, stream string, atMost uint64) (size uint64, hash eventstore.Hash, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trees[stream]
	if t == nil {
		return 0, hash, false
	}
	s, ok := t.newest(kind, atMost)
	return s.size, s.hash, ok
}

// Keep registers the hash of a snapshot's file, which is trusted from now on. It
// returns the sizes of snapshots of its kind that are no longer kept.
func (k *Keeper) Keep(kind, stream string, size uint64, hash eventstore.Hash) (dropped []uint64) {
	if len(kind) > maxKindLen || size == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trees[stream]
	if t == nil {
		t = &tree{}
		k.trees[stream] = t
	}
	var same, others []snapshot
	for _, s := range t.snapshots {
		switch {
		case s.kind != kind:
			others = append(others, s)
		case s.size != size:
			same = append(same, s)
		}
	}
	same = append(same, snapshot{kind, size, hash})
	for len(same) > keepSnapshots {
		dropped = append(dropped, same[0].size)
		same = same[1:]
	}
	t.snapshots = append(others, same...)
	k.touch(stream, t)
	k.hurry()
	return dropped
}
