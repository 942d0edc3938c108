package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

const tick = time.Nanosecond

// live is a live portfolio with bots a and b of 1,000 each, 500 in the treasury,
// limits at their defaults but for the warnings.
func live(t *testing.T) *harness {
	h := newHarness(t)
	h.open(domain.ModeLive, func(p *domain.Policy) { p.BreakerWarnAt = dec("0.999") })
	h.deposit("2500")
	h.bot("a", "1000")
	h.bot("b", "1000")
	return h
}

// “Equity of the portfolio = base-asset sum over all asset accounts +
// Σ open positions (mark − cost). Of a bot = its accounts + its positions at
// mark.” “Realised equity (positions at cost) is reported beside it.”
func TestEquity(t *testing.T) {
	h := trading(t)
	h.depositIn(domain.WalletCold, "", "300")
	h.equal("2800", h.s.Equity(), "hot, cold and bots")
	h.fill("a", "m", "YES", buy, "10", "0.5", withFee("1"))
	h.equal("2799", h.s.Equity())
	h.equal("999", h.botOf("a").Equity())
	h.mark("m", "YES", "0.7")
	h.equal("2801", h.s.Equity())
	h.equal("2799", h.s.RealisedEquity())
	h.equal("1001", h.botOf("a").Equity())
	h.fill("b", "m", "YES", sell, "10", "0.7")
	h.mark("m", "YES", "0.9")
	h.equal("1003", h.botOf("a").Equity())
	h.equal("998", h.botOf("b").Equity(), "a short loses")
	h.equal("2801", h.s.Equity())
}

// “A fill is a mark”, for everybody who holds the instrument.
func TestFillIsAMark(t *testing.T) {
	h := trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.fill("b", "m", "YES", buy, "10", "0.6")
	h.equal("1001", h.botOf("a").Equity())
	h.equal("0.6", *lastOf[*domain.FillRecorded](h).Mark)
	h.fill("b", "m", "NO", buy, "10", "0.3")
	h.equal("0.6", h.markOf("m", "YES").Price, "of its own outcome only")
}

// “Other assets count only while they have a mark; the first mark of
// a held asset, and its deposits, are flows at that mark.” What comes later is
// performance.
func TestOtherAssets(t *testing.T) {
	h := trading(t)
	h.lose("a", "250") // a drawdown of 10 %
	h.depositIn(domain.WalletCold, "ETH", "10")
	h.equal("2250", h.s.Equity(), "without a mark it counts for nothing")
	require.Empty(t, h.s.Effects().Flows)
	h.markAsset("ETH", "225")
	require.Equal(t, []Flow{{Amount: dec("2250")}}, h.s.Effects().Flows, "the first mark of a held asset")
	h.equal("4500", h.s.Equity())
	h.equal("5000", h.s.Refs.Peak)
	h.equal("0.1", h.drawdown())
	h.depositIn(domain.WalletHot, "ETH", "10")
	h.equal("6750", h.s.Equity())
	h.equal("7500", h.s.Refs.Peak, "a deposit is a flow at the mark")
	h.equal("0.1", h.drawdown())
	h.withdrawFrom(domain.WalletHot, "ETH", "10")
	h.equal("5000", h.s.Refs.Peak)
	h.markAsset("ETH", "300")
	require.Empty(t, h.s.Effects().Flows)
	h.equal("5250", h.s.Equity(), "then performance")
	h.equal("5250", h.s.Refs.Peak)
	h.must(func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Asset: "ETH", Amount: dec("1"), Kind: domain.FeeGas})
	})
	h.equal("4950", h.s.Equity(), "gas is performance")
	h.equal("5250", h.s.Refs.Peak)
	h.equal("4950", h.s.RealisedEquity(), "other assets have no cost but their mark")
}

// A mark of an asset that is not held is none of a held one: what is deposited
// later comes in at it.
func TestMarkBeforeTheAsset(t *testing.T) {
	h := trading(t)
	h.markAsset("ETH", "225")
	require.Empty(t, h.s.Effects().Flows)
	h.depositIn(domain.WalletHot, "ETH", "2")
	require.Equal(t, []Flow{{Amount: dec("450")}}, h.s.Effects().Flows)
	h.equal("2950", h.s.Refs.Peak)
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.MarkPrices([]domain.Mark{{Asset: "USDC", Price: dec("1")}}) })
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.MarkPrices([]domain.Mark{{Asset: "ETH", Price: dec("-1")}}) })
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Asset: "ETH", Market: "m", Price: dec("1")}})
	})
}

