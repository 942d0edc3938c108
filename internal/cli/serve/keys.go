package serve

import (
	"context"
	"log/slog"
	"time"

	"pets/domain"
	"pets/domain/system"
)

// keysEvery is the interval between two looks at the ends of the API keys. Each key is spoken
// of once a day.
const keysEvery = time.Hour

// watchKeys logs which API keys end within 30 days, until ctx ends.
func (s *Server) watchKeys(ctx context.Context) {
	tick := time.NewTicker(keysEvery)
	defer tick.Stop()
	told := map[string]time.Time{}
	for {
		s.tellOfKeys(ctx, told)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tellOfKeys speaks of each key that ends soon, unless it did so within a day.
func (s *Server) tellOfKeys(ctx context.Context, told map[string]time.Time) {
	now := s.now()
	lastAdmin := s.keys.LastAdminUntil(now)
	for _, k := range s.keys.Ending(now) {
		if at, was := told[k.ID]; was && now.Sub(at) < 24*time.Hour && !now.Before(at) {
			continue
		}
		told[k.ID] = now
		level, what := slog.LevelWarn, "an API key expires soon; an admin replaces it with pets apikey rotate"
		if k.Role == domain.RoleAdmin && lastAdmin != nil && !k.ExpiresAt.Before(*lastAdmin) {
			level, what = slog.LevelError, "CRITICAL: the last admin key expires soon; replace it with pets apikey rotate while it is accepted"
		}
		s.Log.Log(ctx, level, what, "key", k.ID, "user", k.User, "role", string(k.Role), "portfolio", k.Portfolio, "expires_at", k.ExpiresAt.UTC(), "left", k.ExpiresAt.Sub(now).Round(time.Minute).String()) //nolint:sloglint // one of two texts
	}
}

// keyEnds returns, for the metrics, when the first live key of each role ends, and how many
// end soon.
func (s *Server) keyEnds() (first map[string]time.Time, soon int) {
	first = map[string]time.Time{}
	now := s.now()
	for _, k := range s.keys.List() {
		if k.ExpiresAt == nil || k.ReplacedBy != "" || !k.Live(now) {
			continue
		}
		if at, is := first[string(k.Role)]; !is || k.ExpiresAt.Before(at) {
			first[string(k.Role)] = *k.ExpiresAt
		}
		if k.StateAt(now) == system.KeyExpiring {
			soon++
		}
	}
	return first, soon
}
