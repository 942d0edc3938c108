package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/portfolio/modeltest"
)

// rulesOf returns a policy as rules of the model.
func rulesOf(p domain.Policy) modeltest.Rules {
	optional := func(d domain.Decimal) modeltest.Num {
		if d.IsZero() {
			return nil
		}
		return num(d)
	}
	r := modeltest.Rules{
		MaxStreak: p.MaxConsecutiveLosses, MaxDaily: num(p.MaxDailyLossPct), MaxBot: num(p.MaxBotDrawdownPct), MaxAll: num(p.MaxPortfolioDrawdownPct),
		WarnAt: num(p.BreakerWarnAt), StopsOnlyBot: p.BreakerStops == domain.StopBot, CloseOnTrip: p.ClosePositionsOnTrip, Dust: num(p.LossDust),
		Blocked: p.BlockedZones, TTL: time.Duration(p.PermitTTL), MarkAge: time.Duration(p.MarkMaxAge), FeeBPS: num(p.FeeBPS),
		MaxOrder: optional(p.MaxOrderUSD), MaxPosition: optional(p.MaxPositionUSD), MaxOpen: p.MaxOpenPositions, MaxRate: p.MaxOrdersPerMinute,
		MaxBotPct: optional(p.MaxBotCapitalPct), MaxGroupPct: optional(p.MaxCategoryExposurePct),
	}
	for _, z := range p.ZoneBounds {
		r.Zones = append(r.Zones, num(z))
	}
	return r
}

// comparedReasons are the reasons with a value and a limit that the model computes.
var comparedReasons = []domain.ReasonCode{
	domain.ReasonInsufficientCash, domain.ReasonMaxOrder, domain.ReasonMaxPosition, domain.ReasonMaxOpenPositions, domain.ReasonOrderRate, domain.ReasonNotReducing,
}

