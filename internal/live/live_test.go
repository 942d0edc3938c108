package live_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/live"
	"pets/projections"
)

const prefix = "portfolio-"

var noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// world is a store with portfolios, and what follows them.
type world struct {
	t     *testing.T
	store *memory.Store
	live  *live.Followers
}

func newWorld(t *testing.T, ids ...string) *world {
	w := &world{t: t, store: memory.New()}
	w.live = live.New(w.store, live.Options{Prefix: prefix})
	t.Cleanup(w.live.Close)
	for _, id := range ids {
		w.append(id, &domain.PortfolioOpened{
			Portfolio: id, Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper),
		})
	}
	return w
}

func (w *world) append(id string, e domain.Event) {
	w.t.Helper()
	data, err := domain.Encode(e)
	require.NoError(w.t, err)
	w.raw(id, eventstore.Proposed{ID: uuid.New(), Type: e.EventType(), Time: noon, Metadata: []byte(`{}`), Data: data})
}

func (w *world) raw(id string, p eventstore.Proposed) {
	w.t.Helper()
	expected := eventstore.NoStream
	if head, err := w.store.Head(w.t.Context(), prefix+id); err == nil {
		expected = eventstore.Expected(head)
	}
	_, err := w.store.Append(w.t.Context(), prefix+id, expected, []eventstore.Proposed{p})
	require.NoError(w.t, err)
}

func (w *world) deposit(id, amount string) {
	w.append(id, &domain.DepositRecorded{Wallet: domain.WalletHot, Amount: domain.MustDecimal(amount)})
}

func (w *world) open(id string) *live.Portfolio {
	w.t.Helper()
	p, err := w.live.Open(w.t.Context(), id)
	require.NoError(w.t, err)
	require.NotNil(w.t, p)
	return p
}

func (w *world) reach(p *live.Portfolio) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	return p.Reach(ctx, 0)
}

// diary is a reader that writes down what it sees, and panics where it is told to.
type diary struct {
	mu    sync.Mutex
	seen  []string
	panic uint64 // at this revision; 0 for never
}

func (d *diary) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panic > 0 && rec.Revision == d.panic {
		panic("the diary is full")
	}
	d.seen = append(d.seen, fmt.Sprintf("%s %d %s %d", s.Portfolio, rec.Revision, e.EventType(), s.Next))
}

// "Order: it sees every record of the stream from the first one on, once, in order, and the
// state as of that record."
func TestAReaderSeesEveryRecordInOrder(t *testing.T) {
	w := newWorld(t, "a", "b")
	diaries := live.Attach(w.live, "the diary", func(string, projections.Pieces) *diary { return &diary{} })
	for i := range 5 {
		w.deposit("a", fmt.Sprint(i+1))
	}
	a, b := w.open("a"), w.open("b")
	require.NoError(t, w.reach(a))
	w.deposit("a", "9")
	w.deposit("b", "9")
	require.NoError(t, w.reach(a))
	require.NoError(t, w.reach(b))
	want := []string{"a 0 portfolio.opened.v1 1"}
	for i := 1; i <= 6; i++ {
		want = append(want, fmt.Sprintf("a %d deposit.recorded.v1 %d", i, i+1))
	}
	require.NoError(t, a.Read(func(s *portfolio.State) error {
		d, err := diaries.Of(a)
		require.NoError(t, err)
		require.Equal(t, want, d.seen)
		require.Equal(t, uint64(7), s.Next)
		return nil
	}))
	require.NoError(t, b.Read(func(*portfolio.State) error {
		d, err := diaries.Of(b)
		require.NoError(t, err)
		require.Len(t, d.seen, 2)
		return nil
	}))
}

// "A reader that panics is detached from that portfolio … The state and the other readers
// go on."
func TestAReaderThatFailsIsAlone(t *testing.T) {
	w := newWorld(t, "a", "b")
	bad := live.Attach(w.live, "the bad one", func(id string, _ projections.Pieces) *diary {
		if id == "a" {
			return &diary{panic: 2}
		}
		return &diary{}
	})
	good := live.Attach(w.live, "the good one", func(string, projections.Pieces) *diary { return &diary{} })
	for _, id := range []string{"a", "b"} {
		for range 4 {
			w.deposit(id, "1")
		}
	}
	for id, fails := range map[string]bool{"a": true, "b": false} {
		p := w.open(id)
		require.NoError(t, w.reach(p))
		require.NoError(t, p.Read(func(s *portfolio.State) error {
			d, err := good.Of(p)
			require.NoError(t, err)
			require.Len(t, d.seen, 5)
			require.Equal(t, uint64(5), s.Next)
			_, err = bad.Of(p)
			require.Equal(t, fails, domain.CodeOf(err) == domain.CodeUnavailable, "%v", err)
			return nil
		}))
	}
	require.Empty(t, w.live.Broken(), "a reader is not the portfolio")
}

