package modeltest

import (
	"slices"
	"time"
)

// stake is what a bot holds of one thing, at average cost.
type stake struct {
	Quantity, Cost Num
	own            Num // what of it only the bot itself said
	cash           Num // the cash flow of its items
	open           *run
	ended          []*run
}

// run is an episode of a stake: from flat to flat, or to a rest that is dust.
type run struct {
	by          int // the item that opened it
	short       bool
	entry, exit Num
	fees        Num
	funding     Num
	command     int // which ended it
	paid        bool
	worth       Num  // the most that it was worth at a fill
	unsized     bool // it was changed while there was no dust
	dust        Num  // position_dust_usd when it ended
	refund      bool
}

func (r *run) profit() Num {
	gross := sub(r.exit, r.entry)
	if r.short {
		gross = neg(gross)
	}
	return add(sub(gross, r.fees), r.funding)
}

// negligible: "An episode that never was worth more is neutral", if it always was compared.
func (r *run) negligible() bool { return r.dust.Sign() > 0 && !r.unsized && !less(r.dust, r.worth) }

type stakeKey struct {
	bot  string
	is   Thing
	upTo int
}

func (m *Second) held(id string, t Thing) *stake { return m.play(id, t, len(m.items)) }

func (m *Second) quantity(id string, t Thing) Num { return m.held(id, t).Quantity }

// play adds up the first items of a bot's stake that are not voided.
func (m *Second) play(id string, t Thing, upTo int) *stake {
	key := stakeKey{id, t, upTo}
	if known := m.stakes[key]; known != nil {
		return known
	}
	p, loose := &stake{Quantity: zero, Cost: zero, own: zero, cash: zero}, false
	for n, f := range m.items[:upTo] {
		if f.bot != id || f.thing != t || f.voided {
			continue
		}
		switch f.what {
		case "fill", "sets":
			p.cash = sub(p.cash, add(signed(f.buys, f.notional), f.paid))
			p.trade(n, f, f.buys, f.quantity, f.notional, f.fee)
		case "payout", "refund":
			p.payout(n, f)
		case "funding":
			p.fund(f.amount)
		}
		if f.word {
			p.own = add(p.own, signed(f.buys, f.quantity))
		}
		// Flat for good: what can be voided may show that it held something all the time.
		loose = loose || f.provisional
		if p.Quantity.Sign() == 0 && (!loose || f.what == "payout" || f.what == "refund") {
			p.own = zero
		}
	}
	if p.Quantity.Sign() == 0 && m.settled(t) {
		p.own = zero
	}
	if m.stakes == nil {
		m.stakes = map[stakeKey]*stake{}
	}
	m.stakes[key] = p
	return p
}

func (p *stake) payout(n int, f item) {
	if p.Quantity.Sign() == 0 {
		return
	}
	// "{market, void:true} gives every holder his cost back (P&L as it is; the result is
	// neutral)."
	paid := abs(p.Cost)
	if f.what == "payout" {
		paid = mul(abs(p.Quantity), f.price)
	}
	buys := p.Quantity.Sign() < 0
	p.open.refund = f.what == "refund"
	p.cash = sub(p.cash, signed(buys, paid))
	p.trade(n, f, buys, abs(p.Quantity), paid, zero)
}

// fund: funding is "in the P&L of the open episode; when flat it is the bot's, and of no
// trade."
func (p *stake) fund(amount Num) {
	p.cash = add(p.cash, amount)
	if p.open != nil {
		p.open.funding = add(p.open.funding, amount)
	}
}