// A bot that marks names it makes up does not fill a portfolio: beyond 10,000 outcomes it
// marks only what is known. What has happened is recorded all the same.
func TestMarksOfMadeUpNames(t *testing.T) {
	h := trading(t)
	bot := domain.Caller{User: "a", Role: domain.RoleBot, Bot: "a"}
	marks := func(market string, n int) func(d *Decision) error {
		all := make([]domain.Mark, n)
		for i := range all {
			all[i] = domain.Mark{Market: market, Outcome: fmt.Sprintf("o%d", i), Price: dec("0.5")}
		}
		return func(d *Decision) error { d.caller = bot; return d.MarkPrices(all) }
	}
	h.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "real", Kind: domain.KindOutcome, Outcomes: []string{"o0", "o1"}})
	})
	for i := range maxMarkedByBots / 1000 {
		h.must(marks(fmt.Sprintf("made-up-%d", i), 1000))
	}
	h.refused(domain.CodeDenied, marks("another", 1))
	h.refused(domain.CodeDenied, marks("real", 3))
	h.must(marks("real", 2))
	h.must(marks("made-up-0", 2))
	h.mark("another", "YES", "0.5")
	h.must(func(d *Decision) error {
		all := make([]domain.Mark, maxAssetsByBots)
		for i := range all {
			all[i] = domain.Mark{Asset: fmt.Sprintf("T%d", i), Price: dec("1")}
		}
		return d.MarkPrices(all)
	})
	h.refused(domain.CodeDenied, func(d *Decision) error {
		d.caller = bot
		return d.MarkPrices([]domain.Mark{{Asset: "NEW", Price: dec("1")}})
	})
}

// “Marks come from keys of role feed or operator; in paper portfolios
// also from bots.”
func TestMarksByRole(t *testing.T) {
	mark := func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "YES", Price: dec("0.5")}})
	}
	for mode, h := range map[domain.Mode]*harness{domain.ModePaper: trading(t), domain.ModeLive: live(t)} {
		for _, role := range []domain.Role{domain.RoleFeed, domain.RoleOperator} {
			h.as(role, "x").must(mark)
			require.Equal(t, role, lastOf[*domain.PriceMarked](h).Source)
		}
		if mode == domain.ModePaper {
			h.as(domain.RoleBot, "a").must(mark)
			continue
		}
		for _, role := range []domain.Role{domain.RoleBot, domain.RoleApprover, domain.RoleAdmin, domain.RoleAuditor, ""} {
			h.as(role, "a").refused(domain.CodeDenied, mark)
		}
	}
}

func TestMarkRefusals(t *testing.T) {
	h := trading(t)
	h.market("s", domain.KindSpot)
	for _, m := range []domain.Mark{
		{},
		{Market: "m"},
		{Outcome: "YES", Price: dec("0.5")},
		{Market: "m", Outcome: "YES", Price: dec("-0.000000000000000001")},
		{Market: "m", Outcome: "YES", Price: dec("1.000000000000000001")},
		{Asset: "a|b", Price: dec("1")},
	} {
		h.refused(domain.CodeInvalid, func(d *Decision) error {
			return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "NO", Price: dec("0.5")}, m})
		})
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.MarkPrices(nil) })
	many := make([]domain.Mark, 1001)
	for i := range many {
		many[i] = domain.Mark{Market: "m", Outcome: "YES", Price: dec("0.5")}
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.MarkPrices(many) })
	h.must(func(d *Decision) error { return d.MarkPrices(many[:1000]) })
	h.mark("m", "YES", "0")
	h.mark("m", "YES", "1")
	h.mark("s", "x", "1.000000000000000001")
}

