package migrate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/esdb"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
	"pets/internal/esdbtest"
)

// engines are the stores between which records are moved.
var engines = map[string]func(t *testing.T) eventstore.Store{
	"memory": func(*testing.T) eventstore.Store { return memory.New() },
	"embedded": func(t *testing.T) eventstore.Store {
		s, err := embedded.Open(filepath.Join(t.TempDir(), "store"), embedded.Options{NoFill: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	},
	"wire": func(t *testing.T) eventstore.Store { return connect(t, esdbtest.Start(t, esdbtest.Options{})) },
}

func connect(t *testing.T, server *esdbtest.Server) *esdb.Store {
	t.Helper()
	a, err := esdb.Parse(server.URL())
	require.NoError(t, err)
	s, err := esdb.Open(t.Context(), a, esdb.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// odd are bytes that an engine may not change.
var odd = []string{"", "{}", "{ \"a\" : 1.0,\n\t\"a\":2 }", "\x00\xff\xfe", "plain", `{"é":"\u00e9"}`, "  [1]  ", "null"}

// grow appends n appends to each of several streams in turn, from a round on, of one to three
// records each.
func grow(t *testing.T, s eventstore.Store, from, n int) {
	t.Helper()
	streams := []string{"system", "portfolio-a", "portfolio-b", "portfolio-c"}
	for round := from; round < from+n; round++ {
		for i, stream := range streams {
			if round < i { // not all begin at once
				continue
			}
			expected := eventstore.NoStream
			if head, err := s.Head(t.Context(), stream); err == nil {
				expected = eventstore.At(head)
			}
			records := storetest.Propose(stream, int(expected)+1, 1+(round+i)%3)
			for k := range records {
				records[k].Metadata = []byte(odd[(round+k)%len(odd)])
				records[k].Data = []byte(odd[(round+i+k)%len(odd)])
				records[k].Type = fmt.Sprintf("test.%d.v1", k)
			}
			storetest.Must(t, s, stream, expected, records)
		}
	}
}

// requireCopy fails unless both stores have the same records, and the heads are those of both.
func requireCopy(t *testing.T, source, target eventstore.Store, heads []Head) {
	t.Helper()
	ours, err := source.Streams(t.Context())
	require.NoError(t, err)
	theirs, err := target.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, ours, theirs)
	require.Len(t, heads, len(ours))
	for i, name := range ours {
		want := storetest.All(t, source.ReadStream(t.Context(), name, 0))
		got := storetest.All(t, target.ReadStream(t.Context(), name, 0))
		require.Len(t, got, len(want), name)
		f := eventstore.Frontier{}
		for k := range want {
			require.Equal(t, string(eventstore.AppendLeaf(nil, &want[k])), string(eventstore.AppendLeaf(nil, &got[k])), "%s/%d", name, k)
			f.Append(eventstore.LeafHash(&want[k]))
		}
		require.Equal(t, Head{name, uint64(len(want)), f.Root()}, heads[i])
	}
}

// move does everything, and returns the heads and how many records were copied.
func move(t *testing.T, source, target eventstore.Store, window int) ([]Head, uint64) {
	t.Helper()
	m := New(source, target)
	m.window = window
	_, err := m.Begin(t.Context())
	require.NoError(t, err)
	copied, err := m.Copy(t.Context())
	require.NoError(t, err)
	heads, err := m.Verify(t.Context())
	require.NoError(t, err)
	behind, err := m.Behind(t.Context())
	require.NoError(t, err)
	require.Zero(t, behind)
	return heads, copied
}

// order is the order of all records, without their bytes.
func order(t *testing.T, s eventstore.Store) (all []string) {
	t.Helper()
	for _, rec := range storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})) {
		all = append(all, fmt.Sprintf("%s/%d", rec.Stream, rec.Revision))
	}
	return all
}

var errKilled = errors.New("killed")

// dying is a store that a process writes to which is killed before or after an append.
type dying struct {
	eventstore.Store
	mu     sync.Mutex
	lives  int  // how many appends it survives
	after  bool // the last of them is written, and not answered
	killed bool
}

func (d *dying) Unwrap() eventstore.Store { return d.Store }

func (d *dying) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.killed {
		return eventstore.Appended{}, errKilled
	}
	if d.lives > 0 {
		d.lives--
		return d.Store.Append(ctx, stream, expected, records)
	}
	d.killed = true
	if d.after {
		if _, err := d.Store.Append(ctx, stream, expected, records); err != nil {
			return eventstore.Appended{}, err
		}
	}
	return eventstore.Appended{}, errKilled
}

// growing is a source that somebody appends to while it is read.
type growing struct {
	eventstore.Store
	every int // records
	grow  func()
}

func (g *growing) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		n := 0
		for rec, err := range g.Store.ReadAll(ctx, after) {
			if n++; n%g.every == 0 {
				g.grow()
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// long returns a record of a size.
func long(series string, n, size int) []eventstore.Proposed {
	records := storetest.Propose(series, n, 1)
	records[0].Data = []byte(strings.Repeat("x", size))
	return records
}
