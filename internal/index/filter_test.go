package index

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A filter has every key that was added, and hardly any other.
func TestFilter(t *testing.T) {
	for _, n := range []int{1, 10, 42, 43, 1000, 50_000} {
		filter := make([]byte, filtersFor(&schemas[IDs], uint64(n))*filterBlockLen)
		for i := range n {
			key := IDKey("fill", "main", fmt.Sprint(i))
			filterAdd(filter, &key)
		}
		for i := range n {
			key := IDKey("fill", "main", fmt.Sprint(i))
			require.True(t, filterHas(filter, &key))
		}
		wrong, asked := 0, 20_000
		for i := range asked {
			key := IDKey("trade", "main", fmt.Sprint(i))
			if filterHas(filter, &key) {
				wrong++
			}
		}
		require.Less(t, wrong, asked/100, "%d entries", n)
	}
	for _, key := range []Key{{}, lastKey} {
		filter := make([]byte, 3*filterBlockLen)
		filterAdd(filter, &key)
		require.True(t, filterHas(filter, &key))
	}
}

// A group asks for 128 keys: of none that is there, few reads are made.
func TestAMissReadsNothing(t *testing.T) {
	h := newHistory(50, 4000)
	d := newMemFolder()
	x := openMem(t, d)
	add(t, x, h.log)
	require.NoError(t, x.Flush(ctx))
	before := d.ops
	keys := make([]Key, 1000)
	for i := range keys {
		keys[i] = IDKey("none", "main", fmt.Sprint(i))
	}
	_, err := x.GetMany(IDs, keys, make([][]byte, len(keys)))
	require.NoError(t, err)
	require.Less(t, d.ops-before, 20)
	before = d.ops
	_, _, found, err := x.Get(IDs, h.keys[IDs][7])
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, 1, d.ops-before, "a hit reads one block")
}