// “In live, a fill marks only where no feed or operator mark younger
// than mark_max_age exists”: limit − 1, limit, limit + 1.
func TestLiveFillMarks(t *testing.T) {
	for _, role := range []domain.Role{domain.RoleFeed, domain.RoleOperator} {
		for age, marks := range map[time.Duration]bool{0: false, 15*time.Minute - tick: false, 15 * time.Minute: true, 15*time.Minute + tick: true} {
			h := live(t)
			h.as(role, "x").mark("m", "YES", "0.5")
			h.operator().after(age)
			id := h.permit("a", "m", "YES", buy, "10", "0.55")
			h.fill("a", "m", "YES", buy, "10", "0.55", withPermit(id))
			require.Empty(t, h.flags())
			require.Equal(t, marks, lastOf[*domain.FillRecorded](h).Mark != nil, "%s's mark after %s", role, age)
		}
	}
	h := live(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.equal("0.5", h.markOf("m", "YES").Price, "where none exists a fill marks")
	id := h.permit("a", "m", "YES", buy, "10", "0.55")
	h.fill("a", "m", "YES", buy, "10", "0.55", withPermit(id))
	h.equal("0.55", h.markOf("m", "YES").Price, "the mark of a fill is no feed's")
	h = trading(t)
	h.as(domain.RoleFeed, "x").mark("m", "YES", "0.5")
	h.fill("a", "m", "YES", buy, "10", "0.6")
	h.equal("0.6", h.markOf("m", "YES").Price, "in paper every fill marks")
}

// “and a fill without a permit never improves a mark”: limit − 1,
// limit, limit + 1, for a long and a short.
func TestLiveFillWithoutPermitNeverImproves(t *testing.T) {
	for _, c := range []struct {
		side  domain.Side
		price string
		want  string
	}{
		{buy, "0.499999999999999999", "0.499999999999999999"},
		{buy, "0.5", "0.5"},
		{buy, "0.500000000000000001", "0.5"},
		{sell, "0.499999999999999999", "0.5"},
		{sell, "0.5", "0.5"},
		{sell, "0.500000000000000001", "0.500000000000000001"},
	} {
		h := live(t)
		h.fill("a", "m", "YES", c.side, "10", "0.5")
		h.fill("a", "m", "YES", c.side, "10", c.price)
		h.equal(c.want, h.markOf("m", "YES").Price, "%s at %s", c.side, c.price)
	}
	h := live(t)
	h.fill("b", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", sell, "10", "0.6")
	h.equal("0.5", h.markOf("m", "YES").Price, "nor what another bot holds")
	h = live(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.fill("b", "m", "YES", sell, "100", "0.6")
	h.equal("0.6", h.markOf("m", "YES").Price, "of all that is held together it is worse")
	h = live(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	id := h.permit("a", "m", "YES", buy, "10", "0.55")
	h.fill("a", "m", "YES", buy, "10", "0.6", withPermit(id))
	h.equal("0.5", h.markOf("m", "YES").Price, "above its permit is without one")
}

// “A mark of one of the bot's open positions older than mark_max_age
// … is stale: permits that increase exposure are denied, equity keeps its last
// value”. “A market never marked is not stale.” Limit − 1, limit, limit + 1.
func TestStaleMarkLimits(t *testing.T) {
	for age, stale := range map[time.Duration]bool{15*time.Minute - tick: false, 15 * time.Minute: false, 15*time.Minute + tick: true} {
		h := live(t)
		h.fill("a", "m", "YES", buy, "10", "0.5")
		h.after(age).ask(order("a", "n", "YES", buy, "1", "0.5"))
		require.Equal(t, stale, len(h.reasons()) == 1 && h.reasons()[0] == domain.ReasonStaleMark, "after %s", age)
		h.equal("2500", h.s.Equity(), "equity keeps its last value")
		h.ask(order("a", "m", "YES", sell, "10", "0.5"))
		require.Empty(t, h.reasons(), "reducing is never blocked by marks")
		h.ask(order("b", "m", "YES", buy, "1", "0.5"))
		require.Empty(t, h.reasons(), "of one of the bot's own positions")
	}
	h := live(t)
	h.after(time.Hour).ask(order("a", "n", "YES", buy, "1", "0.5"))
	require.Empty(t, h.reasons(), "a market never marked is not stale")
	h = trading(t)
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.after(1000 * time.Hour).ask(order("a", "n", "YES", buy, "1", "0.5"))
	require.Empty(t, h.reasons(), "paper off")
}

// --- flows

// “Worked: capital 10,000; equity 9,700; deposit 10,000 → peak
// 10,000 × 19,700/9,700 = 20,309.278350515463917526; drawdown stays 3 %.”
func TestWorkedDeposit(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("10000")
	h.bot("a", "10000")
	h.lose("a", "300")
	h.deposit("10000")
	h.equal("20309.278350515463917526", h.s.Refs.Peak)
	h.equal("20309.278350515463917526", h.s.Refs.LifetimePeak)
	h.equal("20309.278350515463917526", h.s.Refs.DayOpen)
	h.equal("0.03", h.drawdown().Ratio())
	h.equal("0.03", h.dailyLoss().Ratio())
	require.Equal(t, []string{"deposit.recorded"}, h.types())
}

// “Worked: Capital 1,000, losses −10, −10, +5, −10, −10, −10 → trips
// at the sixth trade, not the fourth.”
func TestWorkedStreak(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "1000")
	for n, pnl := range []string{"-10", "-10", "5", "-10", "-10", "-10"} {
		h.trade("a", pnl)
		require.Equal(t, n == 5, h.count(domain.BreakerTrippedType) == 1, "trade %d", n+1)
	}
	require.Equal(t, domain.ConsecutiveLosses, lastOf[*domain.BreakerTripped](h).Breaker)
	h.equal("3", lastOf[*domain.BreakerTripped](h).Value)
}

// “Portfolio flows: deposits, withdrawals. Bot flows: allocations.”
func TestWhatIsAFlow(t *testing.T) {
	h := trading(t)
	h.lose("a", "100")
	h.equal("1000", h.botOf("a").Refs.Peak)
	h.deposit("400")
	h.equal("1000", h.botOf("a").Refs.Peak, "a deposit is none of a bot")
	portfolio := h.s.Refs
	h.allocate("a", "450")
	h.equal("1500", h.botOf("a").Refs.Peak)
	h.equal("0.1", h.botDD("a"))
	require.Equal(t, portfolio, h.s.Refs, "an allocation is none of the portfolio")
	h.allocate("a", "-900")
	h.equal("500", h.botOf("a").Refs.Peak)
	h.equal("0.1", h.botDD("a"))
	h.withdraw("1300")
	h.equal("0.04", h.drawdown().Ratio(), "100 of 2,500, whatever came and went since")
	peak := h.s.Refs.Peak
	h.must(func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Amount: dec("10"), Kind: domain.FeeGas})
	})
	h.must(func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Bot: "a", Amount: dec("10"), Kind: domain.FeeRebate})
	})
	require.Equal(t, peak, h.s.Refs.Peak, "gas, fees, rewards are performance")
	h.equal("460", h.botOf("a").Equity())
	h.equal("0.08", h.botDD("a"))
}

