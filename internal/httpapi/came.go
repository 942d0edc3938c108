package httpapi

import (
	chain "container/list"
	"sync"
	"time"

	"pets/commands"
)

// Bounds of what is remembered of requests by which trading would go on: of one holder of
// keys, of strangers while nobody's key is known yet, and for how long.
const (
	maxCame          = 10_000
	maxCameStrangers = 1_000
	cameFor          = 15 * time.Minute
)

// strangers hold what came before anybody's key was known.
const strangers = ""

// comers remembers, of each request by which trading would go on, how many stops had come
// when it came first. Whoever sends it again until it is taken does not undo a stop that
// came in between, whatever it was answered before: it is forgotten when it is answered
// with success, or after [cameFor]. Within that time nothing is forgotten for others: who
// has too much of it open waits.
type comers struct {
	now func() time.Time // nil is time.Now: what was put right of the wall clock is no time that passed

	mu sync.Mutex
	of map[string]*holder // by [domain.Caller.Scope]
}

// holder is what one holder of keys has open, the oldest first.
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

// note returns how many stops had come when a request came first; it comes now, having
// seen so many. Where no more can be noted, it says how long to wait.
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

// first is how many stops had come when a request came first, seen where nobody noted it.
func (c *comers) first(scope, name string, seen uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.expired(scope, c.clock()); h != nil && h.by[name] != nil {
		seen = min(seen, comerOf(h.by[name]).seen)
	}
	return seen
}

// forget lets go of a request that was answered with success: its answer stands in the log.
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

// expired is what a holder has open, without what is too old; nil for nothing.
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

// arrives takes the count of stops as soon as the header is there: a stop that is
// acknowledged while the body is on its way came later.
func (q *request) arrives() {
	if q.row.batch || q.row.sends.GoesOn {
		q.seen = q.api.engine.StopsSeen()
	}
}

// comesAs names a request among those of its holder, by the key as it was understood.
func (q *request) comesAs(key string) string { return q.portfolio() + "\x00" + key }

// comes notes a request by which trading would go on, and returns how many stops had come
// when it came first.
func (q *request) comes(key string) (uint64, error) {
	name := q.comesAs(key)
	seen := q.api.came.first(strangers, name, q.seen)
	first, wait := q.api.came.note(q.key.caller.Scope(), name, seen, maxCame)
	if wait > 0 {
		return 0, q.limited(boundCommands, wait, "%d starts, resets or confirmations of this user are open, sent within %s and not taken; more are not looked at before the oldest is %s old, in %s. A stop is never kept waiting", maxCame, cameFor, cameFor, seconds(wait))
	}
	return first, nil
}

// cameIn notes a request of a caller who is known, before anything else can refuse it.
// One without a proper key is refused for that, later.
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

// cameEarly notes a request that has to wait until the history is folded. Of a batch
// nothing is noted: it is not read.
func (q *request) cameEarly() {
	k, err := idempotencyKey(q.r)
	if err != nil || !q.row.sends.GoesOn {
		return
	}
	if !q.api.known.Load() {
		q.api.came.note(strangers, q.comesAs(k), q.seen, maxCameStrangers)
		return
	}
	if who, err := q.api.authenticate(q.r); err == nil {
		q.key = who
		_, _ = q.comes(k) // it is refused anyway
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

// batchCame notes what of a batch would let trading go on, as soon as it is read: what the
// batch is then refused for may pass.
func (q *request) batchCame(items []batchItem) {
	for i := range items {
		item := &items[i]
		if !item.spec().GoesOn {
			continue
		}
		if k, err := checkKey("idempotency_key", item.IdempotencyKey); err == nil {
			item.seen, item.late = q.comes(k)
		}
	}
}
