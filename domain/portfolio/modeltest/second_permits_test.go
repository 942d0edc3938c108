package modeltest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// closes asks for a preview that may only reduce, and reports whether it does.
func (s *try) closes(o SecondOrder) bool {
	o.ReduceOnly = true
	_, why := s.Ask(o, true)
	for _, code := range Codes(why) {
		if code == "not_reducing" {
			return false
		}
	}
	return true
}

// “D = q(YES) − q(NO). An order reduces as far as it moves D toward 0: selling the larger
// side (at most what is held) or buying the smaller, up to |D| less what live reducing
// permits of that bot in that market take.”
func TestWhatReducesOfTwo(t *testing.T) {
	s := start(t, false)
	s.fact("a", "buy", "m/YES", "100", "0.5")
	s.fact("a", "buy", "m/NO", "40", "0.5")
	for _, c := range []struct {
		side, name, quantity string
		want                 bool
	}{
		{"sell", "m/YES", "59", true},
		{"sell", "m/YES", "60", true},
		{"sell", "m/YES", "61", false},
		{"buy", "m/NO", "60", true},
		{"buy", "m/NO", "61", false},
		{"sell", "m/NO", "1", false},
		{"buy", "m/YES", "1", false},
	} {
		require.Equal(t, c.want, s.closes(s.order("a", c.side, c.name, c.quantity, "0.5")), "%+v", c)
	}
	s.granted(s.order("a", "buy", "m/NO", "25", "0.5"))
	require.True(t, s.closes(s.order("a", "sell", "m/YES", "35", "0.5")))
	require.False(t, s.closes(s.order("a", "sell", "m/YES", "36", "0.5")))
	// A short: what is not held cannot be sold to reduce.
	s.fact("b", "sell", "m/NO", "10", "0.5")
	require.False(t, s.closes(s.order("b", "sell", "m/YES", "1", "0.5")))
	require.True(t, s.closes(s.order("b", "buy", "m/NO", "10", "0.5")))
}

// “More outcomes: buying back what is short reduces; selling what is held reduces as far as
// min P, with all live reducing sales of that bot in that market filled, is not below what
// it is now; other buying opens.”
func TestWhatReducesOfMore(t *testing.T) {
	s := start(t, false)
	s.fact("a", "buy", "abc/A", "100", "0.3")
	s.fact("a", "buy", "abc/B", "30", "0.3")
	s.fact("a", "buy", "abc/C", "30", "0.3")
	require.True(t, s.closes(s.order("a", "sell", "abc/A", "70", "0.3")))
	require.False(t, s.closes(s.order("a", "sell", "abc/A", "71", "0.3")))
	require.False(t, s.closes(s.order("a", "sell", "abc/B", "1", "0.3")), "it breaks a set")
	require.False(t, s.closes(s.order("a", "buy", "abc/!A", "1", "0.3")))
	s.granted(s.order("a", "sell", "abc/A", "50", "0.3"))
	require.True(t, s.closes(s.order("a", "sell", "abc/A", "20", "0.3")))
	require.False(t, s.closes(s.order("a", "sell", "abc/A", "21", "0.3")))
	s.fact("b", "buy", "abc/!A", "10", "0.6")
	s.fact("b", "sell", "abc/B", "5", "0.6")
	require.True(t, s.closes(s.order("b", "buy", "abc/B", "5", "0.3")))
	require.False(t, s.closes(s.order("b", "buy", "abc/B", "6", "0.3")))
	require.True(t, s.closes(s.order("b", "sell", "abc/!A", "5", "0.6")), "P is 0, 5, 10, min 0")
	require.False(t, s.closes(s.order("b", "sell", "abc/!A", "6", "0.6")))
}

// “Selling one half of a set opens the other: zones judge it at 1 − the limit”. “Buying NO to
// flatten YES reduces: zones and limits do not bind it; its cash is needed.”
func TestSellingHalfOfASetOpens(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.Blocked, r.MaxOrder = []int{4, 5}, one })
	s.ok(s.ChangeSets(Sets{Bot: "a", Market: "m", Action: "split", Quantity: N("9000"), ID: "1"}))
	s.denied(s.order("a", "sell", "m/YES", "100", "0.3"), "max_order", "zone_blocked") // a buy of NO at .70
	s.fact("a", "sell", "m/NO", "8000", "0.05")
	s.denied(s.order("a", "buy", "m/NO", "1500", "0.9")) // 1,350 of 1,400
	s.denied(s.order("a", "buy", "m/NO", "1600", "0.9"), "insufficient_cash")
	s.denied(s.order("a", "buy", "m/YES", "2", "0.9"), "max_order", "zone_blocked")
}

