// Package legs has arbitrages whose legs were not all filled in time recorded where nothing
// else happens: any command of the portfolio records them at once.
//
// It owns when it is looked, and looks at the states that are followed. It refuses to
// decide: whether a leg is overdue is decided by the command that it sends.
package legs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/live"
)

// every is how often it is looked.
const every = time.Second

// caller is who the commands come from.
var caller = domain.Caller{User: "server", Role: domain.RoleAdmin}

// Watcher looks for legs that are overdue.
type Watcher struct {
	Engine interface {
		Do(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	}
	Live *live.Followers
	Now  func() time.Time
	Log  *slog.Logger
}

// Run looks until the context ends. Any number of servers may see the same: it is
// recorded once.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// overdue is an arbitrage whose legs are.
type overdue struct{ portfolio, arbitrage, key string }

func (w *Watcher) look(ctx context.Context) {
	var found []overdue
	w.Live.Each(func(s *portfolio.State) {
		now, _ := s.ClockAt(w.Now())
		if arbitrage := s.OverdueLegs(now); arbitrage != "" {
			// What is noted once must not hold up the next.
			found = append(found, overdue{s.Portfolio, arbitrage, fmt.Sprintf("time-out-%s-%d", arbitrage, s.Next)})
		}
	})
	for _, o := range found {
		r := commands.Request{Caller: caller, Key: o.key, Command: commands.TimeOutLegs{}}
		if _, err := w.Engine.Do(ctx, o.portfolio, r); err != nil && ctx.Err() == nil {
			w.Log.Warn("overdue legs could not be recorded; they are with the next command", "portfolio", o.portfolio, "arbitrage", o.arbitrage, "error", err.Error())
		}
	}
}
