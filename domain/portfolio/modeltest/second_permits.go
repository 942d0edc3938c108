package modeltest

import (
	"slices"
	"time"
)

// SecondOrder is an order that somebody asks a permit for.
type SecondOrder struct {
	Bot             string
	Thing           Thing
	Kind            string // "" if not stated
	Buys            bool
	Quantity, Limit Num
	Fee             Num // nil stands for fee_bps
	ReduceOnly      bool
	TTL             time.Duration
	Group           string
	Force           string // gtc, gtd, ioc, fok; "" is gtc
	Maker           bool   // intent market_making
	ByOperator      bool
	leg             bool // of an arbitrage
	uncovers        bool // an operator asks in a halt
	proven          bool // what only the bot itself said does not count
}

// SecondPermit is a granted order.
type SecondPermit struct {
	ID int
	SecondOrder
	Left     Num
	fee      Num
	opening  Num // the part of Left that may still open
	closing  Num // the part of Left that closes
	covered  Num // only in what sells returns
	mark     Num
	paid     Num
	placed   bool // it was reported as placed
	working  bool
	ends     time.Time // zero: it does not end with time
	gone     bool
	complete bool // all of it was filled
}

func (m *Second) alive(p *SecondPermit) bool {
	return !p.gone && (p.ends.IsZero() || m.now.Before(p.ends))
}

// livePermits returns the live permits of a bot, or of all if id is "", the oldest first.
func (m *Second) livePermits(id string) []SecondPermit {
	var out []SecondPermit
	for _, p := range m.permits {
		if m.alive(&p) && (id == "" || id == p.Bot) {
			out = append(out, p)
		}
	}
	return out
}

func (m *Second) revoke(only string) {
	for n := range m.permits {
		if p := &m.permits[n]; !p.working && (only == "" || only == p.Bot) {
			p.gone = true
		}
	}
}

// reducing: "An order is reducing when all of it is."
func (p *SecondPermit) reducing() bool { return p.opening.Sign() == 0 }

// groupOf: "reducing permits of one bot and market with the same group (take-profit and
// stop) count as G, the largest."
func (p *SecondPermit) groupOf() string {
	if p.reducing() {
		return p.Group
	}
	return ""
}

// total adds up what permits take; those of one group count as the largest.
func total(permits []SecondPermit, takes func(*SecondPermit) Num) Num {
	sum, groups := zero, map[string]Num{}
	for _, p := range permits {
		x := takes(&p)
		switch g := p.groupOf(); {
		case g == "":
			sum = add(sum, x)
		case groups[g] == nil:
			groups[g] = x
		default:
			groups[g] = larger(groups[g], x)
		}
	}
	for _, x := range groups {
		sum = add(sum, x)
	}
	return sum
}

func closingOf(p *SecondPermit) Num { return p.closing }
func coveredOf(p *SecondPermit) Num { return p.covered }

// among returns the permits that compete with an order for what a bot has in a market.
func among(permits []SecondPermit, o *SecondOrder, group string, counts func(*SecondPermit) bool) []SecondPermit {
	var out []SecondPermit
	for _, p := range permits {
		if p.Bot == o.Bot && p.Thing.Market == o.Thing.Market && (group == "" || p.groupOf() != group) && counts(&p) {
			out = append(out, p)
		}
	}
	return out
}

// room returns how much an order of that side could reduce, beside other permits.
func (m *Second) room(o *SecondOrder, others []SecondPermit) Num {
	same := func(p *SecondPermit) bool { return p.Thing == o.Thing && p.Buys == o.Buys }
	own := m.counted(o)(o.Thing)
	if o.Buys {
		own = neg(own)
	}
	own = sub(own, total(among(others, o, o.Group, same), closingOf))
	outcomes, anyhow := m.markets[o.Thing.Market].outcomes, zero
	// "In a halt an operator's sale of what is held or purchase of what is short counts as
	// reducing whatever it uncovers."
	if o.uncovers {
		anyhow = larger(zero, own)
	}
	switch {
	case !m.together(o.Thing) || m.settled(o.Thing):
	case len(outcomes) == 2:
		own = m.roomOfTwo(o, others, own)
	case !o.Buys:
		own = m.roomOfMore(o, others, own)
	}
	return larger(anyhow, own)
}

