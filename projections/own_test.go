package projections

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// A bot that no event is about sees of every event there is either nothing or
// something that names no bot, no permit, no person's doing and no money of
// others: what is not listed is hidden, also of events to come.
func TestAStrangerSeesNothingOfOthers(t *testing.T) {
	shown := 0
	for _, eventType := range domain.EventTypes() {
		data, err := os.ReadFile(filepath.Join("..", "domain", "testdata", "events", eventType+".json"))
		require.NoError(t, err)
		e, err := domain.Decode(eventType, data)
		require.NoError(t, err)
		own := OwnEvent(e, "stranger", func(string) string { return "alpha" })
		if own == nil {
			continue
		}
		shown++
		seen, err := domain.Encode(own)
		require.NoError(t, err)
		for _, secret := range []string{`"bot":"`, `"bots_stopped"`, `"permits_revoked"`, `"holders"`, `"equity"`, `"reference"`, `"permits_released"`} {
			if eventType == domain.MarketSettledType && secret == `"bot":"` {
				continue
			}
			require.False(t, strings.Contains(string(seen), secret), "%s shows %s: %s", eventType, secret, seen)
		}
		again, err := domain.Encode(e)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(data)), string(again), "the event itself is not changed")
	}
	require.GreaterOrEqual(t, shown, 5)
}

// Its own it sees whole.
func TestABotSeesItsOwn(t *testing.T) {
	owner := func(permit string) string { return map[string]string{"p1": "a", "p2": "b"}[permit] }
	trip := &domain.BreakerTripped{Breaker: domain.ConsecutiveLosses, Scope: "bot", Bot: "a", BotsStopped: []string{"a", "b"}, PermitsRevoked: []string{"p1", "p2"}}
	own, ok := OwnEvent(trip, "a", owner).(*domain.BreakerTripped)
	require.True(t, ok)
	require.Equal(t, []string{"a"}, own.BotsStopped)
	require.Equal(t, []string{"p1"}, own.PermitsRevoked)
	require.Nil(t, OwnEvent(trip, "b", owner), "another bot's affairs")
	require.Len(t, trip.BotsStopped, 2)

	settled := &domain.MarketSettled{Holders: []domain.Holder{{Bot: "a"}, {Bot: "b"}}, PermitsReleased: []string{"p2"}}
	mine, ok := OwnEvent(settled, "b", owner).(*domain.MarketSettled)
	require.True(t, ok)
	require.Equal(t, []domain.Holder{{Bot: "b"}}, mine.Holders)
	require.NotNil(t, OwnEvent(&domain.PermitPlaced{Permit: "p2"}, "b", owner))
	require.Nil(t, OwnEvent(&domain.PermitPlaced{Permit: "p2"}, "a", owner))
	require.NotNil(t, OwnEvent(&domain.FillRecorded{FillID: domain.FillID{Bot: "a"}}, "a", owner))
	require.Nil(t, OwnEvent(&domain.DayOpened{}, "a", owner))
	require.Nil(t, OwnEvent(&domain.DepositRecorded{}, "a", owner))
}
