package bench

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

// A turn with a follower ends when the follower has seen every record, and a follower
// that fails ends the measurement.
func TestRunHashes(t *testing.T) {
	o := Options{Dir: t.TempDir(), Rounds: 2}
	seen := 0
	m, err := RunHashes(t.Context(), o, "a reader", func(ctx context.Context, store eventstore.Store, level func(eventstore.Position)) error {
		for r, err := range store.SubscribeAll(ctx, eventstore.Position{}) {
			if err != nil {
				return nil //nolint:nilerr // it ends with the measurement
			}
			seen++
			level(r.Position)
		}
		return nil
	})
	require.NoError(t, err)
	require.Positive(t, m.Value)
	require.Positive(t, seen)
	require.Contains(t, m.What, "a reader")
	left, err := os.ReadDir(o.Dir)
	require.NoError(t, err)
	require.Empty(t, left)

	broken := errors.New("the follower is broken")
	_, err = RunHashes(t.Context(), o, "broken", func(context.Context, eventstore.Store, func(eventstore.Position)) error { return broken })
	require.ErrorIs(t, err, broken)
}
