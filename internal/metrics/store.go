package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Health is the state of store and engine.
type Health struct {
	Poisoned, Damaged bool
	// DiskFree is the space left for the store, DiskReserve the part of it that
	// is kept in reserve; both in bytes.
	DiskFree, DiskReserve int64
	StopsPending          int
	// StopsUnkept are those of them that a restart forgets.
	StopsUnkept int
	// IndexReady: what is already recorded can be looked up. IndexUnwritten are the entries of
	// the index of the history that cannot be written to disk now.
	IndexReady     bool
	IndexUnwritten uint64
	// ClockBehind is how far the wall clock is behind the last record.
	ClockBehind time.Duration
}

// The series of the store, which has no portfolio.
var (
	poisoned     = desc("store_poisoned", "1 when nothing is taken before the server is started again: a write or a flush failed, the folder was moved, or something in it is damaged; /readyz says which.")
	damaged      = desc("store_damaged", "1 when something in the store does not read as it was written.")
	diskFree     = desc("disk_free_bytes", "Space left for the store.")
	diskReserve  = desc("disk_reserve_bytes", "Space that is kept for stops and for what has happened; 0 is none.")
	stopsPending = desc("stops_pending", "Emergency stops that hold and are not recorded yet.")
	stopsUnkept  = desc("stops_unkept", "Stops that hold in memory only: they could not be written anywhere, and a restart forgets them.")
	indexReady   = desc("index_ready", "1 when what is already recorded can be looked up; 0 while the index of the history is made from the log, or cannot be: no command is answered then, except stops.")
	indexMemory  = desc("index_unwritten_entries", "Entries of the index of the history that are kept in memory because they cannot be written to disk.")
	clockBehind  = desc("clock_behind_seconds", "By how much the wall clock is behind the last record of a stream: nothing is opened there meanwhile; 0 for not.")
)

// store reads the state of the store at the moment of the request.
type store func() Health

// Describe implements prometheus.Collector.
func (store) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poisoned, damaged, diskFree, diskReserve, stopsPending, stopsUnkept, indexReady, indexMemory, clockBehind} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s store) Collect(out chan<- prometheus.Metric) {
	h := s()
	gauge(out, poisoned, truth(h.Poisoned))
	gauge(out, damaged, truth(h.Damaged))
	gauge(out, diskFree, float64(h.DiskFree))
	gauge(out, diskReserve, float64(h.DiskReserve))
	gauge(out, stopsPending, float64(h.StopsPending))
	gauge(out, stopsUnkept, float64(h.StopsUnkept))
	gauge(out, indexReady, truth(h.IndexReady))
	gauge(out, indexMemory, float64(h.IndexUnwritten))
	gauge(out, clockBehind, h.ClockBehind.Seconds())
}
