package witness

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

// An operator or auditor compares a store with its witness without opening it: what is
// missing, what is another, and what was changed before the last record that was seen.
func TestCompare(t *testing.T) {
	r := newRig(t)
	none, err := Compare(t.Context(), r.dir, r.store, id)
	require.NoError(t, err)
	require.Zero(t, none.Written)

	k := r.open()
	r.grow("portfolio-a", 10)
	r.grow("portfolio-b", 4)
	r.close(k)
	r.grow("portfolio-a", 3) // what came since is no difference
	same, err := Compare(t.Context(), r.dir, r.store, id)
	require.NoError(t, err)
	require.Equal(t, 2, same.Streams)
	require.NotZero(t, same.Written)
	require.Empty(t, same.Differences)
	require.Empty(t, same.Changed)

	r.store = memory.New()
	first := storetest.Propose("portfolio-a", 0, 10)
	first[3].Data = []byte(`{"pnl":"1000000"}`)
	storetest.Must(t, r.store, "portfolio-a", eventstore.NoStream, first)
	r.grow("portfolio-b", 2)
	found, err := Compare(t.Context(), r.dir, r.store, id)
	require.NoError(t, err)
	require.Equal(t, []string{"portfolio-a"}, found.Changed, "with its last record as it was")
	require.Equal(t, []Difference{{"portfolio-b", 4, 2}}, found.Differences)

	var other *OtherStoreError
	_, err = Compare(t.Context(), r.dir, r.store, uuid.New())
	require.ErrorAs(t, err, &other)
}
