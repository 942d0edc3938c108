package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// would returns the codes with which an order would be denied, nil if it is permitted.
func (h *harness) would(o domain.Order) (codes []domain.ReasonCode) {
	h.t.Helper()
	p, err := h.s.PreviewPermit(h.now, h.caller, PermitRequest{Order: o, Fee: &o.Fee})
	require.NoError(h.t, err)
	for _, reason := range p.Reasons {
		codes = append(codes, reason.Code)
	}
	return codes
}

// sized has markets m (two outcomes) and abc (three), and bots a and b with 1,000 each.
func sized(t *testing.T, change func(*domain.Policy)) *harness {
	t.Helper()
	h := second(t, "1000", quietPolicy, change)
	h.deposit("1000")
	h.bot("b", "1000")
	h.exclusive("m", "YES", "NO")
	h.exclusive("abc", "A", "B", "C")
	return h
}

func denied(codes ...domain.ReasonCode) []domain.ReasonCode { return codes }

// "New: max_market_usd (sum of the bots' exposures)". "max_position_usd, max_open_positions,
// inventory_cap count markets".
func TestLimitsOfMarkets(t *testing.T) {
	h := sized(t, func(p *domain.Policy) { p.MaxMarketUSD, p.MaxPositionUSD = dec("110"), dec("65") })
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.fill("b", "m", "YES", buy, "100", "0.5") // 50 each
	require.Empty(t, h.would(order("a", "m", "YES", buy, "19", "0.5")))
	require.Empty(t, h.would(order("a", "m", "YES", buy, "20", "0.5")))
	require.Equal(t, denied(domain.ReasonMaxMarket), h.would(order("a", "m", "YES", buy, "21", "0.5")))
	h.permit("b", "m", "YES", buy, "10", "0.5") // live permits count
	require.Empty(t, h.would(order("a", "m", "YES", buy, "10", "0.5")))
	require.Equal(t, denied(domain.ReasonMaxMarket), h.would(order("a", "m", "YES", buy, "11", "0.5")))
	require.Empty(t, h.would(order("a", "abc", "A", buy, "130", "0.5")), "65 in another market")
	require.Equal(t, denied(domain.ReasonMaxPosition), h.would(order("a", "abc", "A", buy, "131", "0.5")))
	require.Empty(t, h.would(order("a", "m", "NO", buy, "100", "0.9")), "buying NO to flatten YES reduces: limits do not bind it")

	h = sized(t, func(p *domain.Policy) { p.MaxPositionUSD = dec("65") })
	h.fill("a", "abc", "A", buy, "100", "0.5")
	h.fill("a", "abc", "B", buy, "20", "0.4") // 58 in the market
	require.Empty(t, h.would(order("a", "abc", "C", buy, "14", "0.5")))
	require.Equal(t, denied(domain.ReasonMaxPosition), h.would(order("a", "abc", "C", buy, "15", "0.5")))

	// In a market that is not exclusive the outcomes add up.
	h = sized(t, func(p *domain.Policy) { p.MaxPositionUSD = dec("65") })
	h.fill("a", "apart", "YES", buy, "50", "0.5")
	h.fill("a", "apart", "NO", buy, "50", "0.5")
	h.permit("a", "apart", "YES", buy, "10", "0.5") // 55 in the market
	require.Empty(t, h.would(order("a", "apart", "NO", buy, "20", "0.5")))
	require.Equal(t, denied(domain.ReasonMaxPosition), h.would(order("a", "apart", "NO", buy, "20.000001", "0.5")))
	require.Empty(t, h.would(order("a", "other", "NO", buy, "130", "0.5")))
}