// “The worst case of an opening sell counts as quantity × (1 − limit); it is reserved only
// for shares not held, or promised to another live sell.”
func TestReservationOfSells(t *testing.T) {
	s := start(t, false)
	s.ok(s.ChangeSets(Sets{Bot: "a", Market: "m", Action: "split", Quantity: N("100"), ID: "1"}))
	first := s.granted(s.order("a", "sell", "m/YES", "100", "0.6"))
	s.is("0", s.Permits()[0].Reserved)
	s.is("40", s.Exposure("a", func(string) bool { return true }))
	s.granted(s.order("a", "sell", "m/YES", "50", "0.6"))
	s.is("20", s.Permits()[1].Reserved)
	s.ok(s.Release(first))
	s.is("0", s.Permits()[0].Reserved)
	o := s.order("b", "sell", "m/YES", "10", "0.6")
	o.Fee = N("0.25")
	s.granted(o)
	s.is("4.25", s.Permits()[1].Reserved)
}

// “Besides its bot's own cash, a permit reserves no more than the base-asset cash of
// hot:treasury and all bots less all reservations (insufficient_cash): money that is
// recorded as gone cannot be spent.”
func TestMoneyThatIsGoneCannotBeSpent(t *testing.T) {
	s := start(t, false)
	s.ok(s.Charge("", N("95000"))) // the treasury has −15,000
	s.denied(s.order("a", "buy", "m/YES", "10000", "0.5"))
	s.denied(s.order("a", "buy", "m/YES", "10001", "0.5"), "insufficient_cash")
	s.granted(s.order("b", "buy", "m/YES", "6000", "0.5"))
	s.denied(s.order("a", "buy", "m/YES", "4001", "0.5"), "insufficient_cash")
	s.fact("a", "buy", "m/YES", "4001", "0.5")
	s.fact("b", "buy", "m/YES", "9000", "0.5")
	s.denied(s.order("b", "buy", "m/YES", "1", "0.5"), "insufficient_cash")
	s.denied(s.order("b", "buy", "m/NO", "1", "0.5")) // it reduces
}

// “reducing permits of one bot and market with the same group (take-profit and stop) count
// as G, the largest. A fill in the group leaves each at most G − what the group filled”.
func TestGroups(t *testing.T) {
	s := start(t, false)
	s.fact("a", "buy", "m/YES", "100", "0.5")
	takes, stops := s.order("a", "sell", "m/YES", "100", "0.9"), s.order("a", "sell", "m/YES", "80", "0.2")
	takes.Group, stops.Group = "exit", "exit"
	one := s.granted(takes)
	require.False(t, s.closes(s.order("a", "sell", "m/YES", "1", "0.2")))
	two := s.granted(stops)
	opens := s.order("a", "sell", "m/YES", "120", "0.9")
	opens.Group = "exit"
	require.Equal(t, "120", s.permitted(opens).opening.FloatString(0), "only reducing permits have a group")
	s.fact("a", "buy", "m/YES", "100", "0.5")
	require.True(t, s.closes(s.order("a", "sell", "m/YES", "100", "0.2")), "they count as the largest")
	require.False(t, s.closes(s.order("a", "sell", "m/YES", "101", "0.2")))
	f := s.report("a", "sell", "m/YES", "30", "0.9")
	f.Permit = one
	require.Equal(t, []int{two}, s.ok(s.Record(f)).Shrunk)
	s.is("70", s.permit(one).Left)
	s.is("70", s.permit(two).Left)
	f = s.report("a", "sell", "m/YES", "70", "0.2")
	f.Permit = two
	s.ok(s.Record(f))
	require.Empty(t, s.Permits())
}

// permitted returns the permit that an order would get.
func (s *try) permitted(o SecondOrder) SecondPermit {
	s.Helper()
	m := s.clone()
	id, why := m.Ask(o, false)
	require.Empty(s, Codes(why))
	return *m.permit(id)
}

