package esdb

import (
	"sync"
	"time"
)

// Health is the state of the connection, and what happened since the store was
// opened.
type Health struct {
	// Ready reports a connection; Since is when there was one, or none, first.
	Ready bool
	Since time.Time
	// Reason says why there is no connection, without names of hosts.
	Reason string
	// Reconnects counts the connections after the first.
	Reconnects uint64
	// Ambiguous are the appends that were sent and not answered.
	Ambiguous Ambiguous
	// Appends is how long appends took that were acknowledged.
	Appends Latency
}

// Ambiguous counts appends that were sent and not answered, by what became of
// them.
type Ambiguous struct {
	Found     uint64 // their records were found in the stream
	Retried   uint64 // they were not there, and were sent again until there was an answer
	Overtaken uint64 // others had appended there: they can never be written
	GivenUp   uint64 // unknown: the caller got [eventstore.Ambiguous]
}

// Latency is a histogram. Buckets counts the values up to each bound, in seconds,
// as Prometheus does.
type Latency struct {
	Count   uint64
	Seconds float64
	Buckets map[float64]uint64
}

// bounds of the buckets, in seconds.
var bounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

type health struct {
	mu      sync.Mutex
	h       Health
	buckets [len(bounds)]uint64
}

func newHealth() *health { return &health{h: Health{Since: time.Now()}} }

func (h *health) change(f func(*Health)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.h)
}

func (h *health) connected(again bool) {
	h.change(func(s *Health) {
		s.Ready, s.Since = true, time.Now()
		if again {
			s.Reconnects++
		}
	})
}

func (h *health) lost() {
	h.change(func(s *Health) { s.Ready, s.Since = false, time.Now() })
}

// appended counts an append that was acknowledged.
func (h *health) appended(took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.h.Appends.Count++
	h.h.Appends.Seconds += took.Seconds()
	for i, bound := range bounds {
		if took.Seconds() <= bound {
			h.buckets[i]++
		}
	}
}

// Health reports the state of the connection.
func (s *Store) Health() Health {
	reason := ""
	if why := s.link.why(); why != nil {
		reason = why.Error()
	}
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	h := s.health.h
	h.Appends.Buckets = make(map[float64]uint64, len(bounds))
	for i, bound := range bounds {
		h.Appends.Buckets[bound] = s.health.buckets[i]
	}
	if !h.Ready {
		h.Reason = reason
	}
	return h
}