// counted is what a bot holds of a thing, as far as it counts for an order.
func (m *Second) counted(o *SecondOrder) func(Thing) Num {
	return func(t Thing) Num {
		h := m.held(o.Bot, t)
		if o.proven {
			return sub(h.Quantity, h.own)
		}
		return h.Quantity
	}
}

// doubted is what an order reduces: in a halt of a live portfolio what a bot holds by its
// own word gives it nothing to reduce.
func (m *Second) doubted(o SecondOrder) Num {
	room := m.room(&o, m.rivals(&o))
	if bot, _ := m.allowed(o.Bot); m.live && !o.ByOperator && bot != all {
		o.proven = true
		room = smaller(room, m.room(&o, m.rivals(&o)))
	}
	return smaller(o.Quantity, room)
}

// roomOfTwo: "D = q(YES) − q(NO). An order reduces as far as it moves D toward 0: selling
// the larger side (at most what is held) or buying the smaller, up to |D| less what live
// reducing permits of that bot in that market take."
func (m *Second) roomOfTwo(o *SecondOrder, others []SecondPermit, own Num) Num {
	p := m.payoffsOf(m.counted(o), o.Thing.Market)
	d := sub(p[0], p[1])
	up := func(t Thing, buys bool) bool { return (t.Outcome == m.markets[t.Market].outcomes[0]) == buys }
	is := up(o.Thing, o.Buys)
	if d.Sign() == 0 || (d.Sign() > 0) == is {
		return zero
	}
	room := sub(abs(d), total(among(others, o, o.Group, func(*SecondPermit) bool { return true }), closingOf))
	if !o.Buys {
		room = smaller(room, own)
	}
	return room
}

// roomOfMore: "selling what is held reduces as far as min P, with all live reducing sales of
// that bot in that market filled, is not below what it is now".
func (m *Second) roomOfMore(o *SecondOrder, others []SecondPermit, own Num) Num {
	now := m.payoffsOf(m.counted(o), o.Thing.Market)
	for n, j := range m.open(o.Thing.Market) {
		if paysIn(o.Thing, j) {
			sales := among(others, o, o.Group, func(p *SecondPermit) bool { return !p.Buys && paysIn(p.Thing, j) })
			own = smaller(own, sub(sub(now[n], total(sales, closingOf)), least(now)))
		}
	}
	return own
}

// reclaim reduces the closing parts of live permits to what still reduces: those of operators
// in a halt first, and the oldest first.
func (m *Second) reclaim(id, market string) {
	var before []SecondPermit
	for _, operators := range []bool{true, false} {
		for n := range m.permits {
			p := &m.permits[n]
			if p.uncovers != operators || !m.alive(p) || (id != "" && p.Bot != id) || p.Thing.Market != market {
				continue
			}
			o := p.SecondOrder
			o.Group = p.groupOf()
			p.closing = smaller(sub(p.Left, p.opening), m.room(&o, before))
			before = append(before, *p)
		}
	}
}

// rivals returns the permits that an order shares with what there is: an operator's in a
// halt with those of operators in a halt alone.
func (m *Second) rivals(o *SecondOrder) []SecondPermit {
	var out []SecondPermit
	for _, p := range m.livePermits(o.Bot) {
		if p.uncovers || !o.uncovers {
			out = append(out, p)
		}
	}
	return out
}

// --- reservations

// worst returns the worst case of opening so much, without the fee: "The worst case of an
// opening sell counts as quantity × (1 − limit)".
func (m *Second) worst(o *SecondOrder, opening, mark Num) Num {
	switch {
	case o.Buys:
		return mul(opening, o.Limit)
	case m.kind(o.Thing.Market) == "outcome":
		return mul(opening, sub(one, o.Limit))
	}
	return mul(opening, larger(o.Limit, mark))
}

