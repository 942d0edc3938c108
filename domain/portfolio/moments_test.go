package portfolio

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Times are the same after they were written and read, in one text of a few bytes each.
func TestMoments(t *testing.T) {
	many := Moments{momentOf(noon)}
	for n := range 1000 {
		many = append(many, many[n]+int64(n%7)*1_000_003)
	}
	for _, m := range []Moments{many, {momentOf(noon)}, {math.MinInt64, math.MaxInt64, 0, math.MinInt64}} {
		b, err := json.Marshal(m)
		require.NoError(t, err)
		var again Moments
		require.NoError(t, json.Unmarshal(b, &again))
		require.Equal(t, m, again)
		require.Less(t, len(b), 16+14*len(m))
	}
	b, err := json.Marshal(many)
	require.NoError(t, err)
	require.Less(t, len(b), 6*len(many))
	require.Equal(t, noon, many.Times()[0])
	require.Equal(t, int64(math.MinInt64), momentOf(time.Time{}))
	require.Equal(t, int64(math.MaxInt64), momentOf(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))

	b, err = json.Marshal(&Bot{ID: "a"})
	require.NoError(t, err)
	require.NotContains(t, string(b), "granted", "none are left out")
	for _, wrong := range []string{`[]`, `7`, `"="`, `"` + strings.Repeat("/", 20) + `"`} {
		require.ErrorIs(t, json.Unmarshal([]byte(wrong), new(Moments)), errMoments, wrong)
	}
}
