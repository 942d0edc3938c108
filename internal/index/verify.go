package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/google/uuid"

	"pets/eventstore"
)

// Verify is like that of a [Reader]. What is in memory is written first: sorting it would
// keep look-ups waiting.
func (x *Index) Verify(ctx context.Context, log iter.Seq2[Addition, error], scratch string) error {
	if err := x.Flush(ctx); err != nil {
		return err
	}
	return x.lookup.Verify(ctx, log, scratch)
}

// Verify compares the index, as it is now, with the log, all of whose records are
// yielded in order: entry by entry, in both directions. It builds a second index
// in a temporary folder below scratch, which needs as much room as the first. An
// error that matches [ErrDiffers] says what differs first; others that match
// [ErrRebuild] say what could not be read.
func (c *lookup) Verify(ctx context.Context, log iter.Seq2[Addition, error], scratch string) (err error) {
	var views [tables]view
	var asOf [tables]Position
	for t := range Table(tables) {
		if views[t], asOf[t], err = c.view(t, (*tail).sorted); err != nil {
			return err
		}
		defer views[t].list.release()
	}
	dir, err := os.MkdirTemp(scratch, "index-verify-")
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	second, err := Open(dir, uuid.Nil, func(Position) (eventstore.Hash, error) { return eventstore.Hash{}, nil })
	if err != nil {
		return err
	}
	defer second.Close() //nolint:errcheck // its files are removed
	second.unpaced.Store(true)
	if _, err := second.addAll(ctx, until(log, asOf), nil); err != nil {
		return err
	}
	if err := second.Flush(ctx); err != nil {
		return err
	}
	for t := range Table(tables) {
		if err := compare(ctx, t, &views[t], second); err != nil {
			return c.note(err)
		}
	}
	return nil
}

// until yields of each table the entries before a position, and ends with the last.
func until(log iter.Seq2[Addition, error], asOf [tables]Position) iter.Seq2[Addition, error] {
	end := asOf[0]
	for _, p := range asOf {
		end = max(end, p)
	}
	return func(yield func(Addition, error) bool) {
		for a, err := range log {
			if err == nil && a.At >= end {
				return
			}
			kept := Addition{At: a.At, Entries: make([]Entry, 0, len(a.Entries))}
			for _, e := range a.Entries {
				if e.Table >= tables || a.At < asOf[e.Table] {
					kept.Entries = append(kept.Entries, e)
				}
			}
			if !yield(kept, err) {
				return
			}
		}
	}
}

// compare reads a table of both indexes to the end.
func compare(ctx context.Context, t Table, found *view, second *Index) error {
	want, _, err := second.view(t, (*tail).sorted)
	if err != nil {
		return err
	}
	defer want.list.release()
	ours, logs := found.entries(Key{}, lastKey, false), want.entries(Key{}, lastKey, false)
	defer ours.close()
	defer logs.close()
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		a, err := ours.next()
		if err != nil {
			return err
		}
		b, err := logs.next()
		if err != nil {
			return err
		}
		if a == nil && b == nil {
			return nil
		}
		if !bytes.Equal(a, b) {
			return &UnusableError{File: t.String(), Kind: ErrDiffers, Reason: difference(schemas[t].order(), a, b)}
		}
	}
}

// difference describes two entries that differ; nil is behind the last.
func difference(order int, ours, logs []byte) string {
	c := 0
	switch {
	case ours == nil:
		c = 1
	case logs == nil:
		c = -1
	default:
		c = bytes.Compare(ours[:order], logs[:order])
	}
	switch {
	case c < 0:
		return fmt.Sprintf("it has the key %x, which the log does not have", ours[:order])
	case c > 0:
		return fmt.Sprintf("it lacks the key %x", logs[:order])
	}
	return fmt.Sprintf("of the key %x it says %x, and the log says %x", ours[:keyLen], ours[keyLen:], logs[keyLen:])
}
