package domain

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A bot that no event is about sees of every event there is either nothing or
// something that names no bot, no permit, no person's doing and no money of
// others: what is not listed is hidden, also of events to come.
func TestAStrangerSeesNothingOfOthers(t *testing.T) {
	shown := 0
	stranger := Viewer{Bot: "stranger", Holds: nobody}
	for _, eventType := range EventTypes() {
		e, err := Decode(eventType, golden(t, eventType))
		require.NoError(t, err)
		before, err := Encode(e)
		require.NoError(t, err)
		own := stranger.Sees(e)
		if own == nil {
			continue
		}
		shown++
		seen, err := Encode(own)
		require.NoError(t, err)
		for _, secret := range []string{`"bot":"`, `"bots_stopped"`, `"permits_revoked"`, `"holders"`, `"equity"`, `"reference"`, `"permits_released"`, `"treasury"`} {
			if e.EventType() == MarketSettledType && secret == `"bot":"` {
				continue
			}
			require.False(t, strings.Contains(string(seen), secret), "%s shows %s: %s", eventType, secret, seen)
		}
		require.NotRegexp(t, `"(user|requested_by|confirmed_by)":"[^"]`, string(seen), "%s names somebody", eventType)
		again, err := Encode(e)
		require.NoError(t, err)
		require.Equal(t, string(before), string(again), "the event itself is not changed")
	}
	require.GreaterOrEqual(t, shown, 5)
}

func nobody(string) bool { return false }

// Its own it sees whole.
func TestABotSeesItsOwn(t *testing.T) {
	a := Viewer{Bot: "a", Holds: func(permit string) bool { return permit == "p1" }}
	b := Viewer{Bot: "b", Holds: func(permit string) bool { return permit == "p2" }}
	trip := &BreakerTripped{Breaker: ConsecutiveLosses, Scope: "bot", Bot: "a", BotsStopped: []string{"a", "b"}, PermitsRevoked: []string{"p1", "p2"}}
	own, ok := a.Sees(trip).(*BreakerTripped)
	require.True(t, ok)
	require.Equal(t, []string{"a"}, own.BotsStopped)
	require.Equal(t, []string{"p1"}, own.PermitsRevoked)
	require.Len(t, trip.BotsStopped, 2)

	settled := &MarketSettled{Holders: []Holder{{Bot: "a"}, {Bot: "b"}}, PermitsReleased: []string{"p2"}}
	mine, ok := b.Sees(settled).(*MarketSettled)
	require.True(t, ok)
	require.Equal(t, []Holder{{Bot: "b"}}, mine.Holders)
	require.Equal(t, []string{"p2"}, mine.PermitsReleased)
	require.NotNil(t, b.Sees(&PermitPlaced{Permit: "p2"}))
	require.Nil(t, a.Sees(&PermitPlaced{Permit: "p2"}))
	require.NotNil(t, a.Sees(&FillRecorded{FillID: FillID{Bot: "a"}}))
	require.Nil(t, a.Sees(&DayOpened{}))
	require.Nil(t, a.Sees(&DepositRecorded{}))
	require.Nil(t, a.Sees(&CommandNoted{}), "what became of another's command")
	require.NotNil(t, Viewer{Bot: "a", Holds: nobody, Asked: true}.Sees(&CommandNoted{}))
}

// Of custody a bot sees its own signatures, made and refused, whole: the order it
// places names the wallet that signed it. Nothing of transfers, wallets, keys,
// reconciliation and the treasury's rules; of a signature under a transfer nothing.
func TestABotSeesOnlyItsSignatures(t *testing.T) {
	a, b, alpha := Viewer{Bot: "a", Holds: nobody}, Viewer{Bot: "b", Holds: nobody}, Viewer{Bot: "alpha", Holds: nobody}
	made := &SignatureMade{Purpose: PurposeOrder, Bot: "a", Permit: "p1", Wallet: "hot-1", Address: "0x98"}
	require.Equal(t, made, a.Sees(made))
	require.Nil(t, b.Sees(made))
	refused := &SignatureRefused{Purpose: PurposeOrder, Bot: "a", Permit: "p1", Reasons: []SignatureObstacle{{Code: SignPrice}}}
	require.Equal(t, refused, a.Sees(refused))
	require.Nil(t, b.Sees(refused))
	require.Nil(t, a.Sees(&SignatureMade{Purpose: PurposeTransfer, Transfer: "x1", Wallet: "hot-1"}))
	require.NotNil(t, a.Sees(&MarketRegistered{Market: "m", Tokens: map[string]string{"YES": "7"}}))
	hidden := 0
	for _, eventType := range EventTypes() {
		family, _, _ := strings.Cut(eventType, ".")
		switch family {
		case "wallet", "key", "address_book", "transfer", "balance", "treasury_policy":
			hidden++
			e, err := Decode(eventType, golden(t, eventType))
			require.NoError(t, err)
			require.Nil(t, a.Sees(e), eventType)
			require.Nil(t, alpha.Sees(e), eventType)
		}
	}
	require.GreaterOrEqual(t, hidden, 20)
}

