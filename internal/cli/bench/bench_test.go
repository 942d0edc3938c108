package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every goal of the store is measured, in a folder that is removed afterwards. The test does not
// check the ratios, because the machine may be busy.
func TestBench(t *testing.T) {
	t.Parallel()
	var results []struct {
		Goal int
		Unit string
	}
	measured(t, &results, "--rounds", "1", "--events", "1000")
	require.Len(t, results, 8)
	for i, goal := range []int{1, 4, 10, 10, 5, 5, 6, 7} {
		require.Equal(t, goal, results[i].Goal)
		require.NotEmpty(t, results[i].Unit)
	}
	mistaken(t, []string{"--rounds"}, "bench", "--rounds", "0")
}
