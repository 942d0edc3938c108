package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// blocked is a portfolio in which zones 4 and 5 are blocked, with exclusive markets.
func blocked(t *testing.T) *harness {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.BlockedZones = []int{4, 5} })
	h.exclusive("m", "YES", "NO")
	h.exclusive("abc", "A", "B", "C")
	return h
}

func buys(market, quantity string, legs ...string) ArbitrageRequest {
	r := ArbitrageRequest{Bot: "a"}
	for i := 0; i < len(legs); i += 2 {
		r.Legs = append(r.Legs, PermitRequest{Order: order("a", market, legs[i], buy, quantity, legs[i+1])})
	}
	return r
}

// unpermitted asks for an arbitrage that is denied, and returns the codes.
func (h *harness) unpermitted(r ArbitrageRequest) []domain.ReasonCode {
	h.t.Helper()
	h.after(2 * time.Second) // identical denials within a second share a record
	h.must(func(d *Decision) error { return d.AskArbitrage(r) })
	var codes []domain.ReasonCode
	for _, reason := range lastOf[*domain.ArbitrageDenied](h).Reasons {
		codes = append(codes, reason.Code)
	}
	require.Equal(h.t, 1, h.count(domain.ArbitrageDeniedType), "%v", h.types())
	return codes
}

// "the sure payout of legs is min P of them, per exclusive market."
func TestTheSurePayoutIsTheSmallestPayoff(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.BlockedZones = nil })
	h.exclusive("abc", "A", "B", "C")
	h.legs(buys("abc", "10", "!A", "0.66", "!B", "0.66", "!C", "0.67")) // they pay 20, whatever wins
	require.Equal(t, []string{"19.9", "20"}, []string{lastOf[*domain.ArbitragePermitted](h).Cost.String(), lastOf[*domain.ArbitragePermitted](h).SurePayout.String()})
	require.Equal(t, []domain.ReasonCode{domain.ReasonLegsUnprofitable}, h.unpermitted(buys("abc", "10", "!A", "0.66", "!B", "0.67", "!C", "0.67")))
	h.legs(buys("abc", "10", "A", "0.3", "!A", "0.69"))
	h.equal("10", lastOf[*domain.ArbitragePermitted](h).SurePayout)
	require.Equal(t, []domain.ReasonCode{domain.ReasonLegsUnprofitable}, h.unpermitted(buys("abc", "10", "A", "0.3", "!B", "0.1")), "both lose if B wins")

	h.settleOne("abc", "C", "0")
	h.legs(buys("abc", "10", "A", "0.3", "B", "0.3")) // one of them wins
	h.equal("10", lastOf[*domain.ArbitragePermitted](h).SurePayout)

	h.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "loose", Kind: domain.KindOutcome, Outcomes: []string{"X", "Y"}})
	})
	require.Contains(t, h.unpermitted(buys("loose", "10", "X", "0.3", "Y", "0.3")), domain.ReasonLegsInvalid, "no sum is certain where a market is not exclusive")
}

