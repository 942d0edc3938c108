package index

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// lookup is what an [Index] and a [Reader] have in common: tables that are read by
// any number of goroutines.
type lookup struct {
	mu     sync.RWMutex
	tables [tables]tableState
	closed bool
	fault  atomic.Pointer[error]
}

// Position returns the least position of the tables: every look-up answers for the
// records before it, or for more.
func (c *lookup) Position() Position {
	c.mu.RLock()
	defer c.mu.RUnlock()
	least := c.tables[0].pos
	for t := range c.tables {
		least = min(least, c.tables[t].pos)
	}
	return least
}

// Err returns the first error that matched [ErrRebuild] since the index was opened
// or rebuilt: of a look-up, of a merge, or of Verify.
func (c *lookup) Err() error {
	if err := c.fault.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *lookup) note(err error) error {
	if errors.Is(err, ErrRebuild) {
		c.fault.CompareAndSwap(nil, &err)
	}
	return err
}

// usable is called under the lock.
func (c *lookup) usable(t Table) error {
	switch {
	case t >= tables:
		return fmt.Errorf("index: there is no %s", t)
	case c.closed:
		return ErrClosed
	}
	return nil
}

// recent looks into the tails, newest first, under the lock.
func (s *tableState) recent(key *Key) ([]byte, bool) {
	if v, ok := s.tail.get(key); ok {
		return v, true
	}
	if s.frozen != nil {
		return s.frozen.get(key)
	}
	return nil, false
}

// allRecent returns every value of a key in the tails, under the lock.
func (s *tableState) allRecent(key *Key) (values []byte) {
	if s.frozen != nil {
		values = s.frozen.all(key, nil)
	}
	return s.tail.all(key, values)
}

// get looks into the runs, newest first. The value aliases the buffer.
func (l *runList) get(key *Key, buf *[blockLen]byte) ([]byte, bool, error) {
	for i := len(l.runs) - 1; i >= 0; i-- {
		if v, ok, err := l.runs[i].get(key, buf); ok || err != nil {
			return v, ok, err
		}
	}
	return nil, false, nil
}

// Get returns the value of a key, or the values, as [GetMany] does. The answer holds for the records before asOf:
// not found means that none of them has the key. After an error nothing is known.
func (c *lookup) Get(t Table, key Key) (value []byte, asOf Position, found bool, err error) {
	var values [1][]byte
	asOf, err = c.GetMany(t, []Key{key}, values[:])
	return values[0], asOf, values[0] != nil, err
}

// GetMany looks up keys as of one position. It sets the value of each key that is
// there, and nil for the others. Of a table whose keys may have several values, it sets
// all of them, one after another, in order of their revisions.
func (c *lookup) GetMany(t Table, keys []Key, values [][]byte) (asOf Position, err error) {
	if len(values) != len(keys) {
		return 0, fmt.Errorf("index: %d keys and room for %d values", len(keys), len(values))
	}
	clear(values)
	c.mu.RLock()
	if err := c.usable(t); err != nil {
		c.mu.RUnlock()
		return 0, err
	}
	s := &c.tables[t]
	asOf = s.pos
	for i := range keys {
		if schemas[t].many {
			values[i] = s.allRecent(&keys[i])
		} else if v, ok := s.recent(&keys[i]); ok {
			values[i] = append([]byte{}, v...)
		}
	}
	list := s.list
	list.refs.Add(1)
	c.mu.RUnlock()
	defer list.release()
	fill := list.fill
	if schemas[t].many {
		fill = list.fillAll
	}
	if err := fill(keys, values); err != nil {
		clear(values)
		return 0, c.note(err)
	}
	return asOf, nil
}

// fill looks up the keys that have no value yet.
func (l *runList) fill(keys []Key, values [][]byte) error {
	buf := buffers.Get().(*[blockLen]byte) //nolint:errcheck // nothing else is in the pool
	defer buffers.Put(buf)
	for i := range keys {
		if values[i] != nil {
			continue
		}
		v, ok, err := l.get(&keys[i], buf)
		if err != nil {
			return err
		}
		if ok {
			values[i] = append([]byte{}, v...)
		}
	}
	return nil
}

