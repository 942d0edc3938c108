package modeltest

import (
	"math/big"
	"slices"
	"time"
)

// SecondFillID: "Identity of a fill = (bot, venue, market, trade_id, leg)".
type SecondFillID struct {
	Bot, Venue, Market, ID string
	Leg                    int
}

// SecondFill is a report of a fill.
type SecondFill struct {
	Bot, Venue, ID  string
	Leg             int
	Thing           Thing
	Buys            bool
	Quantity, Price Num
	Notional        Num    // nil stands for quantity × price
	Fee             Num    // negative is a rebate
	FeeAsset        string // "" is the base asset; or "shares", or another asset
	Permit          int    // 0: none; −1: one that never existed
	Provisional     bool
	Effective       time.Time // zero: now
	ByOperator      bool
}

func (f *SecondFill) id() SecondFillID {
	return SecondFillID{f.Bot, f.Venue, f.Thing.Market, f.ID, f.Leg}
}

func (f *SecondFill) cash() Num {
	if f.Notional != nil {
		return f.Notional
	}
	return mul(f.Quantity, f.Price)
}

// at returns the price that it marks at.
func (f *SecondFill) at() Num {
	if f.Notional != nil {
		return div(f.Notional, f.Quantity)
	}
	return f.Price
}

// net: "shares: buys only, fee < quantity, the fill is one of quantity − fee shares for the
// same cash, split as ever; price and permit go by the gross quantity."
func (f *SecondFill) net() Num {
	if f.FeeAsset == "shares" {
		return sub(f.Quantity, f.Fee)
	}
	return f.Quantity
}

func (f *SecondFill) content() string {
	text := f.Thing.Outcome + " " + f.FeeAsset + " " + Whole(f.Permit).RatString() + " " + yes(f.Buys) + yes(f.Provisional) + f.Effective.String()
	for _, n := range []Num{f.Quantity, f.Price, f.cash(), f.Fee} {
		text += " " + n.RatString()
	}
	return text
}

// Record records a fill.
func (m *Second) Record(f SecondFill) Answer {
	return m.do(func() Answer {
		f.Thing = m.read(f.Thing)
		if f.Fee == nil {
			f.Fee = zero
		}
		if code := m.refuseFill(&f); code != "" {
			return refuse(code)
		}
		n, known := m.fills[f.id()]
		switch {
		case !known:
		case n < 0:
			// "Voided first, then reported: posts nothing, however often." It is recorded once.
			if was, before := m.first[f.id()]; before && was != f.content() {
				return refuse("trade_id_conflict")
			} else if before {
				return again
			}
			m.first[f.id()] = f.content()
			return Answer{Flags: []string{"voided"}}
		case !m.items[n].voided && m.items[n].content == f.content():
			return again
		case !m.items[n].voided:
			return refuse("trade_id_conflict")
		case f.Provisional:
			// "reported provisional it is 409 voided, which says so."
			return refuse("voided")
		}
		// "A voided fill reported confirmed under a new key lives again (fill.reinstated:
		// the new content, at a new place in the order; in a settled market paid at once)".
		if m.tooGenerous(&f) {
			return refuse("denied")
		}
		return m.book(&f, known)
	})
}

func (m *Second) refuseFill(f *SecondFill) string {
	_, is := m.members[f.Bot]
	shares := f.FeeAsset == "shares"
	switch {
	case !is:
		return "not_found"
	case m.kind(f.Thing.Market) == "outcome" && less(one, f.Price),
		shares && (!f.Buys || f.Fee.Sign() < 0 || !less(f.Fee, f.Quantity)):
		return "invalid"
	}
	return ""
}

// tooGenerous: "In live a bot's key may not report a rebate above 5 % of the notional"; of one
// in an asset without a mark its value is unknown.
func (m *Second) tooGenerous(f *SecondFill) bool {
	if !m.live || f.ByOperator || f.Fee.Sign() >= 0 || f.FeeAsset == "shares" {
		return false
	}
	unpriced := f.FeeAsset != "" && m.price("", assetThing(f.FeeAsset)).price == nil
	return unpriced || less(mul(f.cash(), N("0.05")), neg(m.feeValue(f)))
}

// feeValue: "another asset (in P&L at its mark then, 0 without one, flagged fee_unpriced)".
func (m *Second) feeValue(f *SecondFill) Num {
	if f.FeeAsset == "" || f.FeeAsset == "shares" {
		return f.Fee
	}
	if mark := m.price("", assetThing(f.FeeAsset)).price; mark != nil {
		return mul(f.Fee, mark)
	}
	return zero
}

