package index

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
)

// rebuildStep is how many entries of a table a rebuild keeps in memory. Eight runs
// of that size become a complete one.
const rebuildStep = 500_000

// Rebuild makes the index anew from the log, all of whose records are yielded in
// order, and calls progress, if given, with the position and the number of entries
// so far after each run. The goroutine that calls Add calls it. Readers go on: they
// are told that little is known yet. If it fails, or is interrupted, the index
// continues from [Index.Position] like any other.
func (x *Index) Rebuild(ctx context.Context, log iter.Seq2[Addition, error], progress func(at Position, entries uint64)) error {
	x.unpaced.Store(true)
	defer x.unpaced.Store(false)
	if err := x.empty(); err != nil {
		return err
	}
	entries, err := x.addAll(ctx, log, progress)
	if err != nil {
		return err
	}
	if err := x.Flush(ctx); err != nil {
		return err
	}
	if progress != nil {
		progress(x.Position(), entries)
	}
	return nil
}

// empty drops all that the index has, and removes every file of it, also those that
// do not count: one that a failed operation left behind could count again later. The
// files that begin the log go first: without them the others do not count, wherever
// a crash ends this.
func (x *Index) empty() error {
	x.flushing.Lock()
	defer x.flushing.Unlock()
	x.merging.Lock()
	defer x.merging.Unlock()
	if err := x.forget(); err != nil {
		return err
	}
	names, err := x.dir.list()
	if err == nil {
		names = ourFiles(names)
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(startOf(a), startOf(b)) })
		err = removeAll(x.dir, names)
	}
	if err != nil {
		return fmt.Errorf("index: removing it to rebuild it: %w", err)
	}
	x.fault.Store(nil)
	return nil
}

// forget drops all that is in memory.
func (x *Index) forget() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	for t := range x.tables {
		old := x.tables[t].list
		x.tables[t] = tableState{tail: newTail(&schemas[t]), list: newRunList()}
		old.release()
	}
	x.next = 0
	return nil
}

// addAll adds a log and flushes whenever a table has many entries in memory.
func (x *Index) addAll(ctx context.Context, log iter.Seq2[Addition, error], progress func(Position, uint64)) (uint64, error) {
	entries := uint64(0)
	var waiting [tables]int
	for a, err := range log {
		if err != nil {
			return entries, fmt.Errorf("index: reading the log: %w", err)
		}
		if err := x.Add(a.At, a.Entries...); err != nil {
			return entries, err
		}
		full := false
		for i := range a.Entries {
			entries++
			n := &waiting[a.Entries[i].Table]
			*n++
			full = full || *n >= x.step
		}
		if !full {
			continue
		}
		waiting = [tables]int{}
		if err := x.Flush(ctx); err != nil {
			return entries, err
		}
		if progress != nil {
			progress(a.At+1, entries)
		}
	}
	return entries, ctx.Err()
}
