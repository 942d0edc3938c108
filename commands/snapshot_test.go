package commands

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"

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

// keepIn saves what a follower would: the state and the index.
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
	x, err := IndexAt(ctx, store, c, stream, s.Next)
	if err == nil {
		c.Save(CheckpointIndex, stream, s.Next-1, x)
		c.Save(CheckpointState, stream, s.Next-1, state)
	}
	return err
}

// marshal is a checkpoint of the index.
func (x index) marshal() []byte {
	b := []byte(indexHeader)
	for id, e := range x {
		b = appendEntry(b, id, e)
	}
	return b
}

// snapshots has two pairs of checkpoints of a stream that has continued since.
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
	require.Len(t, c.saved, 4)
	r.w = r.writer()
	r.must(olga, deposit("77"))
	r.must(botCaller("a"), fill("a", "last", "sell", "1", "0.1"))
	r.w.Close()
	return r, c
}

// "Folding in any split (snapshot + tail) equals folding whole", for the state and for
// the index of commands.
func TestSnapshotAndTailEqualTheFullFold(t *testing.T) {
	r, c := snapshots(t)
	counted := &slowReads{Store: r.store, gate: make(chan struct{}), reading: make(chan struct{}, 99)}
	close(counted.gate)
	r.w = NewWriter(counted, "main", Options{Now: r.clock.Now, Checkpoints: c})
	t.Cleanup(r.w.Close)
	again, err := r.do(olga, "key-1", openMain()) // from the snapshot of the index
	require.NoError(t, err)
	require.True(t, again.Replayed)
	_, err = r.do(olga, "key-2", deposit("1"))
	requireCode(t, domain.CodeIdempotencyMismatch, err)
	r.must(olga, deposit("1"))
	r.check()
	r.checkIndex()
}

// checkIndex: the closed writer's index of commands is that of the stream.
func (r *rig) checkIndex() {
	r.t.Helper()
	full := index{}
	for _, rec := range r.records() {
		require.NoError(r.t, full.apply(&domain.Decoder{}, rec))
	}
	require.Equal(r.t, full, r.w.index)
}

var otherVersion = regexp.MustCompile(`^(\{"version":|pets commands )[0-9]+`)

// "A snapshot that cannot be used is ignored": of either kind, newest or all.
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
		for _, which := range []string{"0", "1", "2", "3", "23", "03", "12", "0123"} {
			t.Run(fmt.Sprint(name, " ", which), func(t *testing.T) {
				r, c := snapshots(t)
				for _, i := range which {
					c.saved[i-'0'].data = f(c.saved[i-'0'].data)
				}
				c.loads = 0
				r.w = r.writer(Options{Checkpoints: c})
				r.must(olga, deposit("1"))
				require.LessOrEqual(t, c.loads, 2*maxCheckpoints)
				if which == "3" || which == "2" {
					require.Equal(t, c.saved[0].revision+1, r.w.origin.size, "the older pair is used")
				}
				r.check()
				r.checkIndex()
			})
		}
	}
}

// A snapshot that claims another revision than it holds is ignored: both of a pair, or
// one, in which case half of the later records would be folded twice.
func TestASnapshotAtTheWrongRevisionIsIgnored(t *testing.T) {
	wrong := map[string]func(*cache){
		"a pair":       func(c *cache) { c.saved[2].revision++; c.saved[3].revision++ },
		"an old state": func(c *cache) { c.saved[3].data = c.saved[1].data },
	}
	for name, f := range wrong {
		t.Run(name, func(t *testing.T) {
			r, c := snapshots(t)
			f(c)
			r.w = r.writer(Options{Checkpoints: c})
			r.must(olga, deposit("1"))
			require.Equal(t, c.saved[0].revision+1, r.w.origin.size, "the older pair is used")
			r.check()
			r.checkIndex()
		})
	}
}

// A checkpoint may end between two records of one command, and begin there again; in the end it
// is the index of the stream, whatever it was made from.
func TestTheIndexGrowsAtAnyRecord(t *testing.T) {
	r, _ := snapshots(t)
	all := r.records()
	for _, steps := range [][]uint64{{uint64(len(all))}, {1, 2, 3, uint64(len(all))}, {2, 5, uint64(len(all))}, {uint64(len(all)) - 1, uint64(len(all))}} {
		c := &cache{}
		for _, size := range steps {
			b, err := IndexAt(t.Context(), r.store, c, Stream("main"), size)
			require.NoError(t, err)
			c.Save(CheckpointIndex, Stream("main"), size-1, b)
			got, err := unmarshalIndex(b)
			require.NoError(t, err)
			want := index{}
			for _, rec := range all[:size] {
				require.NoError(t, want.apply(&domain.Decoder{}, rec))
			}
			require.Equal(t, want, got, "%d of %v", size, steps)
		}
		c.saved[0].data = []byte("damaged")
		_, err := IndexAt(t.Context(), r.store, c, Stream("main"), steps[0])
		require.NoError(t, err, "it is made from the beginning")
	}
	_, err := IndexAt(t.Context(), r.store, &cache{}, Stream("main"), uint64(len(all))+1)
	require.ErrorContains(t, err, "ends before record")
}