// “Flows never evaluate breakers”, even where a value stands at its
// limit; what comes next does.
func TestFlowsNeverEvaluate(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "500")
	h.withdraw("1000") // hot:treasury is overdrawn, equity 0 with nothing open
	require.Equal(t, []string{"withdrawal.recorded"}, h.types())
	h.deposit("100")
	require.Equal(t, []string{"deposit.recorded"}, h.types())
	h.allocate("a", "-500")
	require.Equal(t, []string{"bot.capital_allocated"}, h.types())
}

// “A request for an outflow that would leave equity < 0 is refused; as
// a fact it is recorded and evaluated.” Limit − 1, limit, limit + 1.
func TestOutflowBelowZero(t *testing.T) {
	for amount, trips := range map[string]bool{"999.999999999999999999": false, "1000": false, "1000.000000000000000001": true} {
		h := newHarness(t)
		h.open(domain.ModePaper)
		h.deposit("1000")
		h.withdraw(amount)
		require.Equal(t, trips, h.count(domain.BreakerTrippedType) > 0, amount)
		require.Equal(t, trips, h.s.Stop.Engaged, amount)
		if trips {
			require.Equal(t, h.s.Next-4, stepOf[*domain.BreakerTripped](h)[0].Cause, "the withdrawal")
			h.equal("1", h.drawdown())
		}
	}
	h := trading(t)
	h.fill("a", "m", "YES", buy, "1000", "0.5")
	for amount, ok := range map[string]bool{"-500": true, "-500.000000000000000001": false} {
		allocate := func(d *Decision) error { return d.Allocate("a", dec(amount)) }
		if !ok {
			h.refused(domain.CodeInvalid, allocate) // only its free cash can be taken
			continue
		}
		h.must(allocate)
		h.allocate("a", "500")
	}
	h.mark("m", "YES", "0")
	h.fill("b", "m", "NO", sell, "100", "0.5")
	h.mark("m", "NO", "1")
	h.equal("950", h.botOf("b").Equity())
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("b", dec("-950.000000000000000001")) })
	h.allocate("b", "-950")
	h.market("perp", domain.KindPerp)
	h.deposit("1000")
	h.allocate("b", "1000")
	h.fill("b", "perp", "x", sell, "10", "10") // the cash it brought is there, but owed
	h.equal("1200", h.botOf("b").Cash, "50 and 100 of it owed for shorts")
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("b", dec("-1000.000000000000000001")) })
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("b", dec("0")) })
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.Allocate("b", h.balance("hot:treasury").Add(dec("0.000000000000000001")))
	})
}

