package modeltest

import (
	"slices"
	"strings"
	"time"
)

type asked struct {
	SecondOrder
	fee, closing, covered, opening, mark Num
	why                                  []Reason
}

func (q *asked) no(code string, compared ...Num) {
	r := Reason{Code: code}
	if len(compared) == 2 {
		r.Value, r.Limit = compared[0], compared[1]
	}
	q.why = append(q.why, r)
}

// Codes returns the set of the codes of reasons, sorted.
func Codes(why []Reason) []string {
	var out []string
	for _, r := range why {
		out = append(out, r.Code)
	}
	return unique(out)
}

// Ask asks for a permit. It returns its number, or 0 and every reason for the denial. A
// preview records nothing and returns 0.
func (m *Second) Ask(o SecondOrder, preview bool) (permit int, why []Reason) {
	if preview {
		c := m.clone()
		c.begin()
		return 0, c.examine(o).why
	}
	m.do(func() Answer {
		q := m.examine(o)
		if why = q.why; len(why) == 0 {
			permit = m.grant(q)
		}
		return Answer{}
	})
	return permit, why
}

func (m *Second) grant(q *asked) int {
	ttl := m.Rules.TTL
	if q.TTL > 0 {
		ttl = q.TTL
	}
	m.permits = append(m.permits, SecondPermit{
		ID: len(m.permits) + 1, SecondOrder: q.SecondOrder, fee: q.fee, Left: q.Quantity, opening: q.opening, closing: q.closing, mark: q.mark,
		paid: zero, ends: m.now.Add(ttl),
	})
	m.grants = append(m.grants, grant{q.Bot, m.now})
	if q.uncovers { // what the bot's own permits close shrinks
		m.reclaim(q.Bot, q.Thing.Market)
	}
	return len(m.permits)
}

// feeOf: "A permit's fee is never below 0." "for sells the fee is reserved at price 1 in
// outcome markets, at the higher of limit and mark elsewhere."
func (m *Second) feeOf(o *SecondOrder, mark Num) Num {
	if o.Fee != nil {
		return larger(zero, o.Fee)
	}
	price := o.Limit
	switch {
	case o.Buys:
	case m.kind(o.Thing.Market) == "outcome":
		price = one
	default:
		price = larger(price, mark)
	}
	return larger(zero, muldiv(mul(o.Quantity, price), m.Rules.FeeBPS, Whole(10_000)))
}

func (m *Second) examine(o SecondOrder) *asked {
	o.Thing = m.read(o.Thing)
	_, operator := m.allowed(o.Bot)
	o.uncovers = o.ByOperator && operator == reduce
	q := &asked{SecondOrder: o, mark: zero}
	_, is := m.members[o.Bot]
	if mark := m.price(o.Bot, o.Thing).price; mark != nil && m.kind(o.Thing.Market) != "outcome" {
		q.mark = mark
	}
	q.fee = m.feeOf(&o, q.mark)
	q.closing = m.doubted(o)
	if less(q.closing, o.Quantity) { // only reducing permits have a group
		o.Group, q.Group = "", ""
		q.closing = m.doubted(o)
	}
	q.opening, q.covered = sub(o.Quantity, q.closing), m.coveredBy(&o, o.Quantity, m.sells(o.Bot, o.Thing))
	q.mark = m.shortMark(q)
	m.askHalts(q)
	m.askMarket(q)
	if !is {
		q.no("bot_unknown")
		return q
	}
	if q.opening.Sign() > 0 {
		m.askMarks(q)
		m.askLimits(q)
		m.askArbitrage(q)
	}
	m.askCash(q)
	return q
}

// shortMark is the price by which a short that is opened outside outcome markets is reserved
// beside its limit: the market's, since a bot's word prices only what it holds.
func (m *Second) shortMark(q *asked) Num {
	mark := m.price("", q.Thing).price
	if q.Buys || q.opening.Sign() == 0 || mark == nil || m.kind(q.Thing.Market) != "perp" {
		return zero
	}
	return mark
}

