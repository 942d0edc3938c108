package live_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/live"
)

// end is the position of the last record of the store.
func (w *world) end() (last eventstore.Position) {
	w.t.Helper()
	for rec, err := range w.store.ReadAll(w.t.Context(), eventstore.Position{}) {
		require.NoError(w.t, err)
		last = rec.Position
	}
	return last
}

// news starts News of the records after a position. The second channel has how it ended.
func (w *world) news(ctx context.Context, since eventstore.Position, tell func(context.Context, eventstore.Record)) (*live.Followers, <-chan error) {
	f := live.New(w.store, live.Options{Prefix: prefix, Since: since})
	w.t.Cleanup(f.Close)
	ended := make(chan error, 1)
	go func() { ended <- f.News(ctx, tell) }()
	return f, ended
}

func within[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("it did not come within ten seconds")
		panic("unreachable")
	}
}

// "Every record of every stream, that of the system included, which became durable after
// Options.Since, once, in the order of the store"; "a record that no longer folds is handed
// on as well".
func TestNewsIsWhatCameSince(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.deposit("a", "1")
	since := w.end()
	w.deposit("b", "2") // before anybody listens
	said := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, ended := w.news(ctx, since, func(_ context.Context, rec eventstore.Record) {
		said <- fmt.Sprintf("%s %d", rec.Stream, rec.Revision)
	})
	require.Equal(t, "portfolio-b 1", within(t, said))
	w.deposit("a", "3")
	w.raw("a", eventstore.Proposed{ID: uuid.New(), Type: "of.tomorrow.v1", Time: noon, Metadata: []byte(`{}`), Data: []byte(`{}`)})
	_, err := w.store.Append(ctx, "system", eventstore.NoStream, []eventstore.Proposed{{ID: uuid.New(), Type: "x.v1", Time: noon, Metadata: []byte(`{}`), Data: []byte(`{}`)}})
	require.NoError(t, err)
	w.append("c", &domain.PortfolioOpened{Portfolio: "c", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)})
	for _, want := range []string{"portfolio-a 2", "portfolio-a 3", "system 0", "portfolio-c 0"} {
		require.Equal(t, want, within(t, said))
	}
	cancel()
	require.NoError(t, within(t, ended))
	require.Empty(t, said)
}

// "It may be slow, … for it holds up nobody"; it finds the state that goes with a record.
func TestSlowNewsHoldsUpNobody(t *testing.T) {
	w := newWorld(t, "a")
	gate, next := make(chan struct{}), make(chan uint64, 1)
	var f *live.Followers
	ready := make(chan struct{})
	f, _ = w.news(t.Context(), w.end(), func(ctx context.Context, rec eventstore.Record) {
		<-ready
		p, err := f.Open(ctx, "a")
		if err == nil {
			err = p.Reach(ctx, rec.Revision)
		}
		if err != nil {
			return // nothing comes, and the test says so
		}
		<-gate
		_ = p.Read(func(s *portfolio.State) error {
			next <- s.Next
			return nil
		})
	})
	close(ready)
	p, err := f.Open(t.Context(), "a")
	require.NoError(t, err)
	w.deposit("a", "1")
	w.deposit("a", "2")
	require.NoError(t, w.reach(p), "the follower does not wait for the news")
	close(gate)
	require.Equal(t, uint64(3), within(t, next))
}

// "If it panics, News ends with an error; nothing else does."
func TestNewsThatPanicsEndsAlone(t *testing.T) {
	w := newWorld(t, "a")
	f, ended := w.news(t.Context(), w.end(), func(context.Context, eventstore.Record) { panic("no line to the world") })
	w.deposit("a", "1")
	require.ErrorContains(t, within(t, ended), "failed at revision 1 of portfolio-a: no line to the world")
	p, err := f.Open(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, w.reach(p))
}

// "Close ends its context and waits until it returns"; afterwards nothing is handed on.
func TestCloseWaitsForTheNews(t *testing.T) {
	w := newWorld(t, "a")
	sending, done := make(chan struct{}), false
	f, ended := w.news(t.Context(), w.end(), func(ctx context.Context, _ eventstore.Record) {
		close(sending) // a second record would panic
		<-ctx.Done()
		done = true
	})
	w.deposit("a", "1")
	w.deposit("a", "2")
	within(t, sending)
	f.Close()
	require.True(t, done)
	require.NoError(t, within(t, ended))
	err := f.News(t.Context(), func(context.Context, eventstore.Record) {})
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
}
