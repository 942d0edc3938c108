package modeltest

import (
	"slices"
	"time"
)

// Order is an order that a bot asks a permit for.
type Order struct {
	Bot             string
	Thing           Thing
	Kind            string // "" if not stated
	Buys            bool
	Quantity, Limit Num
	Fee             Num // nil stands for fee_bps
	ReduceOnly      bool
	TTL             time.Duration
}

// Permit is a granted order.
type Permit struct {
	Order
	fee     Num
	Left    Num
	opening Num // the part of Left that may still open
	closing Num // the part of Left that closes
	mark    Num
	paid    Num
	placed  bool // it was reported as placed
	working bool
	ends    time.Time // zero: it does not end with time
	gone    bool
}

// Reason is a reason for a denial. Value and Limit are nil if nothing is compared.
type Reason struct {
	Code         string
	Value, Limit Num
}

func (m *Model) live(p *Permit) bool {
	return !p.gone && (p.ends.IsZero() || m.now.Before(p.ends))
}

func (m *Model) liveOf(id string) []*Permit {
	var out []*Permit
	for _, p := range m.Permits {
		if m.live(p) && (id == "" || id == p.Bot) {
			out = append(out, p)
		}
	}
	return out
}

// Live returns all live permits, the oldest first.
func (m *Model) Live() []*Permit { return m.liveOf("") }

func (m *Model) revoke(only string) {
	for _, p := range m.liveOf(only) {
		if !p.working {
			p.gone = true
		}
	}
}

// worst returns the worst-case cost of opening so much, without the fee
// (docs/semantics/permits.md, Reservations).
func (m *Model) worst(o *Order, opening, mark Num) Num {
	switch {
	case o.Buys:
		return mul(opening, o.Limit)
	case m.kind(o.Thing.Market) == "outcome":
		return mul(opening, sub(one, o.Limit))
	}
	return mul(opening, larger(o.Limit, mark))
}

// reserves returns the reservation of an order: for a buy all of it, for a sell its
// opening part, each with the fee.
func (m *Model) reserves(o *Order, left, closing, fee, mark Num) Num {
	opening := sub(left, closing)
	if o.Buys {
		return add(m.worst(o, left, mark), fee)
	}
	if opening.Sign() == 0 {
		return zero
	}
	return add(m.worst(o, opening, mark), fee)
}

// Reserved returns the reservation of a live permit.
func (m *Model) Reserved(p *Permit) Num {
	return m.reserves(&p.Order, p.Left, p.closing, muldiv(p.fee, p.Left, p.Quantity), p.mark)
}

// cover returns the cash that is kept for an open short.
func (m *Model) cover(id string, thing Thing) Num {
	p := m.play(id, thing)
	switch {
	case p.Quantity.Sign() >= 0:
		return zero
	case m.kind(thing.Market) == "outcome":
		return abs(p.Quantity)
	}
	return add(abs(p.Cost), larger(abs(p.Cost), abs(m.value(id, thing))))
}

// relief returns the part of a cover that buying back so much releases.
func (m *Model) relief(id string, thing Thing, closing Num) Num {
	p := m.play(id, thing)
	if p.Quantity.Sign() >= 0 || closing.Sign() <= 0 {
		return zero
	}
	return muldiv(m.cover(id, thing), smaller(closing, abs(p.Quantity)), abs(p.Quantity))
}

// Relief returns the part of a cover that the closing part of a permit releases.
func (m *Model) Relief(p *Permit) Num { return m.relief(p.Bot, p.Thing, p.closing) }

// Free returns the free cash of a bot.
func (m *Model) Free(id string) Num {
	free := m.Cash(id)
	for _, p := range m.liveOf(id) {
		free = sub(free, m.Reserved(p))
	}
	for _, t := range m.things() {
		free = sub(free, sub(m.cover(id, t), m.released(id, t)))
	}
	return free
}

// released returns what live buys release of the cover of a short: there is one cover,
// however many buys may close it.
func (m *Model) released(id string, t Thing) Num {
	sum := zero
	for _, p := range m.liveOf(id) {
		if p.Buys && p.Thing == t {
			sum = add(sum, smaller(m.relief(id, t, p.closing), mul(p.Left, p.Limit)))
		}
	}
	return smaller(sum, m.cover(id, t))
}

func (m *Model) unreserved(id string) Num {
	free := m.Cash(id)
	for _, p := range m.liveOf(id) {
		free = sub(free, m.Reserved(p))
	}
	return free
}

// --- exposure

func (m *Model) holdingExposure(id string, thing Thing) Num {
	p := m.play(id, thing)
	if p.Quantity.Sign() >= 0 {
		return p.Cost
	}
	return larger(zero, sub(m.cover(id, thing), abs(p.Cost)))
}