// reserves returns the reservation of an order. Of an opening sell "it is reserved only for
// shares not held, or promised to another live sell." The oldest sell has the shares: a later
// one of them reserves, also if it reduces.
func (m *Second) reserves(o *SecondOrder, left, closing, covered, fee, mark Num) Num {
	opening := sub(left, closing)
	switch {
	case o.Buys:
		return add(m.worst(o, left, mark), fee)
	case m.together(o.Thing): // elsewhere as before: what was granted to open stays reserved
		opening = larger(zero, sub(left, covered))
	}
	if opening.Sign() == 0 {
		return zero
	}
	return add(m.worst(o, opening, mark), fee)
}

// coveredBy returns how much of a sell is of shares that are held, and not promised to others.
func (m *Second) coveredBy(o *SecondOrder, left Num, others []SecondPermit) Num {
	if o.Buys {
		return zero
	}
	before := among(others, o, o.Group, func(p *SecondPermit) bool { return p.uncovers || !o.uncovers })
	return smaller(left, larger(zero, sub(m.quantity(o.Bot, o.Thing), total(before, coveredOf))))
}

// sells returns the live sells of a thing with the part of each that is of shares which are
// held, and promised to none before it.
func (m *Second) sells(id string, t Thing) []SecondPermit {
	var out []SecondPermit
	for _, operators := range []bool{true, false} {
		for _, p := range m.livePermits(id) {
			if p.uncovers == operators && p.Thing == t && !p.Buys {
				o := p.SecondOrder
				o.Group = p.groupOf()
				p.covered = m.coveredBy(&o, p.Left, out)
				out = append(out, p)
			}
		}
	}
	return out
}

func (m *Second) reserved(p *SecondPermit) Num {
	covered := zero
	for _, s := range m.sells(p.Bot, p.Thing) {
		if s.ID == p.ID {
			covered = s.covered
		}
	}
	return m.reserves(&p.SecondOrder, p.Left, p.closing, covered, muldiv(p.fee, p.Left, p.Quantity), p.mark)
}

func (m *Second) reservedAll() Num {
	sum := zero
	for _, p := range m.livePermits("") {
		sum = add(sum, m.reserved(&p))
	}
	return sum
}

// cover returns the cash that is kept for an open short.
func (m *Second) cover(id string, t Thing) Num {
	p := m.held(id, t)
	switch {
	case p.Quantity.Sign() >= 0:
		return zero
	case m.kind(t.Market) == "outcome":
		return abs(p.Quantity)
	}
	return add(abs(p.Cost), larger(abs(p.Cost), abs(m.valueOf(id, t, nil))))
}

// relief returns the part of a cover that buying back so much releases.
func (m *Second) relief(id string, t Thing, closing Num) Num {
	p := m.held(id, t)
	if p.Quantity.Sign() >= 0 || closing.Sign() <= 0 {
		return zero
	}
	return muldiv(m.cover(id, t), smaller(closing, abs(p.Quantity)), abs(p.Quantity))
}

// Free returns the free cash of a bot.
func (m *Second) Free(id string) Num {
	free := m.unreserved(id)
	for _, t := range m.things("") {
		free = sub(free, sub(m.cover(id, t), m.released(id, t)))
	}
	return free
}

// released returns what live buys release of the cover of a short: there is one cover,
// however many buys may close it.
func (m *Second) released(id string, t Thing) Num {
	sum := zero
	for _, p := range m.livePermits(id) {
		if p.Buys && p.Thing == t {
			sum = add(sum, smaller(m.relief(id, t, p.closing), mul(p.Left, p.Limit)))
		}
	}
	return smaller(sum, m.cover(id, t))
}

func (m *Second) unreserved(id string) Num {
	free := m.Cash(id)
	for _, p := range m.livePermits(id) {
		free = sub(free, m.reserved(&p))
	}
	return free
}

// pool: "a permit reserves no more than the base-asset cash of hot:treasury and all bots
// less all reservations (insufficient_cash): money that is recorded as gone cannot be
// spent."
func (m *Second) pool() Num {
	sum := m.treasury("", false)
	for _, id := range m.ids() {
		sum = add(sum, m.unreserved(id))
	}
	return sum
}

