package index

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// Verify compares the runs of the index, as they are now, with the log, all of whose
// records are yielded in order: entry by entry, in both directions. It writes nothing. What
// is in memory only was made from the log by this process, and is not compared.
//
// An error that matches [ErrDiffers] says what differs first; others that match
// [ErrRebuild] say what could not be read. One that matches [ErrLacks] says that something
// may have been taken for new that was not.
func (c *lookup) Verify(ctx context.Context, log iter.Seq2[Addition, error]) error {
	v, err := c.verification()
	if err != nil {
		return err
	}
	defer v.close()
	for a, err := range log {
		if err != nil {
			return fmt.Errorf("index: reading the log: %w", err)
		}
		if a.At >= v.end {
			break
		}
		if err := v.add(&a); err != nil {
			return c.note(err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return c.note(v.finish(ctx))
}

// verifyStep is how many entries of the log are looked up at once: in order of their keys,
// a block is read once for all of them.
const verifyStep = 1 << 16

// verification compares the runs of all tables with the log.
type verification struct {
	lists [tables]*runList
	ends  [tables]Position
	end   Position // of the last
	// waiting are entries of the log to be looked up, and counts how many different ones there
	// were for each run, of tables whose entries stay.
	waiting []logEntry
	counts  map[*run]uint64
	// second holds the tables whose entries may be replaced.
	second [tables]*tail
	buf    *[blockLen]byte
}

// logEntry is an entry that has to be in a run.
type logEntry struct {
	run   int // of its table
	n     int // the order in the log
	table Table
	entry []byte
}

func (c *lookup) verification() (*verification, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return nil, ErrClosed
	}
	v := &verification{counts: map[*run]uint64{}, buf: buffers.Get().(*[blockLen]byte)} //nolint:errcheck // nothing else is in the pool
	for t := range c.tables {
		v.lists[t], v.ends[t] = c.tables[t].list, c.tables[t].flushed
		v.lists[t].refs.Add(1)
		v.end = max(v.end, v.ends[t])
		v.second[t] = newTail(&schemas[t])
	}
	return v, nil
}

func (v *verification) close() {
	for _, list := range v.lists {
		list.release()
	}
	buffers.Put(v.buf)
}

// add notes what the log says. The entries of a record are looked up together, for one may
// replace another.
func (v *verification) add(a *Addition) error {
	for i := range a.Entries {
		e := &a.Entries[i]
		if e.Table >= tables || len(e.Value) != e.Table.ValueLen() {
			return fmt.Errorf("index: entry %d of the record at %d is none of %s: its value has %d bytes", i, a.At, e.Table, len(e.Value))
		}
		switch {
		case a.At >= v.ends[e.Table]:
		case schemas[e.Table].many:
			runs := v.lists[e.Table].runs
			at := sort.Search(len(runs), func(i int) bool { return runs[i].to > a.At })
			v.waiting = append(v.waiting, logEntry{at, len(v.waiting), e.Table, append(bytes.Clone(e.Key[:]), e.Value...)})
		default:
			v.second[e.Table].put(e.Key, e.Value)
		}
	}
	if len(v.waiting) < verifyStep {
		return nil
	}
	return v.look()
}

// look looks up the entries that wait.
func (v *verification) look() error {
	slices.SortFunc(v.waiting, func(a, b logEntry) int {
		order := schemas[a.table].order()
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.run, b.run), bytes.Compare(a.entry[:order], b.entry[:order]), cmp.Compare(a.n, b.n))
	})
	reader := runReader{n: -1, buf: v.buf}
	for i := range v.waiting {
		e := &v.waiting[i]
		if i+1 < len(v.waiting) && e.replacedBy(&v.waiting[i+1]) {
			continue
		}
		r := v.lists[e.table].runs[e.run]
		if reader.run != r {
			reader = runReader{run: r, n: -1, buf: v.buf}
		}
		if err := reader.confirm(e.entry); err != nil {
			return err
		}
		v.counts[r]++
	}
	clear(v.waiting)
	v.waiting = v.waiting[:0]
	return nil
}

func (e *logEntry) replacedBy(next *logEntry) bool {
	order := schemas[e.table].order()
	return e.table == next.table && e.run == next.run && bytes.Equal(e.entry[:order], next.entry[:order])
}

// finish compares how many entries there are, and the tables that are read as a whole.
func (v *verification) finish(ctx context.Context) error {
	if err := v.look(); err != nil {
		return err
	}
	for t, list := range v.lists {
		if !schemas[t].many {
			if err := v.compare(ctx, Table(t)); err != nil {
				return err
			}
			continue
		}
		for _, r := range list.runs { // all entries of the log are there: more are not of the log
			if n := v.counts[r]; n != r.count {
				return &UnusableError{File: r.name.String(), Kind: ErrDiffers, Reason: fmt.Sprintf("it has %d entries, and the log has %d of them", r.count, n)}
			}
		}
	}
	return nil
}

// compare reads a table to the end.
func (v *verification) compare(ctx context.Context, t Table) error {
	found := view{schema: &schemas[t], list: v.lists[t]}
	ours := found.entries(Key{}, lastKey, false)
	defer ours.close()
	logs := memorySource{entries: v.second[t].sorted(), width: schemas[t].width()}
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
			return differs(t.String(), schemas[t].order(), a, b)
		}
	}
}

// runReader finds entries in a run in rising order.
type runReader struct {
	run     *run
	n       int // the block that was read, or -1
	entries []byte
	buf     *[blockLen]byte
}

// confirm makes sure that the run has an entry, and that a look-up finds it.
func (r *runReader) confirm(want []byte) error {
	key := Key(want[:keyLen])
	if !filterHas(r.run.filter, &key) && r.run.count > 0 {
		return filterLacks(r.run.name, &key)
	}
	found, err := r.find(want[:r.run.schema.order()])
	if err == nil && !bytes.Equal(found, want) {
		err = differs(r.run.name.String(), r.run.schema.order(), found, want)
	}
	return err
}

// find returns the entry with an order, or nil.
func (r *runReader) find(order []byte) ([]byte, error) {
	n := sort.Search(int(r.run.blocks), func(i int) bool { return bytes.Compare(r.run.fence(i), order[:keyLen]) >= 0 })
	width := r.run.schema.width()
	for n = max(n-1, r.n, 0); n < int(r.run.blocks); n++ {
		if n != r.n {
			entries, err := r.run.block(n, r.buf)
			if err != nil {
				return nil, err
			}
			r.n, r.entries = n, entries
		}
		i := sort.Search(len(r.entries)/width, func(i int) bool { return bytes.Compare(r.entries[i*width:][:len(order)], order) >= 0 })
		if i*width == len(r.entries) {
			continue
		}
		if e := r.entries[i*width:][:width]; bytes.Equal(e[:len(order)], order) {
			return e, nil
		}
		return nil, nil
	}
	return nil, nil
}

func filterLacks(name runName, key *Key) error {
	return damaged(name.String(), fmt.Sprintf("its filter lacks the key %x", *key), ErrLacks)
}

// differs describes two entries that differ; nil is behind the last, or not there.
func differs(file string, order int, ours, logs []byte) error {
	e := &UnusableError{File: file, Kind: ErrDiffers, Cause: ErrLacks}
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
		e.Cause, e.Reason = nil, fmt.Sprintf("it has the key %x, which the log does not have", ours[:order])
	case c > 0:
		e.Reason = fmt.Sprintf("it lacks the key %x", logs[:order])
	default:
		e.Reason = fmt.Sprintf("of the key %x it says %x, and the log says %x", ours[:keyLen], ours[keyLen:], logs[keyLen:])
	}
	return e
}
