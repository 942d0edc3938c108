package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// The state shows what halts a bot, and what that leaves to whom: "Of several rows the
// strictest holds".
func TestStateShowsTheHalts(t *testing.T) {
	for rules, want := range map[int][]portfolio.Halt{
		1: nil,
		domain.SecondRules: {
			{Kind: portfolio.HaltEmergency, Of: domain.StopManual, Bot: portfolio.LeaveNothing, Operator: portfolio.LeaveReduce},
			{Kind: portfolio.HaltBot, Of: "stopped", Bot: portfolio.LeaveNothing, Operator: portfolio.LeaveReduce},
		},
	} {
		policy := domain.DefaultPolicy(domain.ModePaper)
		policy.Rules = rules
		s := portfolio.New()
		for i, e := range []domain.Event{
			&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: policy},
			&domain.BotRegistered{Bot: "a"}, &domain.BotStarted{Bot: "a"},
			&domain.BotStopped{Bot: "a", Full: true},
			&domain.EmergencyStopEngaged{Kind: domain.StopManual, Reason: "x"},
		} {
			s.Apply(domain.Stamp{Revision: uint64(i), Time: time.Date(2026, 3, 10, 12, 0, i, 0, time.UTC)}, e)
		}
		require.Equal(t, want, StateOf(s).Bots[0].Halts, "rules %d", rules)
	}
}