// reasonsOf and reasonsIn return the reasons of both sides in the same words, sorted.
func reasonsOf(why []modeltest.Reason) []string {
	out := []string{}
	for _, r := range why {
		text := r.Code
		if r.Value != nil && slices.Contains(comparedReasons, domain.ReasonCode(r.Code)) {
			text += " " + r.Value.RatString() + " of " + r.Limit.RatString()
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func reasonsIn(reasons []domain.Reason) []string {
	out := []string{}
	for _, r := range reasons {
		text := string(r.Code)
		if slices.Contains(comparedReasons, r.Code) {
			text += " " + modeltest.N(r.Value).RatString() + " of " + modeltest.N(r.Limit).RatString()
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// same compares a number of the model with the engine's.
func (s *storm) same(want modeltest.Num, got domain.Decimal, format string, args ...any) {
	s.Helper()
	if want.Cmp(num(got)) != 0 {
		require.Fail(s, fmt.Sprintf(format, args...), "model %s, engine %s", strings.TrimRight(want.FloatString(18), "0"), got)
	}
}

// compare compares everything that both sides compute.
func (s *storm) compare() {
	m, e := s.m, s.s
	s.same(m.Equity(""), e.Equity(), "equity")
	for _, id := range stormBots {
		s.compareBot(id, e.Bots[id])
	}
	for _, key := range e.BreakerKeys() {
		a := modeltest.Alarm{Name: key.Breaker, Bot: key.Bot}
		status := e.Breaker(key).Status
		require.Equal(s, m.StatusOf(a), string(status), "%v", key)
		s.same(m.Value(a), e.ReadBreaker(key).Value, "value of %v", key)
	}
	require.Equal(s, m.Stop.On, e.Stop.Engaged, "emergency stop")
	if e.Stop.Engaged {
		require.Equal(s, m.Stop.ByDrawdown, e.Stop.Kind == domain.StopPortfolioDrawdown)
		require.Equal(s, m.Stop.Asked, e.Stop.Requester)
	}
	s.comparePermits()
	s.probe()
}

func (s *storm) compareBot(id string, b *portfolio.Bot) {
	m := s.m
	s.same(m.Cash(id), b.Cash, "cash of %s", id)
	s.same(m.Equity(id), b.Equity(), "equity of %s", id)
	require.Equal(s, m.Status(id), string(b.Status), "status of %s", id)
	require.Equal(s, m.Streak(id), b.Streak.Losses, "streak of %s", id)
	trades, wins, losses, neutral := m.Trades(id)
	require.Equal(s, []int{trades, wins, losses, neutral}, []int{b.Trades, b.Wins, b.Losses, b.Neutral}, "trades of %s", id)
	sum := domain.Zero
	for _, pnl := range s.profits[id] {
		sum = sum.Add(pnl)
	}
	s.same(m.Profit(id), sum, "P&L of %s", id)
	cost := modeltest.Whole(0)
	for i, in := range s.s.Instruments {
		p := m.Held(id, thingOf(i))
		cost.Add(cost, p.Cost)
		held := &portfolio.Holding{}
		if h := in.Holding(id); h != nil {
			held = h
		}
		s.same(p.Quantity, held.Quantity, "%s of %s", i, id)
		s.same(p.Cost, held.Cost, "cost of %s of %s", i, id)
		price, _ := m.Mark(thingOf(i))
		require.Equal(s, price == nil, in.Mark() == nil, "mark of %s", i)
		if price != nil {
			s.same(price, in.Mark().Price, "mark of %s", i)
		}
	}
	s.same(cost, b.Cost, "cost of %s", id)
}

// comparePermits compares which permits are live, what is left of each, and what each
// reserves.
func (s *storm) comparePermits() {
	known := map[*modeltest.Permit]string{}
	for id, p := range s.permits {
		known[p] = id
	}
	want, got := []string{}, []string{}
	for _, p := range s.m.Live() {
		want = append(want, fmt.Sprint(known[p], " left ", p.Left.RatString(), " reserves ", s.m.Reserved(p).RatString()))
	}
	for id, p := range s.s.Permits {
		if p.Live(s.clock.Now()) {
			got = append(got, fmt.Sprint(id, " left ", num(p.Left).RatString(), " reserves ", num(p.Reserved).RatString()))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(s, want, got, "live permits")
}

// probe asks about some orders without placing them: the reasons show free cash,
// exposures and closing quantities to the last digit.
func (s *storm) probe() {
	for _, id := range stormBots {
		for _, a := range []AskPermit{
			{Bot: id, Instrument: domain.Instrument{Market: "probe", Outcome: "YES"}, Side: domain.Buy, Quantity: dec("1000000"), LimitPrice: dec("0.5")},
			{Bot: id, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Sell, Quantity: dec("5"), LimitPrice: dec("0.5"), ReduceOnly: true},
			{Bot: id, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: dec("1000000"), LimitPrice: dec("0.5")},
			{Bot: id, Instrument: domain.Instrument{Market: "perp", Outcome: "X"}, Side: domain.Buy, Quantity: dec("1000000"), LimitPrice: dec("0.5"), ReduceOnly: true},
		} {
			preview, err := a.Preview(s.s, s.clock.Now(), olga)
			require.NoError(s, err)
			_, why := s.m.Ask(orderOf(a), true)
			require.Equal(s, reasonsOf(why), reasonsIn(preview.Reasons), "%+v", a)
		}
	}
}

// noOverrun checks that the permit just granted leaves every sum within its limit. It
// computes the sums from the model.
func (s *storm) noOverrun(a AskPermit, before modeltest.Num) {
	m, r, thing := s.m, &s.m.Rules, thingOf(a.Instrument)
	p := s.permits[s.names[len(s.names)-1]]
	require.False(s, m.Stop.On)
	if m.Closes(p) {
		return
	}
	require.Equal(s, string(portfolio.Running), m.Status(a.Bot))
	// If facts have overdrawn a bot, an order that buys back a short and more may use the
	// released cover, also for its fee. Once it is filled the bot is no longer overdrawn;
	// until then its cash is reduced by that fee at most.
	if free := m.Free(a.Bot); free.Sign() < 0 {
		zero := modeltest.N("0")
		filled := zero.Sub(zero.Add(before, m.Relief(p)), m.Reserved(p))
		require.GreaterOrEqual(s, filled.Sign(), 0, "free cash of %s once the order is filled: %s", a.Bot, filled.FloatString(18))
		fee := zero.Sub(m.Reserved(p), zero.Mul(p.Left, p.Limit))
		require.GreaterOrEqual(s, zero.Add(free, fee).Cmp(before), 0, "free cash of %s", a.Bot)
	}
	within := func(limit, value modeltest.Num, what string) {
		if limit != nil {
			require.LessOrEqual(s, value.Cmp(limit), 0, "%s: %s, limit %s", what, value.FloatString(18), limit.FloatString(18))
		}
	}
	share := func(pct modeltest.Num) modeltest.Num {
		if pct == nil {
			return nil
		}
		return modeltest.N("0").Mul(pct, m.Equity(""))
	}
	within(r.MaxPosition, m.Exposure(a.Bot, func(t modeltest.Thing) bool { return t == thing }), "position")
	within(share(r.MaxBotPct), m.Exposure(a.Bot, func(modeltest.Thing) bool { return true }), "bot")
	if a.Market == "m" {
		within(share(r.MaxGroupPct), m.Exposure("", func(t modeltest.Thing) bool { return t.Market == "m" }), "category")
	}
	if r.MaxRate > 0 {
		within(modeltest.Whole(r.MaxRate), modeltest.Whole(m.GrantedWithin(a.Bot, time.Minute)), "rate")
	}
}