// "A bot has at most one arbitrage with a leg in a blocked zone that is neither complete
// nor closed (arbitrage_open); after the time-out it is directed to close the leg."
func TestOneArbitrageInABlockedZone(t *testing.T) {
	risky := buys("m", "100", "YES", "0.7", "NO", "0.2")
	h := blocked(t)
	ids := h.legs(risky)
	require.True(t, lastOf[*domain.ArbitragePermitted](h).Blocked)
	require.Equal(t, []domain.ReasonCode{domain.ReasonArbitrageOpen}, h.unpermitted(risky))
	h.legs(buys("m", "100", "YES", "0.5", "NO", "0.4")) // no leg is in a blocked zone

	h.fill("a", "m", "YES", buy, "100", "0.7", withPermit(ids[0]))
	require.Equal(t, []domain.ReasonCode{domain.ReasonArbitrageOpen}, h.unpermitted(risky))
	h.fill("a", "m", "NO", buy, "99", "0.2", withPermit(ids[1]))
	require.Equal(t, []domain.ReasonCode{domain.ReasonArbitrageOpen}, h.unpermitted(risky), "one share is missing")
	h.fill("a", "m", "NO", buy, "1", "0.2", withPermit(ids[1]))
	ids = h.legs(risky) // the first is complete

	h.fill("a", "m", "YES", buy, "100", "0.7", withPermit(ids[0]))
	h.after(31 * time.Second)
	require.Equal(t, []domain.ReasonCode{domain.ReasonArbitrageOpen}, h.unpermitted(risky))
	late := stepOf[*domain.ArbitrageTimedOut](h)
	require.Len(t, late, 1)
	require.True(t, late[0].Close)
	require.Equal(t, []domain.OpenLeg{{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Quantity: dec("100")}}, late[0].Open)
	h.fill("a", "m", "YES", sell, "99", "0.6")
	require.Equal(t, []domain.ReasonCode{domain.ReasonArbitrageOpen}, h.unpermitted(risky))
	h.fill("a", "m", "YES", sell, "1", "0.6")
	h.legs(risky) // it is closed
}

// "the sure payout of legs is min P of them": what of the legs is open follows from it.
func TestOpenLegsOfComplements(t *testing.T) {
	h := blocked(t)
	ids := h.legs(buys("abc", "10", "!A", "0.66", "!B", "0.66", "!C", "0.67"))
	h.fill("a", "abc", "!A", buy, "10", "0.66", withPermit(ids[0]))
	h.fill("a", "abc", "!B", buy, "10", "0.66", withPermit(ids[1]))
	h.fill("a", "abc", "!C", buy, "4", "0.67", withPermit(ids[2]))
	h.after(31*time.Second).mark("abc", "A", "0.3")
	open := map[domain.Instrument]string{}
	for i, quantity := range h.s.OpenLegs("a") {
		open[i] = quantity.String()
	}
	require.Equal(t, map[domain.Instrument]string{{Market: "abc", Outcome: "!A"}: "6", {Market: "abc", Outcome: "!B"}: "6"}, open)
	h.fill("a", "abc", "A", buy, "6", "0.3") // it completes the pair of A and !A
	h.fill("a", "abc", "!B", sell, "6", "0.6")
	require.Empty(t, h.s.OpenLegs("a"))
}

// "Live: […] loosening any limit that is set takes two people".
func TestLooseningAnyLimitTakesTwoPeople(t *testing.T) {
	set := func(p *domain.Policy) {
		p.Rules, p.MaxDailyLossPct = domain.SecondRules, dec("0.03") // below its default of 0.05
		p.MaxOrderUSD, p.MaxPositionUSD, p.MaxMarketUSD = dec("100"), dec("100"), dec("100")
		p.MaxOpenPositions, p.MaxOrdersPerMinute, p.MaxOrdersPerDay = 5, 5, 5
		p.MaxBotCapitalPct, p.MaxCategoryExposurePct = dec("0.5"), dec("0.5")
		p.MarketCooldown, p.MarkConfirmAfter = domain.Duration(time.Hour), domain.Duration(20*time.Second)
		p.PositionDustUSD, p.MarkCollar, p.MinCapital = dec("0.1"), dec("0.25"), dec("1")
		p.WhileTripped, p.RegisteredOnly = domain.WhileNothing, true
	}
	for key, values := range map[string][2]string{ // looser, and tighter
		"max_daily_loss_pct": {`"0.031"`, `"0.029"`}, "max_order_usd": {`"101"`, `"99"`}, "max_position_usd": {`"0"`, `"99"`},
		"max_market_usd": {`"101"`, `"99"`}, "max_open_positions": {`6`, `4`}, "max_orders_per_minute": {`0`, `4`}, "max_orders_per_day": {`6`, `4`},
		"max_bot_capital_pct": {`"0.51"`, `"0.49"`}, "max_category_exposure_pct": {`"0"`, `"0.49"`}, "market_cooldown": {`"59m"`, `"61m"`},
		"mark_confirm_after": {`"19s"`, `"21s"`}, "position_dust_usd": {`"0.11"`, `"0.09"`}, "mark_collar": {`"0"`, `"0.24"`},
		"min_capital": {`"0.5"`, `"1"`}, "while_tripped": {`"reduce"`, `"nothing"`}, "registered_only": {`false`, `true`},
		"close_positions_on_trip": {`true`, `false`}, "breaker_stops": {`"bot"`, `"all"`},
	} {
		h := newHarness(t).open(domain.ModeLive, set)
		before := h.s.Policy
		err := h.refused(domain.CodeDenied, func(d *Decision) error { return d.ChangeLimits([]byte(`{"`+key+`":`+values[0]+`}`), "test") })
		require.Contains(t, err.Error(), key)
		h.limits(`{"` + key + `":` + values[1] + `}`)
		h.must(func(d *Decision) error {
			return d.RequestOverride(domain.OverrideLimits, "", []byte(`{"`+key+`":`+values[0]+`}`), "test")
		})
		request := lastOf[*domain.OverrideRequested](h).Override
		h.as(domain.RoleApprover, "ada").must(func(d *Decision) error { return d.ConfirmOverride(request) })
		require.NotEqual(t, before, h.s.Policy, key)
	}
	h := newHarness(t).open(domain.ModeLive, set)
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.ChangeLimits([]byte(`{"rules":1}`), "test") })              // for two people, too
	newHarness(t).open(domain.ModeLive, func(p *domain.Policy) { p.MaxOrderUSD = dec("100") }).limits(`{"max_order_usd":"101"}`) // the first edition
}