func (p *stake) trade(n int, f item, buys bool, quantity, notional, fee Num) {
	change := signed(buys, quantity)
	against := p.Quantity.Sign()*change.Sign() < 0
	if against && less(abs(p.Quantity), quantity) {
		// "A fill past zero closes one position and opens another with the remainder, its
		// notional and fee split by quantity, the opening part taking the rest."
		part := abs(p.Quantity)
		cash, its := muldiv(notional, part, quantity), muldiv(fee, part, quantity)
		p.trade(n, f, buys, part, cash, its)
		p.trade(n, f, buys, sub(quantity, part), sub(notional, cash), sub(fee, its))
		return
	}
	if !against {
		if p.open == nil {
			p.open = newRun(n, !buys)
		}
		p.Cost, p.Quantity = add(p.Cost, signed(buys, notional)), add(p.Quantity, change)
		p.open.entry, p.open.fees = add(p.open.entry, notional), add(p.open.fees, fee)
		p.measure(f)
		return
	}
	// "A fill that reduces a position takes cost × closed / quantity out; the fill that
	// closes it takes all that is left".
	out := p.Cost
	if quantity.Cmp(abs(p.Quantity)) != 0 {
		out = muldiv(p.Cost, quantity, abs(p.Quantity))
	}
	p.Cost, p.Quantity = sub(p.Cost, out), add(p.Quantity, change)
	p.open.exit, p.open.fees = add(p.open.exit, notional), add(p.open.fees, fee)
	if p.Quantity.Sign() == 0 {
		p.end(f)
		return
	}
	// "a reducing fill that leaves a position worth less (the higher of |cost| and
	// |quantity| × the fill's price) closes the trade; the rest keeps its share of the
	// cost and begins the next episode."
	worth := p.worthAt(f)
	if f.what == "fill" && less(worth, f.dust) {
		next := newRun(n, p.open.short)
		next.entry, next.worth = abs(p.Cost), worth
		p.open.entry = sub(p.open.entry, abs(p.Cost))
		p.end(f)
		p.open = next
		return
	}
	p.measure(f)
}

func (p *stake) measure(f item) {
	p.open.worth = larger(p.open.worth, p.worthAt(f))
	p.open.unsized = p.open.unsized || f.dust.Sign() == 0
}

func newRun(by int, short bool) *run {
	return &run{by: by, short: short, entry: zero, exit: zero, fees: zero, funding: zero, worth: zero}
}

func (p *stake) end(f item) {
	p.open.dust, p.open.command, p.open.paid = f.dust, f.command, f.what == "payout" || f.what == "refund"
	p.ended, p.open = append(p.ended, p.open), nil
}

func (p *stake) worthAt(f item) Num {
	if f.price == nil {
		return abs(p.Cost)
	}
	return larger(abs(p.Cost), mul(abs(p.Quantity), f.price))
}

// --- cash and equity

func (m *Second) sumOf(id, asset string, counts func(item) bool) Num {
	sum := zero
	for _, f := range m.items {
		if f.what == "cash" && f.bot == id && f.asset == asset && counts(f) {
			sum = add(sum, f.amount)
		}
	}
	return sum
}

func (m *Second) treasury(asset string, cold bool) Num {
	return m.sumOf("", asset, func(f item) bool { return f.cold == cold })
}

// Cash returns the cash of a bot.
func (m *Second) Cash(id string) Num {
	sum := m.sumOf(id, "", func(item) bool { return true })
	for _, t := range m.things("") {
		sum = add(sum, m.held(id, t).cash)
	}
	return sum
}

// assetsOf returns what a bot, or the treasury, has of each other asset. A fee in another
// asset is taken from the bot's own account.
func (m *Second) assetsOf(id string) map[string]Num {
	out := map[string]Num{}
	for _, f := range m.items {
		if f.asset == "" || f.bot != id || f.voided || (f.what != "cash" && f.what != "fill") {
			continue
		}
		if out[f.asset] == nil {
			out[f.asset] = zero
		}
		if f.what == "fill" {
			out[f.asset] = sub(out[f.asset], f.amount)
		} else {
			out[f.asset] = add(out[f.asset], f.amount)
		}
	}
	return out
}

func assetThing(asset string) Thing { return Thing{"", asset} }

// Equity returns the equity of a bot, or of the portfolio if id is "". "Other assets count
// only while they have a mark".
func (m *Second) Equity(id string) Num {
	sum := zero
	for asset, quantity := range m.assetsOf(id) {
		if mark := m.price("", assetThing(asset)).price; mark != nil {
			sum = add(sum, mul(quantity, mark))
		}
	}
	if id != "" {
		sum = add(sum, m.Cash(id))
		for _, market := range m.traded() {
			sum = add(sum, m.value(id, market, nil))
		}
		return sum
	}
	sum = add(sum, m.treasury("", false), m.treasury("", true))
	for _, b := range m.ids() {
		sum = add(sum, m.Equity(b))
	}
	return sum
}

// --- trades and results

// end is a closed trade.
type end struct {
	bot     string
	thing   Thing
	by      int // the name of its run, or 0 for a reported trade
	command int // which closed it
	pnl     Num
	dust    Num // loss_dust when it closed
	neutral bool
	gone    bool // it no longer counts
	// deferred: "What that closes counts with the bot's next result in the market".
	deferred bool
	apart    bool // it is a result of its own
	settled  bool // by a settlement
	counted  bool // before a void showed that it is deferred
	moved    bool // a void moved it to another command
	alone    int  // the command of the void that took away what it waited for
}

