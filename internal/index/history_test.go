package index

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

// history is a log as the index sees it, and the oracle of what is in it: a map.
type history struct {
	log  []Addition
	keys [tables][]Key
	what [tables]map[Key][]version
}

type version struct {
	at    Position
	value []byte
}

var testStore = uuid.MustParse("11111111-2222-4333-8444-555555555555")

// newHistory makes records: identities, closed trades of few bots, equity in steps
// that are written several times, and now and then a checkpoint.
func newHistory(seed uint64, records int) *history {
	h := &history{}
	for t := range h.what {
		h.what[t] = map[Key][]version{}
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	at := Position(0)
	for n := range records {
		at += 1 + Position(rng.IntN(100))
		a := Addition{At: at}
		for range rng.IntN(4) {
			key := IDKey("fill", "main", fmt.Sprint(seed, rng.Uint64()))
			if known := h.keys[IDs]; len(known) > 0 && rng.IntN(4) == 0 { // it gets another value
				key = known[len(known)-1-rng.IntN(min(len(known), 30))]
			}
			if e := h.entry(rng, IDs, key); !h.alike(a.Entries, e) {
				a.Entries = append(a.Entries, e)
			}
		}
		if n == 157 { // more values than a block has
			for range 120 {
				a.Entries = append(a.Entries, h.entry(rng, IDs, h.keys[IDs][0]))
			}
		}
		if rng.IntN(3) == 0 {
			a.Entries = append(a.Entries, h.entry(rng, Closed, PrefixOf("main", fmt.Sprint("bot", rng.IntN(3))).At(uint64(n))))
		}
		if rng.IntN(2) == 0 {
			a.Entries = append(a.Entries, h.entry(rng, Equity, PrefixOf("main", "equity", "hour").At(uint64(n/5))))
		}
		if rng.IntN(10) == 0 {
			a.Entries = append(a.Entries, h.entry(rng, Live, PrefixOf("main").At(uint64(n))))
		}
		for _, e := range a.Entries {
			if h.what[e.Table][e.Key] == nil {
				h.keys[e.Table] = append(h.keys[e.Table], e.Key)
			}
			h.what[e.Table][e.Key] = append(h.what[e.Table][e.Key], version{at, e.Value})
		}
		h.log = append(h.log, a)
	}
	return h
}

func (h *history) entry(rng *rand.Rand, t Table, key Key) Entry {
	value := make([]byte, t.ValueLen())
	for i := range value {
		value[i] = byte(rng.Uint32())
	}
	return Entry{Table: t, Key: key, Value: value}
}

// end is the position after the last record.
func (h *history) end() Position { return h.log[len(h.log)-1].At + 1 }

// from yields the records from a position on.
func (h *history) from(p Position) []Addition {
	i, _ := slices.BinarySearchFunc(h.log, p, func(a Addition, p Position) int { return cmp.Compare(a.At, p) })
	return h.log[i:]
}

// alike reports that a record has an entry of a key already: in one record there is one.
func (h *history) alike(entries []Entry, e Entry) bool {
	return slices.ContainsFunc(entries, func(other Entry) bool { return other.Key == e.Key })
}

// value is what the records before a position say of a key; nil is nothing. Of a key with
// several values it is all of them, in order.
func (h *history) value(t Table, key Key, asOf Position) []byte {
	if schemas[t].many {
		return h.values(t, key, asOf)
	}
	var found []byte
	for _, v := range h.what[t][key] {
		if v.at < asOf {
			found = v.value
		}
	}
	return found
}

func (h *history) values(t Table, key Key, asOf Position) []byte {
	var all [][]byte
	for _, v := range h.what[t][key] {
		if v.at < asOf {
			all = append(all, v.value)
		}
	}
	if all == nil {
		return nil
	}
	slices.SortFunc(all, bytes.Compare)
	return bytes.Join(all, nil)
}

// within is what they say of a range.
func (h *history) within(t Table, p Prefix, first, last uint64, reverse bool, limit int, asOf Position) []Entry {
	var out []Entry
	for _, key := range h.keys[t] {
		if v := h.value(t, key, asOf); v != nil && key.Prefix() == p && key.N() >= first && key.N() <= last {
			out = append(out, Entry{t, key, v})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if reverse {
			a, b = b, a
		}
		return bytes.Compare(a.Key[:], b.Key[:])
	})
	return out[:min(limit, len(out))]
}

func (h *history) all() iter.Seq2[Addition, error] {
	return func(yield func(Addition, error) bool) {
		for _, a := range h.log {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// rootAt is the root of every test's log at a position.
func rootAt(p Position) (eventstore.Hash, error) {
	return sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("log"), uint64(p))), nil
}

// byHand is an index that merges only when the test says so, without waiting.
var byHand = settings{most: maxRun, step: rebuildStep, pause: pause, foreground: true}

func openMem(t testing.TB, d *memFolder) *Index {
	t.Helper()
	x, err := open(d, testStore, rootAt, byHand)
	require.NoError(t, err)
	x.unpaced.Store(true)
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func add(t testing.TB, x *Index, log []Addition) {
	t.Helper()
	for _, a := range log {
		require.NoError(t, x.Add(a.At, a.Entries...))
	}
}

// looks is what an Index and a Reader answer.
type looks interface {
	GetMany(Table, []Key, [][]byte) (Position, error)
	Range(Table, Prefix, uint64, uint64, bool, int) ([]Entry, Position, error)
}

// check asks for every key of the history, for some that are not in it, and for
// ranges, and returns how many answers were errors. An error has to match
// ErrRebuild; every other answer has to be right.
func check(t testing.TB, x looks, h *history) (failed int) {
	t.Helper()
	for table := range Table(tables) {
		failed += checkTable(t, x, h, table)
	}
	return failed
}

func checkTable(t testing.TB, x looks, h *history, table Table) (failed int) {
	t.Helper()
	keys := append(slices.Clone(h.keys[table]), IDKey("fill", "main", "none"), Key{}, lastKey)
	for chunk := range slices.Chunk(keys, 64) {
		values := make([][]byte, len(chunk))
		asOf, err := x.GetMany(table, chunk, values)
		if err != nil {
			require.ErrorIs(t, err, ErrRebuild)
			failed++
		}
		for i := range chunk {
			var want []byte // nothing is known after an error
			if err == nil {
				want = h.value(table, chunk[i], asOf)
			}
			if (want == nil) != (values[i] == nil) || !bytes.Equal(want, values[i]) {
				require.Equal(t, want, values[i], "%s %x as of %d", table, chunk[i], asOf)
			}
		}
	}
	if table == IDs || len(h.keys[table]) == 0 {
		return failed
	}
	for _, reverse := range []bool{false, true} {
		for _, limit := range []int{3, 1 << 20} {
			failed += checkRange(t, x, h, table, h.keys[table][0].Prefix(), 0, 1<<64-1, reverse, limit)
		}
	}
	return failed
}

func checkRange(t testing.TB, x looks, h *history, table Table, p Prefix, first, last uint64, reverse bool, limit int) int {
	t.Helper()
	got, asOf, err := x.Range(table, p, first, last, reverse, limit)
	if err != nil {
		require.ErrorIs(t, err, ErrRebuild)
		require.Nil(t, got)
		return 1
	}
	want := h.within(table, p, first, last, reverse, limit, asOf)
	require.Len(t, got, len(want))
	for i := range want {
		if want[i].Key != got[i].Key || !bytes.Equal(want[i].Value, got[i].Value) {
			require.Equal(t, want[i], got[i])
		}
	}
	return 0
}
