package commands

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// readFrom is a store of which no record before a revision can be read.
type readFrom struct {
	eventstore.Store
	least uint64
}

func (s readFrom) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if from < s.least {
		return func(yield func(eventstore.Record, error) bool) {
			yield(eventstore.Record{}, errors.New("the beginning was read"))
		}
	}
	return s.Store.ReadStream(ctx, stream, from)
}

// stopper is a writer for stops. Nothing before a revision can be read.
func stopper(t *testing.T, r *rig, c Checkpoints, least uint64) *Writer {
	t.Helper()
	w := NewWriter(readFrom{r.store, least}, "main", Options{Now: r.clock.Now, Checkpoints: c, StopsOnly: true})
	t.Cleanup(w.Close)
	return w
}

// A writer for stops begins at the newest checkpoint, without an index, and reads nothing before
// the record at its end. What it records is what a writer records that knows everything.
func TestAStopBeginsAtACheckpoint(t *testing.T) {
	r, c := snapshots(t)
	newest := c.saved[1].revision
	w := stopper(t, r, c, newest)
	whole := portfolioOf(t, r)
	require.NoError(t, w.look(t.Context(), func(s *portfolio.State) error {
		require.Equal(t, hashOf(t, whole), hashOf(t, s))
		return nil
	}))
	stop := Request{Caller: olga, Key: "the stop", Command: EngageStop{Kind: domain.StopManual, Reason: "a person says so"}}
	_, err := w.Do(t.Context(), Request{Caller: olga, Key: "a", Command: StopBot{Bot: "a"}})
	require.NoError(t, err)
	first, err := w.Do(t.Context(), stop)
	require.NoError(t, err)
	again, err := w.Do(t.Context(), stop)
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.Equal(t, first.Revision, again.Revision)
	for _, command := range []Command{deposit("1"), permit("a", "1"), fill("a", "new", "buy", "1", "0.5")} {
		_, err = w.Do(t.Context(), Request{Caller: olga, Key: r.key(), Command: command})
		require.ErrorIs(t, err, errStopsOnly)
	}
	require.True(t, portfolioOf(t, r).Stop.Engaged)

	// A checkpoint that is later does not know the command: the stop is recorded again, and
	// nothing else changes.
	require.NoError(t, c.keep(t.Context(), r.store, Stream("main")))
	before := portfolioOf(t, r)
	w = stopper(t, r, c, c.saved[2].revision)
	again, err = w.Do(t.Context(), stop)
	require.NoError(t, err)
	require.False(t, again.Replayed)
	after := portfolioOf(t, r)
	require.True(t, after.Stop.Engaged)
	require.Equal(t, before.Equity(), after.Equity())
}

// Checkpoints that cannot be used, or none, do not keep a stop: the stream is folded from its
// first record.
func TestAStopWithoutACheckpoint(t *testing.T) {
	r, c := snapshots(t)
	for i := range c.saved {
		c.saved[i].data = []byte("damaged")
	}
	ahead := &cache{}
	ahead.Save(CheckpointState, Stream("main"), 1_000_000, []byte("of another history"))
	for n, checkpoints := range []Checkpoints{c, ahead, nil} {
		w := stopper(t, r, checkpoints, 0)
		answer, err := w.Do(t.Context(), Request{Caller: olga, Key: r.key(), Command: EngageStop{Kind: domain.StopManual, Reason: "a person says so"}})
		require.NoError(t, err, "%d", n)
		require.False(t, answer.Replayed)
		w.Close()
	}
	require.True(t, portfolioOf(t, r).Stop.Engaged)
}

// portfolioOf folds the whole stream.
func portfolioOf(t *testing.T, r *rig) *portfolio.State {
	t.Helper()
	s := portfolio.New()
	require.NoError(t, eventstore.Walk(t.Context(), r.store, Stream("main"), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		return err
	}))
	return s
}