// A reader that is attached too late has not seen the history: it is refused, not shown
// half.
func TestAReaderThatComesTooLate(t *testing.T) {
	w := newWorld(t, "a", "b")
	a := w.open("a")
	late := live.Attach(w.live, "the late one", func(string, projections.Pieces) *diary { return &diary{} })
	b := w.open("b")
	require.NoError(t, w.reach(a))
	require.NoError(t, w.reach(b))
	_, err := late.Of(a)
	require.ErrorContains(t, err, "the late one is not attached to portfolio a")
	_, err = late.Of(b)
	require.NoError(t, err)
}

// "A state that cannot be folded any more ends the follower; nothing of that portfolio is
// shown then", and the others go on.
func TestAHistoryThatCannotBeFolded(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.raw("a", eventstore.Proposed{ID: uuid.New(), Type: "of.tomorrow.v1", Time: noon, Metadata: []byte(`{}`), Data: []byte(`{}`)})
	a, b := w.open("a"), w.open("b")
	require.Eventually(t, func() bool { return w.live.Broken() == "a" }, 10*time.Second, time.Millisecond)
	look := func(*portfolio.State) error { return nil }
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(a.Read(look)))
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(w.reach(a)))
	require.NoError(t, w.reach(b))
	require.NoError(t, b.Read(look))
	var shown []string
	w.live.Each(func(s *portfolio.State) { shown = append(shown, s.Portfolio) })
	require.Equal(t, []string{"b"}, shown)
}

// Portfolios that come later, from here or another server, are found without being asked
// for; a name that is none, or that nothing is stored under, is nil.
func TestPortfoliosAreFound(t *testing.T) {
	w := newWorld(t, "a")
	require.NoError(t, w.live.Reached(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.live.Find(ctx)
	w.append("b", &domain.PortfolioOpened{Portfolio: "b", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)})
	require.Eventually(t, func() bool {
		n := 0
		w.live.Each(func(*portfolio.State) { n++ })
		return n == 2
	}, 10*time.Second, 5*time.Millisecond)
	for _, id := range []string{"none", "", "a/b"} {
		p, err := w.live.Open(t.Context(), id)
		require.NoError(t, err)
		require.Nil(t, p)
	}
}

// "After Close returns no reader is called again", and nothing new is followed.
func TestClosingEndsTheReaders(t *testing.T) {
	w := newWorld(t, "a", "b")
	d := &diary{}
	live.Attach(w.live, "the diary", func(string, projections.Pieces) *diary { return d })
	a := w.open("a")
	require.NoError(t, w.reach(a))
	w.live.Close()
	w.deposit("a", "1")
	_, err := w.live.Open(t.Context(), "b")
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
	time.Sleep(20 * time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	require.Len(t, d.seen, 1)
	require.Empty(t, w.live.Broken(), "it was closed, it did not break")
}

// brokenStore does not answer.
type brokenStore struct{ eventstore.Store }

func (brokenStore) Head(context.Context, string) (uint64, error) { return 0, errors.New("down") }

func (brokenStore) Streams(context.Context) ([]string, error) { return nil, errors.New("down") }

// A store that does not answer is not a portfolio that is not there.
func TestAStoreThatDoesNotAnswer(t *testing.T) {
	f := live.New(brokenStore{memory.New()}, live.Options{Prefix: prefix})
	defer f.Close()
	_, err := f.Open(t.Context(), "a")
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(f.Reached(t.Context())))
}

// What was waited for in vain is told by its revision, and whether it is recorded.
func TestARevisionThatDoesNotCome(t *testing.T) {
	w := newWorld(t, "a")
	a := w.open("a")
	require.NoError(t, w.reach(a))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var behind *live.BehindError
	require.ErrorAs(t, a.Reach(ctx, 7), &behind)
	require.Equal(t, uint64(7), behind.Revision)
	require.False(t, behind.Recorded)

	store := &late{Store: w.store, gate: make(chan struct{})}
	following := live.New(store, live.Options{Prefix: prefix})
	defer following.Close()
	w.append("b", &domain.PortfolioOpened{Portfolio: "b", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)})
	w.deposit("b", "1")
	b, err := following.Open(t.Context(), "b")
	require.NoError(t, err)
	short, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer end()
	require.ErrorAs(t, b.Reach(short, 0), &behind)
	require.Equal(t, uint64(1), behind.Revision)
	require.True(t, behind.Recorded)
	close(store.gate)
	require.NoError(t, w.reach(b))
}

// late is a store that passes nothing on until its gate is open.
type late struct {
	*memory.Store
	gate chan struct{}
}

func (l *late) SubscribeStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		select {
		case <-l.gate:
		case <-ctx.Done():
		}
		l.Store.SubscribeStream(ctx, stream, from)(yield)
	}
}