// --- exposure

// Exposure returns the exposure of one bot, or of all if id is "", in the markets that
// count: what is held, "plus the worst case of live opening permits".
func (m *Second) Exposure(id string, counts func(market string) bool) Num {
	sum := zero
	for _, b := range m.ids() {
		for _, market := range m.traded() {
			if counts(market) && (id == "" || id == b) {
				sum = add(sum, m.exposed(b, market))
			}
		}
	}
	for _, p := range m.livePermits(id) {
		if counts(p.Thing.Market) {
			sum = add(sum, m.worst(&p.SecondOrder, sub(p.Left, p.closing), p.mark))
		}
	}
	return sum
}

// openMarkets returns the markets in which a bot has an open position or an order that
// opens: "max_position_usd, max_open_positions, inventory_cap count markets; below
// position_dust_usd a market is no open position."
func (m *Second) openMarkets(id string) []string {
	var out []string
	for _, market := range m.traded() {
		held := slices.ContainsFunc(m.things(market), func(t Thing) bool {
			over := m.settled(t) && (!m.together(t) || len(m.open(market)) == 0 || m.allVoid(market)) // what came late is paid out
			return m.quantity(id, t).Sign() != 0 && !over
		})
		if held && !less(m.size(id, market), m.Rules.PositionDust) {
			out = append(out, market)
		}
	}
	for _, p := range m.livePermits(id) {
		if less(p.closing, p.Left) {
			out = append(out, p.Thing.Market)
		}
	}
	return unique(out)
}

// size is the highest of |cost|, |value| and exposure of what a bot holds in a market.
func (m *Second) size(id, market string) Num {
	cost := zero
	for _, t := range m.things(market) {
		cost = add(cost, m.held(id, t).Cost)
	}
	return larger(larger(abs(cost), abs(m.value(id, market, nil))), m.exposed(id, market))
}

// --- the life of a permit

// use takes a fill off its permit. The part that was granted to open and was not needed
// passes to orders of the same side and limit that were granted to close.
func (m *Second) use(p *SecondPermit, f *SecondFill, opens Num) (shrunk []int) {
	shrunk = m.shrink(p, f.Quantity)
	if !p.working {
		p.working, p.ends = true, time.Time{}
	}
	m.limitTime(p)
	had := p.opening
	if f.FeeAsset == "" {
		p.paid = add(p.paid, larger(zero, f.Fee))
	}
	p.Left = larger(zero, sub(p.Left, f.Quantity))
	p.opening = smaller(p.Left, larger(zero, sub(p.opening, opens)))
	spare := larger(zero, sub(sub(had, opens), p.opening))
	for n := range m.permits {
		other := &m.permits[n]
		// A group stays one: an order of it that could open would no longer shrink the others.
		if other != p && other.groupOf() == "" && m.alive(other) && other.Bot == p.Bot && other.Thing == p.Thing && other.Buys == p.Buys && other.Limit.Cmp(p.Limit) == 0 {
			takes := smaller(spare, sub(other.Left, other.opening))
			other.opening, spare = add(other.opening, takes), sub(spare, takes)
		}
	}
	p.gone = p.Left.Sign() == 0
	p.complete = p.gone
	return shrunk
}

// limitTime: "What an ioc or fok order did not fill is gone permit_ttl after it was placed
// or first filled, whichever is earlier."
func (m *Second) limitTime(p *SecondPermit) {
	if p.Force != "ioc" && p.Force != "fok" {
		return
	}
	if ends := m.now.Add(m.Rules.TTL); p.ends.IsZero() || ends.Before(p.ends) {
		p.ends = ends
	}
}