// “What an ioc or fok order did not fill is gone permit_ttl after it was placed or first
// filled, whichever is earlier.”
func TestTimeInForce(t *testing.T) {
	s := start(t, false)
	o := s.order("a", "buy", "m/YES", "10", "0.5")
	o.Force = "ioc"
	id, _ := s.Ask(o, false)
	s.pass(20 * time.Second)
	f := s.report("a", "buy", "m/YES", "1", "0.5")
	f.Permit = id
	s.ok(s.Record(f))
	s.pass(10 * time.Second)
	s.ok(s.Place(id, time.Time{}))
	s.pass(20*time.Second - 1)
	require.True(t, s.Place(id, time.Time{}).Again)
	require.NotNil(t, s.permit(id))
	s.pass(1)
	require.Nil(t, s.permit(id))
}

// “max_position_usd, max_open_positions, inventory_cap count markets; below
// position_dust_usd a market is no open position.” “New: max_market_usd (sum of the bots'
// exposures), max_orders_per_day (calendar day of the portfolio), market_cooldown”.
func TestLimits(t *testing.T) {
	s := start(t, false)
	set := func(change func(*SecondRules)) {
		rules := loose()
		change(&rules)
		s.ok(s.Change(rules, false))
	}
	s.trade("a", "buy", "m/YES", "100", "0.5")
	s.trade("b", "buy", "m/YES", "100", "0.5")
	set(func(r *SecondRules) { r.MaxPosition = N("60") })
	s.denied(s.order("a", "buy", "m/YES", "20", "0.5"))
	s.denied(s.order("a", "buy", "m/YES", "21", "0.5"), "max_position")
	set(func(r *SecondRules) { r.MaxMarket = N("110") })
	s.denied(s.order("a", "buy", "m/YES", "20", "0.5"))
	s.denied(s.order("a", "buy", "m/YES", "21", "0.5"), "max_market")
	set(func(r *SecondRules) { r.MaxOpen = 1 })
	s.denied(s.order("a", "sell", "m/NO", "1", "0.5"))
	s.denied(s.order("a", "buy", "abc/A", "1", "0.5"), "max_open_positions")
	set(func(r *SecondRules) { r.MaxOpen, r.PositionDust = 1, N("50.01") })
	s.denied(s.order("a", "buy", "abc/A", "1", "0.5"))
	set(func(r *SecondRules) { r.MaxPerDay = 2 })
	s.granted(s.order("a", "buy", "m/YES", "1", "0.5"))
	s.denied(s.order("a", "buy", "m/YES", "1", "0.5"), "orders_per_day")
	s.pass(12 * time.Hour)
	s.denied(s.order("a", "buy", "m/YES", "1", "0.5"))
	set(func(r *SecondRules) { r.Cooldown = time.Minute })
	s.fact("a", "sell", "m/YES", "100", "0.4")
	s.pass(time.Minute - 1)
	s.denied(s.order("a", "buy", "m/NO", "1", "0.5"), "market_cooldown")
	s.denied(s.order("a", "buy", "abc/A", "1", "0.5"))
	s.pass(1)
	s.denied(s.order("a", "buy", "m/NO", "1", "0.5"))
}

// “market_cooldown (no opening order of a bot in a market that long after a losing result
// there)”, and a void is “as if the fill had never been”: the loss that it takes away cools
// nothing down, and what it makes a loss counts from then.
func TestVoidsAndCooldowns(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.Cooldown = time.Hour })
	opens := s.order("a", "buy", "m/NO", "1", "0.5")
	s.fact("a", "buy", "m/YES", "20", "0.5")
	lost := s.report("a", "sell", "m/YES", "20", "0.4")
	lost.Provisional = true
	s.ok(s.Record(lost))
	s.denied(opens, "market_cooldown")
	s.ok(s.Void(SecondFillID{Bot: "a", ID: lost.ID}))
	s.denied(opens)

	s.fact("a", "sell", "m/YES", "10", "0.4")
	cheap := s.report("a", "buy", "m/YES", "10", "0.1")
	cheap.Provisional = true
	s.ok(s.Record(cheap))
	s.fact("a", "sell", "m/YES", "20", "0.45")
	s.denied(opens)
	s.pass(time.Hour)
	s.ok(s.Void(SecondFillID{Bot: "a", ID: cheap.ID}))
	s.pass(time.Hour - 1)
	s.denied(opens, "market_cooldown")
	s.pass(1)
	s.denied(opens)
}