// askHalts denies what no row of the table of halts permits. "(Reducing is) never blocked
// by zones, limits or marks; while halted only when the policy allows".
func (m *Second) askHalts(q *asked) {
	need := reduce
	if q.opening.Sign() > 0 {
		need = all
	}
	for _, row := range m.halts(q.Bot) {
		may := row.bot
		if q.ByOperator {
			may = row.operator
		}
		if may < need {
			q.no(row.code)
		}
	}
	may := m.whileTripped()
	if q.ByOperator {
		may = reduce
	}
	if _, is := m.members[q.Bot]; is && may < need {
		for _, a := range m.breakersOf(q.Bot) {
			if limit := m.limitOf(a); limit != nil && m.Status(a) != "tripped" && atLeast(m.ValueOf(a), limit) {
				q.no("limit_reached", m.ValueOf(a), limit)
			}
		}
	}
	if q.opening.Sign() == 0 {
		return
	}
	// "it refuses what opens (permits that open …) with clock."
	if m.behind() {
		q.no("clock")
	}
	if m.short >= 2 {
		q.no("unreconciled")
	}
}

func (m *Second) askMarket(q *asked) {
	kind := m.kind(q.Thing.Market)
	_, registered := m.markets[q.Thing.Market]
	opens := q.opening.Sign() > 0
	// "an outcome that a registered market does not have is refused for a permit that
	// opens".
	if (q.Kind != "" && q.Kind != kind) || (kind == "outcome" && less(one, q.Limit)) || (opens && !m.has(q.Thing)) {
		q.no("market_mismatch")
	}
	if m.settled(q.Thing) {
		q.no("market_settled")
	}
	if !opens {
		return
	}
	// "Live: permits that open need a registered market (registered_only, default true in
	// live)".
	if m.Rules.RegisteredOnly && !registered {
		q.no("registered_only")
	}
	// "permits that open in that market are denied (mark_unconfirmed)."
	if m.unconfirmed(q.Thing.Market) {
		q.no("mark_unconfirmed")
	}
	if q.ReduceOnly {
		q.no("not_reducing", q.Quantity, q.closing)
	}
	switch {
	case kind == "spot" && !q.Buys:
		q.no("not_reducing", q.Quantity, q.closing)
	case kind == "perp" && !q.Buys && m.price("", q.Thing).price == nil:
		q.no("stale_mark")
	case kind == "outcome" && !q.leg && !(q.Maker && m.members[q.Bot].maker != nil) && m.inBlockedZone(&q.SecondOrder):
		q.no("zone_blocked")
	}
}

// inBlockedZone: "Selling one half of a set opens the other: zones judge it at 1 − the
// limit, limits and inventory bind it."
func (m *Second) inBlockedZone(o *SecondOrder) bool {
	price := o.Limit
	if !o.Buys {
		price = sub(one, price)
	}
	zone := zoneOf(m.Rules.Zones, price)
	return zone == 0 || slices.Contains(m.Rules.Blocked, zone)
}

// askMarks: "A mark of one of the bot's open positions older than mark_max_age … is stale:
// permits that increase exposure are denied". "A market never marked is not stale."
func (m *Second) askMarks(q *asked) {
	for _, t := range m.things("") {
		if m.quantity(q.Bot, t).Sign() != 0 && m.Stale(q.Bot, t) {
			q.no("stale_mark")
		}
	}
}

