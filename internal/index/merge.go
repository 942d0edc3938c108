package index

import (
	"context"
	"fmt"
	"time"
)

// mergeRate is how many bytes of merged runs are written in a second, at most:
// merging must not slow the log down, which is on the same disk.
const mergeRate = 20 << 20

// mergeInBackground merges whenever runs were added, until the index is closed.
func (x *Index) mergeInBackground() {
	for {
		select {
		case <-x.wake:
		case <-x.ctx.Done():
			return
		}
		if err := x.mergeAll(x.ctx); err != nil && x.ctx.Err() == nil {
			x.mergeErr.Store(&err) // the next flush wakes it to try again
		} else {
			x.mergeErr.Store(nil)
		}
	}
}

func (x *Index) wakeMerger() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// mergeAll merges runs until there is nothing left to merge.
func (x *Index) mergeAll(ctx context.Context) error {
	x.merging.Lock()
	defer x.merging.Unlock()
	for _, t := range flushOrder {
		for more := true; more; {
			var err error
			if more, err = x.mergeOnce(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeOnce merges the next runs of a table. The sources stay until the merged run
// has its name: after a crash in between there are both, and the longer one counts.
func (x *Index) mergeOnce(ctx context.Context, t Table) (bool, error) {
	if x.Err() != nil {
		return false, nil // it is to be rebuilt
	}
	v, _, err := x.view(t, func(*tail) []byte { return nil })
	if err != nil {
		return false, err
	}
	defer v.list.release()
	lo, hi, ok := plan(v.list.counts(), x.most)
	if !ok {
		return false, nil
	}
	merged, err := x.writeMerged(ctx, v.list.runs[lo:hi])
	if err != nil {
		return false, x.note(err)
	}
	if !x.publishMerged(t, merged, lo, hi) {
		_ = merged.file.Close() // opened for reading only
		return false, ErrClosed
	}
	for _, r := range v.list.runs[lo:hi] {
		_ = x.dir.remove(r.name.String()) // the next opening removes it otherwise
	}
	return true, nil
}

func (l *runList) counts() []uint64 {
	out := make([]uint64, len(l.runs))
	for i, r := range l.runs {
		out[i] = r.count
	}
	return out
}

func (x *Index) writeMerged(ctx context.Context, runs []*run) (*run, error) {
	first, last := runs[0], runs[len(runs)-1]
	foot := footer{table: first.table, store: x.store, from: first.from, to: last.to, rootFrom: first.rootFrom, rootTo: last.rootTo}
	atMost := uint64(0)
	sources := make([]source, len(runs))
	for i, r := range runs {
		sources[i] = r.source(Key{}, lastKey, false)
		atMost += r.count
		foot.written += r.written
	}
	if err := x.mayWrite(atMost * uint64(schemas[first.table].width())); err != nil { //nolint:gosec // positive
		return nil, err
	}
	all := merge(schemas[first.table].order(), false, sources...)
	defer all.close()
	name, err := writeRun(x.dir, foot, atMost, all, func(n int) error { return x.pace(ctx, n) })
	if err != nil {
		return nil, err
	}
	r, err := openRun(x.dir, name, x.store)
	if err != nil {
		_ = x.dir.remove(name.String()) // the sources are still there
		return nil, fmt.Errorf("index: a merged run: %w", err)
	}
	return r, nil
}

// lastKey is the largest key.
var lastKey = Key{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}

// publishMerged puts a run in the place of those that it was merged from. Only
// flushes changed the list since, by adding to its end.
func (x *Index) publishMerged(t Table, merged *run, lo, hi int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return false
	}
	s := &x.tables[t]
	old := s.list
	runs := append(old.runs[:lo:lo], merged)
	s.list = newRunList(append(runs, old.runs[hi:]...)...)
	old.release()
	return true
}

// pace waits after n bytes were written.
func (x *Index) pace(ctx context.Context, n int) error {
	if x.unpaced.Load() {
		return ctx.Err()
	}
	return x.pause(ctx, time.Duration(n)*time.Second/mergeRate)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
