package modeltest

import (
	"slices"
	"time"
)

// Fill is a bot's report of a fill.
type Fill struct {
	FillID
	Thing           Thing
	Buys            bool
	Quantity, Price Num
	Notional        Num // nil stands for quantity × price
	Fee             Num
	Permit          *Permit // nil if it names none, or one that never existed
	Names           string  // the permit it names, or ""
	Provisional     bool
}

func (f *Fill) cash() Num {
	if f.Notional != nil {
		return f.Notional
	}
	return mul(f.Quantity, f.Price)
}

// content returns the text by which a repeat differs from a conflict.
func (f *Fill) content() string {
	text := f.Thing.Market + "/" + f.Thing.Outcome + " " + f.Names
	for _, n := range []Num{f.Quantity, f.Price, f.cash(), f.Fee} {
		text += " " + n.RatString()
	}
	for _, b := range []bool{f.Buys, f.Provisional} {
		text += map[bool]string{true: " yes", false: " no"}[b]
	}
	return text
}

// Record records a fill. It returns "" and the flags, "again" for a repeat, or a code.
func (m *Model) Record(f Fill) (answer string, flags []string) {
	kind := m.kind(f.Thing.Market)
	if kind == "outcome" && less(one, f.Price) {
		return "invalid", nil
	}
	if known := m.reports[f.FillID]; known != nil && known.content != nil {
		if known.content != f.content() {
			return "trade_id_conflict", nil
		}
		m.accepted()
		return "again", nil
	} else if known != nil { // its void came first
		m.accepted()
		known.content = f.content()
		return "", []string{"voided"}
	}
	permitted := false
	flags, permitted = m.flagPermit(&f)
	if m.Stop.On || m.bots[f.Bot].status != "running" || len(m.haltedBy(f.Bot)) > 0 {
		flags = append(flags, "halted")
	}
	held := m.play(f.Bot, f.Thing).Quantity
	if less(sub(held, f.Quantity), zero) && !f.Buys && !permitted && kind != "perp" {
		flags = append(flags, "oversold")
	}
	if m.payouts[f.Thing] != nil {
		flags = append(flags, "market_settled")
	}
	m.perform([]string{f.Bot}, func() { m.book(&f, held) })
	m.retrade(f.Bot, f.Thing)
	m.rearm()
	m.evaluate(m.moved)
	return "", flags
}

func (m *Model) book(f *Fill, held Num) {
	opens := m.opens(f, held)
	is := m.note(fact{
		what: "fill", bot: f.Bot, thing: f.Thing, id: f.FillID, buys: f.Buys, quantity: f.Quantity,
		notional: f.cash(), fee: f.Fee, provisional: f.Provisional, content: f.content(),
	})
	m.reports[f.FillID] = is
	m.label(is)
	if m.payouts[f.Thing] == nil {
		is.price = f.Price
		if f.Notional != nil {
			is.price = div(f.Notional, f.Quantity)
		}
	}
	if p := f.Permit; p != nil && m.live(p) && m.isOf(p, f) {
		m.use(p, f, opens)
	}
	m.reclaim(f.Bot, f.Thing)
}

func (m *Model) isOf(p *Permit, f *Fill) bool {
	return p.Bot == f.Bot && p.Thing == f.Thing && p.Buys == f.Buys
}

// opens returns how much of a fill increases the position held before it.
func (m *Model) opens(f *Fill, held Num) Num {
	if f.Buys {
		held = neg(held)
	}
	return sub(f.Quantity, larger(zero, smaller(f.Quantity, held)))
}

func (m *Model) flagPermit(f *Fill) (flags []string, permitted bool) {
	p := f.Permit
	switch {
	case f.Names == "":
		return []string{"no_permit"}, false
	case p == nil || !m.live(p) || !m.isOf(p, f):
		return []string{"permit_not_live"}, false
	}
	opens := m.opens(f, m.play(f.Bot, f.Thing).Quantity)
	worse, costs := less(p.Limit, f.Price), sub(f.cash(), mul(f.Quantity, p.Limit))
	if !p.Buys {
		worse, costs = less(f.Price, p.Limit), neg(costs)
	}
	if less(p.Left, f.Quantity) || worse || less(p.opening, opens) || less(unit, costs) || less(add(p.fee, unit), add(p.paid, f.Fee)) {
		return []string{"permit_exceeded"}, false
	}
	return nil, true
}

// use takes a fill off its permit. The part that was granted to open and was not needed
// passes to orders of the same side and limit that were granted to close.
func (m *Model) use(p *Permit, f *Fill, opens Num) {
	if !p.working {
		p.working, p.ends = true, time.Time{}
	}
	had := p.opening
	p.paid = add(p.paid, f.Fee)
	p.Left = larger(zero, sub(p.Left, f.Quantity))
	p.opening = smaller(p.Left, larger(zero, sub(p.opening, opens)))
	spare := larger(zero, sub(sub(had, opens), p.opening))
	for _, other := range m.liveOf(p.Bot) {
		if other != p && other.Thing == p.Thing && other.Buys == p.Buys && other.Limit.Cmp(p.Limit) == 0 {
			takes := smaller(spare, sub(other.Left, other.opening))
			other.opening, spare = add(other.opening, takes), sub(spare, takes)
		}
	}
	p.gone = p.Left.Sign() == 0
}

