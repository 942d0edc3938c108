package httpapi

import (
	"context"
	"fmt"
	"time"

	"pets/commands"
	"pets/domain/portfolio"
)

// legsEvery is how often it is asked whether legs are overdue. Any command records
// it at once; this is for portfolios in which nothing happens.
const legsEvery = time.Second

// WatchLegs has legs of arbitrages that were not filled in time recorded, until the
// context ends. Any number of servers may see the same: it is recorded once.
func (a *API) WatchLegs(ctx context.Context) {
	tick := time.NewTicker(legsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.timeOutLegs(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (a *API) timeOutLegs(ctx context.Context) {
	ids, err := a.engine.Portfolios(ctx)
	if err != nil {
		return // the store does not answer; commands say so
	}
	for _, id := range ids {
		v, err := a.views.open(ctx, id)
		if err != nil || v == nil {
			continue
		}
		overdue, key := "", ""
		v.runner.Read(func(s *portfolio.State) {
			now, _ := s.ClockAt(a.now())
			overdue = s.OverdueLegs(now)
			key = fmt.Sprintf("time-out-%s-%d", overdue, s.Next) // what is noted once must not hold up the next
		})
		if overdue == "" {
			continue
		}
		r := commands.Request{Caller: server, Key: key, Command: commands.TimeOutLegs{}}
		if _, err := a.engine.Do(ctx, id, r); err != nil && ctx.Err() == nil {
			a.log.Warn("overdue legs could not be recorded; they are with the next command", "portfolio", id, "arbitrage", overdue, "error", err.Error())
		}
	}
}