// “While flows have brought equity to exactly 0 with nothing open,
// ratios stay as carried and the scope is not evaluated until it has capital
// again.”
func TestDormantBot(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, func(p *domain.Policy) { p.MaxDailyLossPct = dec("0.9") })
	h.deposit("10000")
	h.bot("a", "1000")
	h.lose("a", "240") // 24 %, the limit is 25 %
	h.allocate("a", "-760")
	h.equal("0.24", h.botDD("a"))
	h.must(func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Bot: "a", Amount: dec("1"), Kind: domain.FeeRebate})
	})
	h.equal("0.24", h.botDD("a"), "a rebate that trickles in is no capital")
	h.lose("a", "1")
	require.Equal(t, []string{"adjustment.posted"}, h.types(), "not evaluated")
	h.allocate("a", "76")
	h.equal("100", h.botOf("a").Refs.Peak, "seeds the references so that the ratio is unchanged")
	h.equal("0.24", h.botDD("a"))
	h.lose("a", "1")
	require.Equal(t, 1, h.count(domain.BreakerTrippedType), "and is evaluated again")
	require.Equal(t, domain.BotDrawdown, lastOf[*domain.BreakerTripped](h).Breaker)
}

// Negative equity wakes a dormant scope.
func TestDebtWakesDormantBot(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, func(p *domain.Policy) { p.MaxDailyLossPct = dec("0.9") })
	h.deposit("10000")
	h.bot("a", "1000")
	h.allocate("a", "-1000")
	h.lose("a", "0.000000000000000001")
	require.Equal(t, 1, h.count(domain.BreakerTrippedType))
	h.equal("1", h.botDD("a"))
}

// “with nothing open”: a bot that still holds something is not at rest.
func TestZeroEquityWithAPosition(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "1000")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.withdraw("1000")
	h.equal("0", h.s.Equity())
	require.Equal(t, []string{"withdrawal.recorded"}, h.types(), "a flow does not evaluate")
	h.mark("m", "YES", "0.5")
	require.Positive(t, h.count(domain.BreakerTrippedType))
	h.equal("1", h.drawdown())
	// The same of a bot: what it holds is worth nothing, the rest was taken from it.
	h = newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "1000")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.mark("m", "YES", "0")
	h.allocate("a", "-995")
	require.Equal(t, []string{"bot.capital_allocated"}, h.types())
	h.equal("1", h.botDD("a"))
	h.mark("m", "YES", "0.001")
	require.Equal(t, domain.BotDrawdown, lastOf[*domain.BreakerTripped](h).Breaker)
	h.equal("0.99999", h.botDD("a"))
}

// “(where the carried ratio is 1, the references become old reference
// + F)”.
func TestCapitalAfterATotalLoss(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, quietPolicy)
	h.deposit("1000")
	h.bot("a", "1000")
	h.lose("a", "1000")
	require.True(t, h.s.Stop.Engaged)
	h.deposit("500")
	h.equal("1500", h.s.Refs.Peak)
	h.equal("0.666666666666666667", h.drawdown())
	h.allocate("a", "500")
	h.equal("1500", h.botOf("a").Refs.Peak)
	h.equal("0.666666666666666667", h.botDD("a"))
}

// “peak seeded by the first capital; 0 before any capital”.
func TestBeforeAnyCapital(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	h.bot("a", "0")
	h.lose("a", "5")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.mark("m", "YES", "0")
	h.equal("-10", h.s.Equity())
	h.equal("0", h.drawdown())
	h.equal("0", h.dailyLoss())
	h.equal("0", h.botDD("a"))
	require.Equal(t, []string{"price.marked"}, h.types())
	h.deposit("110")
	h.equal("100", h.s.Refs.Peak)
	h.equal("100", h.s.Refs.DayOpen)
	h.allocate("a", "60")
	h.equal("50", h.botOf("a").Refs.Peak)
}

