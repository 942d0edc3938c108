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

// Of custody a bot sees its own signatures, made and refused, whole: the order it
// places names the wallet that signed it. Nothing of transfers, wallets, keys,
// reconciliation and the treasury's rules; of a signature under a transfer nothing.
func TestABotSeesOnlyItsSignatures(t *testing.T) {
	owner := func(string) string { return "" }
	made := &domain.SignatureMade{Purpose: domain.PurposeOrder, Bot: "a", Permit: "p1", Wallet: "hot-1", Address: "0x98"}
	require.Equal(t, made, OwnEvent(made, "a", owner))
	require.Nil(t, OwnEvent(made, "b", owner))
	refused := &domain.SignatureRefused{Purpose: domain.PurposeOrder, Bot: "a", Permit: "p1", Reasons: []domain.SignatureObstacle{{Code: domain.SignPrice}}}
	require.Equal(t, refused, OwnEvent(refused, "a", owner))
	require.Nil(t, OwnEvent(refused, "b", owner))
	require.Nil(t, OwnEvent(&domain.SignatureMade{Purpose: domain.PurposeTransfer, Transfer: "x1", Wallet: "hot-1"}, "a", owner))
	require.NotNil(t, OwnEvent(&domain.MarketRegistered{Market: "m", Tokens: map[string]string{"YES": "7"}}, "a", owner))
	hidden := 0
	for _, eventType := range domain.EventTypes() {
		family, _, _ := strings.Cut(eventType, ".")
		switch family {
		case "wallet", "key", "address_book", "transfer", "balance", "treasury_policy":
			hidden++
			data, err := os.ReadFile(filepath.Join("..", "domain", "testdata", "events", eventType+".json"))
			require.NoError(t, err)
			e, err := domain.Decode(eventType, data)
			require.NoError(t, err)
			require.Nil(t, OwnEvent(e, "a", owner), eventType)
			require.Nil(t, OwnEvent(e, "alpha", owner), eventType)
		}
	}
	require.GreaterOrEqual(t, hidden, 20)
}