// "Of what another bot did that ended its permits or stopped it, it is told that, and
// nothing else": neither the other's name nor a figure of it.
func TestABotSeesWhatAnotherDidToIt(t *testing.T) {
	b := Viewer{Bot: "b", Holds: func(permit string) bool { return permit == "p2" }}
	unconcerned := Viewer{Bot: "c", Holds: nobody}
	one := MustDecimal("1")
	trip := &BreakerTripped{
		Breaker: BotDrawdown, Scope: "bot", Bot: "a", Value: one, Limit: one, Equity: &one, Reference: &one, Cause: 7, Stops: "all",
		BotsStopped: []string{"a", "b"}, PermitsRevoked: []string{"p1", "p2"}, ClosePositions: true,
	}
	require.Equal(t, &BreakerTripped{
		Breaker: BotDrawdown, Scope: "bot", Stops: "all", BotsStopped: []string{"b"}, PermitsRevoked: []string{"p2"}, ClosePositions: true,
	}, b.Sees(trip))
	require.Nil(t, unconcerned.Sees(trip), "another bot's affairs")
	require.Equal(t, "a", trip.Bot)
	trip.Bot, trip.Scope = "", "portfolio"
	whole, ok := unconcerned.Sees(trip).(*BreakerTripped)
	require.True(t, ok)
	require.Equal(t, one, whole.Value, "the portfolio's is everybody's")
	require.Nil(t, whole.Equity)

	yes := Instrument{Market: "m", Outcome: "YES"}
	settled := &MarketSettled{Instrument: yes, Payout: one, Bot: "a", Holders: []Holder{{Bot: "a"}}, PermitsReleased: []string{"p1", "p2"}, Finding: true}
	require.Equal(t, &MarketSettled{Instrument: yes, Payout: one, PermitsReleased: []string{"p2"}}, b.Sees(settled))
	require.Nil(t, unconcerned.Sees(settled))
}

// Who cleared a stop is hidden from bots, and so is the key of who signed it.
func TestABotSeesNoSignature(t *testing.T) {
	cleared := &EmergencyStopCleared{Request: "c7", RequestedBy: "olga", ConfirmedBy: "bob", Signature: &ApprovalSignature{Key: "k", Signature: "s"}}
	require.Equal(t, &EmergencyStopCleared{Request: "c7"}, ownClearing(cleared, Viewer{Bot: "a"}))
	require.NotNil(t, cleared.Signature, "what is stored stays")
}

// A bot's word prices only its own holding, and is no matter of another bot; nor is what
// was refused of a feed's marks, or the equity that the portfolio is measured from.
func TestABotSeesNoWordOfAnother(t *testing.T) {
	marks := []Mark{{Market: "m", Outcome: "YES", Price: One}}
	word := &PriceMarked{Source: RoleBot, Bot: "a", Marks: marks, Refused: []RefusedMark{{Code: CodeInvalid}}}
	require.Nil(t, Viewer{Bot: "b"}.Sees(word))
	require.Equal(t, word, Viewer{Bot: "a"}.Sees(word))
	feed := &PriceMarked{Source: RoleFeed, User: "f", Marks: marks, Refused: []RefusedMark{{Code: CodeInvalid}}}
	require.Equal(t, &PriceMarked{Source: RoleFeed, Marks: marks}, Viewer{Bot: "b"}.Sees(feed))
	to := One
	require.Equal(t, &BreakerReset{Breaker: DailyLoss}, Viewer{Bot: "b"}.Sees(&BreakerReset{Breaker: DailyLoss, RebasedTo: &to}))
	own := &BreakerReset{Breaker: BotDrawdown, Bot: "b", RebasedTo: &to}
	require.Equal(t, own, Viewer{Bot: "b"}.Sees(own))
}