// "max_orders_per_day (calendar day of the portfolio)".
func TestOrdersOfADay(t *testing.T) {
	h := sized(t, func(p *domain.Policy) { p.MaxOrdersPerDay, p.DailyLossTZ = 3, "Europe/Berlin" })
	h.fill("a", "m", "YES", buy, "100", "0.5")
	for range 3 {
		h.permit("a", "m", "YES", buy, "1", "0.5")
	}
	require.Equal(t, denied(domain.ReasonOrdersPerDay), h.would(order("a", "m", "YES", buy, "1", "0.5")))
	require.Empty(t, h.would(order("b", "m", "YES", buy, "1", "0.5")), "it is of each bot")
	require.Empty(t, h.would(order("a", "m", "YES", sell, "1", "0.5")), "it reduces")
	h.at(noon.Add(11*time.Hour - 1)) // 23:59:59.999999999 in Berlin
	require.Equal(t, denied(domain.ReasonOrdersPerDay), h.would(order("a", "m", "YES", buy, "1", "0.5")))
	h.after(1)
	require.Empty(t, h.would(order("a", "m", "YES", buy, "1", "0.5")))
}

// "market_cooldown (no opening order of a bot in a market that long after a losing result
// there)".
func TestACooldownAfterALoss(t *testing.T) {
	h := sized(t, func(p *domain.Policy) { p.MarketCooldown = domain.Duration(time.Hour) })
	h.fill("a", "abc", "A", buy, "10", "0.5")
	h.fill("a", "abc", "A", sell, "10", "0.6") // a win
	h.fill("a", "m", "YES", buy, "20", "0.5")
	h.fill("a", "m", "YES", sell, "20", "0.4")
	h.fill("a", "m", "NO", buy, "5", "0.5")
	for _, o := range []domain.Order{order("a", "m", "YES", buy, "6", "0.5"), order("a", "m", "NO", buy, "1", "0.5")} {
		require.Equal(t, denied(domain.ReasonMarketCooldown), h.would(o))
	}
	require.Empty(t, h.would(order("a", "m", "NO", sell, "5", "0.5")), "it reduces")
	require.Empty(t, h.would(order("a", "abc", "A", buy, "1", "0.5")))
	require.Empty(t, h.would(order("b", "m", "YES", buy, "1", "0.5")))
	h.after(time.Hour - 1)
	require.Equal(t, denied(domain.ReasonMarketCooldown), h.would(order("a", "m", "NO", buy, "1", "0.5")))
	h.after(1)
	require.Empty(t, h.would(order("a", "m", "NO", buy, "1", "0.5")))
}

// A void is as if the fill had never been: a loss that it takes away cools nothing down, and the
// one before it does again. One that it makes a loss counts from then.
func TestAVoidTakesACooldownBack(t *testing.T) {
	opens := order("a", "m", "NO", buy, "1", "0.5")
	h := sized(t, func(p *domain.Policy) { p.MarketCooldown = domain.Duration(time.Hour) })
	h.fill("a", "m", "YES", buy, "20", "0.5")
	lost := h.fill("a", "m", "YES", sell, "20", "0.4", provisional)
	require.Equal(t, denied(domain.ReasonMarketCooldown), h.would(opens))
	h.void(lost)
	require.Empty(t, h.would(opens))

	h.fill("a", "m", "YES", sell, "20", "0.4")
	h.after(40 * time.Minute)
	h.fill("a", "m", "YES", buy, "20", "0.5")
	second := h.fill("a", "m", "YES", sell, "20", "0.4", provisional)
	h.after(20 * time.Minute)
	require.Equal(t, denied(domain.ReasonMarketCooldown), h.would(opens))
	h.void(second)
	require.Empty(t, h.would(opens), "the first loss is an hour ago")

	h.fill("a", "m", "YES", sell, "10", "0.4") // of 20 at 0.5
	cheap := h.fill("a", "m", "YES", buy, "10", "0.1", provisional)
	h.fill("a", "m", "YES", sell, "20", "0.45")
	h.after(30 * time.Minute)
	require.Empty(t, h.would(opens), "3 were won")
	h.void(cheap)
	require.Equal(t, denied(domain.ReasonMarketCooldown), h.would(opens))
	h.after(time.Hour - 1)
	require.Equal(t, denied(domain.ReasonMarketCooldown), h.would(opens))
	h.after(1)
	require.Empty(t, h.would(opens))
}

