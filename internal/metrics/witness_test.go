package metrics

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// "A witness that cannot be written … log, metric", and an audit that finds something.
func TestMetricsOfTheWitness(t *testing.T) {
	m := New()
	now := Witness{Written: time.UnixMilli(1_500), Failures: 2, Streams: 3, OK: true, Approvers: 4}
	m.WatchWitness(func() Witness { return now })
	m.AuditMismatch()
	read := func() string {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		require.Equal(t, 200, w.Code)
		return w.Body.String()
	}
	text := read()
	for _, line := range []string{
		"pets_witness_ok 1", "pets_witness_written_timestamp_seconds 1.5", "pets_witness_failures_total 2", "pets_witness_streams 3", "pets_approvers_unwitnessed 4",
		"pets_audit_mismatches_total 1",
	} {
		require.Contains(t, text, line+"\n")
	}
	now = Witness{}
	text = read()
	require.Contains(t, text, "pets_witness_ok 0\n")
	require.Contains(t, text, "pets_witness_written_timestamp_seconds 0\n")
}