// Exposure returns the exposure of one bot, or of all if id is "", in the things that
// count.
func (m *Model) Exposure(id string, counts func(Thing) bool) Num {
	sum := zero
	for _, b := range m.ids() {
		for _, t := range m.things() {
			if counts(t) && (id == "" || id == b) {
				sum = add(sum, m.holdingExposure(b, t))
			}
		}
	}
	for _, p := range m.liveOf(id) {
		if counts(p.Thing) {
			sum = add(sum, m.worst(&p.Order, sub(p.Left, p.closing), p.mark))
		}
	}
	return sum
}

func (m *Model) openWith(id string, with Thing) int {
	open := []Thing{with}
	take := func(t Thing) {
		if !slices.Contains(open, t) {
			open = append(open, t)
		}
	}
	for _, t := range m.things() {
		if m.play(id, t).Quantity.Sign() != 0 {
			take(t)
		}
	}
	for _, p := range m.liveOf(id) {
		if less(p.closing, p.Left) {
			take(p.Thing)
		}
	}
	return len(open)
}

// --- the question

type question struct {
	Order
	fee, closing, opening, mark Num
	why                         []Reason
}

func (q *question) no(code string, compared ...Num) {
	r := Reason{Code: code}
	if len(compared) == 2 {
		r.Value, r.Limit = compared[0], compared[1]
	}
	q.why = append(q.why, r)
}

// Ask asks for a permit. It returns the permit, or every reason for the denial. A preview
// records nothing and returns no permit.
func (m *Model) Ask(o Order, preview bool) (*Permit, []Reason) {
	if !preview {
		m.accepted()
	}
	q := m.examine(o)
	if len(q.why) > 0 || preview {
		return nil, q.why
	}
	ttl := m.Rules.TTL
	if o.TTL > 0 {
		ttl = o.TTL
	}
	p := &Permit{
		Order: o, fee: q.fee, Left: o.Quantity, opening: q.opening, closing: q.closing, mark: q.mark,
		paid: zero, ends: m.now.Add(ttl),
	}
	m.Permits = append(m.Permits, p)
	m.times = append(m.times, grant{o.Bot, m.now})
	return p, nil
}

type grant struct {
	bot string
	at  time.Time
}

func (m *Model) examine(o Order) *question {
	q := &question{Order: o, fee: o.Fee, mark: zero}
	if q.fee == nil {
		q.fee = muldiv(mul(o.Quantity, o.Limit), m.Rules.FeeBPS, Whole(10_000))
	}
	held := zero
	if m.bots[o.Bot] != nil {
		held = m.play(o.Bot, o.Thing).Quantity
	}
	if o.Buys {
		held = neg(held)
	}
	for _, p := range m.liveOf(o.Bot) { // "less what live permits will already close"
		if p.Thing == o.Thing && p.Buys == o.Buys {
			held = sub(held, p.closing)
		}
	}
	q.closing = larger(zero, smaller(o.Quantity, held))
	q.opening = sub(o.Quantity, q.closing)
	m.askHalts(q)
	m.askMarket(q)
	if m.bots[o.Bot] == nil {
		q.no("bot_unknown")
		return q
	}
	if q.opening.Sign() > 0 {
		m.askMarks(q)
		m.askLimits(q)
	}
	m.askCash(q)
	return q
}

func (m *Model) askHalts(q *question) {
	b := m.bots[q.Bot]
	tripped := m.haltedBy(q.Bot)
	closes := q.opening.Sign() == 0 && m.Rules.CloseOnTrip
	if m.Stop.On {
		q.no("emergency_stop")
	}
	if !closes {
		for range tripped {
			q.no("breaker_tripped")
		}
		for _, a := range []Alarm{{Losses, q.Bot}, {Daily, ""}, {BotDD, q.Bot}, {Portfolio, ""}} {
			if b != nil && m.StatusOf(a) != "tripped" && atLeast(m.ValueNow(a), m.limit(a)) {
				q.no("limit_reached", m.ValueNow(a), m.limit(a))
			}
		}
	}
	if b != nil && b.status != "running" && (!closes || len(tripped) == 0 || !b.tripped) {
		q.no("bot_stopped")
	}
}

// ValueNow returns the value on the current day, even if the day is not opened yet: a
// preview does not open it.
func (m *Model) ValueNow(a Alarm) Num {
	if a.Name == Daily && m.now.Format(time.DateOnly) > m.day {
		fresh := m.all
		fresh.all()
		fresh.dayOpen, fresh.carried[2] = m.Equity(""), zero
		return fresh.ratio(2, m.Equity(""))
	}
	return m.Value(a)
}