func (m *Second) askLimits(q *asked) {
	r, order := &m.Rules, m.worst(&q.SecondOrder, q.opening, q.mark)
	here := func(market string) bool { return market == q.Thing.Market }
	above := func(code string, value, limit Num) {
		if limit != nil && less(limit, value) {
			q.no(code, value, limit)
		}
	}
	above("max_order", order, r.MaxOrder)
	above("max_position", add(order, m.Exposure(q.Bot, here)), r.MaxPosition)
	// "max_market_usd (sum of the bots' exposures)".
	above("max_market", add(order, m.Exposure("", here)), r.MaxMarket)
	b := m.members[q.Bot]
	if q.Maker && b.maker == nil {
		q.no("inventory_cap")
	}
	if b.maker != nil {
		above("inventory_cap", m.inventory(&q.SecondOrder), b.maker)
	}
	if n := len(unique(append(m.openMarkets(q.Bot), q.Thing.Market))); r.MaxOpen > 0 && n > r.MaxOpen {
		q.no("max_open_positions", Whole(n), Whole(r.MaxOpen))
	}
	part := func(code string, exposure, limit Num) {
		if equity := m.Equity(""); limit != nil && (equity.Sign() <= 0 || less(mul(limit, equity), exposure)) {
			q.no(code)
		}
	}
	part("bot_capital", add(order, m.Exposure(q.Bot, func(string) bool { return true })), r.MaxBotPct)
	if category := m.markets[q.Thing.Market].category; category != "" {
		part("category_exposure", add(order, m.Exposure("", func(market string) bool { return m.markets[market].category == category })), r.MaxGroupPct)
	}
	m.askRates(q)
}

// inventory is the most by which what a market maker has of one outcome may differ from what
// it has of another, in shares, whichever of its orders are filled. Where not every outcome
// is known, one that it has nothing of counts, too.
func (m *Second) inventory(o *SecondOrder) Num {
	low, high := map[string]Num{}, map[string]Num{}
	put := func(outcome string, down, up Num) {
		if low[outcome] == nil {
			low[outcome], high[outcome] = zero, zero
		}
		low[outcome], high[outcome] = add(low[outcome], down), add(high[outcome], up)
	}
	may := func(t Thing, buys bool, quantity Num) { // !A is cash less A
		outcome, isNot := strings.CutPrefix(t.Outcome, "!")
		switch isNot = isNot && m.together(t); {
		case !isNot && buys:
			put(t.Outcome, zero, quantity)
		case !isNot:
			put(t.Outcome, neg(quantity), zero)
		case buys:
			put(outcome, neg(quantity), zero)
		default:
			put(outcome, zero, quantity)
		}
	}
	has := func(t Thing) {
		outcome, q := t.Outcome, m.quantity(o.Bot, t)
		if m.together(t) && outcome[0] == '!' {
			outcome, q = outcome[1:], neg(q)
		}
		if q.Sign() != 0 {
			put(outcome, q, q)
		}
	}
	may(o.Thing, o.Buys, o.Quantity)
	for _, p := range m.livePermits(o.Bot) {
		if p.Thing.Market == o.Thing.Market {
			may(p.Thing, p.Buys, p.Left)
		}
	}
	for _, t := range m.things(o.Thing.Market) {
		has(t)
	}
	outcomes := m.markets[o.Thing.Market].outcomes
	for _, name := range outcomes {
		put(name, zero, zero)
	}
	if m.kind(o.Thing.Market) != "outcome" || len(outcomes) < 2 {
		put("none of these", zero, zero)
	}
	worst := zero
	for x := range high {
		for y := range low {
			if x != y {
				worst = larger(worst, sub(high[x], low[y]))
			}
		}
	}
	return worst
}

func (m *Second) askRates(q *asked) {
	r := &m.Rules
	minute, day := 1, 1
	for _, g := range m.grants {
		if g.bot == q.Bot && m.now.Sub(g.at) < time.Minute {
			minute++
		}
		if g.bot == q.Bot && g.at.Format(time.DateOnly) == m.now.Format(time.DateOnly) {
			day++
		}
	}
	if r.MaxRate > 0 && minute > r.MaxRate {
		q.no("order_rate", Whole(minute), Whole(r.MaxRate))
	}
	// "max_orders_per_day (calendar day of the portfolio)".
	if r.MaxPerDay > 0 && day > r.MaxPerDay {
		q.no("orders_per_day", Whole(day), Whole(r.MaxPerDay))
	}
	// "market_cooldown (no opening order of a bot in a market that long after a losing
	// result there)."
	for _, result := range m.Results(q.Bot) {
		if r.Cooldown > 0 && result.Verdict == "loss" && result.Market == q.Thing.Market && m.now.Sub(m.lost[result.place]) < r.Cooldown {
			q.no("market_cooldown")
			return
		}
	}
}

