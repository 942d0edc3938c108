package httpapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"pets/commands"
)

// Rates of requests without a valid key, per source: slow enough to make guessing
// pointless, fast enough to answer a misconfigured bot.
const (
	strangerRate  = 5
	strangerBurst = 20
	maxStrangers  = 10_000
)

// factsPerCommand is how many facts a key may report for each other command: a
// permitted order is placed, filled in parts, and released. Facts are counted
// separately, so that a flood of permits never keeps a bot from reporting facts.
const factsPerCommand = 4

// limiters limit how many commands a key may send, and the requests of a source
// without a key. Stops are not counted.
type limiters struct {
	rate  rate.Limit
	burst int

	mu        sync.Mutex
	keys      map[string]*quota        // by key id: limited by the number of keys
	refusals  map[string]*rate.Limiter // by key id
	ways      map[string]*wayOut       // by key id
	strangers map[string]*asking       // by source
}

// asking is what a source may still request without a valid key, of routes that
// require one and of those that do not.
type asking struct{ keyless, open *rate.Limiter }

// quota is what one key may still send now.
type quota struct{ others, facts, bytes *rate.Limiter }

func newLimiters(perSecond float64, burst int) *limiters {
	return &limiters{
		rate: rate.Limit(perSecond), burst: burst,
		keys: map[string]*quota{}, refusals: map[string]*rate.Limiter{}, ways: map[string]*wayOut{}, strangers: map[string]*asking{},
	}
}

// take counts n commands of a class, all or none. If there are too many now, it
// returns how long to wait; if there are too many for any time, ever is false.
func (l *limiters) take(key string, class commands.Class, n int, now time.Time) (wait time.Duration, ever bool) {
	if l.rate <= 0 || class == commands.ClassStop || n == 0 {
		return 0, true
	}
	limiter := l.of(key).others
	if class == commands.ClassFact {
		limiter = l.of(key).facts
	}
	taken := limiter.ReserveN(now, n)
	if !taken.OK() {
		return 0, false
	}
	if wait = taken.DelayFrom(now); wait > 0 {
		taken.CancelAt(now)
	}
	return wait, true
}

// takeBytes counts bytes of facts, and returns how long to wait if there are too
// many.
func (l *limiters) takeBytes(key string, bytes int, now time.Time) time.Duration {
	if l.rate <= 0 {
		return 0
	}
	taken := l.of(key).bytes.ReserveN(now, min(bytes, factBytesBurst))
	wait := taken.DelayFrom(now)
	if wait > 0 {
		taken.CancelAt(now)
	}
	return wait
}

// spendBytes counts bytes of facts that are already recorded; the next request
// has to wait for them.
func (l *limiters) spendBytes(key string, bytes int, now time.Time) {
	if l.rate > 0 {
		l.of(key).bytes.ReserveN(now, min(bytes, factBytesBurst))
	}
}

func (l *limiters) of(key string) *quota {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.keys[key]
	if q == nil {
		q = &quota{
			others: rate.NewLimiter(l.rate, l.burst),
			facts:  rate.NewLimiter(factsPerCommand*l.rate, factsPerCommand*l.burst),
			bytes:  rate.NewLimiter(factBytes, factBytesBurst),
		}
		l.keys[key] = q
	}
	return q
}

// oneFact is how long a key waits for one more fact.
func (l *limiters) oneFact() time.Duration {
	return time.Duration(float64(time.Second) / float64(factsPerCommand*l.rate))
}

// most returns how many commands of a class may be sent at once.
func (l *limiters) most(class commands.Class) int {
	if class == commands.ClassFact {
		return factsPerCommand * l.burst
	}
	return l.burst
}

// stranger takes one request without a valid key.
func (l *limiters) stranger(source string, now time.Time) bool {
	return l.asking(source).keyless.AllowN(now, 1)
}

// open takes one request to a route that needs none.
func (l *limiters) open(source string, now time.Time) bool {
	return l.asking(source).open.AllowN(now, 1)
}

func (l *limiters) asking(source string) *asking {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.strangers[source]
	if a == nil {
		if len(l.strangers) >= maxStrangers { // forgetting the counts is better than growing without limit
			clear(l.strangers)
		}
		a = &asking{rate.NewLimiter(strangerRate, strangerBurst), rate.NewLimiter(openRate, openBurst)}
		l.strangers[source] = a
	}
	return a
}

// refusal counts one refusal of a key. It returns false if there are too many.
func (l *limiters) refusal(key string, now time.Time) bool {
	l.mu.Lock()
	r := l.refusals[key]
	if r == nil {
		r = rate.NewLimiter(refusalRate, refusalBurst)
		l.refusals[key] = r
	}
	l.mu.Unlock()
	return r.AllowN(now, 1)
}
