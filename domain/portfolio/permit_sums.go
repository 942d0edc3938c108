package portfolio

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// Sums over permits. They are of all permits that are remembered, as if all were live. What
// has expired since the last permit was granted, or is over by the monotonic clock, is left
// to the reader: it asks for the dead permits, once for a decision, and where a bot has one
// it looks at that bot's permits one by one.

// botPermits are the permits of one bot, with what they reserve and may open.
type botPermits struct {
	bot string
	all map[string]*risk.Permit
	// reserved is what permits reserve but for the uncovered ones, whose reservation
	// depends on what the bot holds now: lacking is what these reserve.
	reserved, lacking domain.Decimal
	uncovered         map[string]*risk.Permit
	// relieved are buys that close something: of a short, the cover is set aside already.
	relieved map[string]*risk.Permit
	pending  domain.Decimal
	markets  map[string]*marketPermits
	// openMarkets and openOutcomes count where a permit may open something.
	openMarkets, openOutcomes int
	// stale reports that lacking is to be summed again.
	stale bool
}

// marketPermits are those of one bot in one market.
type marketPermits struct {
	count, opening int
	pending        domain.Decimal
	// claims are the permits that close something, or sell what may be held. The others
	// neither take part in what there is to close, nor are changed by it.
	claims   map[string]*risk.Permit
	outcomes []*outcomePermits // sorted by outcome: nearly always there is one
}

// outcomePermits are those of one bot in one outcome.
type outcomePermits struct {
	outcome        string
	count, opening int
	pending        domain.Decimal
	buys, sells    domain.Decimal // what is left of them
}

// countedPermit is what the sums have of one permit.
type countedPermit struct {
	permit            *risk.Permit
	bot               *botPermits
	market            *marketPermits
	outcome           *outcomePermits
	instrument        domain.Instrument
	category          string
	reserved, pending domain.Decimal
	left              domain.Decimal
	buys, opens       bool
	claims, uncovered bool
	relieved, sells   bool
	unplaced, resting bool
	changed           bool // since it was counted
}

func (m *marketPermits) search(outcome string) (int, bool) {
	return slices.BinarySearchFunc(m.outcomes, outcome, func(o *outcomePermits, of string) int { return strings.Compare(o.outcome, of) })
}

// of returns the permits in one outcome, or nil.
func (m *marketPermits) of(outcome string) *outcomePermits {
	if n, ok := m.search(outcome); ok {
		return m.outcomes[n]
	}
	return nil
}

// sparePermits are entries of the sums that are used again. Most permits are granted, filled and
// over, and new entries with their maps for each of them were a sixth of what a replay allocated.
// What is spare is empty, and there are as many as permits of a busy portfolio at most.
type sparePermits struct {
	counted  []*countedPermit
	markets  []*marketPermits
	outcomes []*outcomePermits
}

// mostSpare is how many entries of each kind are kept.
const mostSpare = 256

// again returns a spare entry, or a new one.
func again[T any](spare *[]*T) *T {
	last := len(*spare) - 1
	if last < 0 {
		return new(T)
	}
	x := (*spare)[last]
	*spare = (*spare)[:last]
	return x
}

func leaveSpare[T any](spare *[]*T, x *T) {
	if len(*spare) < mostSpare {
		*spare = append(*spare, x)
	}
}

// changedPermit notes that a permit has changed. It is counted again when the event has
// been applied: nothing reads the sums before.
func (s *State) changedPermit(p *risk.Permit) {
	c := s.permits.counted[p.ID]
	if c == nil {
		c = again(&s.permits.spare.counted)
		s.permits.counted[p.ID] = c
	}
	if !c.changed {
		c.changed = true
		s.permits.changed = append(s.permits.changed, p.ID)
	}
}

// claimed notes that a permit claims anew, if that changes it.
func (s *State) claimed(p *risk.Permit, claim func()) {
	reducing, covered, reserved := p.ReducingLeft, p.Covered, p.Reserved
	if claim(); reducing != p.ReducingLeft || covered != p.Covered || reserved != p.Reserved {
		s.changedPermit(p)
	}
}

// changedMarket notes that a market's registration has changed what its permits count.
func (s *State) changedMarket(market string) {
	for _, p := range s.Permits {
		if p.Market == market {
			s.changedPermit(p)
		}
	}
}

// holdingChanged notes that what a bot holds has changed, and with it what its uncovered
// sales reserve.
func (s *State) holdingChanged(bot string) {
	if x := s.permits.byBot[bot]; x != nil && len(x.uncovered) > 0 {
		s.permits.outdate(x)
	}
}

func (x *permitIndex) outdate(b *botPermits) {
	if !b.stale {
		b.stale = true
		x.outdated = append(x.outdated, b)
	}
}

