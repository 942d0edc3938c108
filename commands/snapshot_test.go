package commands

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// cache is a Checkpoints whose content a test can damage.
type cache struct {
	mu    sync.Mutex
	saved []cached
	loads int
}

type cached struct {
	kind, stream string
	revision     uint64
	data         []byte
}

func (c *cache) Load(kind, stream string, atMost uint64) (uint64, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads++
	best := -1
	for i, s := range c.saved {
		if s.data != nil && s.kind == kind && s.stream == stream && s.revision <= atMost && (best < 0 || s.revision > c.saved[best].revision) {
			best = i
		}
	}
	if best < 0 {
		return 0, nil
	}
	return c.saved[best].revision, bytes.Clone(c.saved[best].data)
}

func (c *cache) Save(kind, stream string, revision uint64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved = append(c.saved, cached{kind, stream, revision, data})
}

// keep makes a checkpoint of a stream as it is now.
func (c *cache) keep(ctx context.Context, store eventstore.Store, stream string) error {
	return keepIn(ctx, c, store, stream)
}

// keepIn saves what a follower would.
func keepIn(ctx context.Context, c interface {
	Checkpoints
	Save(kind, stream string, revision uint64, data []byte)
}, store eventstore.Store, stream string,
) error {
	s := portfolio.New()
	err := eventstore.Walk(ctx, store, stream, 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		return err
	})
	if err != nil {
		return err
	}
	state, err := s.Snapshot()
	if err != nil {
		return err
	}
	c.Save(CheckpointState, stream, s.Next-1, state)
	return nil
}

// snapshots has two checkpoints of a stream that has continued since.
func snapshots(t *testing.T) (*rig, *cache) {
	t.Helper()
	r, c := newRig(t), &cache{}
	r.opened("a")
	for range 2 {
		r.must(botCaller("a"), permit("a", "1"))
		r.must(botCaller("a"), fill("a", r.key(), "buy", "1", "0.5"))
		require.NoError(t, c.keep(t.Context(), r.store, Stream("main")))
	}
	r.w.Close()
	require.Len(t, c.saved, 2)
	r.w = r.writer()
	r.must(olga, deposit("77"))
	r.must(botCaller("a"), fill("a", "last", "sell", "1", "0.1"))
	r.w.Close()
	return r, c
}

// "Folding in any split (snapshot + tail) equals folding whole", for the state and for
// the commands.
func TestSnapshotAndTailEqualTheFullFold(t *testing.T) {
	r, c := snapshots(t)
	counted := &slowReads{Store: r.store, gate: make(chan struct{}), reading: make(chan struct{}, 99)}
	close(counted.gate)
	r.w = NewWriter(counted, "main", lookingUp(r.store.Store, Options{Now: r.clock.Now, Checkpoints: c}))
	t.Cleanup(r.w.Close)
	again, err := r.do(olga, "key-1", openMain()) // before the snapshot
	require.NoError(t, err)
	require.True(t, again.Replayed)
	_, err = r.do(olga, "key-2", deposit("1"))
	requireCode(t, domain.CodeIdempotencyMismatch, err)
	r.must(olga, deposit("1"))
	r.check()
	r.checkIndex()
}

// checkIndex: the closed writer knows every command of the stream, and no other.
func (r *rig) checkIndex() {
	r.t.Helper()
	full := acceptedMap{}
	for _, rec := range r.records() {
		m, err := domain.DecodeMetadata(rec.Metadata)
		require.NoError(r.t, err)
		require.NoError(r.t, full.noteRecord(rec.Revision, &m))
	}
	if r.w.past != nil {
		r.w.past.ctx = context.Background() // that of the writer has ended
		r.w.past.ahead = nil
	}
	for id, want := range full {
		e, found, err := r.w.accepted.find(id)
		require.NoError(r.t, err)
		require.True(r.t, found)
		require.Equal(r.t, want, e)
	}
	_, found, err := r.w.accepted.find(uuid.New())
	require.NoError(r.t, err)
	require.False(r.t, found)
}

var otherVersion = regexp.MustCompile(`^(\{"version":)[0-9]+`)

// "A snapshot that cannot be used is ignored": the newest, or all.
func TestADamagedSnapshotIsIgnored(t *testing.T) {
	damage := map[string]func([]byte) []byte{
		"seen by the folder": func([]byte) []byte { return nil },
		"empty":              func([]byte) []byte { return []byte{} },
		"cut":                func(b []byte) []byte { return b[:len(b)/2] },
		"garbage":            func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) },
		"other version":      func(b []byte) []byte { return otherVersion.ReplaceAll(b, []byte("${1}999")) },
		"of a state":         func([]byte) []byte { return []byte(`{"version":1,"state":{}}`) },
		"null":               func([]byte) []byte { return []byte("null") },
	}
	for name, f := range damage {
		for _, which := range []string{"0", "1", "01"} {
			t.Run(fmt.Sprint(name, " ", which), func(t *testing.T) {
				r, c := snapshots(t)
				for _, i := range which {
					c.saved[i-'0'].data = f(c.saved[i-'0'].data)
				}
				c.loads = 0
				r.w = r.writer(lookingUp(r.store.Store, Options{Checkpoints: c}))
				r.must(olga, deposit("1"))
				require.LessOrEqual(t, c.loads, maxCheckpoints)
				if which == "1" {
					require.Equal(t, c.saved[0].revision+1, r.w.origin.size, "the older one is used")
				}
				r.check()
				r.checkIndex()
			})
		}
	}
}

// A snapshot that claims another revision than it holds is ignored.
func TestASnapshotAtTheWrongRevisionIsIgnored(t *testing.T) {
	wrong := map[string]func(*cache){
		"a revision too high": func(c *cache) { c.saved[1].revision++ },
		"an old state":        func(c *cache) { c.saved[1].data = c.saved[0].data },
	}
	for name, f := range wrong {
		t.Run(name, func(t *testing.T) {
			r, c := snapshots(t)
			f(c)
			r.w = r.writer(lookingUp(r.store.Store, Options{Checkpoints: c}))
			r.must(olga, deposit("1"))
			require.Equal(t, c.saved[0].revision+1, r.w.origin.size, "the older one is used")
			r.check()
			r.checkIndex()
		})
	}
}
