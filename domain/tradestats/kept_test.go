package tradestats

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain/risk"
)

// A walk that is resumed from JSON at any step goes on as if it had never stopped.
func TestAResumedWalkGoesOn(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	limits := DefaultLimits()
	limits[risk.RollingLoss] = dec("0.2")
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"f+1000", "f-200", "10", "-50", "-300", "~-1", "0", "|"}), 0, 30).Draw(t, "steps")
		steps := series("f+1000 " + strings.Join(words, " "))
		stop := rapid.IntRange(0, len(steps)).Draw(t, "stop")
		w := Begin(limits, zone)
		for _, s := range steps[:stop] {
			w.Step(s)
		}
		data, err := json.Marshal(w)
		require.NoError(t, err)
		resumed, err := Resume(data, limits, zone)
		require.NoError(t, err)
		for _, s := range steps[stop:] {
			resumed.Step(s)
		}
		require.Equal(t, Compute(steps, limits, zone), resumed.Stats())
	})
	for _, other := range []string{"", "{", `{"stats":{},"rises":{}}`, `{"stats":{},"more":1}`} {
		_, err := Resume([]byte(other), limits, zone)
		require.Error(t, err, other)
	}
}
