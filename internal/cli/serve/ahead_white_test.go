package serve

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// "A clock more than 24 h ahead of the last record at start is asked about (log, metric, …), not
// refused": limit, limit + 1.
func TestAClockFarAheadAtTheStart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	env := []string{"PETS_ADMIN_KEY=" + firstKey}
	_, err := servedAt(t, folder, start, env, func(*Server) {})
	require.NoError(t, err)
	for ahead, streams := range map[time.Duration]string{24 * time.Hour: "0", 24*time.Hour + 1: "1"} {
		var shown string
		log, err := servedAt(t, folder, start.Add(ahead), env, func(s *Server) {
			w := httptest.NewRecorder()
			s.meter.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			shown = w.Body.String()
			require.Empty(t, asks(t, s, firstKey), "it is not refused")
		})
		require.NoError(t, err)
		require.Contains(t, shown, "\npets_clock_ahead_streams "+streams+"\n")
		const said = "the wall clock is far ahead of the last record"
		if streams == "0" {
			require.NotContains(t, log, said)
		} else {
			require.Contains(t, log, said)
		}
	}
}