func (m *Second) askArbitrage(q *asked) {
	if q.leg && m.inBlockedZone(&q.SecondOrder) && m.unfinished(q.Bot) {
		q.no("arbitrage_open")
	}
}

// askCash: of a reducing buy "its cash is needed".
func (m *Second) askCash(q *asked) {
	needs := m.reserves(&q.SecondOrder, q.Quantity, q.closing, q.covered, q.fee, q.mark)
	if !q.Buys && q.opening.Sign() == 0 {
		return
	}
	free := m.Free(q.Bot)
	if q.Buys {
		relief := smaller(m.relief(q.Bot, q.Thing, q.closing), sub(m.cover(q.Bot, q.Thing), m.released(q.Bot, q.Thing)))
		free = add(free, relief)
		if q.opening.Sign() == 0 {
			free = larger(free, smaller(relief, m.unreserved(q.Bot)))
		}
	}
	// "a halted bot, or an operator for it, can always get to flat": what all bots have
	// together bounds only what opens, and reserves anything.
	if q.opening.Sign() > 0 && needs.Sign() > 0 {
		free = smaller(free, m.pool())
	}
	if less(free, needs) {
		q.no("insufficient_cash", needs, free)
	}
}

// AskLegs asks for an arbitrage: all its legs are permitted together, or none. It returns
// the numbers of the permits, in the order of the legs.
func (m *Second) AskLegs(legs []SecondOrder) (permits []int, why []Reason) {
	m.do(func() Answer {
		if why = m.examineLegs(legs); len(why) > 0 {
			return Answer{}
		}
		before, is := m.clone(), arbitrage{bot: legs[0].Bot}
		for _, o := range legs {
			o.leg = true
			q := m.examine(o)
			if why = append(why, q.why...); len(q.why) > 0 {
				continue
			}
			permits = append(permits, m.grant(q))
			is.blocked = is.blocked || m.inBlockedZone(&q.SecondOrder)
		}
		if len(why) > 0 {
			*m, permits = *before, nil
			return Answer{}
		}
		is.permits = permits
		m.legs = append(m.legs, is)
		return Answer{}
	})
	return permits, why
}

// examineLegs: "the sure payout of legs is min P of them, per exclusive market." "total
// worst-case cost < the sure payout". "Rebates prove nothing."
func (m *Second) examineLegs(legs []SecondOrder) []Reason {
	q := &asked{}
	cost, sure := zero, zero
	held := map[string][]Num{}
	for n := range legs {
		o := &legs[n]
		o.Thing = m.read(o.Thing)
		if len(legs) < 2 || o.Bot != legs[0].Bot || !m.together(o.Thing) || m.settled(o.Thing) {
			q.no("legs_invalid")
			return q.why
		}
		cost = add(cost, signed(o.Buys, mul(o.Quantity, o.Limit)), m.feeOf(o, zero))
		p := held[o.Thing.Market]
		for j, outcome := range m.open(o.Thing.Market) {
			if len(p) <= j {
				p = append(p, zero)
			}
			if o.Thing.Outcome == outcome || (o.Thing.Outcome[0] == '!' && o.Thing.Outcome != not(outcome)) {
				p[j] = add(p[j], signed(o.Buys, o.Quantity))
			}
		}
		held[o.Thing.Market] = p
	}
	for _, p := range held {
		sure = add(sure, least(p))
	}
	if !less(cost, sure) {
		q.no("legs_not_profitable", cost, sure)
	}
	return q.why
}
