package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// tail is the entries of a table since its last run, in memory.
type tail struct {
	schema *schema
	at     map[Key]uint32
	values []byte
	// more are the further values of keys that have several, in order of their revisions,
	// which are all later than that of the value in at.
	more  map[Key][]uint32
	count int
	// numbers are the second halves of keys under each prefix, sorted; only for
	// tables that are read by range.
	numbers map[Prefix][]uint64
}

func newTail(s *schema) *tail {
	t := &tail{schema: s, at: map[Key]uint32{}}
	if !s.filter {
		t.numbers = map[Prefix][]uint64{}
	}
	if s.many {
		t.more = map[Key][]uint32{}
	}
	return t
}

func (t *tail) len() int { return t.count }

// put adds an entry, or replaces its value.
func (t *tail) put(key Key, value []byte) {
	first, known := t.at[key]
	next := uint32(t.count) //nolint:gosec // far fewer are kept in memory
	switch {
	case !known:
		t.at[key] = next
	case !t.schema.many:
		copy(t.value(first), value)
		return
	case t.several(key, first, next, value):
		return
	}
	t.count++
	t.values = append(t.values, value...)
	if t.numbers == nil {
		return
	}
	numbers, n := t.numbers[key.Prefix()], key.N()
	i := len(numbers) // most often the next revision, or the next moment
	if i > 0 && numbers[i-1] > n {
		i, _ = slices.BinarySearch(numbers, n)
	}
	t.numbers[key.Prefix()] = slices.Insert(numbers, i, n)
}

// several finds the place of one more value of a key, or replaces the one with the same
// revision and returns true. Records come in order, so the place is most often the last.
func (t *tail) several(key Key, first, next uint32, value []byte) (replaced bool) {
	revision := value[:revisionLen]
	if c := bytes.Compare(revision, t.value(first)[:revisionLen]); c == 0 {
		copy(t.value(first), value)
		return true
	} else if c < 0 {
		t.at[key], t.more[key] = next, slices.Insert(t.more[key], 0, first)
		return false
	}
	more := t.more[key]
	i := len(more)
	if i > 0 && bytes.Compare(t.value(more[i-1])[:revisionLen], revision) >= 0 {
		same := false
		i, same = slices.BinarySearchFunc(more, revision, func(at uint32, revision []byte) int {
			return bytes.Compare(t.value(at)[:revisionLen], revision)
		})
		if same {
			copy(t.value(more[i]), value)
			return true
		}
	}
	t.more[key] = slices.Insert(more, i, next)
	return false
}

// all appends every value of a key.
func (t *tail) all(key *Key, into []byte) []byte {
	first, known := t.at[*key]
	if !known {
		return into
	}
	into = append(into, t.value(first)...)
	for _, i := range t.more[*key] {
		into = append(into, t.value(i)...)
	}
	return into
}

func (t *tail) value(i uint32) []byte {
	n := t.schema.value
	return t.values[int(i)*n:][:n:n]
}

func (t *tail) get(key *Key) ([]byte, bool) {
	i, ok := t.at[*key]
	if !ok {
		return nil, false
	}
	return t.value(i), true
}

// within returns a copy of the entries under a prefix, at most limit of them,
// counted from the end if reverse.
func (t *tail) within(p Prefix, first, last uint64, reverse bool, limit int) []byte {
	numbers := t.numbers[p]
	lo, _ := slices.BinarySearch(numbers, first)
	hi, found := slices.BinarySearch(numbers, last)
	if found {
		hi++
	}
	if lo >= hi {
		return nil
	}
	if numbers = numbers[lo:hi]; len(numbers) > limit {
		if reverse {
			numbers = numbers[len(numbers)-limit:]
		} else {
			numbers = numbers[:limit]
		}
	}
	out := make([]byte, 0, len(numbers)*t.schema.width())
	for _, n := range numbers {
		key := p.At(n)
		out = append(append(out, key[:]...), t.value(t.at[key])...)
	}
	return out
}

// sorted returns all entries in order of their keys.
func (t *tail) sorted() []byte {
	type ref struct {
		high, low uint64
		i         uint32
	}
	refs := make([]ref, 0, t.count)
	for key, i := range t.at {
		refs = append(refs, ref{binary.BigEndian.Uint64(key[:8]), binary.BigEndian.Uint64(key[8:]), i})
	}
	for key, more := range t.more {
		for _, i := range more {
			refs = append(refs, ref{binary.BigEndian.Uint64(key[:8]), binary.BigEndian.Uint64(key[8:]), i})
		}
	}
	slices.SortFunc(refs, func(a, b ref) int {
		if c := cmp.Compare(a.high, b.high); c != 0 {
			return c
		}
		if c := cmp.Compare(a.low, b.low); c != 0 || !t.schema.many {
			return c
		}
		return bytes.Compare(t.value(a.i)[:revisionLen], t.value(b.i)[:revisionLen])
	})
	out := make([]byte, 0, len(refs)*t.schema.width())
	for _, r := range refs {
		out = binary.BigEndian.AppendUint64(out, r.high)
		out = binary.BigEndian.AppendUint64(out, r.low)
		out = append(out, t.value(r.i)...)
	}
	return out
}

// addAll puts entries that are newer.
func (t *tail) addAll(newer *tail) {
	entries, width := newer.sorted(), t.schema.width()
	for ; len(entries) > 0; entries = entries[width:] {
		t.put(Key(entries[:keyLen]), bytes.Clone(entries[keyLen:width]))
	}
}

// resident estimates the memory of the tail.
func (t *tail) resident() uint64 {
	const entry = 48                             // what a map of keys and numbers takes for each, at most
	return uint64(t.count*entry + cap(t.values)) //nolint:gosec // a length
}
