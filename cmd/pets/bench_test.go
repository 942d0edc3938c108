package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every goal of the store is measured, in a folder that is gone afterwards. What
// the ratios are is not for a test to say: a machine may be busy.
func TestBench(t *testing.T) {
	s := newShell(t)
	var results []struct {
		Goal int
		Unit string
	}
	s.json(&results, "bench", "--rounds", "1", "--events", "1000", "--dir", s.dir)
	require.Len(t, results, 7)
	for i, goal := range []int{1, 4, 10, 10, 5, 5, 6} {
		require.Equal(t, goal, results[i].Goal)
		require.NotEmpty(t, results[i].Unit)
	}
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left)
	s.fails(2, []string{"--rounds"}, "bench", "--rounds", "0")
}
