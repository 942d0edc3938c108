package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// "Without coordinated omission": who comes while nobody is answered counts with the wait,
// although fewer callers than that can wait at once.
func TestAPauseCountsForAllWhoCameInIt(t *testing.T) {
	t.Parallel()
	const pause = 300 * time.Millisecond
	stopped := time.Now().Add(pause)
	p := Pace(t.Context(), 1000, time.Second, 8, func(context.Context, int) error {
		time.Sleep(time.Until(stopped))
		return nil
	})
	require.Equal(t, 1000, p.Count)
	require.Zero(t, p.Failed)
	require.GreaterOrEqual(t, p.At(1), float64(pause.Milliseconds())*0.9)
	// 300 of 1,000 were due in the pause: a closed loop of 8 would have seen 8 slow ones.
	require.GreaterOrEqual(t, p.At(0.95), float64(pause.Milliseconds())*0.7)
	require.Greater(t, p.At(0.75), 20.0)
}

// The curve rises, ends with the slowest, and names no percentile finer than the count.
func TestCurves(t *testing.T) {
	t.Parallel()
	var took []time.Duration
	for n := range 1000 {
		took = append(took, time.Duration(1000-n)*time.Millisecond)
	}
	p := Paced{Curve: curveOf(took)}
	require.InDelta(t, 500, p.At(0.4988), 2)
	require.InDelta(t, 990, p.At(0.99), 1)
	require.Equal(t, 999.0, p.At(0.999))
	require.Equal(t, 1000.0, p.At(1))
	for i := 1; i < len(p.Curve); i++ {
		require.Greater(t, p.Curve[i].Of, p.Curve[i-1].Of)
		require.GreaterOrEqual(t, p.Curve[i].MS, p.Curve[i-1].MS)
	}
	require.Len(t, p.Curve, 32)
	require.Empty(t, curveOf(nil))
	require.Equal(t, []Percentile{{0, 5}, {1, 5}}, curveOf([]time.Duration{5 * time.Millisecond}))
}

// Failures are counted, and an end of the context ends the load.
func TestPaceFails(t *testing.T) {
	t.Parallel()
	p := Pace(t.Context(), 100, 100*time.Millisecond, 4, func(context.Context, int) error { return errors.New("no") })
	require.Equal(t, 10, p.Failed)
	require.Equal(t, "no", p.First)
	ctx, stop := context.WithCancel(t.Context())
	p = Pace(ctx, 10, time.Hour, 4, func(context.Context, int) error { stop(); return nil })
	require.LessOrEqual(t, p.Count, 4)
}