// fillAll adds the values that the runs have, of every key. Those in memory are newer.
func (l *runList) fillAll(keys []Key, values [][]byte) (err error) {
	buf := buffers.Get().(*[blockLen]byte) //nolint:errcheck // nothing else is in the pool
	defer buffers.Put(buf)
	for i := range keys {
		var all []byte
		for _, r := range l.runs {
			if all, err = r.all(&keys[i], buf, all); err != nil {
				return err
			}
		}
		if all = append(all, values[i]...); len(all) > 0 {
			values[i] = inOrder(all, schemas[IDs].value)
		}
	}
	return nil
}

// inOrder sorts values of one key by their revisions. Of several with the same one, the last
// counts.
func inOrder(all []byte, width int) []byte {
	if len(all) == width {
		return all
	}
	values := make([][]byte, 0, len(all)/width)
	for v := range slices.Chunk(all, width) {
		values = append(values, v)
	}
	slices.SortStableFunc(values, func(a, b []byte) int { return bytes.Compare(a[:revisionLen], b[:revisionLen]) })
	out := make([]byte, 0, len(all))
	for i, v := range values {
		if i+1 == len(values) || !bytes.Equal(v[:revisionLen], values[i+1][:revisionLen]) {
			out = append(out, v...)
		}
	}
	return out
}

// Range returns the entries under a prefix with a revision or time from first to
// last, both included, in order or in the reverse order, at most limit of them. It
// is for tables whose keys are made by [Prefix.At]. The answer holds for the
// records before asOf.
func (c *lookup) Range(t Table, p Prefix, first, last uint64, reverse bool, limit int) (entries []Entry, asOf Position, err error) {
	if limit < 1 || t < tables && schemas[t].filter {
		return nil, 0, fmt.Errorf("index: no range of %d entries of %s can be read", limit, t)
	}
	v, asOf, err := c.view(t, func(s *tail) []byte { return s.within(p, first, last, reverse, limit) })
	if err != nil {
		return nil, 0, err
	}
	defer v.list.release()
	all := v.entries(p.At(first), p.At(last), reverse)
	defer all.close()
	for len(entries) < limit {
		e, err := all.next()
		if err != nil {
			return nil, 0, c.note(err)
		}
		if e == nil {
			break
		}
		entries = append(entries, Entry{Table: t, Key: Key(e[:keyLen]), Value: bytes.Clone(e[keyLen:])})
	}
	return entries, asOf, nil
}

// view is a table at one moment: its runs, and copies of the entries of its tails,
// oldest first.
type view struct {
	schema *schema
	list   *runList
	memory [][]byte
}

// view returns a table as it is now. The caller releases its list.
func (c *lookup) view(t Table, copyOf func(*tail) []byte) (view, Position, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.usable(t); err != nil {
		return view{}, 0, err
	}
	s := &c.tables[t]
	v := view{schema: &schemas[t], list: s.list}
	for _, part := range []*tail{s.frozen, s.tail} {
		if part != nil {
			v.memory = append(v.memory, copyOf(part))
		}
	}
	s.list.refs.Add(1)
	return v, s.pos, nil
}

// entries yields the entries from one key to another.
func (v *view) entries(lo, hi Key, reverse bool) *merged {
	sources := make([]source, 0, len(v.list.runs)+len(v.memory))
	for _, r := range v.list.runs {
		sources = append(sources, r.source(lo, hi, reverse))
	}
	for _, m := range v.memory {
		sources = append(sources, &memorySource{entries: m, width: v.schema.width(), reverse: reverse})
	}
	return merge(v.schema.order(), reverse, sources...)
}

// shut releases the runs; nothing can be looked up afterwards.
func (c *lookup) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for t := range c.tables {
		c.tables[t].list.release()
	}
}
