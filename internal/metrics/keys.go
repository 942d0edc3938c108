package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The series of the API keys. A key has no series of its own: its id would be a
// label that grows without limit.
var (
	keysEnd  = desc("api_key_expiry_timestamp_seconds", "When the first live API key of a role expires; (this - time()) / 86400 is the days until then.", "role")
	keysSoon = desc("api_keys_expiring", "Live API keys that expire within 30 days and were not replaced.")
)

// keyEnds tells when the first live key of each role ends, and how many end soon.
type keyEnds func() (first map[string]time.Time, soon int)

// WatchKeys sets the source of the ends of the API keys.
func (m *Metrics) WatchKeys(ends func() (first map[string]time.Time, soon int)) {
	m.registry.MustRegister(keyEnds(ends))
}

// Describe implements prometheus.Collector.
func (keyEnds) Describe(out chan<- *prometheus.Desc) { out <- keysEnd; out <- keysSoon }

// Collect implements prometheus.Collector.
func (k keyEnds) Collect(out chan<- prometheus.Metric) {
	first, soon := k()
	for role, at := range first {
		gauge(out, keysEnd, float64(at.Unix()), role)
	}
	gauge(out, keysSoon, float64(soon))
}
