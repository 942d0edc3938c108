package httpapi

import (
	"errors"
	"time"

	"golang.org/x/time/rate"

	"pets/commands"
	"pets/domain/portfolio"
)

// What a key may do although its bytes of a day are used up, whoever used them up: see
// what it holds, and get out of it.
const (
	// closingRate and closingBurst bound permits that only reduce, and would be granted:
	// an order of each is on its way out. They are counted as bytes all the same.
	closingRate  = 10
	closingBurst = 100
	// lookRate and lookBurst bound looks at what is held.
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

// looks: the route shows what is held.
func (row *route) looks() bool {
	return row.name == "state" || row.name == "positions" || row.name == "permits"
}

// affordable refuses a permit to a key that has used up its bytes, unless it leads out.
func (q *request) affordable(c commands.AskPermit) error {
	if q.overspent() && q.leadsOut(c) {
		return nil
	}
	return q.withinBudget()
}

func (q *request) overspent() bool { return q.api.budgets.wait(q.key.id, q.api.now()) > 0 }

// leadsOut: the permit only reduces what is held, and would be granted. Others would be
// a way around the bound: a denial is recorded, too.
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

// escapes: what a batch is refused for is bytes, and this command of it leads out. It
// takes its place in the rate, which the commands that were refused did not.
func (q *request) escapes(refusal error, c commands.Command) bool {
	var e *laterError
	ask, is := c.(commands.AskPermit)
	return is && errors.As(refusal, &e) && e.bound == boundBytes && q.leadsOut(ask) && q.charge(commands.ClassOther, 1) == nil
}

// mayLook: the request shows what is held, and not too often.
func (q *request) mayLook(now time.Time) bool {
	return q.row.looks() && !q.r.URL.Query().Has("at") && q.api.limits.wayOut(q.key.id).looks.AllowN(now, 1)
}