// “Lifetime peak is kept apart, flow-scaled, never rebased”.
func TestLifetimePeakIsNeverRebased(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, func(p *domain.Policy) { p.MaxDailyLossPct, p.MaxPortfolioDrawdownPct = dec("0.9"), dec("0.2") })
	h.deposit("1000")
	h.bot("a", "1000")
	h.lose("a", "250")
	h.reset(domain.PortfolioDrawdown, "", true)
	h.reset(domain.BotDrawdown, "a", true)
	h.equal("750", h.s.Refs.Peak)
	h.equal("1000", h.s.Refs.LifetimePeak)
	h.equal("0", h.drawdown())
	h.equal("0.25", h.s.Refs.Max.Ratio)
	h.equal("750", h.botOf("a").Refs.Peak)
	h.equal("1000", h.botOf("a").Refs.LifetimePeak)
	h.lose("a", "50")
	h.equal("0.3", h.s.Refs.Max.Ratio, "max_drawdown_marked is measured from it")
	h.deposit("700")
	h.equal("2000", h.s.Refs.LifetimePeak)
	h.equal("300", h.s.Refs.Max.Abs, "as it was measured")
}

// --- days

// “The first event of a new day is preceded, in the same append, by
// day.opened with the equity at that moment.” “a day is a calendar day in
// daily_loss_tz (UTC)”. Limit − 1, limit, limit + 1.
func TestDayRollsOver(t *testing.T) {
	midnight := time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)
	for at, opens := range map[time.Time]bool{midnight.Add(-tick): false, midnight: true, midnight.Add(tick): true} {
		h := trading(t)
		h.lose("a", "100")
		h.equal("0.04", h.dailyLoss())
		h.at(at).lose("a", "1")
		require.Equal(t, opens, h.count(domain.DayOpenedType) == 1)
		if opens {
			require.Equal(t, []string{"day.opened", "adjustment.posted"}, h.types())
			require.Equal(t, "2026-03-11", lastOf[*domain.DayOpened](h).Date)
			h.equal("2400", lastOf[*domain.DayOpened](h).Equity)
			h.equal("0.000416666666666667", h.dailyLoss())
		}
		h.lose("a", "1")
		require.Equal(t, []string{"adjustment.posted"}, h.types(), "once a day")
	}
}

// Whatever comes first on a day opens it: a flow, a permit, a note, a refusal
// opens none.
func TestAnyEventOpensTheDay(t *testing.T) {
	h := trading(t)
	day := 24 * time.Hour
	h.after(day).refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("a", dec("0")) })
	for _, f := range []func(){
		func() { h.deposit("1") },
		func() { h.ask(order("a", "m", "YES", buy, "1", "0.5")) },
		func() { h.start("a") }, // noted
		func() { h.trade("a", "1") },
		func() { h.bot("c"+h.s.Day[8:], "1") },
		func() { h.limits(`{"fee_bps":"1"}`) },
		func() { h.mark("m", "YES", "0.5") },
		func() { h.settle("m", "YES", "1") },
		func() { h.void(domain.FillID{Bot: "a", TradeID: h.s.Day}) },
	} {
		f()
		require.Equal(t, "day.opened", h.types()[0])
		require.Equal(t, 1, h.count(domain.DayOpenedType))
		h.after(day)
	}
	h.after(10 * day).deposit("1")
	require.Equal(t, 1, h.count(domain.DayOpenedType), "quiet days are not made up")
}

// A deposit that is the first event of a day comes after its day-open, and
// scales it.
func TestDepositOpensTheDay(t *testing.T) {
	h := trading(t)
	h.lose("a", "100")
	h.after(24 * time.Hour).deposit("2400")
	h.equal("2400", lastOf[*domain.DayOpened](h).Equity)
	h.equal("4800", h.s.Refs.DayOpen)
	h.equal("0", h.dailyLoss())
	h.equal("0.04", h.drawdown())
}

// “A tripped breaker does not untrip at midnight.”
func TestMidnightUntripsNothing(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "1000")
	h.lose("a", "50")
	require.EqualValues(t, "tripped", h.status(domain.DailyLoss, ""))
	h.after(24 * time.Hour).deposit("1")
	h.equal("0", h.dailyLoss())
	require.EqualValues(t, "tripped", h.status(domain.DailyLoss, ""))
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
}

