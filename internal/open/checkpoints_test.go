package open

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
)

// Without a witness there is no folder of checkpoints, and what asks for one gets nil, not an interface
// that holds a nil pointer.
func TestNoCheckpointsWithoutAWitness(t *testing.T) {
	w := &Watch{}
	require.True(t, w.Checkpoints() == nil)
	size, bytes := w.Newest("portfolio-main")
	require.Zero(t, size)
	require.Zero(t, bytes)
	require.Empty(t, w.Missing("portfolio-main", 100_000))
	said := false
	_, err := w.Keep(t.Context(), "portfolio-main", eventstore.TreeHead{Size: 1}, time.Time{}, nil, func(err error) { said = err == nil })
	require.NoError(t, err)
	require.True(t, said)
}