func (m *Second) book(f *SecondFill, reinstated bool) Answer {
	// A fill that lives again just as it was is by its permit, of which it took its part.
	asWas := 0
	if k := m.fills[f.id()]; reinstated && m.items[k].within {
		was := *f
		if was.Provisional = true; was.content() == m.items[k].content {
			asWas = m.items[k].permit
		}
	}
	flags, within := m.flag(f, asWas != 0)
	before := m.value(f.Bot, f.Thing.Market, nil)
	asked := SecondOrder{Bot: f.Bot, Thing: f.Thing, Buys: f.Buys, Quantity: f.Quantity}
	opens := sub(f.Quantity, smaller(f.Quantity, m.room(&asked, nil)))
	is := item{
		what: "fill", since: f.Effective, bot: f.Bot, thing: f.Thing, id: f.id(), buys: f.Buys, quantity: f.net(), notional: f.cash(), fee: m.feeValue(f),
		paid: f.Fee, price: f.at(), provisional: f.Provisional, content: f.content(),
	}
	is.word = m.live && !f.ByOperator && !within
	switch f.FeeAsset {
	case "":
	case "shares":
		is.fee, is.paid = zero, zero
	default:
		is.paid, is.asset, is.amount = zero, f.FeeAsset, f.Fee
	}
	marks := !slices.Contains(flags, "price_off") && m.mayMark(f.Thing)
	mark := m.price(f.Bot, m.pricedBy(f.Thing)) // before it
	n := m.note(is)
	m.fills[f.id()] = n
	m.label(n)
	if marks {
		m.markFill(n, f, within, before, mark)
	}
	var shrunk []int
	m.items[n].within = within && f.Permit != 0
	if p := m.permitOf(f); asWas != 0 {
		m.items[n].permit = asWas
		for k := range m.permits {
			if m.permits[k].ID == asWas {
				m.permits[k].complete = m.permits[k].Left.Sign() == 0
			}
		}
	} else if p != nil {
		m.items[n].permit = p.ID
		shrunk = m.use(p, f, opens)
	}
	if reinstated {
		m.payAgain(f.Bot, f.Thing)
	}
	m.reclaim(f.Bot, f.Thing.Market)
	m.retrade(f.Bot, f.Thing)
	m.perform(f.Bot)
	return Answer{Flags: unique(flags), Shrunk: shrunk}
}

// markFill makes a fill the mark of its own bot: in paper one within a permit at its
// price, any other at what earns nothing.
//
// "A fact whose effective_at (the earlier of it and Time) is older than the price in force
// marks nothing", but a purchase that then would earn something lowers that price to what
// earns nothing. Where no price earns nothing, it is that at which least is earned; where there
// was none either, a purchase is worth what it says if that is less than what the other marks
// leave.
func (m *Second) markFill(n int, f *SecondFill, within bool, before Num, was priced) {
	said, unmarked, most := f.at(), m.value(f.Bot, f.Thing.Market, nil), m.value(f.Bot, f.Thing.Market, nil)
	if f.Buys {
		most = add(before, f.cash())
	}
	old, believed := was.price != nil && m.items[n].since.Before(was.since), within && !m.live
	switch {
	case old && (believed || !less(most, unmarked)):
		return
	case believed:
		m.items[n].believed = true
		m.markBy(n, f.Thing, said)
		return
	case old:
		m.items[n].since = was.since
		said = m.asPriced(f.Thing, was.price)
	}
	price := m.modest(f.Bot, f.Thing, said, most)
	try := supposed{m.pricedBy(f.Thing): m.asPriced(f.Thing, said)}
	switch {
	case price != nil:
	case was.price == nil && less(m.value(f.Bot, f.Thing.Market, try), unmarked):
		price = said
	default:
		bend := m.bend(f.Bot, f.Thing)
		if bend != nil && less(said, bend) {
			bend = nil
		}
		price = m.leastEarned(f.Bot, f.Thing, said, bend)
	}
	if price != nil {
		m.markBy(n, f.Thing, price)
	}
}

func (m *Second) payAgain(id string, t Thing) {
	is := item{bot: id, thing: t}
	switch {
	case m.payouts[t] != nil:
		is.what, is.price = "payout", m.payouts[t]
	case m.voided(t):
		is.what = "refund"
	default:
		return
	}
	m.label(m.note(is))
}

