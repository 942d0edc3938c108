package witness

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

// exchanged is a store of which the history is another one for those who read a stream from now on.
type exchanged struct {
	eventstore.Store
	by eventstore.Store
}

func (e *exchanged) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if e.by != nil {
		return e.by.ReadStream(ctx, stream, from)
	}
	return e.Store.ReadStream(ctx, stream, from)
}

// The head of an earlier size is computed from the log, and is given only if the log leads to what the
// keeper has seen: the log alone says nothing about a history that was exchanged.
func TestAnEarlierHeadIsComparedWithWhatWasSeen(t *testing.T) {
	r := newRig(t)
	r.grow("a", 10)
	store := &exchanged{Store: r.store}
	r.store = store
	r.close(r.open())
	k := r.open()
	defer r.close(k)

	want, err := k.Want("a", 10)(t.Context())
	require.NoError(t, err)
	root, ok := k.Root("a", 10)
	require.True(t, ok)
	require.Equal(t, want.Root, root)
	for _, size := range []uint64{0, 5, 11} {
		_, ok := k.Root("a", size)
		require.False(t, ok, "the root at %d", size)
	}
	_, ok = k.Root("none", 1)
	require.False(t, ok)
	var tree eventstore.Frontier
	for rec, err := range r.store.ReadStream(t.Context(), "a", 0) {
		require.NoError(t, err)
		if tree.Append(eventstore.LeafHash(&rec)); tree.Size() == 5 {
			break
		}
	}
	early, err := k.Want("a", 5)(t.Context())
	require.NoError(t, err)
	require.Equal(t, tree.Root(), early.Root)

	forged := memory.New()
	storetest.Must(t, forged, "a", eventstore.NoStream, storetest.Propose("forged", 0, 10))
	store.by = forged
	_, err = k.Want("a", 5)(t.Context())
	require.ErrorAs(t, err, new(*HistoryError))
	short := memory.New()
	storetest.Must(t, short, "a", eventstore.NoStream, storetest.Propose("a", 0, 9))
	store.by = short
	_, err = k.Want("a", 5)(t.Context())
	require.ErrorContains(t, err, "ends before record 10")

	store.by = nil
	seen := Read(r.dir, id)
	root, ok = seen.Root("a", 10)
	require.True(t, ok)
	require.Equal(t, want.Root, root)
	_, ok = seen.Root("a", 5)
	require.False(t, ok)
	_, ok = seen.Root("none", 1)
	require.False(t, ok)
}