// “permits that open need a registered market (registered_only, default true in live)”; “an
// outcome that a registered market does not have is refused for a permit that opens”.
func TestUnknownMarketsAndOutcomes(t *testing.T) {
	s := start(t, true, func(r *SecondRules) { r.RegisteredOnly = true })
	s.denied(s.order("a", "buy", "x/YES", "1", "0.5"), "registered_only")
	s.denied(s.order("a", "buy", "m/MAYBE", "1", "0.5"), "market_mismatch")
	s.fact("a", "buy", "m/MAYBE", "1", "0.5")
	s.fact("a", "buy", "x/YES", "1", "0.5")
	s.denied(s.order("a", "sell", "m/MAYBE", "1", "0.5"))
	s.denied(s.order("a", "sell", "x/YES", "1", "0.5"))
	s.ok(s.Settle(Settlement{Market: "m", Outcome: "MAYBE", Payout: N("0.3")}))
	require.Nil(t, s.Mark("", thing("m/YES")))
}

// “The sure payout of legs is min P of them, per exclusive market. A bot has at most one
// arbitrage with a leg in a blocked zone that is neither complete nor closed
// (arbitrage_open)”. “Rebates prove nothing.”
func TestArbitrage(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.Blocked = []int{4, 5} })
	legs := func(yes, no string) []SecondOrder {
		return []SecondOrder{s.order("a", "buy", "m/YES", "100", yes), s.order("a", "buy", "m/NO", "100", no)}
	}
	_, why := s.AskLegs(legs("0.7", "0.3"))
	require.Equal(t, []string{"legs_not_profitable"}, Codes(why))
	rebate := legs("0.7", "0.3")
	rebate[0].Fee = N("-5")
	_, why = s.AskLegs(rebate)
	require.Equal(t, []string{"legs_not_profitable"}, Codes(why))
	ids, why := s.AskLegs(legs("0.7", "0.29"))
	require.Empty(t, why)
	_, why = s.AskLegs(legs("0.7", "0.29"))
	require.Equal(t, []string{"arbitrage_open"}, Codes(why))
	require.Empty(t, func() []Reason { _, why := s.AskLegs(legs("0.5", "0.4")); return why }(), "no leg in a blocked zone")
	for n, name := range []string{"m/YES", "m/NO"} {
		f := s.report("a", "buy", name, "100", []string{"0.7", "0.29"}[n])
		f.Permit = ids[n]
		s.ok(s.Record(f))
	}
	_, why = s.AskLegs(legs("0.7", "0.29"))
	require.Empty(t, why)
}

// --- section 3

// The table of halts: “a way out stays open”. “Of several rows the strictest holds.”
func TestHalts(t *testing.T) {
	for _, c := range []struct {
		name          string
		tripped       string // while_tripped
		close         bool
		act           func(*try)
		bot, operator string
	}{
		{"nothing is halted", "nothing", false, func(*try) {}, "all", "all"},
		{"a breaker", "reduce", false, (*try).lose, "reduce", "reduce"},
		{"a breaker", "nothing", true, (*try).lose, "nothing", "reduce"},
		{"a breaker, as before", "", false, (*try).lose, "nothing", "reduce"},
		{"a breaker, as before", "", true, (*try).lose, "reduce", "reduce"},
		{"a person", "nothing", false, func(s *try) { s.ok(s.Stop("a", false)) }, "reduce", "reduce"},
		{"a person, in full", "reduce", true, func(s *try) { s.ok(s.Stop("a", true)) }, "nothing", "reduce"},
		{"manual", "reduce", false, func(s *try) { s.ok(s.Emergency("manual")) }, "nothing", "reduce"},
		{"manual", "reduce", true, func(s *try) { s.ok(s.Emergency("manual")) }, "reduce", "reduce"},
		{"breach", "reduce", true, func(s *try) { s.ok(s.Emergency("security_breach")) }, "nothing", "nothing"},
		{"error", "reduce", true, func(s *try) { s.ok(s.Emergency("system_error")) }, "nothing", "nothing"},
		{"manual and a breaker", "nothing", true, func(s *try) { s.lose(); s.ok(s.Emergency("manual")) }, "nothing", "reduce"},
		{"manual, then breach", "reduce", true, func(s *try) { s.ok(s.Emergency("manual")); s.ok(s.Emergency("security_breach")) }, "nothing", "nothing"},
	} {
		s := start(t, false, func(r *SecondRules) { r.MaxBot, r.WhileTripped, r.CloseOnTrip = N("0.05"), c.tripped, c.close })
		s.trade("a", "buy", "m/YES", "2000", "0.5")
		c.act(s)
		bot, operator := s.Allowed("a")
		require.Equal(t, c.bot+" "+c.operator, bot+" "+operator, "%+v", c)
		o := s.order("a", "sell", "m/YES", "10", "0.5")
		_, why := s.Ask(o, true)
		require.Equal(t, bot != "nothing", len(why) == 0, "%s: %v", c.name, Codes(why))
		o.ByOperator = true
		_, why = s.Ask(o, true)
		require.Equal(t, operator != "nothing", len(why) == 0, "%s: %v", c.name, Codes(why))
		o = s.order("a", "buy", "m/YES", "10", "0.5")
		o.ByOperator = true
		_, why = s.Ask(o, true)
		require.Equal(t, operator == "all", len(why) == 0, "%s: %v", c.name, Codes(why))
	}
}