func (m *Second) permitOf(f *SecondFill) *SecondPermit {
	for n := range m.permits {
		if p := &m.permits[n]; p.ID == f.Permit && m.alive(p) && p.Bot == f.Bot && p.Thing == f.Thing && p.Buys == f.Buys {
			return p
		}
	}
	return nil
}

// flag returns the flags of a fill, and whether it is within a permit: "Within a permit
// means market, side, quantity and price."
func (m *Second) flag(f *SecondFill, asWas bool) (flags []string, within bool) {
	is := func(flag string, when bool) {
		if when {
			flags = append(flags, flag)
		}
	}
	p := m.permitOf(f)
	switch {
	case asWas:
		within = true
	case f.Permit == 0:
		is("no_permit", true)
	case p == nil:
		is("permit_not_live", true)
	default:
		worse, costs := less(p.Limit, f.Price), sub(f.cash(), mul(f.Quantity, p.Limit))
		if !p.Buys {
			worse, costs = less(f.Price, p.Limit), neg(costs)
		}
		within = !less(p.Left, f.Quantity) && !worse && !less(unit, costs)
		is("permit_exceeded", !within)
		// "A fee above what was reserved is flagged fee_exceeded and changes nothing else".
		is("fee_exceeded", f.FeeAsset == "" && less(add(p.fee, unit), add(p.paid, larger(zero, f.Fee))))
	}
	kind := m.kind(f.Thing.Market)
	is("halted", m.halted(f.Bot) && !(within && m.wayOut(f, p)))
	// Oversold is what is short after the fill, as far as no permit was granted to open it.
	short := smaller(f.Quantity, sub(f.Quantity, m.quantity(f.Bot, f.Thing)))
	is("oversold", !f.Buys && kind != "perp" && less(zero, short) && (!within || p == nil || less(p.opening, short)))
	is("market_settled", m.settled(f.Thing))
	// "an outcome that a registered market does not have is … flagged outcome_unknown for
	// a fact".
	is("outcome_unknown", !m.has(f.Thing))
	// "a fill whose notional ÷ quantity does not [lie in 0..1] marks nothing and is flagged
	// price_off."
	is("price_off", kind == "outcome" && (less(one, f.at()) || f.at().Sign() < 0))
	other := f.FeeAsset != "" && f.FeeAsset != "shares"
	is("fee_unpriced", other && m.price("", assetThing(f.FeeAsset)).price == nil)
	is("reported_twice", m.twice(f))
	is("clock", m.behind())
	return flags, within
}

// wayOut reports that a fill of a permit only reduces, and that the halt leaves that.
func (m *Second) wayOut(f *SecondFill, p *SecondPermit) bool {
	asked := SecondOrder{Bot: f.Bot, Thing: f.Thing, Buys: f.Buys, Quantity: f.Quantity}
	bot, operator := m.allowed(f.Bot)
	uncovers := p != nil && p.uncovers
	if uncovers || f.ByOperator {
		bot = operator
	}
	reduces := !less(m.room(&asked, nil), f.Quantity) || uncovers && !less(p.closing, f.Quantity)
	return reduces && bot == reduce
}

// twice: "The same side of one fill of a named venue under a second bot, and fills beside a
// reported trade of one id, are recorded and flagged reported_twice."
func (m *Second) twice(f *SecondFill) bool {
	for _, o := range m.items {
		if o.what == "fill" && !o.voided && f.Venue != "" && o.bot != f.Bot && o.buys == f.Buys &&
			o.id.Venue == f.Venue && o.id.Market == f.Thing.Market && o.id.ID == f.ID && o.id.Leg == f.Leg {
			return true
		}
	}
	_, reported := m.seen["trade "+f.Bot+" "+f.Thing.Market+" "+f.ID]
	return reported
}

// --- confirm and void

// find resolves the identity of a fill: "confirm and void take market, needed where the id
// is unknown or not unique."
func (m *Second) find(id SecondFillID) (is SecondFillID, code string) {
	if id.Market != "" {
		return id, ""
	}
	found := 0
	for known := range m.fills {
		with := id
		with.Market = known.Market
		if with == known {
			is, found = known, found+1
		}
	}
	if found != 1 {
		return id, "invalid"
	}
	return is, ""
}

