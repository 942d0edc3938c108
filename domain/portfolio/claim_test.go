package portfolio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "What one bot has, |cash| and each holding at its highest price, is at most 10^12":
// limit − 1, limit, limit + 1. What lowers it is always taken.
func TestWhatABotHasIsBounded(t *testing.T) {
	for quantity, taken := range map[string]bool{"500000000499": true, "500000000500": true, "500000000500.000001": false} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("rain", "YES", "NO")
		r := h.report("a", "rain", "YES", buy, quantity, "1")
		if !taken {
			err := h.refused(domain.CodeInvalid, h.recordFill(r))
			require.ErrorContains(t, err, "The bound is 10^12")
			continue
		}
		h.must(h.recordFill(r))
	}
	h := second(t, "1000", quietPolicy)
	h.market("perp", domain.KindPerp)
	h.fill("a", "perp", "LONG", buy, "500000000", "1000")
	h.mark("perp", "LONG", "1200")
	h.equal("100000001000", h.botOf("a").Equity())
	h.refused(domain.CodeInvalid, h.recordFill(h.report("a", "perp", "LONG", buy, "1", "1")))
	h.fill("a", "perp", "LONG", sell, "1", "5000")
	h.fill("a", "perp", "LONG", sell, "499999999", "1200")
	require.Zero(t, h.botOf("a").Positions)
	require.True(t, h.botOf("a").claims.IsZero())
}

// Each fact says 10^12 at most, of whatever role.
func TestAFactIsBounded(t *testing.T) {
	const bound, above = "1000000000000", "1000000000000.000001"
	h := second(t, "1000", quietPolicy)
	h.market("perp", domain.KindPerp)
	h.exclusive("rain", "YES", "NO")
	for _, f := range []func(amount string) func(*Decision) error{
		func(a string) func(*Decision) error { return h.fund("a", "perp", "LONG", a, "f"+a) },
		func(a string) func(*Decision) error { return h.fund("a", "perp", "LONG", "-"+a, "f-"+a) },
		func(a string) func(*Decision) error {
			return h.recordFill(h.report("a", "rain", "YES", buy, a, "0.000001"))
		},
		func(a string) func(*Decision) error {
			return h.recordFill(h.report("a", "perp", "LONG", buy, "1", "1", withFee(a)))
		},
		func(a string) func(*Decision) error {
			return func(d *Decision) error {
				return d.RecordTrade(&domain.TradeClosed{Bot: "a", Instrument: domain.Instrument{Market: "m"}, TradeID: "t" + a, TradeFigures: domain.TradeFigures{PnL: dec(a)}})
			}
		},
		func(a string) func(*Decision) error {
			return func(d *Decision) error {
				return d.RecordFee(&domain.FeeRecorded{Bot: "a", Kind: domain.FeeRebate, Amount: dec(a)})
			}
		},
		func(a string) func(*Decision) error {
			return func(d *Decision) error {
				return d.Deposit(&domain.DepositRecorded{Wallet: "hot", Amount: dec(a)})
			}
		},
		func(a string) func(*Decision) error {
			return func(d *Decision) error {
				return d.Withdraw(&domain.WithdrawalRecorded{Wallet: "hot", Amount: dec(a)})
			}
		},
	} {
		err := h.refused(domain.CodeInvalid, f(above))
		require.ErrorContains(t, err, "10^12")
	}
	h.deposit(bound)
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("a", dec(bound)) })
	h.allocate("a", "999999999000")
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.ChangeSets(&domain.SetsChanged{Bot: "a", Market: "rain", Action: domain.SplitSets, Quantity: dec("999999999999"), SetID: "s"})
	})
}

// "One bot's facts keep no feed from marking, and no market from being settled": the ledger of
// the rest goes on, whatever one bot reports.
func TestOneBotDoesNotFreezeTheRest(t *testing.T) {
	h := secondLive(t)
	h.market("perp", domain.KindPerp)
	for _, market := range []string{"m1", "m2", "m3"} {
		h.exclusive(market, "YES", "NO")
		h.fill("b", market, "YES", buy, "10", "0.5")
	}
	h.as(domain.RoleBot, "a")
	h.caller.Bot = "a"
	for n, quantity := range []string{"900000000000000", "900000000000", "90000000000", "90000000000", "90000000000"} {
		_, _ = h.try(h.recordFill(h.report("a", fmt.Sprintf("m%d", 1+n%3), "YES", buy, quantity, "0.000001")))
		_, _ = h.try(h.recordFill(h.report("a", "perp", "LONG", buy, quantity, "1000")))
	}
	h.refused(domain.CodeDenied, h.fund("a", "none", "LONG", "999999999899999", "f"))
	h.operator()
	h.refused(domain.CodeInvalid, h.fund("a", "perp", "LONG", "999999999899999", "f"))
	h.as(domain.RoleFeed, "feed")
	h.must(func(d *Decision) error { return d.MarkPrices(marksOf("perp", "1200")) })
	for _, market := range []string{"m1", "m2", "m3"} {
		h.mark(market, "YES", "0.7")
	}
	require.Empty(t, lastOf[*domain.PriceMarked](h).Refused)
	h.operator()
	for _, market := range []string{"m1", "m2", "m3"} {
		h.payouts(market, "1", "0")
	}
	h.stoppable("")
}

// "What a bot has turned over leaves room for the end": an episode that is opened and closed
// over and over is bounded before its settlement would be refused.
func TestTurnoverLeavesRoomForTheSettlement(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "1", "1")
	in := h.s.Instruments[domain.Instrument{Market: "rain", Outcome: "YES"}]
	in.Holdings[0].Episode.EntryNotional = dec("499999999999999")
	d := h.s.Begin(h.now, h.caller)
	err := d.RecordFill(h.report("a", "rain", "YES", buy, "10", "1"))
	require.ErrorContains(t, err, "the bound of 5 × 10^14")
	require.NoError(t, d.RecordFill(h.report("a", "rain", "YES", buy, "1", "1")))
}

// Under the first edition nothing changes.
func TestTheFirstEditionHasNoBoundOfItsOwn(t *testing.T) {
	h := paper(t, "1000", quietPolicy)
	h.fill("a", "m", "YES", buy, "900000000000000", "0.000001")
	h.deposit("2000000000000")
}
