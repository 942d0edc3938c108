package replay

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// Every event there is has a sentence of its own, of one line.
func TestEveryEventIsDescribed(t *testing.T) {
	described := map[string]bool{}
	files, err := filepath.Glob("../domain/testdata/events/*.json")
	require.NoError(t, err)
	for _, file := range files {
		eventType, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "+")
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		e, err := domain.Decode(eventType, data)
		require.NoError(t, err, file)
		text := Describe(e)
		require.NotEmpty(t, text, eventType)
		require.NotEqual(t, eventType, text, "the fallback is no description")
		require.NotContains(t, text, "\n")
		require.NotContains(t, text, "%!", "a verb without a value")
		described[eventType] = true
	}
	for _, eventType := range domain.EventTypes() {
		require.True(t, described[eventType], "%s has no golden file", eventType)
	}
}

// What scenarios do not show.
func TestDescriptions(t *testing.T) {
	n := domain.MustDecimal
	token := "95041688031277640917871690647968065058281542927526220874721692841788094370124"
	for want, e := range map[string]domain.Event{
		"alpha gave 5 back to treasury": &domain.BotCapitalAllocated{Bot: "alpha", Amount: n("-5")},
		"alpha stopped":                 &domain.BotStopped{Bot: "alpha"},
		"p1 released":                   &domain.PermitReleased{Permit: "p1"},
		"rebate of 1 USDC":              &domain.FeeRecorded{Kind: domain.FeeRebate, Amount: n("1"), Asset: "USDC"},
		"4 marked by feed: ETH 1, a/YES 0.5, b/YES 0.5, …": &domain.PriceMarked{Source: domain.RoleFeed, Marks: []domain.Mark{
			{Asset: "ETH", Price: n("1")}, {Market: "a", Outcome: "YES", Price: n("0.5")}, {Market: "b", Outcome: "YES", Price: n("0.5")}, {Market: "c", Outcome: "YES", Price: n("0.5")},
		}},
		"alpha sold 2 × m/950416…0124 at 0.5, fee 0": &domain.FillRecorded{
			FillID: domain.FillID{Bot: "alpha"}, Instrument: domain.Instrument{Market: "m", Outcome: token}, Side: domain.Sell, Quantity: n("2"), Price: n("0.5"),
		},
		"m/YES settled at 1 for nobody: a finding": &domain.MarketSettled{
			Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: n("1"), Finding: true,
		},
		"m/YES settled at 1 for alpha (10): a finding, because another quantity was reported": &domain.MarketSettled{
			Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: n("1"), Holders: []domain.Holder{{Bot: "alpha", Quantity: n("10")}}, Finding: true,
		},
		"alpha: trade t1 of +1 revised to -1": &domain.TradeRevised{
			Trade: "t1", Bot: "alpha", Before: domain.TradeFigures{PnL: n("1")}, After: &domain.TradeFigures{PnL: n("-1")},
		},
		"TRIPPED daily_loss at 0.051234567891, limit 0.05, by revision 7; stopped a, b; revoked p3": &domain.BreakerTripped{
			Breaker: domain.DailyLoss, Value: n("0.0512345678909"), Limit: n("0.05"), Cause: 7, BotsStopped: []string{"a", "b"}, PermitsRevoked: []string{"p3"},
		},
		"WARNING bot_drawdown of a at 0.2, limit 0.25": &domain.BreakerWarned{Breaker: domain.BotDrawdown, Bot: "a", Value: n("0.2"), Limit: n("0.25")},
	} {
		require.Equal(t, want, Describe(e))
	}
}

// "name who did it": where a person decided it, and the text does not say so already.
func TestDescribeBy(t *testing.T) {
	for want, e := range map[string]domain.Event{
		"EMERGENCY STOP manual: smoke; stopped a; by olga":    &domain.EmergencyStopEngaged{Kind: domain.StopManual, Reason: "smoke", BotsStopped: []string{"a"}},
		"daily_loss reset (0.05 → 0): seen; by olga":          &domain.BreakerReset{Breaker: domain.DailyLoss, Before: domain.MustDecimal("0.05"), Reason: "seen"},
		"alpha started; by olga":                              &domain.BotStarted{Bot: "alpha"},
		"bob requests to clear the emergency stop (c7): calm": &domain.EmergencyStopClearRequested{Request: "c7", User: "bob", Reason: "calm"},
		"emergency stop cleared (c7): requested by bob, confirmed by olga": &domain.EmergencyStopCleared{
			Request: "c7", RequestedBy: "bob", ConfirmedBy: "olga",
		},
		"p1 placed": &domain.PermitPlaced{Permit: "p1"},
	} {
		require.Equal(t, want, DescribeBy(e, "olga"))
	}
	require.Equal(t, "alpha started", DescribeBy(&domain.BotStarted{Bot: "alpha"}, ""), "a bot's key is not told who")
}
