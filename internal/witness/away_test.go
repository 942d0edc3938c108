package witness

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

// away is a store that does not answer so many readings of all streams.
type away struct {
	eventstore.Store
	times atomic.Int64
}

func (a *away) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Record, error] {
	if a.times.Add(-1) >= 0 {
		return func(yield func(eventstore.Record, error) bool) {
			yield(eventstore.Record{}, &eventstore.Unavailable{Away: true, Cause: errors.New("the database does not answer")})
		}
	}
	return a.Store.ReadAll(ctx, after)
}

// A database that is away while a keeper catches up is asked again: the store stays witnessed.
func TestAKeeperAsksAgain(t *testing.T) {
	r := newRig(t)
	r.grow("a", 3)
	store := &away{Store: r.store}
	store.times.Store(3)
	r.store = store
	o := r.options()
	o.Again = time.Millisecond
	k, _, err := Open(t.Context(), o, false)
	require.NoError(t, err)
	k.Start()
	r.urgent("a")
	r.reaches(4)
	require.Zero(t, r.failures())
	require.NoError(t, k.Status().Err)
	r.close(k)
}
