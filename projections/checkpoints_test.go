package projections

import (
	"context"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain/portfolio"
	"pets/eventstore"
)

// shelf has checkpoints at some revisions of a history.
type shelf struct {
	at   []uint64 // rising
	when map[uint64]time.Time
	data map[uint64][]byte
}

func (s *shelf) newest(fits func(revision uint64) bool) (uint64, []byte) {
	for i := len(s.at) - 1; i >= 0; i-- {
		if fits(s.at[i]) {
			return s.at[i], s.data[s.at[i]]
		}
	}
	return 0, nil
}

func (s *shelf) Load(_, _ string, atMost uint64) (uint64, []byte) {
	return s.newest(func(revision uint64) bool { return revision <= atMost })
}

func (s *shelf) LoadAsOf(_, _ string, t time.Time) (uint64, []byte) {
	return s.newest(func(revision uint64) bool { return !s.when[revision].After(t) })
}

// counted counts the records that are read.
type counted struct {
	eventstore.Store
	read int
}

func (c *counted) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		for rec, err := range c.Store.ReadStream(ctx, stream, from) {
			if c.read++; !yield(rec, err) {
				return
			}
		}
	}
}

// A view of any moment, by revision or by time, is the same from the nearest checkpoint before it
// as from the beginning, and reads only what lies between.
func TestTheNearestCheckpointAnswersAlike(t *testing.T) {
	h := week(t)
	records := h.records(h.s.Next)
	draw := rand.New(rand.NewPCG(7, 0)) // #nosec G404 -- a test that does the same each time
	for range 20 {
		s := &shelf{when: map[uint64]time.Time{}, data: map[uint64][]byte{}}
		for _, rec := range records {
			if draw.IntN(4) > 0 {
				continue
			}
			b, err := h.fold(rec.Revision + 1).Snapshot()
			require.NoError(t, err)
			s.at = append(s.at, rec.Revision)
			s.when[rec.Revision], s.data[rec.Revision] = rec.Time, b
		}
		for _, rec := range records {
			before := rec.Time.Add(-1)
			for _, to := range []Point{{}, {Revision: &rec.Revision}, {Time: &rec.Time}, {Time: &before}} {
				full, near := &counted{Store: h.store}, &counted{Store: h.store}
				want, got := NewRunner(full, stream), NewRunner(near, stream)
				require.NoError(t, want.CatchUp(t.Context(), to))
				got.UseCheckpoint(s, to)
				began := uint64(0)
				got.Read(func(now *portfolio.State) { began = now.Next })
				require.NoError(t, got.CatchUp(t.Context(), to))
				require.Equal(t, hashOf(t, want), hashOf(t, got))
				require.EqualValues(t, full.read, near.read+int(began), "it began at %d", began)
			}
		}
	}
}

// A checkpoint that cannot be used hides none before it.
func TestAnUnusableCheckpointHidesNoOlderOne(t *testing.T) {
	h := week(t)
	n := h.s.Next
	records := h.records(n)
	good, err := h.fold(n / 2).Snapshot()
	require.NoError(t, err)
	s := &shelf{at: []uint64{n/2 - 1, n - 3, n - 2}, when: map[uint64]time.Time{}, data: map[uint64][]byte{
		n/2 - 1: good, n - 3: []byte("damaged"), n - 2: []byte(`{"version":14}`),
	}}
	for _, at := range s.at {
		s.when[at] = records[at].Time
	}
	last := records[n-1]
	for _, to := range []Point{{}, {Revision: &last.Revision}, {Time: &last.Time}} {
		r := NewRunner(h.store, stream)
		r.UseCheckpoint(s, to)
		r.Read(func(now *portfolio.State) { require.Equal(t, n/2, now.Next) })
	}
	r := NewRunner(h.store, stream)
	r.UseCheckpoint(&shelf{at: []uint64{0}, data: map[uint64][]byte{0: []byte("damaged")}}, Point{})
	r.Read(func(now *portfolio.State) { require.Zero(t, now.Next) })
}

func hashOf(t *testing.T, r *Runner) (hash string) {
	t.Helper()
	r.Read(func(s *portfolio.State) {
		var err error
		hash, err = s.Hash()
		require.NoError(t, err)
	})
	return hash
}