func (m *Model) askMarket(q *question) {
	kind, is := m.kind(q.Thing.Market), m.markets[q.Thing.Market]
	switch {
	case q.Kind != "" && q.Kind != kind,
		is != nil && len(is.outcomes) > 0 && !slices.Contains(is.outcomes, q.Thing.Outcome),
		kind == "outcome" && less(one, q.Limit):
		q.no("market_mismatch")
	}
	if m.payouts[q.Thing] != nil {
		q.no("market_settled")
	}
	if q.opening.Sign() == 0 {
		return
	}
	if q.ReduceOnly {
		q.no("not_reducing", q.Quantity, q.closing)
	}
	switch {
	case kind == "spot" && !q.Buys:
		q.no("not_reducing", q.Quantity, q.closing)
	case kind == "perp" && !q.Buys:
		if mark, _ := m.Mark(q.Thing); mark != nil {
			q.mark = mark
		} else {
			q.no("stale_mark")
		}
	case kind == "outcome":
		price := q.Limit
		if !q.Buys {
			price = sub(one, price)
		}
		if zone := m.zone(price); zone == 0 || slices.Contains(m.Rules.Blocked, zone) {
			q.no("zone_blocked")
		}
	}
}

func (m *Model) zone(price Num) int { return zoneOf(m.Rules.Zones, price) }

// zoneOf returns the number of a price's zone, or 0 outside all zones. A zone is [lo, hi);
// the last one includes hi.
func zoneOf(z []Num, price Num) int {
	for i := range len(z) - 1 {
		last := i == len(z)-2 && price.Cmp(z[i+1]) == 0
		if atLeast(price, z[i]) && (less(price, z[i+1]) || last) {
			return i + 1
		}
	}
	return 0
}

func (m *Model) askMarks(q *question) {
	for _, t := range m.things() {
		mark, at := m.Mark(t)
		held := m.play(q.Bot, t).Quantity.Sign() != 0
		if m.Rules.MarkAge > 0 && held && mark != nil && m.payouts[t] == nil && m.now.Sub(at) > m.Rules.MarkAge {
			q.no("stale_mark")
		}
	}
}

func (m *Model) askLimits(q *question) {
	r, order := &m.Rules, m.worst(&q.Order, q.opening, q.mark)
	if r.MaxOrder != nil && less(r.MaxOrder, order) {
		q.no("max_order", order, r.MaxOrder)
	}
	if r.MaxPosition != nil {
		if all := add(order, m.Exposure(q.Bot, func(t Thing) bool { return t == q.Thing })); less(r.MaxPosition, all) {
			q.no("max_position", all, r.MaxPosition)
		}
	}
	if n := m.openWith(q.Bot, q.Thing); r.MaxOpen > 0 && n > r.MaxOpen {
		q.no("max_open_positions", Whole(n), Whole(r.MaxOpen))
	}
	share := func(code string, exposure, limit Num) {
		if equity := m.Equity(""); equity.Sign() <= 0 || less(mul(limit, equity), exposure) {
			q.no(code)
		}
	}
	if r.MaxBotPct != nil {
		share("bot_capital", add(order, m.Exposure(q.Bot, func(Thing) bool { return true })), r.MaxBotPct)
	}
	if group := m.group(q.Thing.Market); r.MaxGroupPct != nil && group != "" {
		share("category_exposure", add(order, m.Exposure("", func(t Thing) bool { return m.group(t.Market) == group })), r.MaxGroupPct)
	}
	n := m.GrantedWithin(q.Bot, time.Minute) + 1
	if r.MaxRate > 0 && n > r.MaxRate {
		q.no("order_rate", Whole(n), Whole(r.MaxRate))
	}
}

func (m *Model) askCash(q *question) {
	if !q.Buys && q.opening.Sign() == 0 {
		return
	}
	needs := m.reserves(&q.Order, q.Quantity, q.closing, q.fee, q.mark)
	free := m.Free(q.Bot)
	if q.Buys {
		relief := smaller(m.relief(q.Bot, q.Thing, q.closing), sub(m.cover(q.Bot, q.Thing), m.released(q.Bot, q.Thing)))
		free = add(free, relief)
		if q.opening.Sign() == 0 {
			free = larger(free, smaller(relief, m.unreserved(q.Bot)))
		}
	}
	if less(free, needs) {
		q.no("insufficient_cash", needs, free)
	}
}

// GrantedWithin counts the permits that a bot was granted within the last d.
func (m *Model) GrantedWithin(id string, d time.Duration) int {
	n := 0
	for _, g := range m.times {
		if g.bot == id && m.now.Sub(g.at) < d {
			n++
		}
	}
	return n
}

// Closes reports whether a permit only closes.
func (m *Model) Closes(p *Permit) bool { return p.closing.Cmp(p.Left) == 0 }
