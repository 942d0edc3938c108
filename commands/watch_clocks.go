package commands

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"pets/domain"
)

const (
	// watchEvery is how often the clocks are looked at where permits can end.
	watchEvery = time.Second
	// watchAtOnce is how many portfolios are looked at beside each other.
	watchAtOnce = 4
	// watchWithin bounds one round: a writer that hangs keeps no other from being looked at
	// for long.
	watchWithin = 5 * time.Second
)

// WatchClocks has what the clocks end recorded within a second or two, in portfolios in
// which nothing happens, too, until the context ends. Any number of servers may see the
// same: it is recorded once.
func (e *Engine) WatchClocks(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
			err := e.watchClocks(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				e.options.Failed("permits that the clock has ended cannot be recorded as ended; they end with the next command that is", err)
			}
			failing = err != nil
		case <-ctx.Done():
			return
		}
	}
}

// watchClocks looks once in every portfolio in which a permit can end by the time.
func (e *Engine) watchClocks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, watchWithin)
	defer cancel()
	var timed []*Writer
	if e.system.folded.Load() { // so that a jump is noticed where no permit can end
		timed = append(timed, e.system)
	}
	e.mu.Lock()
	for _, w := range e.writers {
		if w.timed.Load() {
			timed = append(timed, w)
		}
	}
	e.mu.Unlock()
	var failed atomic.Pointer[error]
	inParallel(len(timed), watchAtOnce, func(i int) {
		if err := timed[i].recordClocks(ctx); err != nil {
			failed.Store(&err)
		}
	})
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// recordClocks sends a command if the clocks have ended anything that no record says: any
// command would do, and this one does nothing else.
func (w *Writer) recordClocks(ctx context.Context) error {
	var key string
	err := w.lookAt(ctx, func(f stateFold) error {
		if f.imported() {
			w.timed.Store(false)
			return nil
		}
		wall := w.options.Now()
		w.jump.compare(wall)
		now, behind := f.clock(wall)
		w.still.readClocks(wall, behind)
		if f.clocksEnd(circumstances{now: now, jumped: w.jump.pending(), still: w.still.standing()}) {
			next, _ := f.head()
			key = fmt.Sprintf("clocks-%d", next)
		} else if !f.timed(now) {
			w.timed.Store(false)
		}
		return nil
	})
	if err != nil || key == "" {
		return err
	}
	_, err = w.Do(ctx, Request{Caller: domain.Caller{User: domain.ServerUser, Role: domain.RoleAdmin}, Key: key, Command: TimeOutLegs{}})
	return err
}