// counts returns the command by which a trade counts.
func (c *end) counts() int {
	if c.alone > 0 {
		return c.alone
	}
	return c.command
}

// unwait: a trade that waits for the bot's next result, and whose last companion is voided
// away, counts at once, as the newest result: a loss must not wait for ever.
func (m *Second) unwait(id, market string) {
	if slices.ContainsFunc(m.things(market), func(t Thing) bool { return m.together(t) && m.quantity(id, t).Sign() != 0 }) {
		return
	}
	for n := range m.ends {
		c := &m.ends[n]
		if c.bot != id || c.thing.Market != market || c.gone || !c.deferred || m.nextResult(n) >= 0 {
			continue
		}
		m.ends = append(m.ends, *c)
		m.ends[n].gone = true
		last := &m.ends[len(m.ends)-1]
		last.deferred, last.alone = false, m.command
	}
}

// retrade updates the trades of a stake from its items. It returns the trades that are new.
func (m *Second) retrade(id string, t Thing) (added []int) {
	known := map[int]*run{}
	for _, r := range m.held(id, t).ended {
		known[m.items[r.by].opened] = r
	}
	for n := range m.ends {
		c := &m.ends[n]
		if c.bot != id || c.thing != t || c.by == 0 || c.gone {
			continue
		}
		r := known[c.by]
		if r == nil {
			c.gone = true // open again, or part of another run
			continue
		}
		c.pnl, c.neutral = r.profit(), r.refund || r.negligible()
		if !c.apart {
			m.regroup(c, r)
		}
		delete(known, c.by)
	}
	for _, r := range m.held(id, t).ended { // in their order
		if name := m.items[r.by].opened; known[name] == r {
			m.ends = append(m.ends, end{
				bot: id, thing: t, by: name, command: m.command, settled: r.paid && r.command == m.command, pnl: r.profit(), dust: m.Rules.Dust, neutral: r.refund || r.negligible(),
				apart: !m.together(t),
			})
			if c := &m.ends[len(m.ends)-1]; !c.apart && r.paid && r.command != m.command {
				m.regroup(c, r)
			}
			added = append(added, len(m.ends)-1)
		}
	}
	return added
}

// regroup: a void is "as if the fill had never been", so a trade that a settlement closes now
// is part of what that settlement closed; one that it no longer closes is the newest result.
func (m *Second) regroup(c *end, r *run) {
	was := c.settled
	if c.settled = r.paid; r.command == c.command || !r.paid && !was {
		return
	}
	if !r.paid {
		for _, o := range m.ends {
			if o.bot == c.bot && o.thing != c.thing && o.thing.Market == c.thing.Market && o.command == c.command && !o.gone && !o.apart {
				m.ends = append(m.ends, *c) // after all others
				c.gone = true
				last := &m.ends[len(m.ends)-1]
				last.command, last.deferred, last.moved = m.command, false, false
				return
			}
		}
		return
	}
	c.command, c.moved = r.command, true
	last := 0
	for n, f := range m.items {
		if f.command == r.command {
			last = n + 1
		}
	}
	for n := range m.ends { // what was settled at 0 while the bot held this one waits for it
		o := &m.ends[n]
		if o.bot == c.bot && o.thing != c.thing && o.thing.Market == c.thing.Market && o.settled && !o.apart && o.command < c.command && m.items[r.by].command < o.command {
			o.counted, o.deferred = o.counted || !o.deferred, true
		}
	}
	c.deferred = slices.ContainsFunc(m.things(c.thing.Market), func(t Thing) bool { return m.together(t) && m.play(c.bot, t, last).Quantity.Sign() != 0 })
}

// label notes which run was open before a new item, and that it may begin one.
func (m *Second) label(n int) {
	f := &m.items[n]
	if before := m.play(f.bot, f.thing, n); before.open != nil {
		f.in = m.items[before.open.by].opened
	}
	f.opened = n + 1
}

// relabel names the runs again after a void: "episodes that merge keep the first trade's
// id", and a part that was split off has that of the fill that opened it.
func (m *Second) relabel(id string, t Thing) {
	used := map[int]bool{}
	open := 0
	for n := range m.items {
		f := &m.items[n]
		if f.bot != id || f.thing != t || f.voided || f.opened == 0 {
			continue
		}
		in, was := f.in, f.opened
		f.in, f.opened = open, n+1
		after := m.play(id, t, n+1)
		open = 0
		if after.open == nil {
			continue
		}
		if after.open.by == n {
			for _, candidate := range []int{in, was, n + 1} {
				if candidate != 0 && !used[candidate] {
					f.opened = candidate
					break
				}
			}
			used[f.opened] = true
		}
		open = m.items[after.open.by].opened
	}
}