// sumPermits brings the sums up to date after an event.
func (s *State) sumPermits() {
	x := &s.permits
	s.countChanged()
	if len(x.outdated) == 0 {
		return
	}
	for _, b := range x.outdated {
		b.stale = false
		lacking := domain.Zero
		for _, reserved := range s.reservingOf(b.bot, b.uncovered, forever) {
			lacking = lacking.Add(reserved)
		}
		x.reserved = x.reserved.Add(lacking).Sub(b.lacking)
		b.lacking = lacking
		x.tidy(b)
	}
	x.outdated = x.outdated[:0]
}

// countChanged counts the permits again that an event has changed so far.
func (s *State) countChanged() {
	x := &s.permits
	if len(x.changed) == 0 { // nothing is written: a preview may only read
		return
	}
	for _, id := range x.changed {
		c := x.counted[id]
		c.changed = false
		old := c.bot
		if c.permit != nil {
			s.uncount(c)
		}
		if p := s.Permits[id]; p != nil {
			s.count(p, c)
		} else {
			delete(x.counted, id)
			*c = countedPermit{}
			leaveSpare(&x.spare.counted, c)
		}
		if old != nil {
			x.tidy(old)
		}
	}
	x.changed = x.changed[:0]
}

// tidy forgets a bot without permits.
func (x *permitIndex) tidy(b *botPermits) {
	if len(b.all)+len(b.markets) == 0 && !b.stale {
		delete(x.byBot, b.bot)
	}
}

func forever(*risk.Permit) bool { return true }

// count adds a permit to the sums.
func (s *State) count(p *risk.Permit, c *countedPermit) {
	x := &s.permits
	b := x.of(p.Bot)
	m := b.markets[p.Market]
	if m == nil {
		m = again(&x.spare.markets)
		b.markets[p.Market] = m
	}
	at, known := m.search(p.Outcome)
	if !known {
		o := again(&x.spare.outcomes)
		o.outcome = p.Outcome
		m.outcomes = slices.Insert(m.outcomes, at, o)
	}
	o := m.outcomes[at]
	together := s.together(p.Instrument) != nil
	sale := p.Side == domain.Sell
	*c = countedPermit{
		permit: p, bot: b, market: m, outcome: o, instrument: p.Instrument, category: s.categoryOf(p.Market),
		reserved: p.Reserved, pending: s.pending(p), left: p.Left, buys: !sale, opens: p.ReducingLeft.Less(p.Left),
		claims: sale || claims(p), uncovered: sale && together && p.Covered.Less(p.Left), relieved: !sale && p.ReducingLeft.Sign() > 0,
		sells: sale && together, unplaced: !p.Working,
	}
	c.resting = p.Working && c.opens
	if c.uncovered {
		c.reserved = domain.Zero
		keep(&b.uncovered, p)
	}
	if c.relieved {
		keep(&b.relieved, p)
	}
	if c.claims {
		keep(&m.claims, p)
	}
	if c.unplaced {
		x.unplaced[p.ID] = p
	}
	if c.resting {
		x.resting[p.ID] = p
	}
	m.count, o.count = m.count+1, o.count+1
	if c.opens {
		if m.opening++; m.opening == 1 {
			b.openMarkets++
		}
		if o.opening++; o.opening == 1 {
			b.openOutcomes++
		}
	}
	x.add(c, domain.Decimal.Add)
	if c.sells {
		x.outdate(b)
	}
}

// uncount takes a permit out of the sums.
func (s *State) uncount(c *countedPermit) {
	x, id := &s.permits, c.permit.ID
	b, m, o := c.bot, c.market, c.outcome
	if c.uncovered {
		delete(b.uncovered, id)
	}
	if c.relieved {
		delete(b.relieved, id)
	}
	if c.claims {
		delete(m.claims, id)
	}
	if c.unplaced {
		delete(x.unplaced, id)
	}
	if c.resting {
		delete(x.resting, id)
	}
	if c.opens {
		if m.opening--; m.opening == 0 {
			b.openMarkets--
		}
		if o.opening--; o.opening == 0 {
			b.openOutcomes--
		}
	}
	x.add(c, domain.Decimal.Sub)
	if o.count--; o.count == 0 {
		if at, known := m.search(o.outcome); known {
			m.outcomes = slices.Delete(m.outcomes, at, at+1)
		}
		*o = outcomePermits{}
		leaveSpare(&x.spare.outcomes, o)
	}
	if m.count--; m.count == 0 {
		delete(b.markets, c.instrument.Market)
		*m = marketPermits{claims: m.claims, outcomes: m.outcomes} // both are empty
		leaveSpare(&x.spare.markets, m)
	}
	if c.sells {
		x.outdate(b)
	}
}

// add adds what a permit counts to the sums, or takes it out.
func (x *permitIndex) add(c *countedPermit, by func(domain.Decimal, domain.Decimal) domain.Decimal) {
	b, m, o := c.bot, c.market, c.outcome
	b.reserved, x.reserved = by(b.reserved, c.reserved), by(x.reserved, c.reserved)
	b.pending, m.pending, o.pending = by(b.pending, c.pending), by(m.pending, c.pending), by(o.pending, c.pending)
	addTo(x.pendingIn, c.instrument.Market, c.pending, by)
	if c.category != "" {
		addTo(x.pendingOf, c.category, c.pending, by)
	}
	if c.buys {
		o.buys = by(o.buys, c.left)
	} else {
		o.sells = by(o.sells, c.left)
	}
}

