package cli

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/projections"
)

// countedStore counts the records that are read.
type countedStore struct {
	eventstore.Store
	records int
}

func (c *countedStore) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		for rec, err := range c.Store.ReadStream(ctx, stream, from) {
			if c.records++; !yield(rec, err) {
				return
			}
		}
	}
}

// A search with the types of a checkpoint finds what one without finds, also what came after the
// checkpoint, and reads little: the count is of records.
func TestASearchReadsWhatLiesAroundTheRecords(t *testing.T) {
	t.Parallel()
	store, known := &countedStore{Store: memory.New()}, projections.NewTypes()
	const records, covered = 20_000, 19_000
	var all []eventstore.Proposed
	for n := range records {
		name := "command.noted.v1"
		if n == 40 || n == 9000 || n == records-5 {
			name = "bot.stopped.v1"
		}
		all = append(all, eventstore.Proposed{ID: uuid.New(), Type: name, Time: time.Unix(1_700_000_000, 0), Metadata: []byte(`{}`), Data: []byte(fmt.Sprintf(`{"n":%d}`, n))})
	}
	for n := 0; n < records; n += 1000 {
		_, err := store.Append(t.Context(), "s", eventstore.Expected(int64(n)-1), all[n:n+1000])
		require.NoError(t, err)
	}
	for n := range covered {
		known.Apply(eventstore.Record{Revision: uint64(n), Type: all[n].Type}, nil, nil)
	}
	find := func(known *projections.Types, at string) (found []uint64, read int) {
		to, err := projections.ParsePoint(at)
		require.NoError(t, err)
		before := store.records
		require.NoError(t, search(t.Context(), store, "s", known, to, []string{"bot.st", "emergency_stop."}, func(rec eventstore.Record) error {
			found = append(found, rec.Revision)
			return nil
		}))
		return found, store.records - before
	}
	for at, want := range map[string][]uint64{"": {40, 9000, records - 5}, "9000": {40, 9000}, "8999": {40}, "39": nil} {
		scanned, whole := find(nil, at)
		require.Equal(t, want, scanned)
		found, read := find(known, at)
		require.Equal(t, want, found)
		require.LessOrEqual(t, read, 2*1024+2+records-covered)
		if at == "" {
			require.Equal(t, records, whole)
		}
	}
	failed := fmt.Errorf("it failed")
	require.ErrorIs(t, search(t.Context(), store, "s", known, projections.Point{}, []string{"bot."}, func(eventstore.Record) error { return failed }), failed)
}