// "Live: permits that open need a registered market".
func TestOnlyRegisteredMarketsAreOpened(t *testing.T) {
	h := sized(t, func(p *domain.Policy) { p.RegisteredOnly = true })
	h.fill("a", "x", "Y", buy, "10", "0.5")
	require.Equal(t, denied(domain.ReasonRegisteredOnly), h.would(order("a", "x", "Y", buy, "1", "0.5")))
	require.Equal(t, denied(domain.ReasonRegisteredOnly), h.would(order("a", "x", "Y", sell, "11", "0.5")), "one share of it opens")
	require.Empty(t, h.would(order("a", "x", "Y", sell, "10", "0.5")))
	require.Empty(t, h.would(order("a", "m", "YES", buy, "1", "0.5")))
}

// "below position_dust_usd a market is no open position."
func TestDustIsNoOpenPosition(t *testing.T) {
	for price, want := range map[string][]domain.ReasonCode{"0.09": nil, "0.1": denied(domain.ReasonMaxOpenPositions), "0.11": denied(domain.ReasonMaxOpenPositions)} {
		for _, market := range []string{"m", "x"} {
			h := sized(t, func(p *domain.Policy) { p.MaxOpenPositions, p.PositionDustUSD = 1, dec("0.1") })
			h.fill("a", market, "YES", buy, "1", price)
			require.Equal(t, want, h.would(order("a", "abc", "A", buy, "1", "0.5")), "%s at %s", market, price)
		}
	}
}

// "a permit reserves no more than the base-asset cash of hot:treasury and all bots less all
// reservations (insufficient_cash): money that is recorded as gone cannot be spent."
func TestMoneyThatIsGoneIsNotSpent(t *testing.T) {
	h := sized(t, func(*domain.Policy) {})
	h.must(func(d *Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:treasury", Amount: dec("-1500"), Reason: "stolen"})
	})
	require.Empty(t, h.would(order("a", "m", "YES", buy, "999", "0.5")))
	require.Empty(t, h.would(order("a", "m", "YES", buy, "1000", "0.5")))
	require.Equal(t, denied(domain.ReasonInsufficientCash), h.would(order("a", "m", "YES", buy, "1001", "0.5")))
	h.permit("b", "m", "YES", buy, "600", "0.5")
	require.Empty(t, h.would(order("a", "m", "YES", buy, "400", "0.5")))
	require.Equal(t, denied(domain.ReasonInsufficientCash), h.would(order("a", "m", "YES", buy, "401", "0.5")))
}

// "A halted bot, or an operator for it, can always get to flat": what one bot reports keeps
// no other from buying back. What opens is bound all the same.
func TestALieOfOneBotLeavesTheOthersAWayOut(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.deposit("100")
	h.bot("b", "100")
	h.exclusive("m", "YES", "NO")
	h.fill("b", "m", "YES", buy, "100", "0.5")
	h.fill("b", "x", "Y", sell, "10", "0.5")
	h.as(domain.RoleBot, "a").fill("a", "m", "YES", buy, "200000", "0.5") // it paid 100,000, it says
	for _, caller := range []domain.Role{domain.RoleBot, domain.RoleOperator} {
		h.as(caller, map[domain.Role]string{domain.RoleBot: "b", domain.RoleOperator: "olga"}[caller])
		require.Empty(t, h.would(order("b", "m", "NO", buy, "90", "0.5")), "b pays it from its own 55 less the cover of 10")
		require.Equal(t, denied(domain.ReasonInsufficientCash), h.would(order("b", "m", "NO", buy, "91", "0.5")))
		require.Empty(t, h.would(order("b", "x", "Y", buy, "10", "0.5")))
		require.Equal(t, denied(domain.ReasonInsufficientCash), h.would(order("b", "y", "Y", buy, "1", "0.5")), "it opens")
	}
	h.operator().must(func(d *Decision) error { return d.StopBot("b", "x") })
	h.grant(order("b", "m", "NO", buy, "90", "0.5"))
}

