package httpapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Requests without a valid key, per source: slow enough that guessing is
// pointless, fast enough that a misconfigured bot is told why.
const (
	strangerRate  = 5
	strangerBurst = 20
	maxStrangers  = 10_000
)

// limiters bound how often a key, or a source without one, may ask.
type limiters struct {
	rate  rate.Limit
	burst int

	mu        sync.Mutex
	keys      map[string]*rate.Limiter // by key id: bounded by the keys there are
	strangers map[string]*rate.Limiter // by source
}

func newLimiters(perSecond float64, burst int) *limiters {
	return &limiters{
		rate: rate.Limit(perSecond), burst: burst,
		keys: map[string]*rate.Limiter{}, strangers: map[string]*rate.Limiter{},
	}
}

// allow takes one request of a key.
func (l *limiters) allow(key string, now time.Time) bool {
	if l.rate <= 0 {
		return true
	}
	l.mu.Lock()
	limiter := l.keys[key]
	if limiter == nil {
		limiter = rate.NewLimiter(l.rate, l.burst)
		l.keys[key] = limiter
	}
	l.mu.Unlock()
	return limiter.AllowN(now, 1)
}

// stranger takes one request without a valid key.
func (l *limiters) stranger(source string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.strangers[source]
	if limiter == nil {
		if len(l.strangers) >= maxStrangers { // forgetting them is milder than growing
			clear(l.strangers)
		}
		limiter = rate.NewLimiter(strangerRate, strangerBurst)
		l.strangers[source] = limiter
	}
	return limiter.AllowN(now, 1)
}
