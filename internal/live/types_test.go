package live_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/live"
	"pets/projections"
)

// The types in a checkpoint are those of all records that it covers. Without a checkpoint that has
// them there are none, and never wrong ones.
func TestTypesOfACheckpoint(t *testing.T) {
	y := newYears(t, "a", "b")
	require.Nil(t, live.TypesOf(y.shelf, prefix+"a"), "no checkpoint")
	y.start()
	for range 7 {
		y.deposit("a", "1")
	}
	y.requireAll("a")
	y.stop()
	require.Nil(t, live.TypesOf(y.shelf, prefix+"a"), "of a build without them")
	y.types = true
	y.start()
	y.deposit("a", "1")
	y.requireAll("a")
	y.stop()
	want := projections.NewTypes()
	for rec, err := range y.store.ReadStream(t.Context(), prefix+"a", 0) {
		require.NoError(t, err)
		want.Apply(rec, nil, nil)
	}
	got := live.TypesOf(y.shelf, prefix+"a")
	require.NotNil(t, got)
	require.Equal(t, want, got)
	require.Nil(t, live.TypesOf(y.shelf, prefix+"nobody"))
}
