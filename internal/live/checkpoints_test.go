package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/live"
)

// shelf keeps checkpoints in memory.
type shelf struct {
	mu   sync.Mutex
	kept map[string][]onShelf
	// size is that of the newest checkpoint of an earlier run, of every stream.
	size  uint64
	bytes int64
	// gate, if not nil, is what each Keep waits for; begun is told before.
	gate, begun chan struct{}
	// fails lets Keep panic, and loses lets it say that nothing was written, lost times.
	fails, loses atomic.Bool
	lost         atomic.Int64
	// deaf makes it forget what it is given, as after a kill.
	deaf atomic.Bool
}

type onShelf struct {
	size  uint64
	root  eventstore.Hash
	at    time.Time
	state []byte
	views []byte
}

func (s *shelf) Newest(stream string) (uint64, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.kept[stream]; len(kept) > 0 {
		return kept[len(kept)-1].size, 0
	}
	return s.size, 0
}

func (s *shelf) Keep(_ context.Context, stream string, head eventstore.TreeHead, at time.Time, parts func() (map[string][]byte, error), done func(error)) (int64, error) {
	if s.gate != nil {
		s.begun <- struct{}{}
		<-s.gate
	}
	if s.fails.Load() {
		panic("the shelf is full")
	}
	if s.loses.Load() {
		s.lost.Add(1)
		done(errors.New("the disk is full"))
		return 1, nil
	}
	all, err := parts()
	b := all["state"]
	done(nil)
	if s.deaf.Load() {
		return int64(len(b)), err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string][]onShelf{}
	}
	s.kept[stream] = append(s.kept[stream], onShelf{head.Size, head.Root, at, b, all["views"]})
	return max(int64(len(b)), s.bytes), err
}

func (s *shelf) Load(kind, stream string, atMost uint64) (uint64, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.kept[stream]) {
		data := c.state
		if kind == "views" {
			data = c.views
		}
		if c.size-1 <= atMost && data != nil {
			return c.size - 1, data
		}
	}
	return 0, nil
}

// change changes all checkpoints of a portfolio.
func (s *shelf) change(id string, how func(*onShelf)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.kept[prefix+id] {
		how(&s.kept[prefix+id][i])
	}
}

func (s *shelf) of(id string) []onShelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]onShelf(nil), s.kept[prefix+id]...)
}

const never = time.Hour

// keeping is a world whose followers make checkpoints.
func keeping(t *testing.T, o live.Options, ids ...string) *world {
	w := newWorld(t, ids...)
	o.Prefix = prefix
	w.live = live.New(w.store, o)
	t.Cleanup(w.live.Close)
	return w
}

// requireFold checks that checkpoints are what the history folds to at their size.
func (w *world) requireFold(id string, kept []onShelf) {
	w.t.Helper()
	for _, c := range kept {
		s := portfolio.New()
		var tree eventstore.Frontier
		for rec, err := range w.store.ReadStream(w.t.Context(), prefix+id, 0) {
			require.NoError(w.t, err)
			if rec.Revision == c.size {
				break
			}
			e, err := domain.Decode(rec.Type, rec.Data)
			require.NoError(w.t, err)
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
			tree.Append(eventstore.LeafHash(&rec))
		}
		require.Equal(w.t, tree.Root(), c.root)
		want, err := s.Snapshot()
		require.NoError(w.t, err)
		require.Equal(w.t, string(want), string(c.state))
		require.Equal(w.t, s.Time, c.at)
	}
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 30*time.Second, time.Millisecond)
}