// Confirm makes a fill final.
func (m *Second) Confirm(id SecondFillID) Answer {
	return m.do(func() Answer {
		id, code := m.find(id)
		n, known := m.fills[id]
		switch {
		case code != "":
			return refuse(code)
		case !known:
			return refuse("not_found")
		case n < 0 || m.items[n].voided:
			return refuse("conflict")
		}
		m.items[n].provisional = false
		return Answer{}
	})
}

// Void reverses a fill, as if it had never been recorded.
func (m *Second) Void(id SecondFillID) Answer {
	return m.do(func() Answer {
		id, code := m.find(id)
		n, known := m.fills[id]
		switch {
		case code != "":
			return refuse(code)
		case !known:
			m.fills[id] = -1
			return Answer{}
		case n < 0 || m.items[n].voided:
			return again
		case !m.items[n].provisional:
			return refuse("conflict")
		}
		f := m.items[n]
		m.voidFee(n)
		before, cash := m.value(f.bot, f.thing.Market, nil), m.held(f.bot, f.thing).cash
		m.items[n].voided, m.stakes = true, nil
		for k := range m.permits {
			if m.permits[k].ID == m.items[n].permit {
				m.permits[k].complete = false
			}
		}
		cash = sub(sub(m.held(f.bot, f.thing).cash, cash), f.paid)
		m.markVoid(n, before, sub(before, cash))
		m.relabel(f.bot, f.thing)
		m.reclaim(f.bot, f.thing.Market)
		m.unwait(f.bot, f.thing.Market)
		m.retrade(f.bot, f.thing)
		m.perform(f.bot)
		return Answer{}
	})
}

// markVoid: "Any word in live earns nothing: … nor does one said before a void: the void
// bounds it, as a fill does." What a void gives back is worth no more than the cash that it
// takes, if a price that values it is the bot's own word, said after the fill. Where that can
// be said of no price, the one in force gives way to that at which least is earned.
func (m *Second) markVoid(n int, before, most Num) {
	f := m.items[n]
	of := m.pricedBy(f.thing)
	unmarked := m.value(f.bot, f.thing.Market, nil)
	if m.settled(of) || !less(most, unmarked) || !m.wordAfter(n) {
		return
	}
	was := m.price(f.bot, of)
	if was.price == nil && !m.together(f.thing) {
		return // at cost
	}
	in := m.asPriced(f.thing, m.implied(f.bot, of))
	price := m.modest(f.bot, f.thing, in, most)
	// What a voided purchase leaves short earns the less, the higher it is priced.
	top := m.topOf(f.bot, f.thing, in, most)
	if price == nil {
		price = m.modestAbove(f.bot, f.thing, in, top, most)
	}
	if price == nil {
		price = m.leastEarned(f.bot, f.thing, in, m.bend(f.bot, f.thing), top)
	}
	if price != nil {
		m.markBy(m.note(item{what: "mark", bot: f.bot, since: was.since}), f.thing, price)
	}
}

// implied returns the price of an outcome that values what a bot holds of it: its mark, or
// what the others leave.
func (m *Second) implied(id string, of Thing) Num {
	if price := m.price(id, of).price; price != nil {
		return price
	}
	return m.marks(id, of.Market, nil)[slices.Index(m.open(of.Market), of.Outcome)]
}

// topOf returns the highest price that what a bot holds of a thing can have: of an outcome 1,
// elsewhere that at which it comes to so much.
func (m *Second) topOf(id string, t Thing, in, worth Num) Num {
	if m.kind(t.Market) == "outcome" {
		return one
	}
	if holds := m.quantity(id, t); holds.Sign() != 0 {
		return larger(in, add(div(abs(worth), abs(holds)), new(big.Rat).SetFrac(big.NewInt(1), scale)))
	}
	return in
}

// modestAbove returns the lowest price above one, which earns something, at which a bot's
// holding is not worth more than so much, or nil for none.
func (m *Second) modestAbove(id string, t Thing, price, top, most Num) Num {
	fits := func(x Num) bool {
		return !less(most, m.value(id, t.Market, supposed{m.pricedBy(t): m.asPriced(t, x)}))
	}
	ends := []Num{top}
	if bend := m.bend(id, t); bend != nil && less(bend, top) {
		ends = []Num{bend, top}
	}
	for _, end := range ends {
		switch {
		case !less(price, end):
		case fits(end):
			return neg(highest(neg(end), neg(price), func(x Num) bool { return fits(neg(x)) }))
		default:
			price = end
		}
	}
	return nil
}

