package httpapi

import (
	"sync"

	"pets/commands"
)

// Bounds of what is noted of requests that came before they could be decided: of strangers,
// while nobody's key is known yet, and in all.
const (
	maxEarlyStrangers = 1_000
	maxEarly          = 10_000
)

// earlyComers are the requests by which trading would go on, that came while the history was
// still being folded and were answered 503. They are sent again until they are taken: a stop
// that came in between is not undone by them.
type earlyComers struct {
	mu   sync.Mutex
	seen map[string]uint64 // how many stops had come, by path and Idempotency-Key
}

// note keeps when a request first came.
func (e *earlyComers) note(name string, seen uint64, most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.seen[name]; known || len(e.seen) >= most {
		return
	}
	if e.seen == nil {
		e.seen = map[string]uint64{}
	}
	e.seen[name] = seen
}

// of is when a request first came, 0 where nobody noted it.
func (e *earlyComers) of(name string) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[name]
}

func (q *request) comesAs() string {
	return q.r.URL.Path + "\x00" + q.r.Header.Get("Idempotency-Key")
}

// tooEarly notes a request that has to wait, if trading would go on by it.
func (q *request) tooEarly() {
	if _, err := idempotencyKey(q.r); err != nil || !commands.GoesOn(q.row.command) {
		return
	}
	most := maxEarlyStrangers
	if q.api.known.Load() {
		if _, err := q.api.authenticate(q.r); err != nil {
			return
		}
		most = maxEarly
	}
	q.api.early.note(q.comesAs(), q.api.engine.StopsSeen(), most)
}

// firstCame is what the engine is told of when a request came first.
func (q *request) firstCame() uint64 {
	if !commands.GoesOn(q.row.command) {
		return 0
	}
	return q.api.early.of(q.comesAs())
}