// shrink: "A fill in the group leaves each at most G − what the group filled (directive
// group_shrunk)." The same of those orders of the group that sell what the filled one sells,
// and of those that lower the same payoff, so that none of them takes what it did not count.
func (m *Second) shrink(by *SecondPermit, filled Num) (shrunk []int) {
	if by.groupOf() == "" {
		return nil
	}
	in := func(p *SecondPermit) bool {
		return m.alive(p) && p.Bot == by.Bot && p.Thing.Market == by.Thing.Market && p.groupOf() == by.groupOf()
	}
	kinds := []func(*SecondPermit) bool{in, func(p *SecondPermit) bool { return in(p) && p.Thing == by.Thing && p.Buys == by.Buys }}
	if outcomes := m.markets[by.Thing.Market].outcomes; m.together(by.Thing) && len(outcomes) > 2 && !by.Buys {
		for _, j := range outcomes {
			if paysIn(by.Thing, j) {
				kinds = append(kinds, func(p *SecondPermit) bool { return in(p) && !p.Buys && paysIn(p.Thing, j) })
			}
		}
	}
	rest := map[int]Num{}
	for _, kind := range kinds {
		g := zero
		for n := range m.permits {
			if kind(&m.permits[n]) {
				g = larger(g, m.permits[n].Left)
			}
		}
		for n := range m.permits {
			if p := &m.permits[n]; p != by && kind(p) {
				if rest[n] == nil {
					rest[n] = p.Left
				}
				rest[n] = smaller(rest[n], larger(zero, sub(g, filled)))
			}
		}
	}
	for n := range m.permits {
		if p := &m.permits[n]; rest[n] != nil && less(rest[n], p.Left) {
			p.Left = rest[n]
			p.gone = p.Left.Sign() == 0
			shrunk = append(shrunk, p.ID)
		}
	}
	return shrunk
}

// paysIn: a share of j pays if j wins, one of !k if any other than k does.
func paysIn(t Thing, j string) bool {
	return t.Outcome == j || (t.Outcome[0] == '!' && t.Outcome != not(j))
}

func (m *Second) permit(id int) *SecondPermit {
	for n := range m.permits {
		if m.permits[n].ID == id && m.alive(&m.permits[n]) {
			return &m.permits[n]
		}
	}
	return nil
}

// Release releases a permit.
func (m *Second) Release(id int) Answer {
	return m.do(func() Answer {
		p := m.permit(id)
		if p == nil {
			return refuse("not_found")
		}
		p.gone = true
		return Answer{}
	})
}

// Place reports that an order rests until a time, or without an end if that is zero.
func (m *Second) Place(id int, until time.Time) Answer {
	return m.do(func() Answer {
		p := m.permit(id)
		switch {
		case p == nil:
			return refuse("not_found")
		case !p.working && less(p.closing, p.Left) && m.isHalted(p.Bot):
			return refuse("halted") // what it was to close is gone
		case !until.IsZero() && !m.now.Before(until):
			return refuse("invalid")
		case p.placed && p.Force != "ioc" && p.Force != "fok" && !p.ends.Equal(until):
			return refuse("conflict")
		case p.placed:
			return again
		case p.working && !p.ends.IsZero() && (until.IsZero() || p.ends.Before(until)):
			until = p.ends
		}
		p.placed, p.working, p.ends = true, true, until
		m.limitTime(p)
		return Answer{}
	})
}

// --- arbitrage

// arbitrage are legs that were permitted together.
type arbitrage struct {
	bot     string
	permits []int
	blocked bool // a leg is in a blocked zone
}

// unfinished: "A bot has at most one arbitrage with a leg in a blocked zone that is neither
// complete nor closed (arbitrage_open)".
func (m *Second) unfinished(id string) bool {
	return slices.ContainsFunc(m.legs, func(a arbitrage) bool {
		if a.bot != id || !a.blocked {
			return false
		}
		complete, live, holds := true, false, false
		for _, p := range m.permits {
			if slices.Contains(a.permits, p.ID) {
				complete = complete && p.complete
				live = live || m.alive(&p)
				holds = holds || m.quantity(id, p.Thing).Sign() != 0
			}
		}
		// A leg whose fill can be voided is not complete.
		loose := slices.ContainsFunc(m.items, func(f item) bool {
			return f.provisional && !f.voided && slices.Contains(a.permits, f.permit)
		})
		return loose || !complete && (live || holds)
	})
}