// Every so many events, of the state as it is then; and none of the history that was there at the
// start, as far as it has one.
func TestACheckpointEverySoManyEvents(t *testing.T) {
	s := &shelf{size: 15}
	w := keeping(t, live.Options{Checkpoints: s, CheckpointEvery: 10, CheckpointIdle: never}, "a")
	for range 19 {
		w.deposit("a", "1")
	}
	a := w.open("a")
	require.NoError(t, w.reach(a))
	for i := range 4 {
		w.deposit("a", "1")
		require.NoError(t, w.reach(a))
		require.Empty(t, s.of("a"), "event %d of the first ten since 15", 6+i)
	}
	for n := 1; n <= 3; n++ {
		for len(s.of("a")) < n {
			w.deposit("a", "1")
			require.NoError(t, w.reach(a))
		}
	}
	kept := s.of("a")
	require.GreaterOrEqual(t, kept[0].size, uint64(25))
	for i := 1; i < len(kept); i++ {
		require.GreaterOrEqual(t, kept[i].size, kept[i-1].size+10)
	}
	w.requireFold("a", kept)
}

// "When idle … after new events": once, and not again without new ones.
func TestACheckpointWhenNothingHappens(t *testing.T) {
	s := &shelf{}
	w := keeping(t, live.Options{Checkpoints: s, CheckpointIdle: time.Millisecond}, "a", "b")
	a, b := w.open("a"), w.open("b")
	require.NoError(t, w.reach(a))
	require.NoError(t, w.reach(b))
	eventually(t, func() bool { return len(s.of("a")) == 1 && len(s.of("b")) == 1 })
	w.deposit("a", "1")
	eventually(t, func() bool { return len(s.of("a")) == 2 })
	w.live.Close()
	require.Len(t, s.of("a"), 2, "nothing came since")
	require.Len(t, s.of("b"), 1)
	w.requireFold("a", s.of("a"))
}

// At close, of what has new events; a second Close makes none.
func TestACheckpointAtClose(t *testing.T) {
	s := &shelf{size: 3}
	w := keeping(t, live.Options{Checkpoints: s, CheckpointIdle: never}, "a", "b")
	for _, id := range []string{"a", "a", "a", "b", "b"} {
		w.deposit(id, "1")
	}
	require.NoError(t, w.live.Reached(t.Context()))
	w.live.Close()
	w.live.Close()
	require.Len(t, s.of("a"), 1)
	require.Empty(t, s.of("b"), "its newest checkpoint has all")
	w.requireFold("a", s.of("a"))
}

// Of many portfolios, those with a few new events get none: they are folded as fast.
func TestManyPortfoliosGetFewCheckpoints(t *testing.T) {
	s := &shelf{}
	ids := make([]string, 101)
	for i := range ids {
		ids[i] = fmt.Sprint("p", i)
	}
	w := keeping(t, live.Options{Checkpoints: s, CheckpointIdle: never}, ids...)
	for range 500 {
		w.deposit("p7", "1")
	}
	require.NoError(t, w.live.Reached(t.Context()))
	w.live.Close()
	require.Len(t, s.kept, 1)
	require.Len(t, s.of("p7"), 1)
}

// A checkpoint that takes for ever holds up no reader: neither the state nor what is new.
func TestReadersDoNotWaitForACheckpoint(t *testing.T) {
	s := &shelf{gate: make(chan struct{}), begun: make(chan struct{})}
	w := keeping(t, live.Options{Checkpoints: s, CheckpointEvery: 1, CheckpointIdle: never}, "a", "b")
	a := w.open("a")
	require.NoError(t, w.reach(a))
	w.deposit("a", "1")
	within(t, s.begun)
	for i := range 600 {
		w.deposit("a", "1")
		if i%100 == 0 {
			require.NoError(t, w.reach(a))
		}
	}
	b := w.open("b")
	require.NoError(t, w.reach(a))
	require.NoError(t, w.reach(b))
	require.NoError(t, a.Read(func(now *portfolio.State) error {
		require.EqualValues(t, 602, now.Next)
		return nil
	}))
	go func() {
		for range s.begun {
		}
	}()
	close(s.gate)
	w.live.Close()
	close(s.begun)
	w.requireFold("a", s.of("a"))
}