// "Live: […] a bot's key may not POST /trades."
func TestABotReportsNoClosedTradesInLive(t *testing.T) {
	report := func(d *Decision) error {
		return d.RecordTrade(&domain.TradeClosed{Bot: "a", Instrument: domain.Instrument{Market: "m"}, TradeID: "r", TradeFigures: domain.TradeFigures{PnL: dec("1")}})
	}
	for _, rules := range []int{1, domain.SecondRules} {
		for _, mode := range []domain.Mode{domain.ModePaper, domain.ModeLive} {
			h := newHarness(t).open(mode, func(p *domain.Policy) { p.Rules = rules })
			h.deposit("1000")
			h.bot("a", "1000")
			h.as(domain.RoleBot, "a")
			if rules == domain.SecondRules && mode == domain.ModeLive {
				h.refused(domain.CodeDenied, report)
				h.operator()
			}
			h.must(report)
		}
	}
}

// "a way out stays open": a permitted fill that only reduces is not flagged halted where
// the halt leaves that.
func TestWhatAHaltLeavesIsNotFlagged(t *testing.T) {
	for name, tc := range map[string]struct {
		halt  func(*harness)
		leave bool
	}{
		"stopped":       {func(h *harness) { h.must(func(d *Decision) error { return d.StopBot("a", "x") }) }, true},
		"stopped fully": {func(h *harness) { h.must(func(d *Decision) error { return d.StopBotFully("a", "x") }) }, false},
		"manual stop":   {func(h *harness) { h.engage(domain.StopManual) }, false},
	} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("m", "YES", "NO")
		h.fill("a", "m", "YES", buy, "100", "0.5")
		exit, opens := h.permit("a", "m", "NO", buy, "100", "0.5"), h.permit("a", "m", "YES", buy, "10", "0.5")
		h.place(exit)
		h.place(opens)
		tc.halt(h)
		h.as(domain.RoleBot, "a")
		h.fill("a", "m", "NO", buy, "10", "0.5", withPermit(exit))
		require.Equal(t, tc.leave, len(h.flags()) == 0, "%s: %v", name, h.flags())
		h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(opens))
		require.Equal(t, []string{domain.FlagHalted}, h.flags(), name)
		h.fill("a", "m", "YES", sell, "10", "0.5")
		require.Contains(t, h.flags(), domain.FlagHalted, "%s: it has no permit", name)
	}
}
