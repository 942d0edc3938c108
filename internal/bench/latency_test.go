package bench

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// "p99.9": of 2,000 outcomes it is the second highest, and a failed one counts with the
// time it took.
func TestLatencies(t *testing.T) {
	all := make([]Outcome, 2000)
	for i := range all {
		all[i].Took = time.Duration(i+1) * time.Millisecond
	}
	l := Latencies("stop", all)
	require.Equal(t, []float64{1001, 1981, 1999, 2000}, []float64{l.P50, l.P99, l.P999, l.Max})
	require.True(t, l.Goal(1999).Reached())
	require.False(t, l.Goal(1998).Reached())
	require.InDelta(t, 2, l.Against(Latency{P999: 999.5}).Ratio, 1e-9)

	all[0] = Outcome{Took: 10 * time.Second, Err: errors.New("nobody answers")}
	l = Latencies("stop", all).Goal(1e9)
	require.Equal(t, 1, l.Failed)
	require.InDelta(t, 10_000, l.Max, 1e-9)
	require.False(t, l.Reached(), "one that failed misses every goal")
	require.Contains(t, strings.Join(l.Lines(), "\n"), "first failure: nobody answers")

	require.False(t, Latencies("none", nil).Goal(1).Reached(), "nothing measured is nothing reached")
}

// Each request is sent once, and a sample that was cut short says so.
func TestSample(t *testing.T) {
	var sent [50]atomic.Int32
	l, err := Sample(t.Context(), "stop", len(sent), 4, time.Minute, func(_ context.Context, i int) (bool, error) {
		sent[i].Add(1)
		return i%2 == 0, nil
	})
	require.NoError(t, err)
	require.Equal(t, len(sent), l.Count)
	require.Equal(t, len(sent)/2, l.Later)
	require.Empty(t, l.Short)
	for i := range sent {
		require.EqualValues(t, 1, sent[i].Load())
	}
	l, err = Sample(t.Context(), "stop", 50, 2, 0, func(context.Context, int) (bool, error) { return false, nil })
	require.NoError(t, err)
	require.Zero(t, l.Count)
	require.NotEmpty(t, l.Short)
}
