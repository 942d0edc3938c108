package metrics

import "github.com/prometheus/client_golang/prometheus"

// Database is the connection of a server to the database that keeps its events.
type Database struct {
	Connected  bool
	Reconnects uint64
	// Unanswered counts the appends that were sent and not answered, by what became of them:
	// "found" in the stream, "retried", "overtaken" by another server, or "unknown".
	Unanswered map[string]uint64
	// Appends is how long appends took that were acknowledged: how many, the sum in seconds, and
	// how many up to each bound in seconds.
	Appends       uint64
	AppendSeconds float64
	AppendBuckets map[float64]uint64
}

var (
	databaseConnected  = desc("database_connected", "1 when the database of the events can be asked.")
	databaseReconnects = desc("database_reconnects_total", "Connections to the database after the first.")
	databaseUnanswered = desc("database_unanswered_appends_total", "Appends that were sent and not answered, by what became of them: found in the stream, retried, overtaken by another server, or unknown to whom had sent the command.", "outcome")
	databaseAppends    = desc("database_append_seconds", "How long appends to the database took that were acknowledged.")
)

// WatchDatabase reads the connection to a database at the moment of each request.
func (m *Metrics) WatchDatabase(now func() Database) { m.registry.MustRegister(database(now)) }

type database func() Database

// Describe implements prometheus.Collector.
func (database) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{databaseConnected, databaseReconnects, databaseUnanswered, databaseAppends} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (d database) Collect(out chan<- prometheus.Metric) {
	now := d()
	gauge(out, databaseConnected, truth(now.Connected))
	out <- prometheus.MustNewConstMetric(databaseReconnects, prometheus.CounterValue, float64(now.Reconnects))
	for outcome, n := range now.Unanswered {
		out <- prometheus.MustNewConstMetric(databaseUnanswered, prometheus.CounterValue, float64(n), outcome)
	}
	out <- prometheus.MustNewConstHistogram(databaseAppends, now.Appends, now.AppendSeconds, now.AppendBuckets)
}