// reclaim reduces the closing parts of permits to the size of the position, the oldest
// permit first.
func (m *Model) reclaim(id string, thing Thing) {
	held := m.play(id, thing).Quantity
	free := map[bool]Num{false: larger(zero, held), true: larger(zero, neg(held))}
	for _, p := range m.liveOf(id) {
		if p.Thing == thing {
			p.closing = smaller(sub(p.Left, p.opening), free[p.Buys])
			free[p.Buys] = sub(free[p.Buys], p.closing)
		}
	}
}

// Confirm makes a fill final. It returns "" or a code.
func (m *Model) Confirm(id FillID) string {
	f := m.reports[id]
	switch {
	case f == nil:
		return "not_found"
	case f.voided:
		return "conflict"
	}
	m.accepted()
	f.provisional = false
	return ""
}

// Void reverses a fill, as if it had never been recorded. It returns "", "again" or a
// code.
func (m *Model) Void(id FillID) string {
	f := m.reports[id]
	switch {
	case f == nil:
		m.accepted()
		m.reports[id] = &fact{voided: true}
		return ""
	case f.voided:
		m.accepted()
		return "again"
	case !f.provisional:
		return "conflict"
	}
	m.perform([]string{f.bot}, func() {
		f.voided = true
		m.relabel(f.bot, f.thing)
		m.reclaim(f.bot, f.thing)
	})
	m.retrade(f.bot, f.thing)
	m.rearm()
	m.evaluate(m.moved)
	return ""
}

// Report records a closed trade by its result.
func (m *Model) Report(id string, pnl Num) {
	m.perform([]string{id}, func() {
		m.note(fact{what: "cash", bot: id, amount: pnl})
		c := &closing{bot: id, dust: m.Rules.Dust}
		c.judge(pnl)
		m.closed = append(m.closed, c)
	})
	m.evaluate(m.moved)
}

// Price is the price of a thing, or of the other asset.
type Price struct {
	Thing Thing
	Other bool
	Price Num
}

// Marks records the prices of a feed.
func (m *Model) Marks(prices []Price) string {
	var kept []Price
	for _, p := range prices {
		if !p.Other && m.kind(p.Thing.Market) == "outcome" && less(one, p.Price) {
			return "invalid"
		}
		if p.Other || m.payouts[p.Thing] == nil {
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		m.accepted()
		return ""
	}
	m.accepted()
	// "Its first mark is a flow at that mark."
	before, first := m.Equity(""), m.otherMark() == nil
	m.perform(nil, func() {
		for _, p := range kept {
			if p.Other && first {
				before = m.Equity("")
			}
			m.note(fact{what: "mark", thing: p.Thing, other: p.Other, price: p.Price})
			if p.Other && first {
				m.all.flow(before, m.Equity(""), m.anythingOpen(""))
				first = false
			}
		}
	})
	m.evaluate(m.moved)
	return ""
}

// Settle pays out an outcome, to all bots or to one.
func (m *Model) Settle(thing Thing, payout Num, only string) string {
	if m.kind(thing.Market) != "outcome" {
		return "invalid"
	}
	if was := m.payouts[thing]; was != nil && was.Cmp(payout) != 0 {
		return "conflict"
	}
	var about []string
	again := m.payouts[thing] != nil
	for _, id := range m.ids() {
		if only != "" && only != id {
			continue
		}
		if m.play(id, thing).Quantity.Sign() != 0 {
			about, again = append(about, id), false
		}
		if slices.ContainsFunc(m.facts, func(f *fact) bool { return f.bot == id && f.thing == thing && f.provisional && !f.voided }) {
			again = false
		}
	}
	if again {
		m.accepted()
		return ""
	}
	m.perform(about, func() {
		for _, id := range m.ids() {
			if only == "" || only == id {
				m.note(fact{what: "payout", bot: id, thing: thing, price: payout})
			}
		}
		m.payouts[thing] = payout
	})
	for _, p := range m.Permits {
		p.gone = p.gone || p.Thing == thing
	}
	for _, id := range about {
		m.retrade(id, thing)
	}
	m.rearm()
	m.evaluate(m.moved)
	return ""
}

// Release releases a permit. It returns "" or a code.
func (m *Model) Release(p *Permit) string {
	if !m.live(p) {
		return "not_found"
	}
	m.accepted()
	p.gone = true
	return ""
}

// Place reports that the order rests until a time, or without an end if that is zero. It
// returns "" or a code.
func (m *Model) Place(p *Permit, until time.Time) string {
	switch {
	case !m.live(p):
		return "not_found"
	case !until.IsZero() && !m.now.Before(until):
		return "invalid"
	case p.placed && !p.ends.Equal(until):
		return "conflict"
	}
	m.accepted()
	p.placed, p.working, p.ends = true, true, until
	return ""
}
