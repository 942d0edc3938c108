// Package legs records arbitrages whose legs were not all filled in time when no
// other command does. Any command of the portfolio records them at once.
//
// It owns when the followed states are checked. It refuses to decide: the command
// that it sends decides whether a leg is overdue.
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

// every is the interval between checks.
const every = time.Second

// caller is the caller of the commands.
var caller = domain.Caller{User: "server", Role: domain.RoleAdmin}

// Watcher searches for overdue legs.
type Watcher struct {
	Engine interface {
		Do(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	}
	Live *live.Followers
	Now  func() time.Time
	Log  *slog.Logger
}

// Run checks until the context ends. If several servers find the same legs, they
// are recorded once.
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

// overdue is an arbitrage with overdue legs.
type overdue struct{ portfolio, arbitrage, key string }

func (w *Watcher) look(ctx context.Context) {
	var found []overdue
	w.Live.Each(func(s *portfolio.State) {
		now, _ := s.ClockAt(w.Now())
		if arbitrage := s.OverdueLegs(now); arbitrage != "" {
			// An arbitrage that fails must not delay the next.
			found = append(found, overdue{s.Portfolio, arbitrage, fmt.Sprintf("time-out-%s-%d", arbitrage, s.Next)})
		}
	})
	for _, o := range found {
		r := commands.Request{Caller: caller, Key: o.key, Command: commands.TimeOutLegs{}}
		if _, err := w.Engine.Do(ctx, o.portfolio, r); err != nil && ctx.Err() == nil {
			w.Log.Warn("overdue legs could not be recorded; the next command records them", "portfolio", o.portfolio, "arbitrage", o.arbitrage, "error", err.Error())
		}
	}
}
