package httpapi

import (
	chain "container/list"
	"sync"
	"time"

	"pets/commands"
)

// Limits of what is remembered of requests that would resume trading: of one key
// holder, of strangers while no keys are known yet, and for how long.
const (
	maxCame          = 10_000
	maxCameStrangers = 1_000
	cameFor          = 15 * time.Minute
)

// strangers holds what arrived before the keys were known.
const strangers = ""

// comers remembers, for each request that would resume trading, how many stops
// there had been when it first arrived. A client that repeats the request until
// it is accepted thus does not undo a stop made in between. An entry is removed
// when the request is answered with success, or after [cameFor]. Until then it is
// never removed in favour of others: a holder with too many open entries has to
// wait.
type comers struct {
	now func() time.Time // nil is time.Now: corrections of the wall clock do not count as elapsed time

	mu sync.Mutex
	of map[string]*holder // by [domain.Caller.Scope]
}

// holder is what one key holder has open, the oldest first.
type holder struct {
	by    map[string]*chain.Element
	order chain.List // of *comer
}

func comerOf(e *chain.Element) *comer { return e.Value.(*comer) } //nolint:errcheck,forcetypeassert // nothing else is in it

type comer struct {
	name string
	seen uint64
	at   time.Time
}

// note returns how many stops there had been when a request first arrived; it
// arrives now, having seen so many. If no more can be noted, it returns how long
// to wait.
func (c *comers) note(scope, name string, seen uint64, most int) (first uint64, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	h := c.expired(scope, now)
	if h == nil {
		h = &holder{by: map[string]*chain.Element{}}
		if c.of == nil {
			c.of = map[string]*holder{}
		}
		c.of[scope] = h
	}
	if e := h.by[name]; e != nil {
		k := comerOf(e)
		k.seen = min(k.seen, seen)
		return k.seen, 0
	}
	if len(h.by) >= most {
		return 0, comerOf(h.order.Front()).at.Add(cameFor).Sub(now)
	}
	h.by[name] = h.order.PushBack(&comer{name, seen, now})
	return seen, 0
}

// first returns how many stops there had been when a request first arrived, or
// seen if it was not noted.
func (c *comers) first(scope, name string, seen uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.expired(scope, c.clock()); h != nil && h.by[name] != nil {
		seen = min(seen, comerOf(h.by[name]).seen)
	}
	return seen
}

// forget removes a request that was answered with success: its answer is in the
// log.
func (c *comers) forget(scope, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.of[scope]; h != nil && h.by[name] != nil {
		c.drop(scope, h, h.by[name])
	}
}

func (c *comers) clock() time.Time {
	if c.now != nil {
		return c.now()
	}
	return time.Now()
}

// expired returns the open entries of a holder without those that are too old, or
// nil.
func (c *comers) expired(scope string, now time.Time) *holder {
	h := c.of[scope]
	for h != nil && h.order.Len() > 0 && now.Sub(comerOf(h.order.Front()).at) >= cameFor {
		c.drop(scope, h, h.order.Front())
	}
	return c.of[scope]
}

func (c *comers) drop(scope string, h *holder, e *chain.Element) {
	delete(h.by, comerOf(e).name)
	h.order.Remove(e)
	if h.order.Len() == 0 {
		delete(c.of, scope)
	}
}

// arrives reads the number of stops as soon as the header has arrived: a stop
// that is acknowledged during the transfer of the body is later.
func (q *request) arrives() {
	if q.row.batch || q.row.sends.GoesOn {
		q.seen = q.api.engine.StopsSeen()
	}
}

// comesAs identifies a request among those of its holder, by its parsed key.
func (q *request) comesAs(key string) string { return q.portfolio() + "\x00" + key }

// comes notes a request that would resume trading, and returns how many stops
// there had been when it first arrived.
func (q *request) comes(key string) (uint64, error) {
	name := q.comesAs(key)
	seen := q.api.came.first(strangers, name, q.seen)
	first, wait := q.api.came.note(q.key.caller.Scope(), name, seen, maxCame)
	if wait > 0 {
		return 0, q.limited(boundCommands, wait, "%d starts, resets or confirmations of this user, sent within %s, are still open; no more are accepted until the oldest is %s old, in %s. A stop never waits", maxCame, cameFor, cameFor, seconds(wait))
	}
	return first, nil
}

// cameIn notes a request of a known caller, before anything else can refuse it. A
// request without a proper key is refused later.
func (q *request) cameIn() error {
	if !q.row.sends.GoesOn {
		return nil
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return nil //nolint:nilerr // it is refused for that where a key is needed
	}
	q.seen, err = q.comes(k)
	return err
}

// cameEarly notes a request that has to wait until the history is folded. It
// cannot note a batch, because the body is not read.
func (q *request) cameEarly() {
	k, err := idempotencyKey(q.r)
	if err != nil || !q.row.sends.GoesOn {
		return
	}
	if !q.api.known.Load() {
		q.api.came.note(strangers, q.comesAs(k), q.seen, maxCameStrangers)
		return
	}
	if who, err := q.api.authenticate(q.r, q.row); err == nil {
		q.key = who
		_, _ = q.comes(k) // it is refused in any case
		q.key = key{}
	}
}

// taken forgets a request that was answered with success.
func (q *request) taken(r *commands.Request, err error) {
	if err == nil && commands.SpecOf(r.Command).GoesOn {
		name := q.comesAs(r.Key)
		q.api.came.forget(q.key.caller.Scope(), name)
		q.api.came.forget(strangers, name)
	}
}

// batchCame notes the commands of a batch that would resume trading, as soon as
// it is read, because a refusal of the batch may be temporary.
func (q *request) batchCame(all []batched) {
	for i := range all {
		one := &all[i]
		if one.goesOn && one.request.Key != "" {
			one.request.Seen, one.late = q.comes(one.request.Key)
		}
	}
}
