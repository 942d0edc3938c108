package bench

import (
	"context"
	"crypto/sha256"
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
	m, err := RunHashes(t.Context(), o, "stand-in", func(ctx context.Context, store eventstore.Store, level func(eventstore.Position)) error {
		return StandIn(ctx, store, func(at eventstore.Position) { seen++; level(at) })
	})
	require.NoError(t, err)
	require.Positive(t, m.Ratio)
	require.Positive(t, seen)
	require.Contains(t, m.What, "stand-in")
	left, err := os.ReadDir(o.Dir)
	require.NoError(t, err)
	require.Empty(t, left)

	broken := errors.New("the follower is broken")
	_, err = RunHashes(t.Context(), o, "broken", func(context.Context, eventstore.Store, func(eventstore.Position)) error { return broken })
	require.ErrorIs(t, err, broken)
}

// "RFC 6962 frontier": the nodes of a tree of seven leaves are those of its perfect
// subtrees of four, two and one.
func TestFrontier(t *testing.T) {
	hash := func(left, right [sha256.Size]byte) [sha256.Size]byte {
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
	var leaves [7][sha256.Size]byte
	f := &frontier{}
	for i := range leaves {
		leaves[i] = sha256.Sum256([]byte{0, byte(i)})
		f.add(leaves[i])
	}
	require.Equal(t, [][sha256.Size]byte{
		hash(hash(leaves[0], leaves[1]), hash(leaves[2], leaves[3])), hash(leaves[4], leaves[5]), leaves[6],
	}, f.nodes)
}
