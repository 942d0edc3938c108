package commands

import (
	"bytes"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// cache is a Snapshots whose content a test can damage.
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

func (c *cache) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.saved)
}

// snapshots has two pairs of snapshots of a stream that has continued since.
func snapshots(t *testing.T) (*rig, *cache) {
	t.Helper()
	r, c := newRig(t), &cache{}
	for range 2 {
		r.w.Close()
		r.w = r.writer(Options{Snapshots: c})
		if len(c.saved) == 0 {
			r.opened("a")
		}
		r.must(botCaller("a"), permit("a", "1"))
		r.must(botCaller("a"), fill("a", r.key(), "buy", "1", "0.5"))
		r.w.Close() // saves
	}
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
	r.w = NewWriter(counted, "main", Options{Now: r.clock.Now, Snapshots: c})
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
				r.w = r.writer(Options{Snapshots: c})
				r.must(olga, deposit("1"))
				require.LessOrEqual(t, c.loads, 2*maxSnapshots)
				if which == "3" || which == "2" {
					require.Equal(t, c.saved[0].revision+1, r.w.snapshot, "the older pair is used")
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
			r.w = r.writer(Options{Snapshots: c})
			r.must(olga, deposit("1"))
			require.Equal(t, c.saved[0].revision+1, r.w.snapshot, "the older pair is used")
			r.check()
			r.checkIndex()
		})
	}
}

// Close saves a snapshot, unless nothing was added; so a folder without any has one after
// the next start.
func TestCloseSavesASnapshot(t *testing.T) {
	r, c := snapshots(t)
	r.w = r.writer(Options{Snapshots: c})
	r.must(olga, deposit("1"))
	r.w.Close()
	require.Len(t, c.saved, 6)
	r.w = r.writer(Options{Snapshots: c})
	_, err := r.do(olga, "key-1", openMain())
	require.NoError(t, err)
	r.w.Close()
	require.Len(t, c.saved, 6, "nothing was added")

	fresh := &cache{}
	r.w = r.writer(Options{Snapshots: fresh})
	_, err = r.do(olga, "key-1", openMain())
	require.NoError(t, err)
	r.w.Close()
	require.Len(t, fresh.saved, 2, "the whole history was folded: keep that")
	r.check()
}

// gated blocks loads of a snapshot until it is opened.
type gated struct {
	cache
	asked, open chan struct{}
}

func (c *gated) Load(kind, stream string, atMost uint64) (uint64, []byte) {
	select {
	case c.asked <- struct{}{}:
		<-c.open
	default: // no caller waits for it
	}
	return c.cache.Load(kind, stream, atMost)
}

// A large state takes a second to encode, which no stop may wait for: while commands
// arrive, snapshots are made beside the loop, from a separate fold.
func TestCommandsGoOnWhileASnapshotIsMade(t *testing.T) {
	r, c := newRig(t), &gated{asked: make(chan struct{}), open: make(chan struct{})}
	r.w.Close()
	r.w = r.writer(Options{Snapshots: c, SnapshotEvery: 40})
	r.opened("a")
	made, opened := make(chan struct{}), sync.OnceFunc(func() { close(c.open) })
	defer opened()
	go func() { defer close(made); <-c.asked }()
	for i := 0; ; i++ {
		require.Less(t, i, 1000, "no snapshot is begun")
		r.must(olga, deposit("1"))
		select {
		case <-made:
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
	r.must(olga, StopBot{Bot: "a"}) // while it is being made
	require.Zero(t, c.count())
	opened()
	require.Eventually(t, func() bool { return c.count() > 0 }, 10*time.Second, time.Millisecond)
	r.w.Close()
	for _, kept := range c.saved {
		s := portfolio.New()
		if kept.kind != SnapshotState {
			continue
		}
		for _, rec := range r.records()[:kept.revision+1] {
			e, err := domain.Decode(rec.Type, rec.Data)
			require.NoError(t, err)
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		b, err := s.Snapshot()
		require.NoError(t, err)
		require.Equal(t, string(b), string(kept.data))
	}
	r.check()
	r.checkIndex()
}

// A state that is ahead of the durable records is never saved.
func TestNoSnapshotAfterAFailedAppend(t *testing.T) {
	r := newRig(t)
	c := &cache{}
	r.w.Close()
	r.w = r.writer(Options{Snapshots: c})
	r.opened()
	r.store.plan(fault{err: errDown})
	r.refused(domain.CodeUnavailable, olga, deposit("1"))
	r.w.Close()
	require.Empty(t, c.saved)
	r.check()
}