// "The worst case of an opening sell counts as quantity × (1 − limit); it is reserved only
// for shares not held, or promised to another live sell." "Selling one half of a set opens
// the other: zones judge it at 1 − the limit".
func TestSellingOneHalfOfASet(t *testing.T) {
	h := sized(t, func(p *domain.Policy) { p.MaxOrderUSD = dec("5") })
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "NO", buy, "100", "0.5")
	require.Empty(t, h.would(order("a", "m", "NO", sell, "10", "0.5")))
	require.Equal(t, denied(domain.ReasonMaxOrder), h.would(order("a", "m", "NO", sell, "11", "0.5")))
	require.Equal(t, denied(domain.ReasonZoneBlocked), h.would(order("a", "m", "NO", sell, "1", "0.3")), "YES at 0.7")

	h.limits(`{"max_order_usd":"0"}`)
	h.equal("0", h.grant(order("a", "m", "NO", sell, "95", "0.5")).Reserved)
	last := h.grant(order("a", "m", "NO", sell, "15", "0.5"))
	h.equal("5", last.Covered)
	h.equal("5", last.Reserved, "10 are not held, or promised")
	h.equal("15", last.Quantity.Sub(last.Reducing))
}

// "It is reserved only for shares not held, or promised to another live sell": shares that
// were promised to an order which is released, or has expired, cover the oldest of the others.
func TestSharesOfAnOrderThatEndedCoverTheNext(t *testing.T) {
	h := sized(t, func(*domain.Policy) {})
	h.must(h.sets("a", "m", domain.SplitSets, "100", "s1"))
	reserves := func() (of []string) {
		for _, id := range h.s.PermitIDs() {
			for p, reserved := range h.s.Reserving("a", h.now) {
				if p.ID == id {
					of = append(of, reserved.String())
				}
			}
		}
		return of
	}
	free := h.s.freeCash(h.botOf("a"), h.now)
	first := h.grant(order("a", "m", "NO", sell, "100", "0.5"))
	h.now = h.now.Add(10 * time.Second)
	second := h.grant(order("a", "m", "NO", sell, "50", "0.5"))
	require.Equal(t, []string{"0", "25"}, reserves())
	h.release(first.Permit)
	require.Equal(t, []string{"0"}, reserves())
	h.equal(free.String(), h.s.freeCash(h.botOf("a"), h.now))

	h.now = h.now.Add(10 * time.Second)
	third := h.grant(order("a", "m", "NO", sell, "100", "0.5"))
	h.equal("50", third.Covered, "the second has the other 50 now")
	require.Equal(t, []string{"0", "25"}, reserves())
	h.now = second.ExpiresAt
	require.Equal(t, []string{"0"}, reserves())
	h.equal("50", h.grant(order("a", "m", "NO", sell, "100", "0.5")).Reserved, "all of it is promised")
	require.Equal(t, []string{"0", "50"}, reserves())
}

// “In a halt an operator's sale of what is held […] counts as reducing whatever it
// uncovers”, and goes on to count when other orders are filled: it can still be signed.
func TestAnOperatorsWayOutStaysOne(t *testing.T) {
	h := sized(t, func(*domain.Policy) {})
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "NO", buy, "100", "0.5")
	h.must(func(d *Decision) error { return d.StopBot("a", "x") })
	one, two := h.grant(order("a", "m", "YES", sell, "100", "0.4")), h.grant(order("a", "m", "NO", sell, "100", "0.4"))
	require.True(t, one.WayOut)
	h.fill("a", "m", "YES", sell, "60", "0.4", withPermit(one.Permit))
	require.Empty(t, h.flags())
	h.equal("40", h.s.Permits[one.Permit].ReducingLeft)
	h.equal("100", h.s.Permits[two.Permit].ReducingLeft)
	h.fill("a", "m", "NO", sell, "100", "0.4", withPermit(two.Permit))
	h.fill("a", "m", "YES", sell, "40", "0.4", withPermit(one.Permit))
	require.Empty(t, h.flags())
	require.Empty(t, h.atRisk("a", false))

	h.as(domain.RoleBot, "a")
	require.Equal(t, denied(domain.ReasonBotStopped), h.would(order("a", "m", "YES", sell, "1", "0.5")))
}

