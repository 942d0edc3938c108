package commands

import (
	"slices"

	"pets/domain"
)

// maxLatest bounds the names of which the last stop is remembered.
const maxLatest = 65_536

// stopped is what a stop concerns: a bot of a portfolio, or ("") all of them.
type stopped struct{ portfolio, bot string }

// arrivals counts the stops as they come, so that a command that was sent before a stop
// is known even if it is decided after it. It is kept in memory: what came to another
// process did not come here.
type arrivals struct {
	last   uint64
	latest map[stopped]uint64
	// floor: what was forgotten came before it.
	floor uint64
}

// stop notes that a stop has come.
func (a *arrivals) stop(s stopped) {
	a.last++
	if len(a.latest) >= maxLatest {
		a.latest, a.floor = map[stopped]uint64{}, a.last
	}
	a.latest[s] = a.last
}

// since reports whether a stop of a bot, or of all, came after so many stops.
func (a *arrivals) since(portfolio, bot string, seen uint64) bool {
	if a.floor > seen {
		return true
	}
	for _, s := range []stopped{{portfolio, bot}, {portfolio, ""}, {everywhere, ""}} {
		if a.latest[s] > seen {
			return true
		}
	}
	return false
}

// stopsSeen is how many stops have come, and one: 0 stands for a request of which nobody
// noted when it came.
func (s *pending) stopsSeen() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came.last
}

// StopsSeen is what [Request.Seen] is for a request that comes now.
func (e *Engine) StopsSeen() uint64 { return e.stops.pending.stopsSeen() }

// overtaken refuses what would undo a stop that came after it.
func (s *pending) overtaken(portfolio, bot string, seen uint64) error {
	if seen == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.came.since(portfolio, bot, seen) {
		return nil
	}
	return domain.Errorf(domain.CodeHalted, "a stop came after this was first sent, and is not undone by it; look why, and send it anew with a new Idempotency-Key")
}

// arrive notes, of what lets trading go on, which stops it has seen; and of stops that are
// sent together, that they have come. Those are no later stops to what is sent with them:
// what had seen every other one has seen them, too.
func (e *Engine) arrive(portfolio string, requests []Request) []Request {
	var stops []stopped
	lets := false
	for i := range requests {
		if p, err := e.stopOfBot(&requests[i]); err == nil {
			stops = append(stops, stopped{portfolio, p.Bot})
		}
		lets = lets || requests[i].letsGoOn()
	}
	if !lets && len(stops) == 0 {
		return requests
	}
	if lets {
		requests = slices.Clone(requests) // they are the caller's
	}
	e.stops.pending.arrive(portfolio, stops, requests)
	return requests
}

func (r *Request) letsGoOn() bool { return r.Command != nil && r.Command.spec().GoesOn }

func (s *pending) arrive(portfolio string, stops []stopped, requests []Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.came.last + uint64(len(stops))
	for i := range requests {
		r := &requests[i]
		if r.letsGoOn() && (r.Seen == 0 || !s.came.since(portfolio, about(r.Command), r.Seen)) {
			r.Seen = seen
		}
	}
	for _, what := range stops {
		s.came.stop(what)
	}
}