// addTo adds to a sum, and forgets one that is 0.
func addTo(sums map[string]domain.Decimal, of string, amount domain.Decimal, by func(domain.Decimal, domain.Decimal) domain.Decimal) {
	if amount.IsZero() {
		return
	}
	if sum := by(sums[of], amount); sum.IsZero() {
		delete(sums, of)
	} else {
		sums[of] = sum
	}
}

func keep(set *map[string]*risk.Permit, p *risk.Permit) {
	if *set == nil {
		*set = map[string]*risk.Permit{}
	}
	(*set)[p.ID] = p
}

// claims reports that a change of what there is to close may change a buy, or that it takes
// of that itself. One that wholly opens, and reserves what its price says, stays as it is.
func claims(p *risk.Permit) bool {
	opens := p.Left == p.OpeningLeft && p.ReducingLeft.IsZero() && p.Covered.IsZero()
	return !opens || p.Quantity.IsZero() || p.Reserved != p.Left.Mul(p.LimitPrice).Add(domain.MulDiv(p.Fee, p.Left, p.Quantity))
}

// claimsIn returns the permits of a bot in a market that close something, or sell what may
// be held.
func (s *State) claimsIn(bot, market string) map[string]*risk.Permit {
	s.countChanged()
	if x := s.permits.byBot[bot]; x != nil {
		if m := x.markets[market]; m != nil {
			return m.claims
		}
	}
	return nil
}

// deadPermits are remembered permits that are not live.
type deadPermits struct {
	all  []*risk.Permit
	bots map[string]bool
}

func (d *deadPermits) add(p *risk.Permit) {
	if d.bots == nil {
		d.bots = map[string]bool{}
	}
	d.all, d.bots[p.Bot] = append(d.all, p), true
}

// of reports that a bot has some of them.
func (d *deadPermits) of(bot string) bool { return d.bots[bot] }

// dead returns the remembered permits that do not count for the decision any more: the
// expired ones, and those that are over by the monotonic clock. They are found once, and
// again after an event was applied.
func (d *Decision) dead() *deadPermits {
	if at := d.s.derived.applied; d.found == nil || d.foundAt != at {
		d.found, d.foundAt = d.findDead(), at
	}
	return d.found
}

func (d *Decision) findDead() *deadPermits {
	dead := d.s.expired(d.now)
	if d.still.Behind == 0 {
		return dead
	}
	over := func(p *risk.Permit) {
		if p != nil && p.Live(d.now) && d.over(p) {
			dead.add(p)
		}
	}
	if d.still.Entered || d.jumped.By != 0 {
		for _, p := range d.s.permits.unplaced {
			over(p)
		}
		return dead
	}
	for _, id := range d.still.Overdue {
		over(d.s.Permits[id])
	}
	return dead
}

// expired returns the remembered permits that are not live at a time.
func (s *State) expired(now time.Time) *deadPermits {
	dead := &deadPermits{}
	var seen map[string]bool // an entry may stand there twice
	s.permits.expiry.until(now, 0, func(e expiring) {
		p := s.Permits[e.id]
		if p == nil || !p.ExpiresAt.Equal(e.at) || seen[e.id] {
			return
		}
		if seen == nil {
			seen = map[string]bool{}
		}
		seen[e.id] = true
		dead.add(p)
	})
	return dead
}

// until calls do for the entries up to a time below one of the heap, which is in their order.
func (h expiryHeap) until(now time.Time, at int, do func(expiring)) {
	if at < len(h) && !now.Before(h[at].at) {
		do(h[at])
		h.until(now, 2*at+1, do)
		h.until(now, 2*at+2, do)
	}
}

// reservedBy returns what the permits of a bot reserve that count. dead are those that do not,
// of all bots.
func (s *State) reservedBy(bot string, dead *deadPermits, counts func(*risk.Permit) bool) domain.Decimal {
	x := s.permits.byBot[bot]
	if x == nil {
		return domain.Zero
	}
	if !dead.of(bot) {
		return x.reserved.Add(x.lacking)
	}
	sum := domain.Zero
	for _, reserved := range s.reserving(bot, counts) {
		sum = sum.Add(reserved)
	}
	return sum
}

// reservedByAll returns what the permits of all bots reserve that count.
func (s *State) reservedByAll(dead *deadPermits, counts func(*risk.Permit) bool) domain.Decimal {
	sum := s.permits.reserved
	for bot := range dead.bots {
		if x := s.permits.byBot[bot]; x != nil {
			sum = sum.Sub(x.reserved).Sub(x.lacking).Add(s.reservedBy(bot, dead, counts))
		}
	}
	return sum
}
