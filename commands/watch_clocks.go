package commands

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"pets/domain"
)

const (
	// watchEvery is how often the clocks of portfolios in which permits can end are checked.
	watchEvery = time.Second
	// watchAtOnce is how many portfolios are checked at the same time.
	watchAtOnce = 4
	// watchWithin limits one round, so that a writer that hangs does not delay the others
	// for long.
	watchWithin = 5 * time.Second
)

// WatchClocks records what the clocks have ended within a second or two, even in
// portfolios that receive no commands, until the context ends. Any number of servers may
// do so: each end is recorded once.
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

// watchClocks checks once every portfolio in which a permit can end with time.
func (e *Engine) watchClocks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, watchWithin)
	defer cancel()
	var timed []*Writer
	if e.system.folded.Load() { // so that a jump is noticed even if no permit can end
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

// recordClocks sends a command if the clocks have ended something that is not recorded
// yet. Any command would record it; this one does nothing else.
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