// Result is a win, a loss or a neutral result.
type Result struct {
	Bot, Market string
	Profit      Num
	Verdict     string // win, loss, neutral
	Trades      int
	place       int // of the first of its trades that is not deferred
	command     int
}

// Results returns the results of a bot in their order: "A trade is a result; trades of one
// bot that one command closes in one exclusive market are one result, their sum." What is
// deferred is part of the next one.
func (m *Second) Results(id string) []Result {
	var out []Result
	for n, c := range m.ends {
		if c.bot != id || c.gone || c.deferred || (!c.apart && m.sameResult(n) != n) {
			continue
		}
		r := Result{Bot: id, Market: c.thing.Market, Profit: zero, place: n, command: c.counts()}
		neutral := true
		if !c.apart {
			r.place = m.placeOf(n)
			c.dust = m.ends[r.place].dust
		}
		for _, i := range m.partsOf(n) {
			r.Profit, r.Trades = add(r.Profit, m.ends[i].pnl), r.Trades+1
			neutral = neutral && m.ends[i].neutral
		}
		r.Verdict = verdict(r.Profit, c.dust, neutral)
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b Result) int { return a.place - b.place })
	return out
}

// noteLosses keeps since when each result is a loss: what a void or a correction makes one, was
// not known before.
func (m *Second) noteLosses() {
	was := m.lost
	m.lost = map[int]time.Time{}
	for _, id := range m.ids() {
		for _, r := range m.Results(id) {
			if r.Verdict != "loss" {
				continue
			}
			m.lost[r.place] = m.now
			if since, known := was[r.place]; known {
				m.lost[r.place] = since
			}
		}
	}
}

// placeOf returns the trade at whose place a result stands: the first that its command
// closed, even if a void has merged that into another one.
func (m *Second) placeOf(n int) int {
	c := m.ends[n]
	for i, o := range m.ends {
		if o.bot == c.bot && o.thing.Market == c.thing.Market && o.counts() == c.counts() && !o.deferred && !o.apart && !o.moved {
			return i
		}
	}
	for _, i := range slices.Sorted(slices.Values(m.partsOf(n))) {
		if m.ends[i].counted {
			return i
		}
	}
	return n
}

// verdict: "P&L > 0 is a win, < 0 a loss, |P&L| ≤ loss_dust (default 0) is neutral."
func verdict(profit, dust Num, neutral bool) string {
	switch {
	case neutral || !less(dust, abs(profit)):
		return "neutral"
	case profit.Sign() > 0:
		return "win"
	}
	return "loss"
}

// sameResult returns the first trade of the result that a trade belongs to.
func (m *Second) sameResult(n int) int {
	c := m.ends[n]
	for i, o := range m.ends[:n] {
		if o.bot == c.bot && o.thing.Market == c.thing.Market && o.counts() == c.counts() && !o.gone && !o.deferred && !o.apart {
			return i
		}
	}
	return n
}

// partsOf returns the trades of the result that begins with one: those of its command, and
// what was deferred until then.
func (m *Second) partsOf(first int) []int {
	c := m.ends[first]
	if c.apart {
		return []int{first}
	}
	out := []int{first}
	for i, o := range m.ends {
		if i == first || o.bot != c.bot || o.thing.Market != c.thing.Market || o.gone || o.apart {
			continue
		}
		if o.deferred && m.nextResult(i) == first || !o.deferred && o.counts() == c.counts() {
			out = append(out, i)
		}
	}
	return out
}

func (m *Second) nextResult(n int) int {
	c := m.ends[n]
	next := -1
	for i, o := range m.ends {
		if o.counts() > c.command && o.bot == c.bot && o.thing.Market == c.thing.Market && !o.gone && !o.deferred && !o.apart && (next < 0 || o.counts() < m.ends[next].counts()) {
			next = i
		}
	}
	return next
}

// Streak returns the losing streak of a bot since its last reset: "win → 0, loss → +1,
// neutral → unchanged".
func (m *Second) Streak(id string) int {
	n := 0
	for _, r := range m.Results(id) {
		switch {
		case r.place < m.members[id].streak0:
		case r.Verdict == "win":
			n = 0
		case r.Verdict == "loss":
			n++
		}
	}
	return n
}