// A large state is kept less often: an event pays for so many bytes.
func TestLargeStatesAreKeptLessOften(t *testing.T) {
	s := &shelf{bytes: 20 * 2048}
	w := keeping(t, live.Options{Checkpoints: s, CheckpointEvery: 1, CheckpointIdle: never}, "a")
	a := w.open("a")
	require.NoError(t, w.reach(a))
	for len(s.of("a")) < 3 {
		w.deposit("a", "1")
		require.NoError(t, w.reach(a))
	}
	kept := s.of("a")
	require.GreaterOrEqual(t, kept[1].size, kept[0].size+20)
	require.GreaterOrEqual(t, kept[2].size, kept[1].size+20)
}

// A checkpoint that fails is said once, and hurts nothing else; one of a portfolio that is broken
// or not open is none.
func TestACheckpointThatFailsIsAlone(t *testing.T) {
	s := &shelf{}
	s.fails.Store(true)
	var said lockedBuffer
	w := keeping(t, live.Options{Checkpoints: s, CheckpointEvery: 1, CheckpointIdle: never, Log: slog.New(slog.NewTextHandler(&said, nil))}, "a")
	a := w.open("a")
	for range 9 {
		w.deposit("a", "1")
		require.NoError(t, w.reach(a))
	}
	eventually(t, func() bool { return bytes.Contains(said.bytes(), []byte("no checkpoint can be made of a portfolio")) })
	w.live.Close()
	require.Equal(t, 1, bytes.Count(said.bytes(), []byte("no checkpoint can be made of a portfolio")))
	require.Contains(t, string(said.bytes()), "the shelf is full")
	require.Empty(t, s.kept)

	s2 := &shelf{}
	w = keeping(t, live.Options{Checkpoints: s2, CheckpointIdle: time.Millisecond})
	w.raw("broken", eventstore.Proposed{ID: uuid.New(), Type: "of.tomorrow.v1", Time: noon, Metadata: []byte(`{}`), Data: []byte(`{}`)})
	w.open("broken")
	w.deposit("unopened", "1")
	require.NoError(t, w.reach(w.open("unopened")))
	eventually(t, func() bool { return w.live.Broken() == "broken" })
	w.live.Close()
	require.Empty(t, s2.kept)
}

// After a failure the next checkpoint is made when it is due again, be it that one could not be made or
// that it was not written.
func TestAFailureIsTriedAgain(t *testing.T) {
	for name, breaks := range map[string]func(s *shelf, now bool){
		"not made":    func(s *shelf, now bool) { s.fails.Store(now) },
		"not written": func(s *shelf, now bool) { s.loses.Store(now) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{}
			var said lockedBuffer
			breaks(s, true)
			w := keeping(t, live.Options{Checkpoints: s, CheckpointEvery: 3, CheckpointIdle: never, Log: slog.New(slog.NewTextHandler(&said, nil))}, "a")
			a := w.open("a")
			tried := func() bool { return s.lost.Load() > 0 || bytes.Contains(said.bytes(), []byte("the shelf is full")) }
			for !tried() {
				w.deposit("a", "1")
				require.NoError(t, w.reach(a))
			}
			breaks(s, false)
			for len(s.of("a")) == 0 {
				w.deposit("a", "1")
				require.NoError(t, w.reach(a))
			}
			w.live.Close()
			w.requireFold("a", s.of("a"))
		})
	}
}

// A checkpoint that was not written is not counted: the end makes it, although nothing came since.
func TestWhatWasNotWrittenIsMadeAtTheEnd(t *testing.T) {
	s := &shelf{}
	s.loses.Store(true)
	w := keeping(t, live.Options{Checkpoints: s, CheckpointIdle: time.Millisecond}, "a")
	require.NoError(t, w.reach(w.open("a")))
	eventually(t, func() bool { return s.lost.Load() > 0 })
	s.loses.Store(false)
	w.live.Close()
	require.Len(t, s.of("a"), 1)
	w.requireFold("a", s.of("a"))
}

// lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}
