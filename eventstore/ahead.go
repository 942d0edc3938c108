package eventstore

import (
	"context"
	"fmt"
)

// A batch of records is small at first, for walks that end soon, and grows. A reader is at most two
// batches ahead of the one that is applied: one waits, and one is being filled.
const (
	firstBatch = 16
	mostBatch  = 256
)

// WalkAhead is [Walk] for long histories of which a record costs something to read and something
// to apply. It reads the records, and calls read with each, on a second goroutine, some batches
// ahead of apply, which gets what read has made of the record. All else is as with Walk: apply is
// called in the caller's goroutine and in order, an error of the store or of read ends the walk
// behind the records before it, and nothing runs any more when WalkAhead returns.
//
// read may see records that apply never gets. A panic in it is one of the caller.
func WalkAhead[T any](ctx context.Context, store Store, stream string, from uint64, read func(*Record) (T, error), apply func(T) error) error {
	ctx, end := context.WithCancel(ctx)
	r := aheadReader[T]{read: read, full: make(chan batch[T], 1), empty: make(chan []T, 3)}
	go r.run(ctx, store, stream, from)
	defer func() {
		end()
		for range r.full { // until the reader has ended
		}
	}()
	for b := range r.full {
		for i := range b.made {
			if err := apply(b.made[i]); err != nil {
				return fmt.Errorf("stream %s, revision %d: %w", stream, b.first+uint64(i), err)
			}
		}
		if b.panicked != nil {
			panic(b.panicked)
		}
		if b.last {
			return b.err
		}
		clear(b.made) // it must not keep what is applied
		r.empty <- b.made[:0]
	}
	return ctx.Err() // the reader had to end
}

// batch is what was made of records, the first of them at a revision. The last one says how the
// reader ended behind them.
type batch[T any] struct {
	first    uint64
	made     []T
	last     bool
	err      error
	panicked any
}

type aheadReader[T any] struct {
	read  func(*Record) (T, error)
	full  chan batch[T]
	empty chan []T // batches that were applied, to be filled again
	now   batch[T]
	size  int
}

// run reads until the stream or the context ends, or an error ends it.
func (r *aheadReader[T]) run(ctx context.Context, store Store, stream string, from uint64) {
	defer close(r.full)
	defer func() {
		if p := recover(); p != nil {
			r.now.panicked = p
		}
		r.now.last = true
		_ = r.pass(ctx) // it fails if the walk has ended
	}()
	r.now.first, r.size = from, firstBatch
	r.now.err = Walk(ctx, store, stream, from, func(rec Record) error {
		if len(r.now.made) == r.size {
			if err := r.pass(ctx); err != nil {
				return err
			}
			r.now.first, r.size = rec.Revision, min(2*r.size, mostBatch)
		}
		made, err := r.read(&rec)
		if err == nil {
			r.now.made = append(r.now.made, made)
		}
		return err
	})
}

// pass hands over the current batch, and begins another one.
func (r *aheadReader[T]) pass(ctx context.Context) error {
	select {
	case r.full <- r.now:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.now = batch[T]{}
	select {
	case r.now.made = <-r.empty:
	default:
	}
	return nil
}