// “a day is a calendar day in daily_loss_tz”, also on the days that
// have 23 or 25 hours.
func TestDaysWithDaylightSaving(t *testing.T) {
	berlin := func(p *domain.Policy) { quietPolicy(p); p.DailyLossTZ = "Europe/Berlin" }
	for _, c := range []struct {
		opens, rolls string // UTC
		want         string
	}{
		{"2026-01-10T12:00:00Z", "2026-01-10T23:00:00Z", "2026-01-11"}, // CET
		{"2026-07-10T12:00:00Z", "2026-07-10T22:00:00Z", "2026-07-11"}, // CEST
		{"2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30"}, // 23 hours
		{"2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26"}, // 25 hours
	} {
		opens, err := time.Parse(time.RFC3339, c.opens)
		require.NoError(t, err)
		rolls, err := time.Parse(time.RFC3339, c.rolls)
		require.NoError(t, err)
		h := newHarness(t).at(opens)
		h.open(domain.ModePaper, berlin)
		h.at(rolls.Add(-tick)).deposit("1000")
		require.Equal(t, 0, h.count(domain.DayOpenedType), c.rolls)
		h.at(rolls).deposit("1")
		require.Equal(t, 1, h.count(domain.DayOpenedType), c.rolls)
		require.Equal(t, c.want, lastOf[*domain.DayOpened](h).Date)
		require.Equal(t, c.want, h.s.Day)
	}
}

// A change of zone never opens a day again that is already open, nor ends one
// before the midnight it was to end at.
func TestZoneChangeGoesOnlyForward(t *testing.T) {
	h := trading(t).at(time.Date(2026, 3, 10, 20, 0, 0, 0, time.UTC))
	h.limits(`{"daily_loss_tz":"Pacific/Kiritimati"}`) // there it is the 11th, 10:00
	h.at(time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC).Add(-tick)).deposit("1")
	require.Equal(t, []string{"deposit.recorded"}, h.types(), "the 10th ends at midnight UTC")
	h.at(time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)).deposit("1")
	require.Equal(t, "2026-03-11", lastOf[*domain.DayOpened](h).Date)
	h.limits(`{"daily_loss_tz":"America/Los_Angeles"}`)
	h.deposit("1")
	require.Equal(t, []string{"deposit.recorded"}, h.types())
	h.after(12 * time.Hour).deposit("1") // the 11th, 01:00 there
	require.Equal(t, "2026-03-11", lastOf[*domain.DayOpened](h).Date, "both midnights have passed")
	require.Equal(t, []string{"day.opened", "deposit.recorded"}, h.types())
	h.after(23 * time.Hour).deposit("1")
	require.Equal(t, "2026-03-12", lastOf[*domain.DayOpened](h).Date)
}

// --- streak

// “Consecutive losses per bot: closed trades in stream order; win → 0,
// loss → +1, neutral → unchanged.” With loss_dust: limit − 1, limit, limit + 1.
func TestStreak(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper, quietPolicy, func(p *domain.Policy) { p.LossDust = dec("0.01") })
	h.deposit("2000")
	h.bot("a", "1000")
	h.bot("b", "1000")
	for _, c := range []struct {
		pnl    string
		streak int
	}{
		{"-1", 1},
		{"-0.010000000000000001", 2},
		{"-0.01", 2},
		{"-0.009999999999999999", 2},
		{"0", 2},
		{"0.01", 2},
		{"-1", 3},
		{"0.010000000000000001", 0},
		{"-1", 1},
	} {
		h.trade("a", c.pnl)
		require.Equal(t, c.streak, h.botOf("a").Streak.Losses, c.pnl)
	}
	h.trade("b", "5")
	require.Equal(t, 1, h.botOf("a").Streak.Losses, "per bot")
	h.fill("a", "m", "YES", buy, "10", "0.5", withFee("0.02"))
	h.fill("a", "m", "YES", sell, "10", "0.5")
	require.Equal(t, 2, h.botOf("a").Streak.Losses, "fees alone make a loss")
	h.fill("a", "m", "YES", buy, "10", "0.5", withFee("0.01"))
	h.fill("a", "m", "YES", sell, "10", "0.5")
	require.Equal(t, 2, h.botOf("a").Streak.Losses, "dust")
	b := h.botOf("a")
	require.Equal(t, []int{11, 1, 5, 5}, []int{b.Trades, b.Wins, b.Losses, b.Neutral})
}
