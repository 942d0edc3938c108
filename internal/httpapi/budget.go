package httpapi

import (
	"math"
	"sync"
	"time"
)

// budgets limit the bytes that a key may cause in a day: what its permits,
// denials, notes and other commands that are neither fact nor stop add to the
// history, and what it reads (docs/decisions/0023). A budget refills steadily, so
// there is no midnight at which every key may start again. It is kept in memory:
// a restart refills it.
type budgets struct {
	perDay float64 // 0: no limit

	mu   sync.Mutex
	keys map[string]*budget // by key id: limited by the number of keys
}

// budget is what one key has left. It may become negative through requests under
// way when it ran out; that is deducted from the refill.
type budget struct {
	left float64
	at   time.Time
}

func newBudgets(perDay int64) *budgets {
	return &budgets{perDay: float64(perDay), keys: map[string]*budget{}}
}

// spend counts bytes of a key.
func (b *budgets) spend(key string, bytes int64, now time.Time) {
	if b.perDay <= 0 || bytes <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(key, now).left -= float64(bytes)
}

// wait returns how long a key has to wait until some of its budget is free, or 0.
func (b *budgets) wait(key string, now time.Time) time.Duration {
	if b.perDay <= 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.of(key, now).left
	if left > 0 {
		return 0
	}
	seconds := math.Floor((1-left)/b.perSecond()) + 1
	return time.Duration(seconds) * time.Second
}

func (b *budgets) perSecond() float64 { return b.perDay / (24 * 60 * 60) }

// of updates a key's budget to the current time. A clock that was put back
// neither adds nor removes anything.
func (b *budgets) of(key string, now time.Time) *budget {
	k := b.keys[key]
	if k == nil {
		k = &budget{left: b.perDay, at: now}
		b.keys[key] = k
	}
	if passed := now.Sub(k.at).Seconds(); passed > 0 {
		k.left = min(b.perDay, k.left+passed*b.perSecond())
	}
	k.at = now
	return k
}
