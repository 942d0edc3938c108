package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// "`expires_at` … in answers and in `/permits`, are by the wall clock of the server", and
// "Of an order that rests it is what you said with `placed`": also where the time of the
// stream is ahead, and where a jump has moved the expiry.
func TestPermitsExpireByTheWallClock(t *testing.T) {
	wall := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ahead := 365 * 24 * time.Hour
	now := wall.Add(ahead)
	told := wall.Add(10 * time.Minute)
	inStream := told.Add(ahead)
	order := domain.Order{Bot: "a", Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: domain.One, LimitPrice: domain.One}
	s := portfolio.New()
	for i, e := range []domain.Event{
		&domain.PermitGranted{Permit: "p1", Order: order, ExpiresAt: now.Add(30 * time.Second), Ahead: domain.Duration(ahead)},
		&domain.PermitGranted{Permit: "p2", Order: order, ExpiresAt: now.Add(30 * time.Second), Ahead: domain.Duration(ahead)},
		&domain.PermitPlaced{Permit: "p2", ExpiresAt: &inStream, Ahead: domain.Duration(ahead)},
		&domain.PermitGranted{Permit: "p3", Order: order, ExpiresAt: now.Add(30 * time.Second), Ahead: domain.Duration(ahead)},
		&domain.PermitPlaced{Permit: "p3"},
	} {
		s.Apply(domain.Stamp{Revision: uint64(i), Time: now}, e)
	}
	ends := func(now time.Time) map[string]*time.Time {
		all := map[string]*time.Time{}
		for _, p := range PermitsOf(s, "", now) {
			all[p.Permit] = p.ExpiresAt
		}
		return all
	}
	granted := wall.Add(30 * time.Second)
	require.Equal(t, map[string]*time.Time{"p1": &granted, "p2": &told, "p3": nil}, ends(now))

	now = now.Add(time.Hour)
	s.Apply(domain.Stamp{Revision: 5, Time: now}, &domain.ClockJumped{
		By: domain.Duration(time.Hour), PermitsExpired: []string{"p1"}, OrdersKept: []string{"p2", "p3", "p9"}, Moved: domain.Duration(time.Hour),
	})
	require.Equal(t, map[string]*time.Time{"p2": &told, "p3": nil}, ends(now))
	require.Equal(t, map[string]*time.Time{"p2": &told, "p3": nil}, ends(now.Add(10*time.Minute-1)))
	require.Equal(t, map[string]*time.Time{"p3": nil}, ends(now.Add(10*time.Minute)))

	b, err := s.Snapshot()
	require.NoError(t, err)
	s, err = portfolio.Restore(b)
	require.NoError(t, err)
	require.Equal(t, map[string]*time.Time{"p2": &told, "p3": nil}, ends(now))
}
