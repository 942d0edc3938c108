package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Witness is the state of the store's witness.
type Witness struct {
	Written  time.Time
	Failures uint64
	Streams  int
	OK       bool
	// Approvers is how many records of approvers' keys were found at the start that no
	// witness had seen, or that contradict the rules.
	Approvers int
}

// witnessed reads the witness at the moment of the request.
type witnessed struct{ look func() Witness }

var (
	witnessOK       = desc("witness_ok", "1 while the witness of the store is kept and can be written; 0 means that a store rolled back from now on goes unnoticed.")
	witnessWritten  = desc("witness_written_timestamp_seconds", "When the witness was last written; 0 for never.")
	witnessFailures = desc("witness_failures_total", "Times the witness could not be written.")
	approversFound  = desc("approvers_unwitnessed", "Records of approvers' keys that were in the store at the start and that its witness had not seen, or that contradict the rules; somebody else may have written them.")
	witnessStreams  = desc("witness_streams", "Streams that the witness knows.")
)

// WatchWitness shows a witness from now on.
func (m *Metrics) WatchWitness(look func() Witness) { m.registry.MustRegister(&witnessed{look}) }

// Describe implements prometheus.Collector.
func (*witnessed) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{witnessOK, witnessWritten, witnessFailures, witnessStreams, approversFound} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (w *witnessed) Collect(out chan<- prometheus.Metric) {
	now, written := w.look(), 0.0
	if !now.Written.IsZero() {
		written = float64(now.Written.UnixMilli()) / 1000
	}
	gauge(out, witnessOK, truth(now.OK))
	gauge(out, witnessWritten, written)
	gauge(out, witnessStreams, float64(now.Streams))
	gauge(out, approversFound, float64(now.Approvers))
	out <- prometheus.MustNewConstMetric(witnessFailures, prometheus.CounterValue, float64(now.Failures))
}

// AuditMismatch counts a stream in which what is decided on, a snapshot or the hash tree
// is not what its history says.
func (m *Metrics) AuditMismatch() { m.audits.Inc() }
