package portfolio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// crowd gives n bots both outcomes of an exclusive market, as the stream of a portfolio
// would.
func crowd(n int) (*State, func(func(*Decision) error) []domain.Event) {
	s := New()
	apply := func(e domain.Event) { s.Apply(domain.Stamp{Revision: s.Next, Time: noon}, e) }
	p := domain.DefaultPolicy(domain.ModePaper)
	quietPolicy(&p)
	p.Rules, p.MaxConsecutiveLosses = domain.SecondRules, 1
	apply(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: p})
	apply(&domain.DepositRecorded{Wallet: domain.WalletHot, Asset: "USDC", Amount: dec("10000000")})
	apply(&domain.MarketRegistered{Market: "will-it-rain-tomorrow", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: true})
	for i := range n {
		bot := fmt.Sprintf("strategy-%04d", i)
		apply(&domain.BotRegistered{Bot: bot})
		apply(&domain.BotCapitalAllocated{Bot: bot, Amount: dec("1000")})
		apply(&domain.BotStarted{Bot: bot})
		for _, side := range []struct{ outcome, price, cost string }{{"YES", "0.60", "60"}, {"NO", "0.50", "50"}} {
			apply(&domain.FillRecorded{
				FillID:     domain.FillID{Bot: bot, TradeID: side.outcome},
				Instrument: domain.Instrument{Market: "will-it-rain-tomorrow", Outcome: side.outcome},
				Side:       buy, Quantity: dec("100"), Price: dec(side.price), Notional: dec(side.cost), Status: domain.FillConfirmedStatus,
			})
		}
	}
	cold := s.Clone()
	return s, func(f func(*Decision) error) []domain.Event {
		d := s.Begin(noon, domain.Caller{User: "olga", Role: domain.RoleOperator})
		first := s.Next
		if err := f(d); err != nil {
			panic(err)
		}
		for i, e := range d.Events() {
			cold.Apply(domain.Stamp{Revision: first + uint64(i), Time: noon}, e)
		}
		live, _ := s.Hash()
		folded, _ := cold.Hash()
		if live != folded {
			panic("the recorded rows fold to another state")
		}
		return d.Events()
	}
}

func bytesOf(t *testing.T, events []domain.Event) int {
	t.Helper()
	size := 0
	for _, e := range events {
		data, err := domain.Encode(e)
		require.NoError(t, err)
		size += len(data) + len(e.EventType()) + 64 + 400 // with its metadata
	}
	return size
}

func rowsIn(events []domain.Event) map[string]int {
	n := map[string]int{}
	for _, e := range events {
		for _, row := range domain.Flatten(e) {
			n[row.EventType()]++
		}
	}
	return n
}

// "beyond 100 trades, what one command closes or revises stands in records of at most 250
// rows …; trips and warnings beyond 100 stand in such records too" — at 99, 100, 101
// trips, and at 351, which is one row more than a record holds.
func TestManyRowsShareARecord(t *testing.T) {
	for _, tc := range []struct{ bots, singles, records int }{{99, 99, 0}, {100, 100, 0}, {101, 100, 1}, {350, 100, 1}, {351, 100, 2}} {
		_, do := crowd(tc.bots)
		events := do(func(d *Decision) error {
			return d.SettleMarket(Settlement{Market: "will-it-rain-tomorrow", Outcome: "YES", Payout: domain.One})
		})
		singles, records := 0, 0
		for _, e := range events {
			switch e := e.(type) {
			case *domain.BreakerTripped:
				singles++
			case *domain.BreakersTripped:
				records++
				require.LessOrEqual(t, len(e.Rows), 250)
			}
		}
		require.Equal(t, []int{tc.singles, tc.records}, []int{singles, records}, "%d bots", tc.bots)
		require.Equal(t, 2*tc.bots, rowsIn(events)[domain.TradeClosedType])
		require.Equal(t, tc.bots, rowsIn(events)[domain.BreakerTrippedType])
	}
}

// "1,000 holders of both outcomes, each of them tripping, settle and are corrected", and
// "one command may fill 1 MiB".
func TestAThousandHoldersSettleAndAreCorrected(t *testing.T) {
	s, do := crowd(1000)
	settled := do(func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "will-it-rain-tomorrow", Outcome: "YES", Payout: domain.One})
	})
	require.Equal(t, 2000, rowsIn(settled)[domain.TradeClosedType])
	require.Equal(t, 1000, rowsIn(settled)[domain.BreakerTrippedType])
	for _, e := range settled {
		for _, row := range domain.Flatten(e) {
			if c, is := row.(*domain.TradeClosed); is {
				require.NotEmpty(t, c.ResultID)
			}
		}
	}
	b := s.Bots["strategy-0999"]
	require.Equal(t, []int{2, 0, 1}, []int{b.Trades, b.Wins, b.Losses})
	require.Less(t, bytesOf(t, settled), 1<<20)
	require.Equal(t, "990", b.Equity().String())
	t.Logf("a settlement: %d events, %d bytes", len(settled), bytesOf(t, settled))
}

// The same for a correction that trips all of them.
func TestAThousandHoldersAreCorrected(t *testing.T) {
	s, do := crowd(1000)
	do(func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "will-it-rain-tomorrow", Void: true})
	})
	require.Empty(t, s.Breakers)
	events := do(func(d *Decision) error {
		return d.CorrectSettlement(Correction{Market: "will-it-rain-tomorrow", Payouts: map[string]domain.Decimal{"YES": domain.One, "NO": domain.Zero}}, "it rained")
	})
	require.Equal(t, 2000, rowsIn(events)[domain.TradeRevisedType])
	require.Equal(t, 1000, rowsIn(events)[domain.BreakerTrippedType])
	require.Equal(t, "990", s.Bots["strategy-0999"].Equity().String())
	require.Less(t, bytesOf(t, events), 1<<20)
	t.Logf("a correction: %d events, %d bytes", len(events), bytesOf(t, events))
}
