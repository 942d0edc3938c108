package modeltest

import (
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
			// "Voided first, then reported: posts nothing, however often."
			if was, before := m.first[f.id()]; before && was != f.content() {
				return refuse("trade_id_conflict")
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
	flags, within := m.flag(f)
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
	if p := m.permitOf(f); p != nil {
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
// earns nothing. Where no price earns nothing and there was none, a purchase is worth what
// it says if that is less than what the other marks leave.
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
		m.markBy(n, f.Thing, said)
		return
	case old:
		m.items[n].since = was.since
		said = m.asPriced(f.Thing, was.price)
	}
	if price := m.modest(f.Bot, f.Thing, said, most); price != nil {
		m.markBy(n, f.Thing, price)
		return
	}
	try := supposed{m.pricedBy(f.Thing): m.asPriced(f.Thing, said)}
	if was.price == nil && less(m.value(f.Bot, f.Thing.Market, try), unmarked) {
		m.markBy(n, f.Thing, said)
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
func (m *Second) flag(f *SecondFill) (flags []string, within bool) {
	is := func(flag string, when bool) {
		if when {
			flags = append(flags, flag)
		}
	}
	p := m.permitOf(f)
	switch {
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
	is("oversold", !f.Buys && kind != "perp" && less(zero, short) && (!within || less(p.opening, short)))
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
	if p.uncovers || f.ByOperator {
		bot = operator
	}
	reduces := !less(m.room(&asked, nil), f.Quantity) || p.uncovers && !less(p.closing, f.Quantity)
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
		m.items[n].voided, m.stakes = true, nil
		m.relabel(f.bot, f.thing)
		m.reclaim(f.bot, f.thing.Market)
		m.retrade(f.bot, f.thing)
		m.perform(f.bot)
		return Answer{}
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
			bot: t.Bot, thing: Thing{Market: t.Market}, command: m.command, pnl: t.Profit, dust: m.Rules.Dust, apart: true, at: m.now,
		})
		m.perform(t.Bot)
		return Answer{Flags: flags}
	})
}
