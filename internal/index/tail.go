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
	// numbers are the second halves of keys under each prefix, sorted; only for
	// tables that are read by range.
	numbers map[Prefix][]uint64
}

func newTail(s *schema) *tail {
	t := &tail{schema: s, at: map[Key]uint32{}}
	if !s.filter {
		t.numbers = map[Prefix][]uint64{}
	}
	return t
}

func (t *tail) len() int { return len(t.at) }

// put adds an entry, or replaces its value. An identity is hardly ever added twice,
// so its key is not looked up first, and an old value stays where it is, unused.
func (t *tail) put(key Key, value []byte) {
	if t.numbers == nil {
		t.at[key] = uint32(len(t.values) / t.schema.value) //nolint:gosec // far fewer are kept in memory
		t.values = append(t.values, value...)
		return
	}
	if i, known := t.at[key]; known {
		copy(t.value(i), value)
		return
	}
	t.at[key] = uint32(len(t.at)) //nolint:gosec // far fewer are kept in memory
	t.values = append(t.values, value...)
	numbers, n := t.numbers[key.Prefix()], key.N()
	i := len(numbers) // most often the next revision, or the next moment
	if i > 0 && numbers[i-1] > n {
		i, _ = slices.BinarySearch(numbers, n)
	}
	t.numbers[key.Prefix()] = slices.Insert(numbers, i, n)
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
	refs := make([]ref, 0, len(t.at))
	for key, i := range t.at {
		refs = append(refs, ref{binary.BigEndian.Uint64(key[:8]), binary.BigEndian.Uint64(key[8:]), i})
	}
	slices.SortFunc(refs, func(a, b ref) int {
		if c := cmp.Compare(a.high, b.high); c != 0 {
			return c
		}
		return cmp.Compare(a.low, b.low)
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
	const entry = 48 // what a map of keys and numbers takes for each, at most
	return uint64(len(t.at)*entry + cap(t.values))
}