// "a person can always get out": what the bot's own orders claim does not count for an
// operator in a halt. "In a halt an operator's sale of what is held or purchase of what is
// short counts as reducing whatever it uncovers." The bot's orders close the less.
func TestABotsOrdersDoNotBlockTheWayOut(t *testing.T) {
	for _, market := range []string{"m", "abc", "x"} { // two outcomes, more, not registered
		h := sized(t, func(p *domain.Policy) { p.BlockedZones = []int{1, 2, 3, 4, 5} })
		outcome := map[string]string{"m": "YES", "abc": "A", "x": "Y"}[market]
		h.fill("a", market, outcome, buy, "100", "0.5")
		own := h.permit("a", market, outcome, sell, "100", "0.9")
		h.place(own)
		require.Contains(t, h.would(order("a", market, outcome, sell, "1", "0.4")), domain.ReasonZoneBlocked, "nothing halts it: %s", market)
		h.must(func(d *Decision) error { return d.StopBot("a", "x") })
		h.as(domain.RoleBot, "a")
		require.Contains(t, h.would(order("a", market, outcome, sell, "1", "0.4")), domain.ReasonBotStopped)
		h.operator()
		exit := h.grant(order("a", market, outcome, sell, "60", "0.4"))
		require.True(t, exit.WayOut)
		require.True(t, exit.Reserved.IsZero())
		h.equal("60", h.s.Permits[exit.Permit].ReducingLeft)
		h.equal("40", h.s.Permits[own].ReducingLeft, "the bot's own closes what is left in %s", market)
		require.Equal(t, []string{own}, h.s.ToCancel("a"))
		require.NotEmpty(t, h.would(order("a", market, outcome, sell, "41", "0.4")), "operators share among themselves")
		rest := h.grant(order("a", market, outcome, sell, "40", "0.4"))
		h.equal("0", h.s.Permits[own].ReducingLeft)
		h.fill("a", market, outcome, sell, "60", "0.4", withPermit(exit.Permit))
		require.Empty(t, h.flags())
		h.fill("a", market, outcome, sell, "40", "0.4", withPermit(rest.Permit))
		require.Empty(t, h.flags())
		h.fill("a", market, outcome, sell, "1", "0.9", withPermit(own))
		require.Contains(t, h.flags(), domain.FlagHalted, "it opened")
	}
}

// "At most 1,000 permits of a bot … are live at a time": beyond them an operator has 100
// more in a halt.
func TestABotsPermitsLeaveAnOperatorRoom(t *testing.T) {
	h := sized(t, func(*domain.Policy) {})
	h.fill("a", "m", "YES", buy, "100", "0.5")
	for n := range maxBotPermits {
		id := domain.PermitName(uint64(1_000_000 + n))
		h.s.addPermit(&risk.Permit{ID: id, Order: order("a", "m", "YES", sell, "0.001", "0.9"), Left: dec("0.001"), ReducingLeft: dec("0.001"), Working: true})
	}
	asks := func(caller domain.Caller) error {
		_, err := h.s.PreviewPermit(h.now, caller, PermitRequest{Order: order("a", "m", "YES", sell, "1", "0.4")})
		return err
	}
	olga, bot := h.caller, domain.Caller{User: "a", Role: domain.RoleBot, Bot: "a"}
	require.Equal(t, domain.CodeRateLimited, domain.CodeOf(asks(olga)), "nothing halts it")
	h.s.Bots["a"].Status = Stopped
	require.Equal(t, domain.CodeRateLimited, domain.CodeOf(asks(bot)))
	for n := range maxWaysOut {
		require.NoError(t, asks(olga), "%d", n)
		h.s.addPermit(&risk.Permit{ID: domain.PermitName(uint64(2_000_000 + n)), Order: order("a", "m", "YES", sell, "0.001", "0.4"), Left: dec("0.001"), WayOut: true})
	}
	require.Equal(t, domain.CodeRateLimited, domain.CodeOf(asks(olga)))
}
