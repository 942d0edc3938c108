package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "expires_at … by the wall clock": a bot compares it with its own clock, also after two
// people accepted an offset, and while the clock is behind. A retry gets the same time.
func TestAnswersHaveTheTimeOfTheWallClock(t *testing.T) {
	m := yearAhead(t)
	bot := botCaller("a")
	in30 := func(a Answer) {
		t.Helper()
		want := m.clock.Now().Add(30 * time.Second)
		require.Equal(t, want, *a.Permit.ExpiresAt)
		require.Equal(t, want, m.listed()[a.Permit.PermitID])
	}
	in30(m.must(bot, sell("1")))
	m.accept(t)
	m.pass(time.Minute)
	a, err := m.do(bot, "k", permit("a", "1"))
	require.NoError(t, err)
	in30(a)
	m.restart()
	again, err := m.do(bot, "k", permit("a", "1"))
	require.NoError(t, err)
	same(t, a, again)

	expires := m.clock.Now().Add(time.Hour)
	m.must(bot, PlacePermit{Permit: a.Permit.PermitID, ExpiresAt: &expires})
	require.Equal(t, expires, m.listed()[a.Permit.PermitID])
	other := expires.Add(1)
	m.refused(domain.CodeConflict, bot, PlacePermit{Permit: a.Permit.PermitID, ExpiresAt: &other})

	m.must(olga, RegisterMarket{Market: "r", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
	legs := AskPermit{Bot: "a", Intent: domain.IntentArbitrage}
	for _, outcome := range []string{"YES", "NO"} {
		legs.Legs = append(legs.Legs, Leg{Instrument: domain.Instrument{Market: "r", Outcome: outcome}, Side: domain.Buy, Quantity: dec("10"), LimitPrice: dec("0.45")})
	}
	b := m.must(bot, legs)
	require.Equal(t, m.clock.Now().Add(30*time.Second), *b.Permit.ExpiresAt)
	require.Equal(t, m.clock.Now().Add(30*time.Second), *b.Permit.Deadline)
	m.check()
}