// leastEarned returns the price, of these and 0, at which a bot's holding is worth least, or nil
// if that is what it is worth without it. Of equal ones it is the first.
func (m *Second) leastEarned(id string, t Thing, prices ...Num) Num {
	worth := func(x Num) Num { return m.value(id, t.Market, supposed{m.pricedBy(t): m.asPriced(t, x)}) }
	lowest, out := m.value(id, t.Market, nil), Num(nil)
	for _, x := range append(prices, zero) {
		if x != nil && x.Sign() >= 0 && less(worth(x), lowest) {
			lowest, out = worth(x), x
		}
	}
	return out
}

// wordAfter reports that a price which values what a bot holds of a fill's thing is its own
// word, said after that fill, and is not believed to earn anything.
func (m *Second) wordAfter(n int) bool {
	f := m.items[n]
	things := []Thing{m.pricedBy(f.thing)}
	if m.together(f.thing) {
		things = nil
		for _, o := range m.open(f.thing.Market) {
			things = append(things, Thing{f.thing.Market, o})
		}
	}
	return slices.ContainsFunc(things, func(t Thing) bool {
		by := m.price(f.bot, t).by - 1
		return by > n && !m.items[by].market && !m.items[by].believed
	})
}

// voidFee takes back a fee without a value: it came into equity by the first mark of its
// asset, which is a flow, and so it goes.
func (m *Second) voidFee(n int) {
	f := m.items[n]
	if f.asset == "" || f.fee.Sign() != 0 {
		return
	}
	before := map[string]Num{}
	for _, id := range m.scopes() {
		before[id] = m.Equity(id)
	}
	m.items[n].amount = zero
	m.flows(before)
}

// --- funding and reported trades

// Funding is a funding payment of a position; a negative amount was paid.
type Funding struct {
	Bot, ID    string
	Thing      Thing
	Amount     Num
	ByOperator bool
}

// Fund records a funding payment: it is "in equity and in the P&L of the open episode; when
// flat it is the bot's, and of no trade."
func (m *Second) Fund(f Funding) Answer {
	return m.do(func() Answer {
		f.Thing = m.read(f.Thing)
		if _, is := m.members[f.Bot]; !is {
			return refuse("not_found")
		}
		content := f.Thing.Outcome + " " + f.Amount.RatString()
		if known, a := m.once("funding "+f.Bot+" "+f.Thing.Market+" "+f.ID, content); known {
			return a
		}
		// "In live a bot's key may not report … funding above 5 % of the position's value
		// or without a perp position; an operator may."
		if p := m.held(f.Bot, f.Thing); m.live && !f.ByOperator {
			value := abs(m.valueOf(f.Bot, f.Thing, nil))
			if m.kind(f.Thing.Market) != "perp" || p.Quantity.Sign() == 0 || less(mul(value, N("0.05")), abs(f.Amount)) {
				return refuse("denied")
			}
		}
		m.note(item{what: "funding", bot: f.Bot, thing: f.Thing, amount: f.Amount})
		m.retrade(f.Bot, f.Thing)
		m.perform(f.Bot)
		return Answer{}
	})
}

// Trade is a closed trade of a bot that knows only results.
type Trade struct {
	Bot, Market, ID string
	Profit          Num
	ByOperator      bool
}

// Report records a closed trade by its result: in live "a bot's key may not POST /trades".
func (m *Second) Report(t Trade) Answer {
	return m.do(func() Answer {
		switch _, is := m.members[t.Bot]; {
		case !is:
			return refuse("not_found")
		case m.live && !t.ByOperator:
			return refuse("denied")
		}
		if known, a := m.once("trade "+t.Bot+" "+t.Market+" "+t.ID, t.Profit.RatString()); known {
			return a
		}
		var flags []string
		if slices.ContainsFunc(m.items, func(f item) bool {
			return f.what == "fill" && !f.voided && f.bot == t.Bot && f.id.Market == t.Market && f.id.ID == t.ID
		}) {
			flags = append(flags, "reported_twice")
		}
		m.note(item{what: "cash", bot: t.Bot, amount: t.Profit})
		m.ends = append(m.ends, end{
			bot: t.Bot, thing: Thing{Market: t.Market}, command: m.command, pnl: t.Profit, dust: m.Rules.Dust, apart: true,
		})
		m.perform(t.Bot)
		return Answer{Flags: flags}
	})
}
