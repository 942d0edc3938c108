package httpapi

import (
	"errors"
	"time"

	"golang.org/x/time/rate"

	"pets/commands"
	"pets/domain/portfolio"
)

// What a key may do although its bytes of a day are used up: see what it holds,
// and close it.
const (
	// closingRate and closingBurst limit permits that only reduce and would be
	// granted. Their bytes are counted all the same.
	closingRate  = 10
	closingBurst = 100
	// lookRate and lookBurst limit views of what is held.
	lookRate  = 1
	lookBurst = 3
)

// wayOut is what a key has left of both.
type wayOut struct{ closings, looks *rate.Limiter }

func (l *limiters) wayOut(key string) *wayOut {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.ways[key]
	if w == nil {
		w = &wayOut{rate.NewLimiter(closingRate, closingBurst), rate.NewLimiter(lookRate, lookBurst)}
		l.ways[key] = w
	}
	return w
}

// looks reports that the route shows what is held.
func (row *route) looks() bool {
	return row.name == "state" || row.name == "positions" || row.name == "permits"
}

// affordable refuses a permit to a key that has used up its bytes, unless the
// permit only closes.
func (q *request) affordable(c commands.AskPermit) error {
	if q.overspent() && q.leadsOut(c) {
		return nil
	}
	return q.withinBudget()
}

func (q *request) overspent() bool { return q.api.budgets.wait(q.key.id, q.api.now()) > 0 }

// leadsOut reports that the permit only reduces what is held, and would be
// granted. Without the second condition denials, which are recorded too, would
// bypass the limit.
func (q *request) leadsOut(c commands.AskPermit) bool {
	if !c.ReduceOnly || commands.Allowed(q.key.caller, c) != nil || q.exists() != nil {
		return false
	}
	granted := false
	err := q.api.look(q.r.Context(), q.portfolio(), moment{}, func(s *portfolio.State, _ riders) error {
		p, err := c.Preview(s, q.api.now().UTC(), q.key.caller)
		granted = err == nil && p.Allowed
		return err
	})
	return err == nil && granted && q.api.limits.wayOut(q.key.id).closings.AllowN(q.api.now(), 1)
}

// escapes reports that a command of a batch that is refused for bytes only
// closes. It then takes its place in the rate, which refused commands do not.
func (q *request) escapes(refusal error, c commands.Command) bool {
	var e *laterError
	ask, is := c.(commands.AskPermit)
	return is && errors.As(refusal, &e) && e.bound == boundBytes && q.leadsOut(ask) && q.charge(commands.ClassOther, 1) == nil
}

// mayLook reports that the request shows what is held, within its rate.
func (q *request) mayLook(now time.Time) bool {
	return q.row.looks() && !q.r.URL.Query().Has("at") && q.api.limits.wayOut(q.key.id).looks.AllowN(now, 1)
}