// A bot that a breaker stopped is denied by both what opens. A stopped bot may reduce, so the
// breaker alone denies that.
func TestCodesOfAHalt(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBot, r.WhileTripped = N("0.05"), "nothing" })
	s.trade("a", "buy", "m/YES", "2000", "0.5")
	s.lose()
	s.denied(s.order("a", "sell", "m/YES", "10", "0.5"), "breaker_tripped")
	s.denied(s.order("b", "buy", "m/YES", "10", "0.5"), "bot_stopped", "breaker_tripped")
	s.ok(s.Emergency("manual"))
	s.denied(s.order("a", "sell", "m/YES", "10", "0.5"), "breaker_tripped", "emergency_stop")
}

// A settlement ends the permits of what it settles.
func TestSettlementEndsPermits(t *testing.T) {
	s := start(t, false)
	s.granted(s.order("a", "buy", "abc/A", "1", "0.5"))
	s.granted(s.order("a", "buy", "abc/!A", "1", "0.5"))
	s.granted(s.order("a", "buy", "abc/B", "1", "0.5"))
	s.ok(s.Settle(Settlement{Market: "abc", Outcome: "A", Payout: zero}))
	require.Len(t, s.Permits(), 1)
	s.denied(s.order("a", "buy", "abc/!A", "1", "0.5"), "market_settled")
	s.ok(s.Settle(Settlement{Market: "abc", Outcome: "C", Payout: zero}))
	s.no("payouts_sum", s.Settle(Settlement{Market: "abc", Outcome: "B", Payout: zero}))
	s.ok(s.Settle(Settlement{Market: "abc", Outcome: "B", Payout: one}))
	require.Empty(t, s.Permits())
}

func (s *try) lose() { s.mark("m/YES 0.2") }

// “In a halt an operator's sale of what is held or purchase of what is short counts as
// reducing whatever it uncovers.”
func TestOperatorMaySellHalfOfASetInAHalt(t *testing.T) {
	s := start(t, false)
	s.ok(s.ChangeSets(Sets{Bot: "a", Market: "m", Action: "split", Quantity: N("100"), ID: "1"}))
	o := s.order("a", "sell", "m/YES", "100", "0.5")
	o.ByOperator = true
	require.False(t, s.closes(o))
	s.ok(s.Stop("a", true))
	id := s.granted(o)
	require.True(t, s.MaySign(id))
	o.Quantity = one
	s.denied(o, "bot_stopped")
}

// “A reducing permit whose position is gone signs nothing.”
func TestPositionIsGone(t *testing.T) {
	s := start(t, false)
	s.fact("a", "buy", "m/YES", "100", "0.5")
	id := s.granted(s.order("a", "sell", "m/YES", "100", "0.6"))
	require.True(t, s.MaySign(id))
	s.fact("a", "buy", "m/NO", "100", "0.5")
	require.False(t, s.MaySign(id))
}

// “Every halt directs bots to cancel_orders (the opening ones that rest, by permit);
// close_positions is said only where closing is permitted.”
func TestDirectives(t *testing.T) {
	s := start(t, false, func(r *SecondRules) { r.MaxBot, r.CloseOnTrip = N("0.05"), true })
	s.trade("a", "buy", "m/YES", "2000", "0.5")
	opens := s.granted(s.order("a", "buy", "m/YES", "1", "0.5"))
	s.granted(s.order("a", "sell", "m/YES", "1", "0.5"))
	cancel, closing := s.Directed("a")
	require.Empty(t, cancel)
	require.False(t, closing)
	s.lose()
	cancel, closing = s.Directed("a")
	require.Equal(t, []int{opens}, cancel)
	require.True(t, closing)
	s.ok(s.Stop("a", true))
	_, closing = s.Directed("a")
	require.False(t, closing)
}
